"""The beat that most beats of ten seconds look like: what intervals, axis and ST are read from.

Raw counts, so that no filter has moved or bent a wave. What is taken off first is known to be none
of the heart's: mains, estimated between the QRS complexes, and the drift through the PR segments
(a cubic through these knots, as Meyer and Keiser, Comput Biomed Res 1977;10:459). Beats are set one
over the other where their slopes agree best; of those that look alike the largest class counts,
early beats and beats behind a pause do not, and the median over the rest is the beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.leads import twelve_leads
from hal.frontend import SAMPLE_RATE_HZ

_MS = SAMPLE_RATE_HZ / 1000
_UNIT = 64  # parts of a microvolt in which the leads are derived

BEFORE, AFTER = int(440 * _MS), int(640 * _MS)  # of a beat, from its R peak
LEAST_BEATS = 3

MAINS_HZ = (50, 60)
MAINS_UV = 2  # amplitude below which nothing is taken off
_BLANK = int(100 * _MS)  # to either side of R: no mains is measured there
_MAINS_MEAN = SAMPLE_RATE_HZ  # samples over which amplitude and phase of mains are taken as one

_LEVEL_AT, _LEVEL = -int(90 * _MS), int(20 * _MS)  # before R: the knots of the drift

_SLOPE = int(8 * _MS)
_MATCH = int(60 * _MS)  # of R to either side: compared for alignment and class
_SHIFT = int(16 * _MS)  # farthest that a beat is moved to match
_ALIKE = 0.9  # correlation of slopes within a class
_STEADY = 0.12  # of the median RR: nearer intervals are of the same rhythm


@dataclass(frozen=True, slots=True, eq=False)
class MedianBeat:
    """Of ten seconds.

    channels : float64 [BEFORE + AFTER, 8] microvolts, the R peak in row BEFORE
    segments : float64 [beats, BEFORE + AFTER, 8], the beats it is the median of
    rr : mean interval before them, in samples
    """

    channels: NDArray[np.float64]
    segments: NDArray[np.float64]
    rr: float

    @property
    def leads(self) -> NDArray[np.float64]:
        """The median beat as twelve leads, float64 [BEFORE + AFTER, 12] microvolts."""
        return twelve_leads(np.rint(self.channels * _UNIT).astype(np.int32)) / _UNIT


def median_beat(
    counts: NDArray[np.int32],
    beats: Sequence[int],
    usable: NDArray[np.bool_],
    nv_per_count: float,
) -> MedianBeat | None:
    """Of raw counts, int32 [n, 8]; None where fewer than ``LEAST_BEATS`` look alike.

    beats : rows of ``counts`` that hold the R peaks; usable : bool [8], channels that can be read
    """
    peaks = np.array(beats, dtype=np.int64)
    if len(peaks) < LEAST_BEATS + 1 or not usable.any():
        return None
    x = (counts - counts[0]) * (nv_per_count / 1000)
    x = _without_mains(x, peaks)
    x = _without_drift(x, peaks)
    rows, classed = _aligned(x, peaks, usable)
    kept, rr = _dominant(rows, classed)
    inside = (rows >= BEFORE) & (rows < len(x) - AFTER)
    if (kept & inside).sum() >= LEAST_BEATS:
        kept &= inside
    if kept.sum() < LEAST_BEATS:
        return None
    segments = _segments(x, rows[kept])
    return MedianBeat(np.median(segments, axis=0), segments, rr)


def _segments(x: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """[beats, time, 8]; the first and the last sample go on beyond the ends."""
    padded = np.pad(x, ((BEFORE, AFTER), (0, 0)), mode="edge")
    found: NDArray[np.float64] = padded[rows[:, None] + np.arange(BEFORE + AFTER)]
    return found


def _without_mains(x: NDArray[np.float64], peaks: NDArray[np.int64]) -> NDArray[np.float64]:
    """``x`` [n, 8] less the sines of 50 and 60 Hz that go on between the QRS complexes."""
    quiet = np.ones(len(x))
    for peak in peaks:
        quiet[max(0, peak - _BLANK) : peak + _BLANK] = 0
    t = np.arange(len(x))
    for hz in MAINS_HZ:
        turn = np.exp(-2j * np.pi * hz / SAMPLE_RATE_HZ * t)[:, None]
        calm = x - moving_mean(x, 25)
        weight = moving_mean(quiet[:, None], _MAINS_MEAN)
        part = 2 * moving_mean(calm * turn * quiet[:, None], _MAINS_MEAN) / np.maximum(weight, 0.05)
        if np.median(np.abs(part)) > MAINS_UV:
            x = x - (part * turn.conj()).real
    return x


def moving_mean(x: NDArray[Any], n: int) -> NDArray[Any]:
    """Mean over ``n`` samples about each; towards the ends over those that are there."""
    half = n // 2
    total = np.concatenate((np.zeros((1, x.shape[1]), x.dtype), np.cumsum(x, axis=0)))
    at = np.arange(len(x))
    low, high = np.maximum(at - half, 0), np.minimum(at + (n - half), len(x))
    mean: NDArray[Any] = (total[high] - total[low]) / (high - low)[:, None]
    return mean


def _without_drift(x: NDArray[np.float64], peaks: NDArray[np.int64]) -> NDArray[np.float64]:
    """``x`` less a smooth line through the levels before the beats."""
    at = peaks + _LEVEL_AT
    at = at[(at >= 0) & (at + _LEVEL <= len(x))]
    if len(at) < 2:
        return np.asarray(x - x.mean(axis=0))
    total = np.concatenate((np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)))
    level = (total[at + _LEVEL] - total[at]) / _LEVEL
    knots = at + (_LEVEL - 1) / 2
    step = np.diff(knots)[:, None]
    slope = np.diff(level, axis=0) / step
    tangent = np.concatenate((slope[:1], slope))
    tangent[1:-1] = (slope[:-1] * step[1:] + slope[1:] * step[:-1]) / (step[1:] + step[:-1])
    tangent[0], tangent[-1] = 0, 0
    t = np.clip(np.arange(len(x)), knots[0], knots[-1])
    k = np.clip(np.searchsorted(knots, t, side="right") - 1, 0, len(knots) - 2)
    h = step[k]
    u = ((t - knots[k]) / step[k, 0])[:, None]
    line = (
        level[k] * (1 + 2 * u) * (1 - u) ** 2
        + level[k + 1] * u * u * (3 - 2 * u)
        + h * tangent[k] * u * (1 - u) ** 2
        - h * tangent[k + 1] * u * u * (1 - u)
    )
    return np.asarray(x - line)


def _aligned(
    x: NDArray[np.float64], peaks: NDArray[np.int64], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """R peaks, moved to where the slopes agree best, and which are of the largest class."""
    smooth = moving_mean(x[:, usable], 5)
    slope = np.zeros_like(smooth)
    slope[_SLOPE // 2 : -_SLOPE // 2] = smooth[_SLOPE:] - smooth[:-_SLOPE]
    reach = _MATCH + _SHIFT
    padded = np.pad(slope, ((reach, reach), (0, 0)))
    wide = padded[peaks[:, None] + np.arange(2 * reach + 1)]  # [beats, time, channels]
    narrow = wide[:, _SHIFT : wide.shape[1] - _SHIFT].reshape(len(peaks), -1)
    length = np.linalg.norm(narrow, axis=1) + 1e-9
    alike = (narrow @ narrow.T) / np.outer(length, length) > 0.8
    model = int(np.argmax(alike.sum(axis=1)))
    template = np.median(narrow[alike[model]], axis=0)
    for _ in range(2):
        best, shift = _match(wide, template)
        same = best > _ALIKE
        if not same.any():
            return peaks, same
        moved = [wide[i, s : s + 2 * _MATCH + 1].ravel() for i, s in enumerate(shift) if same[i]]
        template = np.median(moved, axis=0)
    return peaks + shift - _SHIFT, same


def _match(
    wide: NDArray[np.float64], template: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Best correlation of each beat with ``template``, and where it begins."""
    shifts = range(2 * _SHIFT + 1)
    n = 2 * _MATCH + 1
    found = np.empty((len(shifts), len(wide)))
    for shift in shifts:
        part = wide[:, shift : shift + n].reshape(len(wide), -1)
        found[shift] = part @ template / (np.linalg.norm(part, axis=1) + 1e-9)
    found /= np.linalg.norm(template) + 1e-9
    return found.max(axis=0), np.argmax(found, axis=0)


def _dominant(
    rows: NDArray[np.int64], classed: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], float]:
    """Which beats count, and the mean RR before them."""
    rr = np.diff(rows, prepend=rows[0])
    after_same = classed & np.roll(classed, 1)
    after_same[0] = False
    if not after_same.any():
        return classed, float(np.median(rr[1:]))
    middle = float(np.median(rr[after_same]))
    near = np.abs(rr - middle) <= _STEADY * middle
    near[0] = True
    steady = bool((near & after_same).sum() >= 0.6 * after_same.sum())
    kept = classed & near if steady else classed
    kept_rr = rr[kept & after_same]
    return kept, float(kept_rr.mean()) if len(kept_rr) else middle
