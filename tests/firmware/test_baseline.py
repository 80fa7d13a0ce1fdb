"""Rest between beats: pulses have it, waves have not, and small signals tell nothing."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.baseline import RESTLESS_BELOW, share_at_rest

NV_PER_COUNT = 50.0
ALL = np.ones(12, np.bool_)
T = np.arange(1000) / 100


def window(mv: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(mv * 1e6 / NV_PER_COUNT).astype(np.int32)[:, None], 12, axis=1)


def beats(rate_bpm: float) -> np.ndarray:
    phase = (T * rate_bpm / 60) % 1 * 60 / rate_bpm - 0.1
    return np.exp(-((phase / 0.015) ** 2))


@pytest.mark.parametrize("rate_bpm", [40, 75, 180])
def test_beats_come_to_rest(rate_bpm: float) -> None:
    share = share_at_rest(window(beats(rate_bpm)), ALL, NV_PER_COUNT)
    assert share is not None
    assert share > RESTLESS_BELOW


@pytest.mark.parametrize("f_hz", [2.5, 5.0, 7.0])
def test_waves_do_not(f_hz: float) -> None:
    share = share_at_rest(window(0.5 * np.sin(2 * np.pi * f_hz * T)), ALL, NV_PER_COUNT)
    assert share is not None
    assert share < RESTLESS_BELOW


def test_small_signals_and_few_leads_tell_nothing() -> None:
    assert share_at_rest(window(0.01 * np.sin(2 * np.pi * 5 * T)), ALL, NV_PER_COUNT) is None
    two = np.zeros(12, np.bool_)
    two[:2] = True
    assert share_at_rest(window(np.sin(2 * np.pi * 5 * T)), two, NV_PER_COUNT) is None
