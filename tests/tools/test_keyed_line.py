"""The host's end of a keyed line: it opens sessions by itself, and says in words what is wrong."""

from __future__ import annotations

import itertools
import json
import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.link.link import Link
from device.link.protocol import decode
from device.link.session import MOST_WRONG, Gate
from tests.device.cable import Line
from tests.device.keyed import KEY, OTHER_KEY
from tests.device.link_kit import Stub
from tests.tools.beside import Beside
from tests.tools.test_classify import lead12
from tests.tools.test_flash_line import DATA, SMALL, remote_of
from tests.tools.test_hil_target import RATE, Cable, World
from tools.hil.scenario import Scenario
from tools.hil.scenario import load as load_scenario
from tools.host_line import RemoteError


def asked(line: Line) -> list[tuple[str, bool]]:
    """What the host said: action, and whether in a session."""
    said = [decode(text[:-1], crc_required=True) for text in line.sent if text != b"\n"]
    return [(message.get("action", message["command"]), "mac" in message) for message in said]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path, gate=Gate(KEY))


def test_a_session_is_begun_for_what_changes_something_only(line: Line) -> None:
    with remote_of(line, key=KEY) as remote:
        remote.list()
        remote.info()
        assert asked(line) == [("list", False), ("info", False)]
        remote.rollback("ada")
        remote.rollback("ada")
    assert asked(line)[2:] == [
        ("begin", False), ("prove", False), ("rollback", True), ("rollback", True)
    ]  # fmt: skip
    assert line.store.asked == [("rollback", "ada")] * 2


def test_without_a_key_it_says_what_to_give_it(line: Line) -> None:
    with remote_of(line) as remote:
        assert remote.list()["running"] == "embedded"
        for change in (lambda: remote.rollback("ada"), lambda: remote.upload(SMALL)):
            with pytest.raises(RemoteError) as caught:
                change()
            assert str(caught.value) == (
                "the device on /dev/ttyUSB0 wants a key for this: --key FILE, or "
                "LEAD12_SERIAL_KEY=FILE"
            )
    assert line.store.asked == []


def test_with_another_key_it_says_so_and_the_device_counts_nothing(line: Line) -> None:
    with remote_of(line, key=OTHER_KEY) as remote:
        for _ in range(MOST_WRONG + 1):
            with pytest.raises(RemoteError, match="the device has another key than this one"):
                remote.rollback("ada")
    assert line.link.gate.wrong == 0


def test_a_lock_and_a_read_only_line_are_told_in_the_devices_words(tmp_path: Path) -> None:
    locked = Line(tmp_path, gate=Gate(KEY))
    gate = locked.link.gate
    gate._locked_until_ns = round((locked.now_s + 28.5) * 1e9)
    with (
        remote_of(locked, key=KEY) as remote,
        pytest.raises(RemoteError, match=r"refused: locked for 2[89] s after 5 wrong keys; wait"),
    ):
        remote.rollback("ada")
    shut = Line(tmp_path, gate=Gate(fault="serial line is read-only: x"))
    for key in (b"", KEY):
        with (
            remote_of(shut, key=key) as remote,
            pytest.raises(RemoteError, match=r"^the monitor refused: .* read-only: x$"),
        ):
            remote.rollback("ada")


def test_who_has_a_key_does_not_talk_to_a_device_that_wants_none(tmp_path: Path) -> None:
    """It may be another device, put in the place of the keyed one."""
    line = Line(tmp_path)
    with (
        remote_of(line, key=KEY) as remote,
        pytest.raises(RemoteError, match="is open and knows no sessions; leave the key away"),
    ):
        remote.rollback("ada")
    assert line.store.asked == []


@pytest.mark.parametrize("event", ["kill", "cable", "pulled"])
@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_an_upload_outlasts_the_session(tmp_path: Path, event: str, where: float) -> None:
    """A killed monitor has forgotten it, a cut cable ends it: another is begun, the bytes stay."""
    at = {round(where * len(DATA) / 8192)}
    chunks = itertools.count()

    def cut(way: str, text: bytes) -> tuple[float, str] | None:
        if way == "down" and b'"chunk"' in text and next(chunks) in at:
            at.clear()
            return 0.5, event
        return None

    line = Line(tmp_path, cut=cut, gate=Gate(KEY))
    if event == "kill":
        line._gate = None  # of the monitor that is started next
        start = line.start

        def restart() -> None:
            line._gate = Gate(KEY)
            start()

        line.start = restart  # type: ignore[method-assign]
    with remote_of(line, key=KEY) as remote:
        remote.upload(DATA)
        line.store.given = b"x"
        assert remote.confirm("ada") == "rhythm-2.1"
    assert line.cuts == 1
    assert tmp_path.joinpath("upload.part").read_bytes() == DATA
    assert sum(action == "prove" for action, _ in asked(line)) == 2


def test_a_session_that_is_over_is_begun_anew_and_nothing_is_done_twice(line: Line) -> None:
    with remote_of(line, key=KEY) as remote:
        remote.rollback("ada")
        line.now_s += 3600
        remote.rollback("ada")
    assert line.store.asked == [("rollback", "ada")] * 2


