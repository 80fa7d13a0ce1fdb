"""A model is changed under a running monitor: no result is missing, and there is a way back."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from device.bundles import load_model, read_bundle
from device.config import Config
from device.fast import run_fast
from device.flash import files
from device.flash.flasher import StoreFlasher
from device.flash.store import MAX_STARTS, Store, StoreError, store_folder
from device.installed import PATIENCE, SLOW_WINDOWS, Installed
from device.link import messages
from device.link.port import PTY
from device.link.protocol import decode, encode, pack
from device.supervisor import Supervisor
from firmware.bundle import Bundle
from firmware.network import Network, NetworkError
from hal.frontend import FrameBlock, FrontendInfo
from tests.device.bedside import DISPLAY_NONE, Bedside, part, until_all
from tests.device.bundle_kit import (
    KEYRING,
    NOW,
    keyring,
    signed_bundle,
    unsigned_bundle,
    verified,
)
from tests.device.host import VALIDATOR, Host, Wire
from tests.device.waiting import wait_for
from tools.flash_line import Remote

OWN = read_bundle().id


def put(store: Store, version: str) -> str:
    """Install the embedded network under another version; its id."""
    data = signed_bundle(version)
    bundle = Bundle.from_bytes(data)
    store.put(data, verified(bundle), bundle, who="anna", clock_now=NOW)
    return bundle.id


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One that trusts the keys of the tests."""
    store = Store(tmp_path / "models", 3, wait_s=0.0)
    store.trust(KEYRING, "anna", NOW)
    return store


class Ward:
    """A bedside whose monitors look into ``store``; ``say`` waits for a line of the device."""

    def __init__(self, bedside: Bedside, store: Store, samples: FrameBlock) -> None:
        self.bedside, self.store, self._samples = bedside, store, samples
        self._written = 0

    def run(self, steps: Iterator[Callable[[], bool]]) -> None:
        self.bedside.monitor(
            **{"model.store": str(self.store.folder), "model.confirm_windows": 3}
        ).run(until_all(steps))
        self.bedside.hosts[-1].read()

    def until_s(self, seconds: float) -> None:
        """So many seconds of the signal have come from the patient."""
        samples = round(seconds * 500)
        self.bedside.write(part(self._samples, self._written, samples))
        self._written = samples

    def heard(self, kind: str, **members: object) -> Callable[[], bool]:
        return self.bedside.until(kind, **members)

    @property
    def results(self) -> list[dict[str, Any]]:
        return [m for host in self.bedside.hosts for m in host.of("result")]

    def events(self, event: str, **members: object) -> list[dict[str, Any]]:
        return self.bedside.hosts[-1].of("event", event=event, **members)

    def speakers(self) -> list[tuple[int, str]]:
        """Index of its first result, and model; every second has its result."""
        assert [m["index"] for m in self.results] == list(range(499, 500 * len(self.results), 500))
        found: list[tuple[int, str]] = []
        for m in self.results:
            if not found or found[-1][1] != m["model"]:
                found.append((m["index"], m["model"]))
        return found


@pytest.fixture
def ward(bedside: Bedside, store: Store, signal_20s: tuple[FrontendInfo, FrameBlock]) -> Ward:
    return Ward(bedside, store, signal_20s[1])


