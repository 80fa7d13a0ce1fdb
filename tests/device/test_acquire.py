"""Acquire: front end to ring through every fault, and nothing lost from the account."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.acquire import RETRY_LONGEST_S, Acquisition, Exit
from device.ahead import SEGMENT, PatientAhead
from device.config import Config
from device.ring import RingReader, RingWriter, WriterState
from hal.ads1298.faults import Faults
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_NS, FrameBlock, Frontend, FrontendConfig
from hal.patient import ElectrodePotentials
from hal.patient.presets import preset
from hal.simulated import simulated_frontend

SLOTS = 4096


class Lives:
    """Front ends one after the other, each with its faults; the last one stays well."""

    def __init__(self, clock: VirtualClock, *faults: Faults) -> None:
        self._clock = clock
        self._faults = [*faults]
        self.begun_ns: list[int] = []

    def __call__(self) -> Frontend:
        faults = self._faults.pop(0) if self._faults else Faults()
        self.begun_ns.append(self._clock.now_ns())
        return simulated_frontend(preset("sinus-70"), self._clock, faults=faults)


class Bench:
    """An acquisition in virtual time, and the reader's view of it."""

    def __init__(self, path: Path, clock: VirtualClock, *faults: Faults) -> None:
        self.clock = clock
        self.lives = Lives(clock, *faults)
        self.log: list[str] = []
        self.said: list[str] = []
        self.writer = RingWriter(path, clock.now_ns(), SLOTS)
        self.reader = RingReader(path)
        self.acquisition = Acquisition(
            self.lives, FrontendConfig(), self.writer, clock, self.log.append, self.said.append
        )

    def run_until(self, samples: int) -> list[FrameBlock]:
        self.acquisition.run(lambda: self.writer.next_index >= samples)
        return list(self.blocks())

    def run_for(self, seconds: float) -> None:
        end_ns = self.clock.now_ns() + round(seconds * 1e9)
        self.acquisition.run(lambda: self.clock.now_ns() >= end_ns)

    def blocks(self) -> Iterator[FrameBlock]:
        return iter(lambda: self.reader.read(SLOTS), None)


@pytest.fixture
def bench(tmp_path: Path, clock: VirtualClock) -> Callable[..., Bench]:
    return lambda *faults: Bench(tmp_path / "acquire.ring", clock, *faults)


def test_every_sample_arrives_in_order(bench: Callable[..., Bench]) -> None:
    rig = bench()
    (block,) = rig.run_until(600)
    assert (block.first_index, block.lost_before) == (0, 0)
    assert set(np.diff(block.t_ns).tolist()) == {SAMPLE_NS}
    info = rig.reader.info()
    assert info is not None
    assert (info.name, info.gain) == ("ads1298", 6)
    assert rig.reader.status().state is WriterState.RUNNING
    assert rig.said[:1] == ["READY=1"]
    assert "WATCHDOG=1" in rig.said


def test_stopped_before_the_first_sample_says_why_it_failed(bench: Callable[..., Bench]) -> None:
    it = bench()
    assert it.acquisition.run(lambda: True) is Exit.NO_SAMPLE
    assert it.log == ["stopped before the front end gave a sample"]


def test_edges_that_were_missed_are_counted_one_by_one(bench: Callable[..., Bench]) -> None:
    blocks = bench(Faults(missed_edges=frozenset({100, 101, 300}))).run_until(400)
    assert [(b.first_index, b.lost_before) for b in blocks] == [(0, 0), (102, 2), (301, 1)]


@pytest.mark.parametrize(
    ("faults", "word"),
    [
        (Faults(drdy_stops_at=200), "DRDY"),
        (Faults(bits_slip_at=200), "frame"),
        (Faults(brown_out_at=200), ""),
    ],
)
def test_front_end_that_fails_is_opened_again_and_the_time_is_counted(
    bench: Callable[..., Bench], faults: Faults, word: str
) -> None:
    rig = bench(faults)
    blocks = rig.run_until(800)
    status = rig.reader.status()
    assert len(rig.lives.begun_ns) == 2
    assert any("(trying again)" in line and word in line for line in rig.log), rig.log
    gap = next(b for b in blocks if b.lost_before)
    before = blocks[blocks.index(gap) - 1]
    missing_ns = int(gap.t_ns[0] - before.t_ns[-1])
    assert gap.lost_before == round(missing_ns / SAMPLE_NS) - 1 > 50
    assert status.lost_estimated == status.lost == gap.lost_before
    assert status.samples + status.lost == rig.writer.next_index
    assert (status.state, status.fault) == (WriterState.RUNNING, "")


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(chip_id=0x90), "0x90"),
        (Faults(miso_stuck=0x00), "0x00"),
        (Faults(miso_stuck=0xFF), "0xFF"),
    ],
)
def test_wrong_or_absent_chip_is_told_and_tried_again_with_growing_pauses(
    bench: Callable[..., Bench], faults: Faults, words: str
) -> None:
    rig = bench(*[faults] * 1000)
    rig.run_for(60)
    status = rig.reader.status()
    assert status.state is WriterState.FAULT
    assert words in status.fault
    assert "\n" not in status.fault
    assert rig.clock.now_ns() - status.heartbeat_ns < 1_000_000_000
    pauses_s = np.diff(rig.lives.begun_ns) / 1e9
    assert len(pauses_s) > 8
    assert (np.diff(pauses_s) > -0.01).all()
    assert RETRY_LONGEST_S <= pauses_s[-1] < RETRY_LONGEST_S + 2


