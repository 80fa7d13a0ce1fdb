"""A plain synthetic ECG in counts: Gaussian P, QRS and T on eight channels at 500 Hz."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NV_PER_COUNT = 2.4e9 / 6 / (2**23 - 1)  # gain 6, 2.4 V reference
ALL = np.ones(8, np.bool_)
QRS_MV = np.array([0.9, 0.6, 1.0, -0.8, 0.5, 1.4, 1.2, -0.7])  # V6 I II V2 V3 V4 V5 V1


def counts_of(mv: NDArray[np.float64]) -> NDArray[np.int32]:
    """Counts of input millivolts."""
    return np.rint(mv * 1e6 / NV_PER_COUNT).astype(np.int32)


def beats_at(*, bpm: float, seconds: float, first: int = 200) -> list[int]:
    """R peaks of a steady rhythm, leaving half a second at the end."""
    return np.rint(np.arange(first, (seconds - 0.5) * 500, 30_000 / bpm)).astype(int).tolist()


def ecg_mv(
    beats: Iterable[int],
    seconds: float,
    *,
    qrs_ms: float = 80,
    qrs_scale: float = 1.0,
    t_mv: float = 0.25,
    t_peak_ms: float = 280,
    t_ms: float = 160,
) -> NDArray[np.float64]:
    """Millivolts [n, 8]: R peaks at ``beats``; qrs_ms and t_ms are widths at the base."""
    t = np.arange(round(seconds * 500)) * 2.0
    mv = np.zeros((len(t), 8))
    for beat in beats:
        since = t - 2.0 * beat
        shape = np.exp(-0.5 * (since / (qrs_ms / 5)) ** 2) * qrs_scale
        shape += 0.1 * np.exp(-0.5 * ((since + 150) / 20) ** 2)
        mv += shape[:, None] * QRS_MV
        mv += (
            t_mv * np.exp(-0.5 * ((since - t_peak_ms) / (t_ms / 4)) ** 2)[:, None] * np.abs(QRS_MV)
        )
    return mv


def noise_mv(seconds: float, uv: float, seed: int) -> NDArray[np.float64]:
    """White noise of ``uv`` RMS on each channel."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, uv / 1000, (round(seconds * 500), 8))


def cut(n: int, lengths: Iterable[int]) -> list[tuple[int, int]]:
    """Blocks (start, stop) of the given lengths, and the rest as one."""
    blocks, start = [], 0
    for length in lengths:
        stop = min(start + length, n)
        blocks.append((start, stop))
        start = stop
    return [*blocks, (start, n)]
