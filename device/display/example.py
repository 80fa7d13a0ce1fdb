"""A synthetic patient for pictures and tests of the screen: the same pixels, every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.display.state import ScreenState
from firmware.events import (
    Beat,
    Call,
    ElectrodeChange,
    Gap,
    Quality,
    QualityGrade,
    Rate,
    Trace,
)
from hal.frontend import SAMPLE_RATE_HZ, Electrode, electrode_mask

BLOCK = 50  # samples per event, as the pipeline gives them
# Waves of a beat: centre (s from the R peak), width (s), height (uV); P, Q, R, S, T.
_WAVES = (
    (-0.17, 0.022, 130),
    (-0.03, 0.008, -120),
    (0, 0.011, 1150),
    (0.03, 0.009, -260),
    (0.27, 0.045, 290),
)
# How much of it each lead sees, in the order of LEADS.
_GAINS = np.array((0.7, 1.0, 0.45, -0.8, 0.25, 0.7, -0.5, -0.8, 0.5, 1.2, 1.1, 0.8))


def synthetic_ecg(seconds: float, peaks: NDArray[np.float64], p_wave: bool) -> NDArray[np.int32]:
    """Twelve leads in microvolts, int32 [n, 12], with a beat at each of ``peaks`` (s)."""
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    uv = np.zeros(len(t))
    for centre, width, height in _WAVES[0 if p_wave else 1 :]:
        for peak in peaks:
            uv += height * np.exp(-0.5 * ((t - peak - centre) / width) ** 2)
    if not p_wave:  # fibrillation waves in place of P
        uv += 45 * np.sin(2 * np.pi * 6.1 * t) * np.sin(2 * np.pi * 0.31 * t + 1)
    uv += np.random.default_rng(12).normal(0, 8, len(t))
    leads: NDArray[np.int32] = np.round(uv[:, None] * _GAINS).astype(np.int32)
    return leads


def _peaks(seconds: float, irregular: bool) -> NDArray[np.float64]:
    rng = np.random.default_rng(7)
    intervals = rng.uniform(0.45, 0.95, 60) if irregular else np.full(60, 60 / 78)
    peaks = 0.4 + np.cumsum(intervals) - intervals[0]
    return np.asarray(peaks[peaks < seconds])


def make_call(index: int, **changes: object) -> Call:
    """A call of sinus rhythm at ``index`` with ``changes``."""
    fields: dict[str, object] = {
        "index": index,
        "span": 10 * SAMPLE_RATE_HZ,
        "label": "SR",
        "text": "SINUS RHYTHM",
        "probability": 0.97,
        "refusal": None,
        "act": "",
        "scores": {},
        "rate_bpm": 78.0,
        "irregularity": 0.02,
        "quality": QualityGrade.GOOD,
        "faults": {},
        "electrodes_off": 0,
        "model": "core 1.2",
    }
    return Call(**{**fields, **changes})  # type: ignore[arg-type]


def patient(
    seconds: float = 23.3,
    *,
    irregular: bool = False,
    rate: float | None = 78.0,
    off: tuple[Electrode, ...] = (),
    gap: tuple[float, float] | None = None,
    flat: bool = False,
    grade: QualityGrade = QualityGrade.GOOD,
    invalid_from: float | None = None,
) -> ScreenState:
    """A state after ``seconds`` of synthetic signal, without a call yet."""
    state = ScreenState(model="core 1.2", recording=True)
    peaks = _peaks(seconds, irregular)
    uv = synthetic_ecg(seconds, peaks, p_wave=not irregular)
    if flat:
        uv = np.random.default_rng(3).integers(-9, 10, uv.shape).astype(np.int32)
    for first in range(0, len(uv), BLOCK):
        block = uv[first : first + BLOCK]
        if gap and gap[0] <= first / SAMPLE_RATE_HZ < gap[1]:
            continue
        if gap and first == round(gap[1] * SAMPLE_RATE_HZ):
            state.apply(Gap(first, round((gap[1] - gap[0]) * SAMPLE_RATE_HZ)))
        bad = invalid_from is not None and first >= invalid_from * SAMPLE_RATE_HZ
        state.apply(Trace(first, block, np.full(12, not bad)))
        if not flat:
            for peak in peaks[
                (peaks * SAMPLE_RATE_HZ >= first) & (peaks * SAMPLE_RATE_HZ < first + BLOCK)
            ]:
                state.apply(Beat(round(peak * SAMPLE_RATE_HZ)))
        if first % SAMPLE_RATE_HZ == 0:
            state.apply(Quality(first, grade, {}))
    state.apply(Rate(state.index, rate, 0.02))
    if off:
        state.apply(ElectrodeChange(state.index, electrode_mask(off)))
    return state