def test_new_model_takes_over_and_stays_after_its_windows(ward: Ward) -> None:
    def scenario() -> Iterator[Callable[[], bool]]:
        ward.until_s(12.2)
        yield ward.heard("result", index=5999)
        new = put(ward.store, "3.0")
        yield ward.heard("event", event="model", model=new, state="trial")
        ward.until_s(14.5)
        yield ward.heard("result", index=6999)
        assert ward.store.state().trial is not None  # two windows are not enough
        ward.until_s(15.5)
        yield ward.heard("event", event="model", model=new, state="confirmed")
        ward.bedside.hosts[0].write(b'{"type":"command","command":"info"}\n')
        yield ward.heard("hello", model=new, model_state="confirmed")

    ward.run(scenario())
    assert ward.speakers() == [(499, OWN), (6499, "rhythm-3.0")]  # the very next result
    assert {m["call"] for m in ward.results[9:]} == {"SR"}  # of a whole window throughout
    state = ward.store.state()
    assert (state.active, state.trial, state.failed) == ("a", None, None)
    (first, trial, confirmed) = ward.events("model")
    assert (first["model"], first["state"], first["why"]) == (OWN, "embedded", "")
    assert trial["why"] == "on trial: it stays after 3 windows without a fault"
    assert confirmed["why"] == "confirmed: 3 windows were judged without a fault"
    hello = ward.bedside.hosts[0].of("hello")[-1]
    assert hello["model_sha256"] == Bundle.from_bytes(signed_bundle("3.0")).digest
    assert hello["failed"] is None


def test_windows_without_a_judgement_prove_nothing(ward: Ward) -> None:
    def scenario() -> Iterator[Callable[[], bool]]:
        put(ward.store, "3.0")
        ward.until_s(9.5)  # nine seconds of "ANALYSING"
        yield ward.heard("result", index=4499)
        ward.until_s(12.5)  # the first window, and two more
        yield ward.heard("event", event="model", state="confirmed")

    ward.run(scenario())
    assert ward.results[-1]["index"] == 5999