def test_chip_that_appears_later_is_used(bench: Callable[..., Bench]) -> None:
    rig = bench(Faults(miso_stuck=0), Faults(miso_stuck=0))
    blocks = rig.run_until(200)
    assert blocks[0].first_index == 0
    assert rig.reader.status().lost == 0


def test_restarted_acquire_goes_on_in_the_ring(
    bench: Callable[..., Bench], clock: VirtualClock
) -> None:
    first = bench()
    first.run_until(300)
    first.reader.commit()
    first.writer.close()
    clock.advance_ns(3_000_000_000)
    second = bench()
    (block,) = second.run_until(second.writer.next_index + 2000)
    assert 1500 < block.lost_before < 2500  # three seconds, and those of the power-up
    assert block.first_index == first.writer.next_index + block.lost_before
    assert second.reader.status().lost_estimated == block.lost_before


class Short:
    """Half a second of nothing."""

    name = "short"
    duration = SEGMENT // 2

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        if first + n > self.duration:
            raise ValueError("beyond the end")
        return ElectrodePotentials(np.zeros((n, 10)), np.zeros((n, 10), np.bool_))


def test_end_of_a_recording_ends_the_process_well(tmp_path: Path, clock: VirtualClock) -> None:
    writer = RingWriter(tmp_path / "end.ring", 0, SLOTS)
    reader = RingReader(tmp_path / "end.ring")
    acquisition = Acquisition(
        lambda: simulated_frontend(PatientAhead(Short()), clock),
        FrontendConfig(), writer, clock, lambda line: None,
    )  # fmt: skip
    acquisition.run(lambda: False)
    assert reader.status().state is WriterState.ENDED
    assert 200 < reader.status().samples <= 250


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5 * SEGMENT), st.integers(1, 600)), max_size=12))
def test_patient_ahead_feels_the_same_however_it_is_asked(spans: list[tuple[int, int]]) -> None:
    want, got = preset("sinus-70", 3), PatientAhead(preset("sinus-70", 3))
    for first, n in spans:
        a, b = want.potentials(first, n), got.potentials(first, n)
        np.testing.assert_array_equal(a.volts, b.volts)
        np.testing.assert_array_equal(a.off, b.off)


def test_patient_ahead_ends_where_the_patient_ends() -> None:
    ahead = PatientAhead(Short())
    assert len(ahead.potentials(Short.duration - 10, 10).volts) == 10
    with pytest.raises(ValueError, match="short ends at point 1000"):
        ahead.potentials(Short.duration - 10, 11)


def test_process_imports_no_display_and_no_interpreter() -> None:
    code = (
        "import sys, device.acquire\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in "
        "('PIL', 'luma', 'ai_edge_litert', 'tflite_runtime', 'tensorflow', 'serial', 'cmsisdsp')"
        " or m.startswith(('device.display', 'firmware.network', 'firmware.pipeline'))]\n"
        "sys.exit(' '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("content", ["ring", "config"])
def test_process_that_cannot_start_says_why_in_one_line(tmp_path: Path, content: str) -> None:
    if content == "ring":
        (tmp_path / "ring").write_text("not a ring, and longer than eight bytes")
        argument = Config().override({"ring.path": str(tmp_path / "ring")}).to_json()
    else:
        argument = str(tmp_path / "none.toml")
    done = subprocess.run(
        [sys.executable, "-m", "device.acquire", argument],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("acquire: ")
    assert done.stderr.count("\n") == 1


def test_settings_that_make_no_sense_end_it_instead_of_trying_for_ever(
    tmp_path: Path, clock: VirtualClock
) -> None:
    lives, log = Lives(clock), []
    writer = RingWriter(tmp_path / "config.ring", clock.now_ns(), SLOTS)
    acquisition = Acquisition(lives, FrontendConfig(gain=8), writer, clock, log.append)
    assert acquisition.run(lambda: len(lives.begun_ns) > 3) is Exit.USAGE
    assert len(lives.begun_ns) == 1
    assert len(log) == 1
