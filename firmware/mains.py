"""Mains in raw counts: measured between the QRS complexes, so that taking it off leaves them alone.

Amplitude and phase come from the second differences (drift and T waves have hardly any) of half
seconds, whole periods of 50 and of 60 Hz, three of them together: the mains may be 0.1 Hz off.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from firmware.median import median
from hal.frontend import SAMPLE_RATE_HZ

HERTZ = (50, 60)
LEAST_UV = 2  # amplitude, mean of the channels; with less nothing is taken off
BLOCK = SAMPLE_RATE_HZ // 2
_BLANK = SAMPLE_RATE_HZ // 10  # to either side of R
_LEAST_QUIET = 0.1  # of three blocks

_TURN = np.stack(
    [
        wave(2 * np.pi * hz / SAMPLE_RATE_HZ * np.arange(BLOCK))
        for hz in HERTZ
        for wave in (np.cos, np.sin)
    ]
)  # [4, BLOCK]
_GAIN = np.array([4 * np.sin(np.pi * hz / SAMPLE_RATE_HZ) ** 2 for hz in HERTZ])  # of differences


def without_mains(x: NDArray[np.float64], peaks: Iterable[int]) -> NDArray[np.float64]:
    """``x``, microvolts [n, 8], less its mains; n a multiple of BLOCK. peaks : rows of R."""
    blocks, channels = len(x) // BLOCK, x.shape[1]
    quiet = np.ones(len(x))
    quiet[[0, -1]] = 0
    bent = np.zeros_like(x)
    bent[1:-1] = x[:-2] + x[2:] - 2 * x[1:-1]
    for peak in peaks:
        blank = slice(max(0, peak - _BLANK), max(0, peak + _BLANK))
        quiet[blank] = bent[blank] = 0
    found = _three(_TURN @ bent.reshape(blocks, BLOCK, channels))
    share = _three(quiet.reshape(blocks, BLOCK).sum(axis=1))
    found *= 2 / np.maximum(share, _LEAST_QUIET * 3 * BLOCK)[:, None, None]
    waves = found.reshape(blocks, len(HERTZ), 2, channels) / -_GAIN[:, None, None]
    heights = median(np.hypot(waves[:, :, 0], waves[:, :, 1]).mean(axis=2))
    which = int(np.argmax(heights))
    if heights[which] < LEAST_UV:
        return x
    between = (np.arange(len(x)) - BLOCK / 2) / BLOCK
    low = np.clip(between.astype(np.int64), 0, blocks - 2)
    part = np.clip(between - low, 0, 1)[:, None]
    cosine, sine = (np.tile(_TURN[2 * which + k], blocks)[:, None] for k in (0, 1))
    before, after = waves[low, which], waves[low + 1, which]
    now = before + part[:, None] * (after - before)  # [n, 2, 8]
    return np.asarray(x - now[:, 0] * cosine - now[:, 1] * sine)


def _three(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of each with its neighbours along the first axis."""
    edge = np.concatenate((x[1:2], x, x[-2:-1]))
    return np.asarray(edge[:-2] + edge[1:-1] + edge[2:])