def fail(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """The network of this version runs into a defect."""
    run = Network.run

    def failing(self: Network, tensor: NDArray[np.int8]) -> Any:
        if self.bundle.version == version:
            raise ZeroDivisionError("a defect")
        return run(self, tensor)

    monkeypatch.setattr(Network, "run", failing)


@pytest.mark.parametrize("seconds", [12.2, 8.2], ids=["in its past", "in the next window"])
def test_model_that_fails_is_taken_back_at_once(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], seconds: float
) -> None:
    fail(monkeypatch, "3.0")

    def scenario() -> Iterator[Callable[[], bool]]:
        ward.until_s(seconds)
        yield ward.heard("result", index=int(seconds) * 500 - 1)
        new = put(ward.store, "3.0")
        yield ward.heard("event", event="model", model=new, state="trial")
        ward.until_s(14.5)
        yield ward.heard("result", index=6999)
        ward.bedside.hosts[0].write(b'{"type":"command","command":"info"}\n')
        yield ward.heard("reply", command="info")

    ward.run(scenario())
    wrong = [m for m in ward.results if m["model"] != OWN and m["scores"]]
    assert wrong == []  # it never judged
    assert ward.speakers()[-1][1] == OWN
    assert ward.results[-1]["call"] == "SR"
    state = ward.store.state()
    assert (state.trial, state.active, state.slots["a"]) == (None, None, None)
    why = ward.events("model")[-1]["why"]
    assert why.startswith("rhythm-3.0 was taken back: analysis failed at ")
    assert why.endswith("(a defect)")
    failed = ward.bedside.hosts[0].of("hello")[-1]["failed"]
    assert failed["model"] == "rhythm-3.0"
    assert "a defect" in failed["why"]
    assert not ward.events("fault")  # the instrument is well
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_model_that_does_not_load_never_speaks(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    init = Network.__init__

    def refusing(self: Network, bundle: Bundle, *args: Any, **more: Any) -> None:
        if bundle.version == "3.0":
            raise NetworkError("the interpreter refuses it")
        init(self, bundle, *args, **more)

    monkeypatch.setattr(Network, "__init__", refusing)

    def scenario() -> Iterator[Callable[[], bool]]:
        put(ward.store, "3.0")
        ward.until_s(3.2)
        yield ward.heard("result", index=1499)

    ward.run(scenario())
    assert ward.speakers() == [(499, OWN)]
    assert ward.store.state().failed is not None
    (_, event) = ward.events("model")
    assert event["why"] == "rhythm-3.0 was taken back: the interpreter refuses it"


def test_technician_takes_it_back_or_keeps_it(ward: Ward) -> None:
    def scenario() -> Iterator[Callable[[], bool]]:
        ward.until_s(1.2)
        yield ward.heard("result", index=499)
        put(ward.store, "3.0")
        yield ward.heard("event", event="model", model="rhythm-3.0", state="trial")
        ward.store.rollback("anna", NOW)
        yield ward.heard("event", event="model", model=OWN, why="in place of rhythm-3.0")
        put(ward.store, "3.1")
        yield ward.heard("event", event="model", model="rhythm-3.1", state="trial")
        ward.store.confirm("anna", NOW)
        yield ward.heard("event", event="model", state="confirmed", why="confirmed by hand")
        put(ward.store, "3.2")  # the new one's predecessor stays in the other slot
        yield ward.heard("event", event="model", model="rhythm-3.2", state="trial")
        ward.store.rollback("anna", NOW)
        yield ward.heard("event", event="model", model="rhythm-3.1", why="in place of rhythm-3.2")

    ward.run(scenario())


def test_starts_on_trial_are_counted_and_an_end_in_order_is_none(
    ward: Ward, bedside: Bedside
) -> None:
    put(ward.store, "3.0")
    starts = []

    class KilledError(Exception):
        pass

    def end_in_order() -> Iterator[Callable[[], bool]]:
        yield lambda: True

    def die() -> bool:
        raise KilledError

    monitors = []  # kept: a killed process leaves its mapping behind
    for killed in (True, False, True, True, True):
        settings = {"model.store": str(ward.store.folder)}
        if killed:
            monitors.append(bedside.monitor(**settings))
            with pytest.raises(KilledError):
                monitors[-1].run(die)
        else:
            ward.run(end_in_order())
        trial = ward.store.state().trial
        starts.append(trial.starts if trial else None)
    assert starts == [1, 1, 2, MAX_STARTS, None]
    state = ward.store.state()
    assert state.failed is not None
    assert state.failed.why == "rhythm-3.0 was started 3 times and never proved itself"
    assert monitors[-1]._instrument.model.id == OWN


def spoil_state(store: Store) -> None:
    (store.folder / "state.json").write_bytes(b"\0" * 100)


def spoil_slot(store: Store) -> None:
    path = store.slot_path("a")
    path.write_bytes(path.read_bytes()[:-1])


def remove_slot(store: Store) -> None:
    store.slot_path("a").unlink()


def remove_all(store: Store) -> None:
    shutil.rmtree(store.folder)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_state, "state.json cannot be used: it is damaged"),
        (spoil_slot, "slot a (rhythm-3.0) is missing or damaged"),
        (remove_slot, "slot a (rhythm-3.0) is missing or damaged"),
        (remove_all, "state.json is missing"),
    ],
)
def test_files_lost_under_it_are_told_and_the_model_goes_on(
    ward: Ward, spoil: Callable[[Store], None], told: str
) -> None:
    put(ward.store, "3.0")
    ward.store.confirm("anna", NOW)

    def scenario() -> Iterator[Callable[[], bool]]:
        ward.until_s(1.2)
        yield ward.heard("result", index=499)
        spoil(ward.store)
        yield ward.heard("event", event="fault", part="model")
        ward.until_s(3.2)
        yield ward.heard("result", index=1499)

    ward.run(scenario())
    assert ward.speakers() == [(499, "rhythm-3.0")]
    (fault,) = ward.events("fault", part="model")
    assert told in fault["text"]
    assert fault["text"].endswith("; rhythm-3.0 goes on until the monitor ends")


# -- one monitor's view, look by look


def quiet(_line: str) -> None:
    """Nobody listens."""


