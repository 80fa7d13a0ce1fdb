"""The beat that most beats of ten seconds look like: what intervals, axis and ST are read from.

Of raw counts, so that no filter has moved or bent a wave. Taken off are the mains and the drift, a
cubic through the levels before the beats (Meyer and Keiser, Comput Biomed Res 1977;10:459). Beats
are set one over the other where their slopes agree best. The largest class that looks alike counts,
of it the beats that come when they should: not early, nor behind a pause. The median over them is
the beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware.leads import twelve_leads
from firmware.mains import without_mains
from firmware.median import median
from hal.frontend import SAMPLE_RATE_HZ

_MS = SAMPLE_RATE_HZ / 1000
_UNIT = 64  # parts of a microvolt in which the leads are derived

BEFORE, AFTER = int(440 * _MS), int(640 * _MS)  # of a beat, from its R peak
LEAST_BEATS = 3

_LEVEL_AT, _LEVEL = int(90 * _MS), int(20 * _MS)  # before R: the knots of the drift

_SMOOTH, _SLOPE = 5, 4  # samples
_MATCH = int(60 * _MS)  # of R to either side: compared for alignment and class
_SHIFT = int(16 * _MS)  # farthest that a beat is moved to match
_SIMILAR, _ALIKE = 0.8, 0.9  # correlation of slopes as they come, and when aligned
_AS_LARGE = 0.7  # of the beats of another class
_SHARE = 0.35  # of all beats, or there is no beat that most look like
_IN_TIME = 0.12  # of the median RR: what is nearer is the same rhythm
_STEADY = 0.6  # of the intervals are: it is a rhythm


@dataclass(frozen=True, slots=True, eq=False)
class MedianBeat:
    """Of ten seconds.

    channels : float64 [BEFORE + AFTER, 8] microvolts, the R peak in row BEFORE
    segments : float64 [beats, BEFORE + AFTER, 8], the beats it is the median of
    rr : mean interval before them, in samples; room : the shorter one of before and after them
    """

    channels: NDArray[np.float64]
    segments: NDArray[np.float64]
    rr: float
    room: float

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
    """Of ten seconds of raw counts, int32 [5000, 8]; None where fewer than ``LEAST_BEATS`` count.

    beats : rows of ``counts`` that hold the R peaks; usable : bool [8], channels that can be read
    """
    peaks = np.array([beat for beat in beats if 0 <= beat < len(counts)], dtype=np.int64)
    if len(peaks) <= LEAST_BEATS or not usable.any():
        return None
    x = (counts - counts[0]) * (nv_per_count / 1000)
    x = without_mains(x, peaks.tolist())
    rows, alike = _aligned(x[:, usable], peaks)
    if alike.sum() < _SHARE * len(peaks):
        return None
    kept, rr = _in_time(rows, alike)
    inside = (rows >= BEFORE) & (rows < len(x) - AFTER)
    if (kept & inside).sum() >= LEAST_BEATS:
        kept &= inside
    if kept.sum() < LEAST_BEATS:
        return None
    at = rows[kept][:, None] + np.arange(-BEFORE, AFTER)
    segments = x[np.clip(at, 0, len(x) - 1)] - _drift(x, peaks, at)
    after = np.diff(rows)[kept[:-1]]
    room = min(rr, float(median(after))) if len(after) else rr
    return MedianBeat(median(segments), segments, rr, room)


def moving_mean(x: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Mean over ``n`` samples about each of [time, channels]; at the ends of those there are."""
    total = np.concatenate((np.zeros((1, *x.shape[1:])), np.cumsum(x, axis=0)))
    at = np.arange(len(x))
    low, high = np.maximum(at - n // 2, 0), np.minimum(at + (n - n // 2), len(x))
    return np.asarray((total[high] - total[low]) / (high - low)[:, None])


def _drift(
    x: NDArray[np.float64], peaks: NDArray[np.int64], at: NDArray[np.int64]
) -> NDArray[np.float64]:
    """A smooth line through the levels before the beats, at the rows ``at`` [...]: [..., 8]."""
    first = peaks - _LEVEL_AT
    first = first[(first >= 0) & (first + _LEVEL <= len(x))]
    level = x[first[:, None] + np.arange(_LEVEL)].mean(axis=1)
    if len(first) < 2:
        return np.asarray(level.mean(axis=0))
    knots = first + (_LEVEL - 1) / 2
    step = np.diff(knots)[:, None]
    slope = np.diff(level, axis=0) / step
    tangent = np.zeros_like(level)  # level at both ends
    tangent[1:-1] = (slope[:-1] * step[1:] + slope[1:] * step[:-1]) / (step[1:] + step[:-1])
    t = np.clip(at, knots[0], knots[-1])
    k = np.clip(np.searchsorted(knots, t, side="right") - 1, 0, len(knots) - 2)
    h = step[k, 0]
    u = (t - knots[k]) / h
    v = 1 - u
    weights = np.zeros((at.size, 2 * len(knots)))  # of levels, then of tangents
    first_of_row = np.arange(0, weights.size, weights.shape[1]) + k.ravel()
    parts = ((1 + 2 * u) * v * v, u * u * (3 - 2 * u), h * u * v * v, -h * u * u * v)
    for column, part in zip((0, 1, len(knots), len(knots) + 1), parts, strict=True):
        weights.ravel()[first_of_row + column] = part.ravel()
    line = weights @ np.concatenate((level, tangent))
    return np.asarray(line.reshape(*at.shape, -1))


def _aligned(
    x: NDArray[np.float64], peaks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """R peaks, moved to where the slopes agree best, and which are of the largest class."""
    reach = _MATCH + _SHIFT
    around = np.arange(-reach - _SMOOTH, reach + _SLOPE + 1)
    near = np.cumsum(x[np.clip(peaks[:, None] + around, 0, len(x) - 1)], axis=1)
    smooth = near[:, _SMOOTH:] - near[:, :-_SMOOTH]
    wide = smooth[:, _SLOPE:] - smooth[:, :-_SLOPE]  # [beats, 2 reach + 1, channels]
    narrow = wide[:, _SHIFT:-_SHIFT].reshape(len(peaks), -1)
    length = np.linalg.norm(narrow, axis=1) + 1e-9
    similar = (narrow @ narrow.T) / np.outer(length, length) > _SIMILAR
    np.fill_diagonal(similar, True)  # even where there is no slope at all
    template = median(narrow[_largest(similar, peaks)])
    shift = np.zeros(len(peaks), np.int64)
    alike = np.zeros(len(peaks), np.bool_)
    for _ in range(2):
        best, shift = _match(wide, template)
        alike = best > _ALIKE
        if not alike.any():
            break
        which = np.flatnonzero(alike)
        rows = shift[which][:, None] + np.arange(2 * _MATCH + 1)
        template = median(wide[which[:, None], rows].reshape(len(which), -1))
    return peaks + shift - _SHIFT, alike


def _largest(similar: NDArray[np.bool_], peaks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The largest class of beats; of two about as large, as in bigeminy, the one that is late."""
    first: NDArray[np.bool_] = similar[int(np.argmax(similar.sum(axis=1)))]
    rest = similar & ~first
    rest[first] = False
    second: NDArray[np.bool_] = rest[int(np.argmax(rest.sum(axis=1)))]
    if second.sum() < _AS_LARGE * first.sum() or not first[1:].any():
        return first
    rr = np.diff(peaks)
    early = rr[first[1:]].mean() < rr[second[1:]].mean() * (1 - _IN_TIME)
    return second if early else first


def _match(
    wide: NDArray[np.float64], template: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Best correlation of each beat with ``template``, and at which shift."""
    n = 2 * _MATCH + 1
    energy = np.cumsum(np.square(wide).sum(axis=2), axis=1)
    energy = np.concatenate((np.zeros((len(wide), 1)), energy), axis=1)
    length = np.sqrt(energy[:, n:] - energy[:, :-n] + 1e-9)
    shifts = range(2 * _SHIFT + 1)
    products = [wide[:, s : s + n].reshape(len(wide), -1) @ template for s in shifts]
    found = np.stack(products, axis=1) / (length * (np.linalg.norm(template) + 1e-9))
    return found.max(axis=1), np.argmax(found, axis=1)


def _in_time(rows: NDArray[np.int64], alike: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
    """Which beats count, and the mean RR before them."""
    rr = np.diff(rows)
    pairs = alike[1:] & alike[:-1]
    if not pairs.any():
        return alike, float(rr.mean())
    middle = float(median(rr[pairs]))
    in_time = np.abs(rr - middle) <= _IN_TIME * middle
    if (in_time & pairs).sum() < _STEADY * pairs.sum():  # atrial fibrillation: none is early
        return alike, float(rr[pairs].mean())
    kept = alike & np.concatenate(([True], in_time))
    return kept, float(rr[in_time & pairs].mean())
