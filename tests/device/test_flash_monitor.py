"""A model is changed under a running monitor: no result is missing, and there is a way back."""

from __future__ import annotations

import os
import select
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from device.bundles import read_bundle
from device.config import Config
from device.fast import run_fast
from device.flash.store import MAX_STARTS, Store, store_folder
from device.instrument import Instrument
from device.link.port import PTY
from device.link.protocol import encode, pack
from device.supervisor import Supervisor
from firmware.bundle import Bundle
from firmware.network import Network, NetworkError
from hal.frontend import Electrode, FrameBlock, FrontendInfo
from tests.device.bedside import DISPLAY_NONE, Bedside, part, until_all
from tests.device.bundle_kit import NOW, put, signed_bundle
from tests.device.host import Host, Wire
from tests.device.waiting import wait_for
from tools.flash_line import Remote

OWN = read_bundle().id


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


def test_windows_without_a_judgement_prove_nothing(
    signal_20s: tuple[FrontendInfo, FrameBlock],
) -> None:
    instrument = Instrument(Config())
    instrument.connect(signal_20s[0])
    counts = []
    for first, last in ((0, 4750), (4750, 6250), (6250, 8250)):
        block = part(signal_20s[1], first, last)
        if first == 6250:  # the left arm has come off
            block = replace(block, electrodes_off=np.full(len(block), 1 << Electrode.LA, np.uint16))
        instrument.process(block)
        counts.append(instrument.judged)
    assert counts == [0, 3, 3]


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
    ward: Ward, monkeypatch: pytest.MonkeyPatch, seconds: float
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
    assert ": ZeroDivisionError: a defect (tests/" in why
    failed = ward.bedside.hosts[0].of("hello")[-1]["failed"]
    assert failed["model"] == "rhythm-3.0"
    assert "a defect" in failed["why"]
    assert not ward.events("fault", part="analysis")  # the instrument is well
    assert not ward.events("fault", part="model")


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


def test_who_asks_after_a_rollback_is_told_what_runs_now(ward: Ward) -> None:
    back = {"command": "model", "action": "rollback", "who": "anna"}

    def scenario() -> Iterator[Callable[[], bool]]:
        ward.until_s(1.2)
        yield ward.heard("result", index=499)
        put(ward.store, "3.0")
        yield ward.heard("event", event="model", model="rhythm-3.0", state="trial")
        host = ward.bedside.hosts[0]
        host.write(encode(1, "command", pack(back)))
        yield ward.heard("reply", action="rollback")
        host.write(b'{"type":"command","command":"info"}\n')
        yield lambda: (host.read(), len(host.of("hello")) > 1)[1]
        assert host.of("hello")[-1]["model"] == OWN

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


def test_fresh_machine_runs_the_embedded_model_and_writes_nothing(
    bedside: Bedside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "fresh"))
    folder = store_folder(Config())
    assert folder.is_relative_to(tmp_path)
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


def test_batch_run_with_another_network_than_was_installed_has_a_fault(store: Store) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    store.slot_path("a").write_bytes(b"")
    for folder in (store.folder, store.folder / "state.json"):  # which is no folder
        config = Config().override({"model.store": str(folder), **DISPLAY_NONE})
        assert f"{OWN} runs, the embedded model" in run_fast(config, 1.0).faults["model"]


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


@pytest.mark.native("a self-test within 20 s")
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
    # A busy machine may cost a simulated chip in real time a sample, which moves the grid of 500,
    # and a monitor that lags is killed before it has sent what it knew
    indices = sorted({m["index"] for m in results})
    assert max(after - before for before, after in pairwise(indices)) <= 5 * 500
    first = min(m["index"] for m in results if m["model"] == "rhythm-3.1")
    assert first <= asked_at + 2 * 500
    assert store.state().active == "a"