@contextlib.contextmanager
def read_only() -> Iterator[None]:
    """Nothing can be written to a store."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write", refuse)
        patch.setattr(files, "append", refuse)
        yield


def looks(installed: Installed, n: int) -> list[tuple[str, str]]:
    """What ``n`` looks at the store changed: model and state."""
    changes = [model for _ in range(n) if (model := installed.check())]
    return [(model.id, model.state) for model in changes]


@pytest.fixture
def installed(store: Store) -> Installed:
    """Of a monitor that began with the embedded model."""
    installed = Installed(store, lambda: NOW, quiet)
    installed.start()
    return installed


def test_start_that_cannot_be_counted_is_none_and_is_tried_again(
    store: Store, installed: Installed
) -> None:
    put(store, "3.0")
    with read_only():
        assert looks(installed, 2 * PATIENCE) == [(OWN, "embedded")]
        assert "is read-only; make it writable" in installed.model.fault
        assert "so rhythm-3.0 cannot be tried" in installed.model.fault
    assert looks(installed, PATIENCE) == [("rhythm-3.0", "trial")]
    assert installed.model.fault == ""


def test_confirmation_waits_for_a_store_that_is_held_or_read_only(
    store: Store, installed: Installed
) -> None:
    put(store, "3.0")
    looks(installed, 2)
    installed.judged(3, 0.1)
    with read_only():
        assert looks(installed, 3) == []
    waiting = Installed(store, lambda: NOW, quiet)
    with files.lock(store.folder):
        waiting.start()
        assert waiting.model.id == OWN  # the start could not be counted
        assert looks(installed, 2 * PATIENCE) == []
    assert looks(installed, 2 * PATIENCE) == [("rhythm-3.0", "confirmed")]


def test_model_that_cannot_be_taken_back_yet_does_not_run_either(
    store: Store, installed: Installed
) -> None:
    put(store, "3.0")
    looks(installed, 2)
    with read_only():
        model = installed.give_way("analysis failed at 5 (a defect)")
        assert model is not None
        assert (model.id, model.state) == (OWN, "embedded")
        assert looks(installed, 3 * PATIENCE) == []
    assert looks(installed, PATIENCE) == [(OWN, "embedded")]
    assert installed.model.fault == ""
    failed = store.state().failed
    assert failed is not None
    assert failed.why == "analysis failed at 5 (a defect)"


def test_confirmed_model_does_not_give_way(store: Store, installed: Installed) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    assert looks(installed, 2) == [("rhythm-3.0", "confirmed")]
    assert installed.give_way("analysis failed at 5 (a defect)") is None


def test_model_that_cannot_keep_up_is_taken_back(store: Store, installed: Installed) -> None:
    put(store, "3.0")
    looks(installed, 2)
    for _ in range(2):
        for _ in range(SLOW_WINDOWS - 1):
            installed.judged(1, 1.2)
        installed.judged(1, 0.2)  # a busy moment of the machine
    assert looks(installed, 2) == []
    for _ in range(SLOW_WINDOWS):
        installed.judged(1, 1.2)
    assert looks(installed, 1) == [(OWN, "embedded")]
    assert installed.model.why.startswith("rhythm-3.0 was taken back: 3 windows in a row")


def test_refusal_of_another_model_changes_nothing(store: Store, installed: Installed) -> None:
    store.refused("unsigned", model="x", sha256="0" * 64, who="anna", clock_now=NOW)
    assert looks(installed, 2) == []


def test_model_of_a_key_revoked_meanwhile_speaks_no_longer(
    store: Store, installed: Installed
) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    looks(installed, 2)
    store.trust(keyring(2, revoked=[1]), "anna", NOW)
    assert looks(installed, 2) == [(OWN, "embedded")]
    assert "revoked" in installed.model.fault


def test_fresh_machine_runs_the_embedded_model_and_writes_nothing(bedside: Bedside) -> None:
    folder = store_folder(Config())
    assert folder.is_relative_to(os.environ["XDG_STATE_HOME"])
    bedside.end()
    bedside.monitor().run(lambda: False)
    host = bedside.hosts[0]
    host.read()
    (hello,) = host.of("hello", model=OWN, model_state="embedded", failed=None)
    assert hello["model_sha256"] == read_bundle().digest
    assert not folder.parent.exists()


def test_batch_run_uses_the_installed_model_and_counts_nothing(store: Store) -> None:
    put(store, "3.0")
    before = (store.folder / "state.json").read_bytes()
    wire = Wire()
    config = Config().override(
        {"serial.port": "wire", "model.store": str(store.folder), **DISPLAY_NONE}
    )
    run_fast(config, 3.0, port=wire.port)
    wire.host.read()
    assert {m["model"] for m in wire.host.of("result")} == {"rhythm-3.0"}
    assert (store.folder / "state.json").read_bytes() == before


# -- the installer beside the monitor


@pytest.fixture
def flasher(store: Store) -> Iterator[StoreFlasher]:
    config = Config().override({"model.store": str(store.folder)})
    flasher = StoreFlasher(config, store, lambda: load_model(""), lambda: NOW)
    yield flasher
    flasher.close()


def said_by(flasher: StoreFlasher) -> list[dict[str, Any]]:
    """Everything until the installer has ended."""
    said: list[dict[str, Any]] = []

    def ended() -> bool:
        said.extend(flasher.poll())
        return not flasher.busy

    wait_for("the installer", ended)
    return said


def test_lines_of_the_installer_come_and_the_last_is_its_outcome(
    flasher: StoreFlasher, tmp_path: Path
) -> None:
    path = tmp_path / "unsigned.l12"
    path.write_bytes(unsigned_bundle("3.0"))
    flasher.run(path, who="anna", install=True)
    with pytest.raises(StoreError, match="an install is running; wait for its end"):
        flasher.run(path, who="anna", install=True)
    *stages, last = said_by(flasher)
    assert stages
    assert all(set(m) == {"stage", "text"} for m in stages)
    assert (last["outcome"], last["reason"], last["model"]) == ("refused", "unsigned", "rhythm-3.0")
    (entry,) = flasher.log(1)
    assert (entry["who"], entry["what"], entry["hash"]) == ("anna", "refuse", last["head"])


@pytest.mark.parametrize("switched", [False, True])
def test_installer_that_dies_is_an_outcome_too(
    flasher: StoreFlasher, store: Store, tmp_path: Path, switched: bool
) -> None:
    path = tmp_path / "new.l12"
    path.write_bytes(signed_bundle("3.0"))
    flasher.run(path, who="anna", install=True)
    assert flasher._child is not None
    os.kill(flasher._child.pid, signal.SIGSTOP)
    if switched:
        put(store, "3.0")
    flasher._child.kill()
    last = said_by(flasher)[-1]
    if switched:
        assert last["text"] == "the installer died (SIGKILL), but rhythm-3.0 is on trial"
        assert (last["outcome"], last["reason"], last["model"]) == ("installed", "", "rhythm-3.0")
    else:
        assert last["text"] == "the installer died (SIGKILL); nothing was changed; try again"
        assert (last["outcome"], last["reason"], last["model"]) == ("refused", "died", "")
    VALIDATOR.validate(
        decode(encode(0, "event", pack(messages.flash_event(0, last)))[:-1], crc_required=True)
    )


def test_installer_ends_with_the_monitor(flasher: StoreFlasher, tmp_path: Path) -> None:
    path = tmp_path / "new.l12"
    path.write_bytes(signed_bundle("3.0"))
    flasher.run(path, who="anna", install=True)
    child = flasher._child
    assert child is not None
    flasher.close()
    assert child.returncode == -signal.SIGKILL
    assert not flasher.busy


def test_list_and_info_tell_what_runs(store: Store) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    put(store, "3.1")
    installed = Installed(store, lambda: NOW, quiet)
    installed.start()
    config = Config().override({"model.store": str(store.folder)})
    flasher = StoreFlasher(config, store, lambda: installed.model, lambda: NOW)
    listed = flasher.list()
    assert (listed["running"], listed["state"], listed["trust"]) == ("b", "trial", "production")
    assert [(m["slot"], m["model"], m["key"]) for m in listed["models"]] == [
        ("embedded", OWN, ""),
        ("a", "rhythm-3.0", "maker 1"),
        ("b", "rhythm-3.1", "maker 1"),
    ]
    assert (flasher.info()["model"], flasher.info()["state"]) == ("rhythm-3.1", "trial")
    assert flasher.confirm("anna") == "rhythm-3.1"
    assert flasher.rollback("anna") == "rhythm-3.0"
    assert [entry["what"] for entry in flasher.log(2)] == ["confirm", "rollback"]


def test_file_named_in_the_settings_is_not_put_aside_by_an_install(
    store: Store, tmp_path: Path
) -> None:
    config = Config().override({"model.store": str(store.folder), "model.path": "none"})
    flasher = StoreFlasher(config, store, lambda: load_model("none"), lambda: NOW)
    for refused in (
        lambda: flasher.run(tmp_path / "x", who="anna", install=True),
        lambda: flasher.confirm("anna"),
        lambda: flasher.rollback("anna"),
    ):
        with pytest.raises(StoreError, match=r"runs what \[model\] path names \(none\)"):
            refused()
    assert (flasher.list()["running"], flasher.list()["state"]) == ("none", "none")
    with pytest.raises(StoreError, match="no model is in use"):
        flasher.info()


# -- real processes


class Tap:
    """The laptop's port of a running device, read along: ``host`` hears all that comes in."""

    def __init__(self, name: str) -> None:
        self._fd = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        ours, theirs = os.pipe()
        self._copy = theirs
        self.host = Host(ours)

    def read(self) -> bytes:
        ready, _, _ = select.select([self._fd], [], [], 0.02)
        data = os.read(self._fd, 65_536) if ready else b""
        os.write(self._copy, data)
        self.host.read()
        return data

    def write(self, data: bytes) -> None:
        os.set_blocking(self._fd, True)
        while data:
            data = data[os.write(self._fd, data) :]
        os.set_blocking(self._fd, False)

    def close(self) -> None:
        """Stays open: the monitor goes on."""