def test_a_device_that_forgets_every_session_is_given_up(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = line.link.gate
    prove = gate._prove
    monkeypatch.setattr(gate, "_prove", lambda *of: (prove(*of), gate.disconnect())[0])
    with remote_of(line, key=KEY) as remote, pytest.raises(RemoteError, match="forgets each"):
        remote.rollback("ada")
    assert line.store.asked == []


# -- lead12 send and lead12 model, as they are typed


@pytest.fixture
def keyed_pty(tmp_path: Path) -> Iterator[tuple[str, Path, Stub]]:
    """A keyed link behind a pseudo-terminal, and the file of its key."""
    file = tmp_path / "serial.key"
    file.write_text(KEY.hex())
    file.chmod(0o600)
    far, near = os.openpty()
    tty.setraw(near)
    stub = Stub(250)
    link = Link(f"fd:{far}:x", 115_200, stub, gate=Gate(KEY))
    with Beside(link.poll):
        yield os.ttyname(near), file, stub
    os.close(far)
    os.close(near)


LEAD = '{"command":"set","setting":"lead","value":"V1"}'


def test_send_sets_with_a_key_and_reads_without(
    keyed_pty: tuple[str, Path, Stub],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, key, stub = keyed_pty
    code, out, err = lead12(capsys, "send", port, LEAD)
    assert (code, out) == (1, "")
    assert err.strip() == (
        f"lead12: the device on {port} wants a key for this: --key FILE, or LEAD12_SERIAL_KEY=FILE"
    )
    code, out, err = lead12(capsys, "send", port, LEAD, "--key", str(key))
    assert (code, json.loads(out)["value"], err) == (0, "V1", "")
    monkeypatch.setenv("LEAD12_SERIAL_KEY", str(key))
    code, out, _ = lead12(capsys, "send", port, '{"command":"press","button":"ok"}')
    assert (code, json.loads(out)["command"]) == (0, "press")
    monkeypatch.delenv("LEAD12_SERIAL_KEY")
    assert stub.applied == [("lead", "V1"), ("ok", False)]
    _, out, _ = lead12(capsys, "send", port, '{"command":"info"}')
    reply, hello = map(json.loads, out.splitlines())
    assert (reply["command"], hello["type"]) == ("info", "hello")
    _, out, _ = lead12(capsys, "send", port, "snapshot")
    assert [json.loads(text)["part"] for text in out.splitlines()] == [0, 1, 2]


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("lead V1", 2, "a command looks like"),
        ('["set"]', 2, "a command looks like"),
        ('{"command":"sing"}', 1, "the monitor refused: unknown command; commands: info"),
    ],
)
def test_send_says_what_is_no_command(
    keyed_pty: tuple[str, Path, Stub],
    capsys: pytest.CaptureFixture[str],
    command: str,
    code: int,
    said: str,
) -> None:
    ended, out, err = lead12(capsys, "send", keyed_pty[0], command)
    assert (ended, out) == (code, "")
    assert said in err


@pytest.mark.parametrize("text", [None, "no key\n"])
def test_a_laptop_without_the_key_copies_the_devices_and_makes_none(
    keyed_pty: tuple[str, Path, Stub], text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    port, key, _ = keyed_pty
    key.unlink()
    if text is not None:
        key.write_text(text)
        key.chmod(0o600)
    code, _, err = lead12(capsys, "send", port, LEAD, "--key", str(key))
    assert code != 0
    assert "; copy the device's key there: sudo cat /etc/lead12/serial.key" in err
    assert "openssl" not in err


def test_a_key_file_that_others_may_read_is_refused_on_the_laptop_too(
    keyed_pty: tuple[str, Path, Stub], capsys: pytest.CaptureFixture[str]
) -> None:
    port, key, stub = keyed_pty
    key.chmod(0o644)
    for command in (["send", port, LEAD], ["model", "rollback", "--port", port]):
        code, out, err = lead12(capsys, *command, "--key", str(key))
        assert (code, out) == (1, "")
        assert err.startswith(f"lead12: {key} is open to others")
    assert stub.applied == []


# -- a bench on a keyed line


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    path = tmp_path / "s.yaml"
    head = "name: s\nabout: a test\nseconds: 10\npatient: {preset: sinus-70, seed: 1}\n"
    path.write_text(head + RATE, encoding="utf-8")
    return load_scenario(path)


def test_a_scenario_runs_on_a_keyed_line_with_the_key_only(
    scenario: Scenario, tmp_path: Path
) -> None:
    key_file = tmp_path / "serial.key"
    key_file.write_text(KEY.hex())
    key_file.chmod(0o600)
    keyed = {"serial.access": "keyed", "serial.key_file": str(key_file)}
    with World(tmp_path, Cable(115_200), changes=keyed) as world:
        without = world.run(scenario)
        wrong = world.run(scenario, key=OTHER_KEY)
        outcome = world.run(scenario, key=KEY)
    assert "wants a key: --key FILE" in without.error
    assert "another key than this one" in wrong.error
    assert not outcome.error
    assert outcome.ok, outcome.verdicts
    assert outcome.account["lost"] == 0
    assert outcome.account["bytes_per_s"] < 11_520  # 115 200 baud are enough with codes, too
