"""A replay is the captured run again: the same samples at the same times, the same faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hal import backends
from hal.ads1298 import driver as driver_module
from hal.ads1298 import registers as reg
from hal.ads1298.driver import Ads1298
from hal.ads1298.faults import timeline
from hal.capture import captured_driver
from hal.capture_file import CaptureReader
from hal.clock import Clock, VirtualClock, sleep_ns
from hal.edge_reader import EdgePacedReader
from hal.errors import FrontendError, Reason
from hal.frontend import FrameBlock, Frontend, FrontendConfig
from hal.patient.presets import preset
from hal.replay import Tape, TapeDataReady, TapePins, TapeSpi, replay_frontend, spoken
from hal.simulated import simulated_frontend
from tests.hal.ads1298_bench import BenchPatient

SECOND = 1_000_000_000
AT_ONCE = 4
RETRY_NS = 100_000_000


class Run:
    """A front end read until ``until_ns`` or its end, built anew after every fault."""

    def __init__(
        self,
        build: Callable[[], Frontend],
        clock: Clock,
        until_ns: int | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        self.blocks: list[FrameBlock] = []
        self.said: list[str] = []  # the identity of each front end, and how it ended
        while until_ns is None or clock.now_ns() < until_ns:
            try:
                frontend = build()
            except FrontendError as error:
                self.said.append(str(error))
                return
            try:
                info = frontend.configure(FrontendConfig())
                self.said.append(f"gain {info.gain} {info.registers}")
                frontend.start()
                while until_ns is None or clock.now_ns() < until_ns:
                    self.blocks.append(frontend.read(at_once, 0.5))
            except FrontendError as error:
                self.said.append(str(error))
                if error.reason is Reason.END_OF_SIGNAL:
                    return
            finally:
                frontend.stop()
                frontend.close()
            sleep_ns(clock, RETRY_NS)

    def column(self, name: str) -> np.ndarray[Any, Any]:
        if name == "index":
            return np.concatenate([b.first_index + np.arange(len(b)) for b in self.blocks])
        return np.concatenate([getattr(block, name) for block in self.blocks])

    @property
    def lost(self) -> list[tuple[int, int]]:
        return [(b.first_index, b.lost_before) for b in self.blocks if b.lost_before]


def read_on(frontend: Frontend) -> None:
    while True:
        frontend.read(AT_ONCE, 0.5)


COLUMNS = ("index", "t_ns", "counts", "status", "electrodes_off")


def captured(
    file: Path,
    seconds: float,
    *,
    name: str = "sinus-70",
    faults: list[tuple[float, dict[str, Any]]] | None = None,
    begin_ns: int = 0,
    at_once: int = AT_ONCE,
) -> Run:
    clock = VirtualClock(begin_ns)
    spells = timeline(faults or [], begin_ns)
    return Run(
        lambda: simulated_frontend(preset(name, 1), clock, faults=spells, capture=file),
        clock,
        begin_ns + round(seconds * SECOND),
        at_once,
    )


def replayed(file: Path, at_once: int = AT_ONCE, begin_ns: int = 0) -> Run:
    clock = VirtualClock(begin_ns)
    return Run(lambda: replay_frontend(file, clock), clock, None, at_once)


def assert_same(one: Run, other: Run) -> None:
    for column in COLUMNS:
        assert np.array_equal(one.column(column), other.column(column)), column
    assert one.lost == other.lost


@pytest.mark.parametrize("name", ["sinus-70", "af-90", "v3-off", "ra-off", "offset-300mv"])
def test_presets_come_back_sample_by_sample(name: str, tmp_path: Path) -> None:
    file = tmp_path / "x.l12cap"
    run = captured(file, 4, name=name)
    again = replayed(file)
    assert len(run.column("index")) > 1500
    assert_same(run, again)
    assert again.said == [*run.said, "the capture ends here"]


FAULTS: dict[str, tuple[list[tuple[float, dict[str, Any]]], str]] = {
    "torn frames": ([(1.5, {"torn_frame": 3})], "lost"),
    "too many torn frames": ([(1.5, {"torn_frame": 12})], "do not begin with 1100"),
    "missed edges": ([(1.5, {"missed_edge": 7}), (2.0, {"missed_edge": 1})], "lost"),
    "late edges": ([(1.0, {"late_drdy": {"us": 300, "jitter_us": 700}})], ""),
    "DRDY stops": ([(1.5, {"drdy_stops": 0.3})], "lost"),
    "DRDY stops for long": ([(1.5, {"drdy_stops": 1.2})], "no data-ready edge for 0.5 s"),
    "brown-out": ([(1.5, {"brown_out": True})], "no data-ready edge"),
    "MISO off": ([(1.5, {"miso_stuck": 0}), (2.2, {"miso_stuck": "off"})], "no chip answers"),
    "a bit slipped": (
        [(1.5, {"bit_slip": 1}), (1.9, {"bit_slip": "off"})],
        "do not begin with 1100",
    ),
    "noise": ([(1.0, {"spi_noise": 0.001})], "lost"),
    "a wrong chip at first": ([(0, {"wrong_id": "ADS1294"}), (1, {"wrong_id": "off"})], "ADS1294"),
    "a fast clock": ([(0, {"clock_ppm": 10_000})], ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_come_back_too(fault: str, tmp_path: Path) -> None:
    spells, told = FAULTS[fault]
    file = tmp_path / "x.l12cap"
    run = captured(file, 4.5, faults=spells)
    assert any(told in line for line in run.said) or (told == "lost" and run.lost)
    again = replayed(file)
    assert_same(run, again)
    assert again.said == [*run.said, "the capture ends here"]


@pytest.mark.parametrize(("captured_at_once", "at_once"), [(64, 1), (64, 7), (1, 64)])
def test_samples_do_not_depend_on_how_reads_are_cut(
    captured_at_once: int, at_once: int, tmp_path: Path
) -> None:
    file = tmp_path / "x.l12cap"
    faults = [(1.5, {"missed_edge": 7}), (2, {"drdy_stops": 1.2})]
    run = captured(file, 4, faults=faults, at_once=captured_at_once)
    assert any("no data-ready edge" in line for line in run.said)
    again = replayed(file, at_once)
    assert_same(run, again)
    assert len(again.said) == len(run.said) + 1


def test_a_late_reader_is_late_in_the_replay_too(tmp_path: Path) -> None:
    file = tmp_path / "x.l12cap"
    clock = VirtualClock()
    frontend = simulated_frontend(preset("sinus-70", 1), clock, capture=file)
    frontend.configure(FrontendConfig())
    frontend.start()
    blocks = []
    for _ in range(10):
        blocks.append(frontend.read(AT_ONCE, 0.5))
        clock.advance_ns(7_300_000)  # three edges and a half
    frontend.close()
    again = replayed(file)
    assert sum(block.lost_before for block in blocks) == 18
    for column in ("t_ns", "counts"):
        old = np.concatenate([getattr(block, column) for block in blocks])
        assert np.array_equal(again.column(column), old)
    assert again.lost == [(b.first_index, b.lost_before) for b in blocks if b.lost_before]


def test_times_are_moved_to_where_the_clock_stands(tmp_path: Path) -> None:
    file = tmp_path / "x.l12cap"
    run = captured(file, 1.5, begin_ns=7_000 * SECOND)
    assert_same(run, replayed(file, begin_ns=7_000 * SECOND))
    later = replayed(file, begin_ns=9_000 * SECOND)
    assert np.array_equal(later.column("t_ns") - run.column("t_ns"), [2_000 * SECOND] * 424)


def test_a_replay_takes_as_long_on_the_clock_as_the_capture_did(tmp_path: Path) -> None:
    file = tmp_path / "x.l12cap"
    captured(file, 2)
    clock = VirtualClock()
    frontend = replay_frontend(file, clock)
    frontend.configure(FrontendConfig())
    frontend.start()
    block = frontend.read(100, 0.5)
    assert int(block.t_ns[-1]) <= clock.now_ns() < int(block.t_ns[-1]) + 1_000_000


def test_self_test_and_housekeeping_come_back(tmp_path: Path) -> None:
    file = tmp_path / "x.l12cap"
    found = []
    capturing = simulated_frontend(preset("sinus-70", 1), VirtualClock(), capture=file)
    for frontend in (capturing, None):
        frontend = frontend or replay_frontend(file, VirtualClock())
        frontend.configure(FrontendConfig(gain=3))
        found.append((frontend.self_test(), frontend.housekeeping()))
        frontend.close()
    assert found[0] == found[1]
    assert all(check.ok for check in found[0][0])


def test_the_capture_of_a_replay_is_the_capture(tmp_path: Path) -> None:
    file, copy = tmp_path / "x.l12cap", tmp_path / "copy.l12cap"
    captured(file, 3, faults=[(1.5, {"torn_frame": 3}), (2, {"missed_edge": 2})])
    clock = VirtualClock()
    tape = Tape(file, clock)
    part = tape.next_part()
    line = TapeDataReady(tape)
    driver = captured_driver(
        TapeSpi(tape, part),
        line,
        TapePins(tape),
        clock,
        file=copy,
        frontend=part.frontend,
        bus=part.bus,
    )
    driver.configure(tape.settings())
    driver.start()
    with pytest.raises(FrontendError, match="the capture ends here"):
        read_on(driver)
    driver.close()
    old, new = list(CaptureReader(file)), list(CaptureReader(copy))
    end = next(n for n, event in enumerate(new) if getattr(event, "call", "") == "wait")
    assert new[:end] == old[:end]
    assert end > 3 * 1000


# --- another driver -----------------------------------------------------------------------


def departed(file: Path, build: Callable[[Tape, VirtualClock], Frontend] | None = None) -> str:
    """What is said where the driver departs: always the same, until the front end is given up."""
    clock = VirtualClock()
    if build is None:
        frontend: Frontend = replay_frontend(file, clock)
    else:
        frontend = build(Tape(file, clock), clock)

    def run() -> None:
        frontend.configure(FrontendConfig())
        frontend.start()
        read_on(frontend)

    with pytest.raises(FrontendError, match="from the begin this driver") as caught:
        run()
    with pytest.raises(FrontendError) as again:
        frontend.close()
    assert caught.value.reason is Reason.BAD_CONFIG  # acquire gives up
    assert str(again.value) == str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    captured(tmp_path / "x.l12cap", 3)
    return tmp_path / "x.l12cap"


def test_a_driver_that_writes_another_value_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_for = driver_module.settings_for
    monkeypatch.setattr(driver_module, "settings_for", lambda c: settings_for(c) | {"CH1SET": 0x10})
    said = departed(file)
    assert "s from the begin this driver sends WREG CH1SET 10, the captured one" in said
    assert said.endswith(
        "sent WREG CH1SET 00; use the firmware that made the capture, or make a new one"
    )


def test_a_driver_that_leaves_a_command_out_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Ads1298.command
    monkeypatch.setattr(
        Ads1298, "command", lambda d, code: command(d, code) if code != reg.Opcode.RESET else None
    )
    assert "this driver sends SDATAC, the captured one sent RESET" in departed(file)


def test_a_driver_that_sends_another_command_instead_of_waiting_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reg, "REFERENCE_NS", 1)  # no matter: the capture has the time
    start = Ads1298.start

    def eager(driver: Ads1298) -> None:
        start(driver)
        driver.command(reg.Opcode.RDATAC)

    monkeypatch.setattr(Ads1298, "start", eager)
    assert "this driver sends RDATAC, the captured one waited for data-ready" in departed(file)


def test_a_driver_that_does_not_look_at_the_right_leg_is_told(file: Path) -> None:
    def build(tape: Tape, clock: VirtualClock) -> Frontend:
        part = tape.next_part()
        tape.settings()  # and does not heed them
        spi, line = TapeSpi(tape, part), TapeDataReady(tape)
        driver = Ads1298(spi, EdgePacedReader(spi, line), TapePins(tape), line, clock)
        configure = driver.configure
        driver.configure = lambda _: configure(FrontendConfig(rl_check_every=0))  # type: ignore
        return driver

    said = departed(file, build)
    assert "this driver waits for data-ready, the captured one sent SDATAC" in said


def test_a_driver_that_forgets_a_pin_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TapePins, "reset", lambda pins, asserted: None)
    assert "this driver asserts PWDN, the captured one released RESET" in departed(file)


def test_bytes_are_spoken_as_commands() -> None:
    assert spoken(bytes([0x11])) == "SDATAC"
    assert spoken(bytes([0x45, 0, 0x60])) == "WREG CH1SET 60"
    assert spoken(bytes([0x20, 25]) + bytes(26)) == "RREG ID"
    assert spoken(bytes(27)) == "27 bytes of reading"
    assert spoken(b"\x5f\x01") == "5f 01"


# --- ends ---------------------------------------------------------------------------------


def test_a_cut_off_capture_ends_with_the_reason(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    run = replayed(file)
    assert run.said[-1] == "the capture ends here (cut off within its last block)"
    assert len(run.column("index")) > 500


def test_a_recording_that_ended_ends_the_same_way(tmp_path: Path) -> None:
    file = tmp_path / "x.l12cap"
    clock = VirtualClock()
    patient = BenchPatient(duration=4 * 333)
    run = Run(lambda: simulated_frontend(patient, clock, capture=file), clock)
    again = replayed(file)
    assert_same(run, again)
    assert run.said == again.said
    assert run.said[-1] == "the patient's signal ended after 333 samples"
    assert len(run.column("index")) == 333


def test_the_back_end_says_what_it_cannot_play(tmp_path: Path) -> None:
    no_capture = tmp_path / "x.txt"
    no_capture.write_text("what a capture is not")
    for options, words in (
        ({}, "replay of what?"),
        ({"file": str(tmp_path / "gone")}, "No such file"),
        ({"file": str(no_capture)}, "is not a capture"),
        ({"file": 5}, "must be a text"),
        ({"path": "x"}, "unknown option 'path'"),
    ):
        with pytest.raises(FrontendError, match=words.replace("?", r"\?")) as caught:
            backends.build("replay", VirtualClock(), options=options)
        assert caught.value.reason is Reason.BAD_CONFIG
        assert "\n" not in str(caught.value)
