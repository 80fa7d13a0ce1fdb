"""The laptop's end of the model commands: what it is told, what it asks again, what it gives up."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from device.flash.install import Outcome
from device.link import messages
from device.link.link import Link
from device.link.protocol import decode, pack
from device.link.upload import PART
from tests.device.cable import Line, Store, finish_installs
from tests.device.link_kit import RESULT, Stub
from tests.device.waiting import wait_for
from tools.flash_line import Remote
from tools.host_line import SILENCE_S, TRIES, RemoteError
from tools.listen import FAILED, listen

DATA = (Path(__file__).parents[2] / "firmware" / "embedded.l12").read_bytes()
SMALL = DATA[:20_000]


def remote_of(line: Line, **options: Any) -> Remote:
    return Remote(
        "/dev/ttyUSB0", open_wire=line.open_wire, clock=line.clock, sleep=line.sleep, seq=1000,
        **options,
    )  # fmt: skip


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def asked(line: Line) -> list[str]:
    said = [decode(text[:-1], crc_required=True) for text in line.sent if text != b"\n"]
    return [message["action"] for message in said]


def losing(way: str, what: bytes, times: int = 1) -> Callable[[Line], None]:
    """Takes the first lines that hold ``what`` off the wire."""

    def lose(line: Line) -> None:
        real, left = line.put, [what] * times

        def put(of: str, data: bytes) -> None:
            if left and of == way and left[0] in data:
                left.pop()
                if way == "down":
                    line.sent.append(data)
            else:
                real(of, data)

        line.put = put  # type: ignore[method-assign]

    return lose


# -- what is asked and answered


def test_list_info_confirm_rollback(line: Line) -> None:
    line.store.given = b"a model"
    with remote_of(line) as remote:
        assert remote.list() == line.store.list()
        assert remote.info() == line.store.info()
        assert remote.confirm("ada@bench") == "rhythm-2.1"
        assert remote.rollback("ada@bench") == "rhythm-2.0"
    assert line.store.asked == [("rollback", "ada@bench")]


def test_a_refusal_is_told_in_the_monitors_words(line: Line) -> None:
    with remote_of(line) as remote, pytest.raises(RemoteError) as caught:
        remote.confirm("ada")
    assert str(caught.value) == "the monitor refused: no model is on trial; nothing was changed"


@pytest.mark.parametrize("n", [0, 1, 300])
def test_the_log_comes_in_order_and_lets_results_pass(line: Line, n: int) -> None:
    line.store.entries = [{"n": k, "text": "x" * 300} for k in range(n)]
    with remote_of(line) as remote:
        assert remote.log(last=250) == line.store.entries[-250:]


def test_an_entry_that_no_line_holds_does_not_hide_the_others(line: Line) -> None:
    line.store.entries = [{"n": 1, "text": "µ" * 4000}, {"n": 2, "text": "y"}]
    with remote_of(line) as remote:
        first, second = remote.log(last=9)
    assert first == {"n": 1, "text": "too long for the line; read it on the device"}
    assert second == line.store.entries[1]


def test_a_monitor_without_a_store_says_so(line: Line) -> None:
    line.store.folder = None
    line.start()
    with remote_of(line) as remote, pytest.raises(RemoteError, match=r"keeps no models.*\[model\]"):
        remote.list()


@pytest.mark.parametrize("what", [b'"action":"list"', b'"type":"hello"'])
@pytest.mark.parametrize("way", ["down", "up"])
def test_a_lost_line_is_asked_for_again(line: Line, way: str, what: bytes) -> None:
    losing(way, what)(line)
    with remote_of(line) as remote:
        assert remote.list()["running"] == "embedded"
    lost = what == b'"action":"list"'
    assert asked(line) == ["list", "list"] if lost else ["list"]


def test_a_lost_line_of_the_log_is_asked_for_again(line: Line) -> None:
    line.store.entries = [{"n": k} for k in range(5)]
    losing("up", b'"part":3')(line)
    with remote_of(line) as remote:
        assert [entry["n"] for entry in remote.log(5)] == [0, 1, 2, 3, 4]
    assert asked(line) == ["log", "log"]


def test_a_rollback_is_never_asked_for_twice(line: Line) -> None:
    losing("up", b'"action":"rollback"')(line)
    with remote_of(line) as remote, pytest.raises(RemoteError, match="no answer"):
        remote.rollback("ada")
    assert line.store.asked == [("rollback", "ada")]


def test_a_monitor_that_does_not_answer_is_told_in_one_sentence(line: Line) -> None:
    losing("down", b"", times=99)(line)
    before_s = line.now_s
    with remote_of(line) as remote, pytest.raises(RemoteError) as caught:
        remote.list()
    waited_s = line.now_s - before_s
    assert waited_s > TRIES * SILENCE_S
    assert str(caught.value) == (
        f"no answer from the monitor on /dev/ttyUSB0 within {waited_s:.0f} s: is it running, and "
        "is its line rate 115200?"
    )
    assert asked(line) == ["list"] * TRIES


def test_what_waited_for_a_laptop_does_not_count_as_silence(line: Line) -> None:
    """A monitor that ran without a laptop has 64 KiB of results to tell first."""
    slow = Line(line.store.folder or Path(), baud=115_200)
    for _ in range(200):
        slow.link.send("result", RESULT)
    with remote_of(slow) as remote:
        assert remote.list()["running"] == "embedded"
    assert asked(slow) == ["list"]


def test_half_a_line_of_another_program_costs_nothing(line: Line) -> None:
    line.put("down", b'{"v":1,"seq":4,"type":"comm')
    line.sent.clear()
    with remote_of(line) as remote:
        remote.list()
    assert asked(line) == ["list"]


def test_a_disk_that_fails_is_not_taken_for_a_port_that_fails(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(last: int) -> Any:
        raise OSError(5, "Input/output error", "audit.log")

    monkeypatch.setattr(line.store, "log", unreadable)
    with remote_of(line) as remote, pytest.raises(RemoteError, match=r"Input/output.*audit\.log"):
        remote.log(3)
    assert line.link.connected


def test_an_answer_to_another_program_is_not_taken(line: Line) -> None:
    with remote_of(line) as remote:
        stale = {"re": 1, "command": "model", "action": "chunk", "offset": 15_000}
        line.link._outbox.put("reply", pack(stale))
        remote.upload(SMALL)
    assert (line.store.folder or Path()).joinpath(PART).read_bytes() == SMALL


# -- the installer


def install(
    line: Line, run_s: float = 1.0, what: str = "install", then: Callable[[], None] | None = None
) -> tuple[Outcome, list[str]]:
    """Upload and install; the installer ends after ``run_s``."""
    end_at: list[float] = []
    tick = line.tick

    def ticking() -> None:
        tick()
        if line.store.busy and not end_at:
            end_at.append(line.now_s + run_s)
        if end_at and line.store.busy and line.now_s >= end_at[0]:
            end_at.clear()
            finish_installs(line)
            if then:
                then()

    line.tick = ticking  # type: ignore[method-assign]
    steps: list[str] = []
    with remote_of(line) as remote:
        remote.upload(SMALL)
        outcome = getattr(remote, what)(SMALL, "ada@bench", lambda stage, text: steps.append(stage))
    return outcome, steps


@pytest.mark.parametrize("what", ["install", "verify"])
def test_install_tells_the_steps_and_the_outcome(line: Line, what: str) -> None:
    outcome, steps = install(line, what=what)
    sha256 = hashlib.sha256(SMALL).hexdigest()
    assert outcome == Outcome(True, "", "rhythm-2.1 is on trial", "rhythm-2.1", sha256, "ab")
    assert steps == ["signature"]
    assert line.store.asked == [(what, "ada@bench")]
    assert line.store.given == SMALL


def test_a_refused_bundle_is_an_outcome_not_an_error(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"outcome": "refused", "reason": "revoked", "text": "the key was revoked",
            "model": "", "sha256": "", "head": ""}  # fmt: skip
    real = line.store.end
    monkeypatch.setattr(line.store, "end", lambda: [*real()[:0], said])
    outcome, _ = install(line)
    assert outcome == Outcome(False, "revoked", "the key was revoked", "", "", "")


@pytest.mark.parametrize("way", ["down", "up"])
def test_an_install_whose_answer_got_lost_goes_on(line: Line, way: str) -> None:
    losing(way, b'"action":"install"')(line)
    outcome, _ = install(line, run_s=12.0)
    assert outcome.ok
    assert line.store.asked == [("install", "ada@bench")]


def test_an_outcome_that_got_lost_with_the_monitor_is_asked_for_again(line: Line) -> None:
    """Killed after the switch, before it said so: installing again finds it installed."""
    kills = [1]

    def kill() -> None:
        if kills and kills.pop():
            line._ends["monitor"] += 1
            line.start()

    outcome, _ = install(line, then=kill)
    assert outcome.ok
    assert line.now_s < 20  # seconds after the hello, not after the installer's longest step
    assert len(line.store.asked) == 2


def test_an_installer_that_never_ends_is_given_up(line: Line) -> None:
    with pytest.raises(RemoteError, match="does not say how it ended; see lead12 model list"):
        install(line, run_s=1e6)


@pytest.mark.parametrize("event", ["cable", "pulled"])
@pytest.mark.parametrize(
    ("where", "runs"),
    [(b'"action":"install"', 1), (b'"stage"', 1), (b'"outcome"', 2)],
    ids=["asking", "at a step", "at the outcome"],
)
def test_a_cut_cable_during_an_install_does_not_lose_its_outcome(
    tmp_path: Path, where: bytes, runs: int, event: str
) -> None:
    """What was in the driver of the dead port is gone; then the install is asked for again."""
    cuts = [(0.5, event)]

    def cut(way: str, text: bytes) -> tuple[float, str] | None:
        return cuts.pop() if cuts and way == "up" and where in text else None

    line = Line(tmp_path, cut=cut)
    outcome, _ = install(line, run_s=8.0)
    assert (outcome.ok, line.cuts) == (True, 1)
    assert len(line.store.asked) == runs


# -- the port


def test_a_port_that_does_not_come_back_is_given_up(line: Line) -> None:
    told: list[str] = []
    with remote_of(line, patience_s=20.0, notice=told.append) as remote:
        remote.list()
        line._ends["laptop"] += 1

        def gone(port: str, baud: int) -> Any:
            raise OSError(2, "it is not there")

        remote._open_wire = gone
        before = line.now_s
        with pytest.raises(RemoteError, match=r"within 20 s; .* it goes on where it stopped"):
            remote.upload(SMALL)
    assert told == ["/dev/ttyUSB0 is gone; waiting for it"]
    assert 20 <= line.now_s - before < 22


def test_a_port_that_is_not_there_or_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RemoteError, match="cannot be opened: it is not there; plug the cable in"):
        Remote("/dev/ttyNONE")
    for wrong in ("nonsense://x", "socket://", "socket://localhost"):
        with pytest.raises(RemoteError) as caught:
            Remote(wrong)
        assert str(caught.value) == (
            f"{wrong} is not a serial port; one on the network looks like socket://HOST:PORT"
        )
    for wrong in ("/dev/null", str(tmp_path)):
        with pytest.raises(RemoteError, match=f"^{wrong} is not a serial port; lead12 doctor"):
            Remote(wrong)
    with pytest.raises(RemoteError, match=r"^no port was named; is the variable"):
        Remote("")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        url = f"socket://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(RemoteError, match=f"^{url} cannot be opened: Connection refused; is"):
            Remote(url)
    far, near = os.openpty()
    with serial.Serial(os.ttyname(near), exclusive=True):
        with pytest.raises(
            RemoteError, match=r"another program is using it .*; end that one first"
        ):
            Remote(os.ttyname(near))
        assert listen(os.ttyname(near)) == FAILED
        assert "another program is using it" in capsys.readouterr().err
    os.close(near)
    os.close(far)


class Plugged:
    """A real ``Link`` in a thread, behind a pseudo-terminal that can be unplugged."""

    def __init__(self, name: Path, folder: Path) -> None:
        self._name = name
        self.store = Store(folder)
        self._fds: tuple[int, int] = (-1, -1)
        self._stopping = threading.Event()
        self.plug()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def plug(self) -> None:
        far, near = self._fds = os.openpty()
        tty.setraw(near)
        self._name.symlink_to(os.ttyname(near))
        self._next = f"fd:{far}:{os.ttyname(near)}"

    def unplug(self) -> None:
        """As a USB adapter that is pulled: both ends find it gone."""
        self._name.unlink()
        for fd in self._fds:
            os.close(fd)

    def _run(self) -> None:
        name, link = "", Link("", 115_200, Stub())
        while not self._stopping.is_set():
            if name != self._next:  # another device node, another monitor
                name, link = self._next, Link(self._next, 921_600, Stub(), flasher=self.store)
            link.poll(time.monotonic_ns())
            if self.store.busy:
                for said in self.store.end():
                    link.send("event", messages.flash_event(0, said))
            self._stopping.wait(0.001)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.unplug()


@pytest.fixture
def plugged(tmp_path: Path) -> Iterator[Plugged]:
    device = Plugged(tmp_path / "ttyUSB0", tmp_path / "models")
    yield device
    device.stop()


def test_a_real_port_that_is_pulled_in_the_middle(plugged: Plugged, tmp_path: Path) -> None:
    pulled: list[int] = []
    told: list[str] = []

    def progress(done: int, total: int) -> None:
        if done > total // 2 and not pulled:
            pulled.append(done)
            plugged.unplug()
            plugged.plug()

    with Remote(
        str(tmp_path / "ttyUSB0"), 921_600, patience_s=SILENCE_S, notice=told.append
    ) as remote:
        remote.upload(DATA, progress)
        outcome = remote.install(DATA, "ada@bench", lambda stage, text: None)
    assert (outcome.ok, len(pulled), len(told)) == (True, 1, 2)
    assert plugged.store.given == DATA


def test_the_first_bytes_of_a_line_may_belong_to_another_program(
    plugged: Plugged, tmp_path: Path
) -> None:
    name = str(tmp_path / "ttyUSB0")
    with serial.Serial(name, exclusive=True) as port:
        port.write(b'{"v":1,"seq":4,"type":"comm')
    with Remote(name) as remote:
        assert remote.list()["counter"] == 1
        wait_for("the line to be quiet", lambda: remote.info()["model"] == "rhythm-2.0")
