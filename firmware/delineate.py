"""Where the waves of a median beat begin and end, in all leads together.

As the CSE working party has it (Eur Heart J 1985;6:815): one onset of P, one onset and end of QRS
and one end of T for all leads, the earliest and the latest. QRS and P are found in the slope of all
channels together, the end of T where the steepest tangent behind its peak meets the level before
the QRS (Lepeschkin and Surawicz, Circulation 1952;6:378), channel by channel. What does not stand
out clearly is None. Thresholds were set on the odd records of LUDB; docs/measurements.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware.median_beat import AFTER, BEFORE, MedianBeat, moving_mean
from hal.frontend import SAMPLE_RATE_HZ

_MS = SAMPLE_RATE_HZ / 1000
PR_END, LEVEL = int(4 * _MS), int(20 * _MS)  # before the QRS: the level everything is against

_QRS_SMOOTH, _QRS_SLOPE = 5, int(16 * _MS)
_QRS_PERCENT = 3  # of the steepest slope: still QRS
_QRS_NOISE = 2.5  # times the slope of the calm parts
_CALM = int(16 * _MS)  # below that for so long: over
_QRS_BEFORE, _QRS_AFTER = int(140 * _MS), int(200 * _MS)  # of R: no QRS reaches farther

_T_SMOOTH = int(20 * _MS)
_T_FROM = int(60 * _MS)  # after J
_T_REACH = int(200 * _MS)  # from its peak to its steepest tangent
_T_LEAST_UV = 60
_T_LEADS = 3

_P_SMOOTH, _P_SLOPE = int(20 * _MS), int(20 * _MS)
_P_PERCENT = 25  # of its steepest slope: still P
_P_WITHIN = int(340 * _MS)  # before the QRS
_P_GAP = int(20 * _MS)  # between the end of T and P; and P's peak and QRS
_P_LEAST_UV = 10  # of all channels, root mean square
_P_COHERENCE = 0.7  # the part of a beat's P that all beats share: AF 0.1, flutter 0.6
_P_FLOOR = 0.3  # slope in front of it, of its own: flutter never comes to rest


@dataclass(frozen=True, slots=True)
class Fiducials:
    """Rows of the median beat; each but the QRS None where it cannot be told."""

    p_onset: int | None
    qrs_onset: int
    j: int
    t_end: int | None


def delineate(beat: MedianBeat, usable: NDArray[np.bool_]) -> Fiducials | None:
    """Of a median beat; None where the QRS has no clear onset or end. usable : bool [8]."""
    channels = beat.channels[:, usable]
    qrs = _qrs(channels)
    if qrs is None:
        return None
    onset, j = qrs
    channels = channels - channels[onset - PR_END - LEVEL : onset - PR_END].mean(axis=0)
    t_end = _t_end(channels, j, beat.rr)
    p_onset = _p_onset(beat, channels, usable, onset, t_end)
    return Fiducials(p_onset, onset, j, t_end)


def _slope(x: NDArray[np.float64], smooth: int, over: int) -> NDArray[np.float64]:
    """Root mean square over the channels of the differences ``over`` samples, centred."""
    y = moving_mean(x, smooth)
    difference = np.zeros(len(y))
    difference[over // 2 : -over // 2] = np.sqrt(np.square(y[over:] - y[:-over]).mean(axis=1))
    return difference


def _qrs(channels: NDArray[np.float64]) -> tuple[int, int] | None:
    slope = _slope(channels, _QRS_SMOOTH, _QRS_SLOPE)
    noise = float(np.percentile(slope[BEFORE - 150 : BEFORE + 120], 15))
    steepest = float(slope[BEFORE - 30 : BEFORE + 30].max())
    limit = max(_QRS_PERCENT / 100 * steepest, _QRS_NOISE * noise)
    calm = np.convolve(slope >= limit, np.ones(_CALM), "valid") == 0  # from here on, for so long
    before = np.flatnonzero(calm[BEFORE - _QRS_BEFORE : BEFORE - _CALM])
    after = np.flatnonzero(calm[BEFORE : BEFORE + _QRS_AFTER])
    if not len(before) or not len(after):
        return None
    return BEFORE - _QRS_BEFORE + int(before[-1]) + _CALM, BEFORE + int(after[0])


def _t_end(channels: NDArray[np.float64], j: int, rr: float) -> int | None:
    smooth = moving_mean(channels, _T_SMOOTH)
    first = j + _T_FROM
    last = int(min(BEFORE + 0.62 * rr + 120 * _MS, BEFORE + AFTER - 20 * _MS))
    if last - first < _T_FROM:
        return None
    ends: list[float] = []
    for lead in smooth.T:
        peak = first + int(np.argmax(np.abs(lead[first:last])))
        if abs(lead[peak]) < _T_LEAST_UV:
            continue
        fall = (lead[peak + 2 : last + 2] - lead[peak:last])[:_T_REACH] * -np.sign(lead[peak])
        if len(fall) < _CALM or fall.max() <= 0:
            continue
        at = peak + int(np.argmax(fall)) + 1
        end = at + abs(lead[at]) / (float(fall.max()) / 2)
        if end < BEFORE + AFTER:
            ends.append(end)
    if len(ends) < _T_LEADS:
        return None
    return round(sorted(ends)[-2])


def _p_onset(
    beat: MedianBeat,
    channels: NDArray[np.float64],
    usable: NDArray[np.bool_],
    onset: int,
    t_end: int | None,
) -> int | None:
    before = (t_end or BEFORE + int(300 * _MS)) - int(beat.rr)  # where the T before this beat ends
    first, last = max(_P_SLOPE, before + _P_GAP // 2, onset - _P_WITHIN), onset - _P_GAP
    if last - first < 2 * _P_SMOOTH:
        return None
    slope = _slope(channels, _P_SMOOTH, _P_SLOPE)
    part = moving_mean(channels, _P_SMOOTH)[first:last]
    chord = part[0] + np.linspace(0, 1, len(part))[:, None] * (part[-1] - part[0])
    height = np.sqrt(np.square(part - chord).mean(axis=1))
    peak = first + int(np.argmax(height))
    if height.max() < _P_LEAST_UV:
        return None
    around = slice(max(first, peak - int(80 * _MS)), min(last, peak + int(80 * _MS)))
    if _coherence(beat.segments[:, around][:, :, usable]) < _P_COHERENCE:
        return None
    rise = first + int(np.argmax(slope[first : peak + 1]))
    limit = _P_PERCENT / 100 * slope[rise]
    if slope[first : peak + 1].min() > _P_FLOOR * slope[rise]:
        return None
    low = np.flatnonzero(slope[first : rise + 1] < limit)
    return first + int(low[-1]) if len(low) else None


def _coherence(segments: NDArray[np.float64]) -> float:
    """Which part of the energy of single beats [beats, time, channels] all of them share."""
    time = np.linspace(-1, 1, segments.shape[1])
    x = segments - segments.mean(axis=1, keepdims=True)
    tilt = np.einsum("btc,t->bc", x, time) / np.square(time).sum()
    x = x - tilt[:, None, :] * time[:, None]
    total = np.cumsum(x, axis=1)
    x = total[:, _P_SMOOTH // 2 :] - total[:, : -(_P_SMOOTH // 2)]
    n = len(x)
    shared = np.median(x, axis=0)
    own = np.median(np.square(x - shared).sum(axis=(1, 2))) * n / (n - 1)
    whole = np.median(np.square(x).sum(axis=(1, 2)))
    return float(1 - own / whole) if whole > 0 else 0.0