def test_running_device_is_given_a_model_loses_it_in_a_crash_loop_and_keeps_the_next(
    store: Store,
) -> None:
    config = Config().override(
        {
            "serial.port": PTY,
            "model.store": str(store.folder),
            "model.confirm_windows": 3,
            **DISPLAY_NONE,
        }
    )
    lines: list[str] = []
    supervisor = Supervisor(config, lines.append)
    run = threading.Thread(target=supervisor.run)
    run.start()
    try:
        tap = Tap(wait_for("the serial line", lambda: supervisor.serial_name))
        host = tap.host

        def heard(kind: str, **members: object) -> Callable[[], bool]:
            return lambda: bool(tap.read() and host.of(kind, **members))

        wait_for("a result", heard("result", model=OWN))
        put(store, "3.0")
        wait_for("it to speak", heard("result", model="rhythm-3.0"))
        kills = 0
        while store.state().trial:
            monitor, hellos = supervisor.pids["monitor"], len(host.of("hello"))
            os.kill(monitor, signal.SIGKILL)
            kills += 1
            wait_for("another", lambda old=monitor: supervisor.pids.get("monitor", old) != old)
            wait_for(
                "its hello",
                lambda before=hellos: tap.read() and len(host.of("hello")) > before,
            )
        assert kills == MAX_STARTS
        assert host.of("hello")[-1]["model"] == OWN
        assert host.of("hello")[-1]["failed"]["why"].startswith("rhythm-3.0 was started 3 times")
        data = signed_bundle("3.1")
        with Remote("pty", 921_600, open_wire=lambda port, baud: tap) as remote:
            remote.upload(data)
            outcome = remote.install(data, "anna", lambda stage, text: None)
            asked_at = host.of("result")[-1]["index"]
        assert (outcome.ok, outcome.model) == (True, "rhythm-3.1"), outcome.text
        wait_for("its trial to end", heard("event", event="model", state="confirmed"))
    finally:
        supervisor.stop()
        run.join()
    results = host.of("result")
    indices = sorted({m["index"] for m in results})
    assert indices == list(range(499, indices[-1] + 1, 500))
    first = min(m["index"] for m in results if m["model"] == "rhythm-3.1")
    assert first <= asked_at + 2 * 500
    assert store.state().active == "a"
