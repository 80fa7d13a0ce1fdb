"""Training windows are what the device would have seen."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from firmware.bundle import Bundle
from firmware.network import Network
from firmware.window import filtered_tensor
from hal.ads1298.registers import volts_per_count
from models.data.chain import (
    NV_PER_COUNT,
    SCALE_DEN,
    SCALE_NUM,
    cached_tensors,
    record_tensor,
    to_counts,
)
from models.data.ptbxl import LEADS8
from models.golden import STEP, signals


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def sine(hz: float, mv: float = 1.0) -> np.ndarray:
    """The same sine on all eight leads, [1000, 8] at 100 Hz."""
    return np.repeat(mv * np.sin(2 * np.pi * hz * np.arange(1000) / 100 + 1)[:, None], 8, axis=1)


def test_the_scale_is_the_chips() -> None:
    assert pytest.approx(volts_per_count(6) * 1e9) == NV_PER_COUNT
    assert pytest.approx(20) == NV_PER_COUNT / 1000 * SCALE_DEN / SCALE_NUM


@pytest.mark.parametrize(("hz", "gain"), [(3, 1.0), (10, 0.998), (40, 0.969)])
def test_counts_have_the_chips_droop(hz: float, gain: float) -> None:
    """sinc3(f / 500): 40 Hz loses 0.27 dB."""
    volts = to_counts(sine(hz), rng())[500:-500, 0] * NV_PER_COUNT / 1e6
    assert np.sqrt(2) * volts.std() == pytest.approx(gain, abs=0.004)


def test_leads_arrive_where_they_belong_and_derived_ones_follow() -> None:
    mv = np.zeros((1000, 8))
    for column in range(8):
        mv[:, column] = sine(5, 0.2 * (column + 1))[:, 0]
    tensor = record_tensor(mv, rng()).astype(int)
    peaks = tensor[300:700].max(0)
    one, two, *chest = (10 * (k + 1) for k in range(8))  # steps of 20 uV
    expected = [one, two, two - one, (one + two) / 2, 0, two - one / 2, *chest]
    assert LEADS8[2] == "V1"
    np.testing.assert_allclose(peaks, expected, atol=2)


def test_the_window_is_the_records_own_ten_seconds() -> None:
    mv = np.zeros((1000, 8))
    at = [0, 37, 500, 962]
    for sample in at:
        mv[sample : sample + 1] = 1.5
    tensor = record_tensor(mv, rng())[:, 6].astype(int)
    for sample in at:
        low = max(0, sample - 20)
        assert abs(int(tensor[low : sample + 20].argmax()) + low - sample) <= 1


def test_offsets_and_what_was_before_leave_no_step_at_either_end() -> None:
    tensor = record_tensor(sine(1.2, 0.5) + 2.0, rng()).astype(int)  # 2 mV of offset
    assert np.abs(tensor).max() <= 32
    assert np.abs(np.diff(tensor[:, 0])).max() <= 4


def test_only_the_seed_decides() -> None:
    np.testing.assert_array_equal(to_counts(sine(7), rng()), to_counts(sine(7), rng()))
    assert (to_counts(sine(7), rng()) != to_counts(sine(7), np.random.default_rng(6))).any()


def test_streamed_in_blocks_the_device_sees_the_same_window(embedded: Bundle) -> None:
    """ModelWindow, pushed block by block, against the one pass that training makes."""
    from firmware.model_window import ModelWindow
    from firmware.profiles import MODEL

    counts = embedded.golden[1].counts
    network = Network(embedded)
    window = ModelWindow(network)
    for start in range(0, len(counts), 37):
        window.push(counts[start : start + 37])
    tensor = filtered_tensor(counts, MODEL, 1000, SCALE_NUM, SCALE_DEN)
    assert window.scores(np.zeros(12, np.bool_), len(counts)) == network.run(tensor)


def test_golden_signals_are_the_bundles(embedded: Bundle) -> None:
    for golden in embedded.golden:
        stored = signals()[golden.name].astype(np.int32)
        np.testing.assert_array_equal(golden.counts, np.cumsum(stored, axis=0) * STEP)


def test_an_interrupted_cache_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[int] = []

    def make(row: int) -> np.ndarray:
        made.append(row)
        return np.full((1000, 12), row % 100, np.int8)

    def interrupt(done: int, n: int) -> None:
        if done == 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_tensors("key", 250, make, interrupt)
    tensors = cached_tensors("key", 250, make, lambda *_: None)
    assert made == list(range(250))
    assert (tensors[:, 0, 0] == np.arange(250) % 100).all()
    np.testing.assert_array_equal(cached_tensors("key", 250, make, lambda *_: None), tensors)
    assert len(made) == 250
    assert [path.suffix for path in (tmp_path / "lead12").iterdir()] == [".npy"]


def test_a_disk_without_room_for_all_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def full(fd: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def make(row: int) -> np.ndarray:
        raise AssertionError("work was begun")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match=r"No space left on device: .*\.part"):
        cached_tensors("key", 250, make, lambda *_: None)
    assert not list((tmp_path / "lead12").iterdir())
