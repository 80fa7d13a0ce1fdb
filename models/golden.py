"""Synthetic signals for golden vectors: seeded, small, nobody's ECG.

Sums of Gaussian waves on eight channels. They test that filters and network compute what they
computed here, not that the network is right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.frontend import CHANNEL_LEADS, CHANNELS, SAMPLE_RATE_HZ
from models.data.chain import NV_PER_COUNT

STEP = 64  # counts per stored step, 3 uV
SAMPLES = 10 * SAMPLE_RATE_HZ

# lead: amplitudes in mV of P, Q, R, S, T
_WAVES = {
    "I": (0.08, -0.04, 0.7, -0.12, 0.22),
    "II": (0.14, -0.06, 1.1, -0.20, 0.32),
    "V1": (0.05, 0.0, 0.2, -0.9, -0.05),
    "V2": (0.06, 0.0, 0.4, -1.2, 0.35),
    "V3": (0.06, 0.0, 0.7, -0.8, 0.40),
    "V4": (0.07, -0.04, 1.2, -0.4, 0.38),
    "V5": (0.07, -0.06, 1.2, -0.2, 0.32),
    "V6": (0.07, -0.06, 0.9, -0.1, 0.25),
}
_AT_S = (-0.17, -0.035, 0.0, 0.035, 0.28)  # of the waves' centres from R
_WIDTH_S = (0.025, 0.010, 0.012, 0.012, 0.055)


def signals() -> dict[str, NDArray[np.int8]]:
    """Stored form of each golden signal: int8 [SAMPLES, 8], first differences in STEP counts."""
    rng = np.random.default_rng(12)
    irregular = np.cumsum(np.r_[0.3, rng.uniform(0.35, 0.85, 20)])
    return {
        "sinus-72": _deltas(_beats(np.arange(0.4, 10, 60 / 72)), rng),
        "af-110": _deltas(_beats(irregular, p_wave=0.0) + _f_waves(), rng),
        "tachycardia-180": _deltas(_beats(np.arange(0.2, 10, 60 / 180), p_wave=0.0), rng),
    }


def _beats(r_s: NDArray[np.float64], p_wave: float = 1.0) -> NDArray[np.float64]:
    """Millivolts [SAMPLES, 8] of beats with R at ``r_s``."""
    t = np.arange(SAMPLES) / SAMPLE_RATE_HZ
    mv = np.zeros((SAMPLES, CHANNELS))
    for k, (at, width) in enumerate(zip(_AT_S, _WIDTH_S, strict=True)):
        shape = np.exp(-(((t[:, None] - r_s - at) / width) ** 2) / 2).sum(1)
        size = np.array([_WAVES[lead][k] for lead in CHANNEL_LEADS])
        mv += shape[:, None] * size * (p_wave if k == 0 else 1.0)
    return mv


def _f_waves() -> NDArray[np.float64]:
    t = np.arange(SAMPLES)[:, None] / SAMPLE_RATE_HZ
    return 0.06 * np.sin(2 * np.pi * (6.1 * t + 0.2 * np.sin(2 * np.pi * 0.4 * t)))


def _deltas(mv: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    mv = mv + rng.normal(0, 0.005, mv.shape)
    steps = np.rint(mv * 1e6 / NV_PER_COUNT / STEP).astype(np.int64)
    steps -= steps[0]
    deltas = np.diff(steps, axis=0, prepend=steps[:1])
    if np.abs(deltas).max() > 127:
        raise ValueError("a golden signal is too steep for its stored form")
    return deltas.astype(np.int8)
