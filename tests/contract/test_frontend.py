"""The Frontend contract, asked of every back-end alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hal.errors import FrontendError, Reason
from hal.frontend import (
    CHANNELS,
    SAMPLE_NS,
    Capability,
    Electrode,
    FrameBlock,
    FrontendConfig,
    Housekeeping,
    electrode_mask,
)
from tests.contract.rigs import NAMES, MakeRig, Rig, rig_maker, start

TIMEOUT_S = 0.1


@pytest.fixture(params=NAMES)
def make(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeRig]:
    cleanup: list[Callable[[], None]] = []
    yield rig_maker(request.param, tmp_path, monkeypatch, cleanup)
    for close in cleanup:
        close()


@pytest.fixture
def rig(make: MakeRig) -> Rig:
    return make()


def read(rig: Rig, max_frames: int) -> FrameBlock:
    rig.feed(max_frames)
    return rig.frontend.read(max_frames, TIMEOUT_S)


def read_samples(rig: Rig, samples: int, max_frames: int = 25) -> list[FrameBlock]:
    """Blocks until ``samples`` have come; each must follow the one before."""
    blocks: list[FrameBlock] = []
    while sum(map(len, blocks)) < samples:
        block = read(rig, min(max_frames, samples - sum(map(len, blocks))))
        expected = blocks[-1].first_index + len(blocks[-1]) if blocks else 0
        assert block.first_index == expected + block.lost_before
        blocks.append(block)
    return blocks


def reason_of(call: Callable[[], object]) -> Reason:
    with pytest.raises(FrontendError) as caught:
        call()
    assert str(caught.value).strip()
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_configure_says_what_was_found(rig: Rig) -> None:
    rig.frontend.open()
    info = rig.frontend.configure(FrontendConfig())
    assert info.name
    assert info.detail
    assert info.gain == 6
    assert info.nv_per_count == pytest.approx(47.684, abs=1e-3)
    rig.frontend.close()


def test_settings_it_cannot_have_are_refused(rig: Rig) -> None:
    rig.frontend.open()
    assert reason_of(lambda: rig.frontend.configure(FrontendConfig(gain=12))) is Reason.BAD_CONFIG
    rig.frontend.close()


def test_calls_out_of_order_are_refused(rig: Rig) -> None:
    frontend = rig.frontend
    assert reason_of(lambda: frontend.read(1, TIMEOUT_S)) is Reason.BAD_CONFIG
    frontend.open()
    assert reason_of(frontend.start) is Reason.BAD_CONFIG
    frontend.configure(FrontendConfig())
    assert reason_of(lambda: frontend.read(1, TIMEOUT_S)) is Reason.BAD_CONFIG
    frontend.start()
    read(rig, 5)
    frontend.stop()
    assert reason_of(lambda: frontend.read(1, TIMEOUT_S)) is Reason.BAD_CONFIG
    frontend.close()


def test_the_first_settled_sample_is_index_0(rig: Rig) -> None:
    start(rig)
    block = read(rig, 25)
    assert block.first_index == 0
    assert block.lost_before == 0
    rig.frontend.close()


def test_blocks_have_the_promised_form(rig: Rig) -> None:
    start(rig)
    for max_frames in (1, 7, 64):
        block = read(rig, max_frames)
        n = len(block)
        assert 1 <= n <= max_frames
        assert (block.counts.shape, block.counts.dtype) == ((n, CHANNELS), np.int32)
        assert block.counts.flags.c_contiguous
        assert (block.t_ns.shape, block.t_ns.dtype) == ((n,), np.int64)
        assert (block.status.shape, block.status.dtype) == ((n,), np.uint32)
        assert (block.electrodes_off.shape, block.electrodes_off.dtype) == ((n,), np.uint16)
        assert abs(block.counts).max() < 1 << 23
    rig.frontend.close()


def test_counts_do_not_depend_on_how_reads_are_cut(make: MakeRig) -> None:
    streams = []
    for max_frames in (1, 13, 64):
        rig = make()
        start(rig)
        blocks = read_samples(rig, 200, max_frames)
        rig.frontend.close()
        assert not any(block.lost_before for block in blocks)
        streams.append(np.concatenate([block.counts for block in blocks]))
    assert len(np.unique(streams[0], axis=0)) > 150  # a signal, not one frame again and again
    assert np.array_equal(streams[0], streams[1])
    assert np.array_equal(streams[0], streams[2])


def test_times_follow_the_samples(rig: Rig) -> None:
    start(rig)
    blocks = read_samples(rig, 300)
    rig.frontend.close()
    t_ns = np.concatenate([block.t_ns for block in blocks])
    assert (np.diff(t_ns) > 0).all()
    assert np.abs(t_ns - t_ns[0] - SAMPLE_NS * np.arange(len(t_ns))).max() < SAMPLE_NS


def test_a_late_reader_is_told_what_it_lost(rig: Rig) -> None:
    start(rig)
    blocks = read_samples(rig, 10)
    rig.elapse(50)
    read_on = read_samples_from(rig, blocks, 100)
    rig.frontend.close()
    lost = sum(block.lost_before for block in read_on)
    assert lost == 0 if rig.buffered else 45 <= lost <= 51
    # the clock is the witness: index and time agree to the sample across the gap
    last = read_on[-1]
    elapsed = int(last.t_ns[-1]) - int(blocks[0].t_ns[0])
    assert last.first_index + len(last) - 1 == round(elapsed / SAMPLE_NS)


def read_samples_from(rig: Rig, before: list[FrameBlock], samples: int) -> list[FrameBlock]:
    blocks: list[FrameBlock] = []
    end = before[-1].first_index + len(before[-1])
    while sum(map(len, blocks)) < samples:
        block = read(rig, 25)
        assert block.first_index == end + block.lost_before
        end = block.first_index + len(block)
        blocks.append(block)
    return blocks


def test_a_data_ready_line_that_stops_is_a_timeout_after_the_last_sample(make: MakeRig) -> None:
    rig = make(stops_at=30)
    start(rig)
    blocks = read_samples(rig, 30, max_frames=8)
    assert blocks[-1].first_index + len(blocks[-1]) == 30
    assert reason_of(lambda: read(rig, 8)) is Reason.DATA_READY_TIMEOUT
    rig.frontend.close()


def test_it_can_be_stopped_and_started_again(rig: Rig) -> None:
    start(rig)
    first = np.concatenate([block.counts for block in read_samples(rig, 40)])
    rig.frontend.stop()
    rig.frontend.stop()
    rig.elapse(100)
    rig.frontend.start()
    blocks = read_samples(rig, 40)
    rig.frontend.close()
    assert (blocks[0].first_index, blocks[0].lost_before) == (0, 0)
    assert np.concatenate([block.counts for block in blocks]).shape == first.shape


STEPS: tuple[Callable[[Rig], object], ...] = (
    lambda rig: rig.frontend.open(),
    lambda rig: rig.frontend.configure(FrontendConfig()),
    lambda rig: rig.frontend.start(),
    lambda rig: read(rig, 5),
    lambda rig: rig.frontend.stop(),
)


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
def test_close_may_follow_any_step_and_leaves_nothing_held(rig: Rig, steps: int) -> None:
    for step in STEPS[:steps]:
        step(rig)
    rig.frontend.close()
    rig.frontend.close()
    assert rig.in_use() == 0


def test_capabilities_are_honest(rig: Rig) -> None:
    frontend = rig.frontend
    frontend.open()
    frontend.configure(FrontendConfig())
    if Capability.SELF_TEST in frontend.capabilities:
        checks = frontend.self_test()
        assert checks
        assert all(check.ok and check.evidence for check in checks)
    else:
        assert reason_of(frontend.self_test) is Reason.UNSUPPORTED
    if Capability.HOUSEKEEPING in frontend.capabilities:
        found = frontend.housekeeping()
        assert isinstance(found, Housekeeping)
        assert -40 < found.temperature_c < 85
        assert 2.7 < found.avdd_v < 5.3
        assert 1.6 < found.dvdd_v < 3.7
    else:
        assert reason_of(frontend.housekeeping) is Reason.UNSUPPORTED
    frontend.close()


@pytest.mark.parametrize("electrode", [Electrode.RA, Electrode.LL, Electrode.V1, Electrode.V6])
def test_a_loose_electrode_is_named_where_the_back_end_can_see_it(
    make: MakeRig, electrode: Electrode
) -> None:
    rig = make(off=(electrode,))
    start(rig)
    off = np.concatenate([block.electrodes_off for block in read_samples(rig, 50)])
    rig.frontend.close()
    sees = Capability.ELECTRODE_STATUS in rig.frontend.capabilities
    assert off[-1] == (electrode_mask([electrode]) if sees else 0)


def test_frames_are_frames_where_the_back_end_sees_them(rig: Rig) -> None:
    start(rig)
    status = read(rig, 10).status
    rig.frontend.close()
    sees = Capability.ELECTRODE_STATUS in rig.frontend.capabilities
    assert (status >> 20 == (0b1100 if sees else 0)).all()


@pytest.mark.parametrize("name", ["simulated-bulk", "ads1298-gpiod", "ads1298-rpigpio", "injected"])
def test_one_driver_gives_one_result_over_every_bus(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = []
    for which in ("simulated", name):
        rig = rig_maker(which, tmp_path, monkeypatch, [])()
        start(rig)
        streams.append(np.concatenate([block.counts for block in read_samples(rig, 200)]))
        rig.frontend.close()
    assert np.array_equal(*streams)
