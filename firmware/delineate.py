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

from firmware.median import median
from firmware.median_beat import AFTER, BEFORE, MedianBeat, moving_mean
from hal.frontend import SAMPLE_RATE_HZ

_MS = SAMPLE_RATE_HZ / 1000
PR_END, LEVEL = int(4 * _MS), int(20 * _MS)  # before the QRS: the level everything is against

_QRS_SMOOTH, _QRS_SLOPE = 5, int(16 * _MS)
_ONSET_PERCENT, _END_PERCENT = 3, 4  # of the steepest slope: still QRS
_NOISE = 2.5  # times the slope where it is calm:
_CALM_BEFORE, _CALM_AFTER, _CALMEST = 150, 120, 40  # samples about R; of these the 40th calmest
_QRS_LEAST = int(40 * _MS)
_CALM = int(16 * _MS)  # below that for so long: over
_QRS_BEFORE, _QRS_AFTER = int(140 * _MS), int(240 * _MS)  # of R: no QRS reaches farther
_ST_FROM, _ST_OVER = int(16 * _MS), int(24 * _MS)  # behind a sample: where ST would have its slope

_SMOOTH = int(20 * _MS)  # of P and T
_T_FROM = int(60 * _MS)  # after J
_T_REACH = int(200 * _MS)  # from its peak to its steepest tangent
_T_LATEST = int(100 * _MS)  # behind half the RR interval: there the next P may begin
_T_LEAST_UV = 40
_T_SECOND = 0.5  # of its peak: a deflection the other way behind it is still T
_T_LEADS = 3
_T_AGREE = int(80 * _MS)  # between the median over the leads and the latest

_P_SLOPE = int(20 * _MS)
_P_PERCENT = 25  # of its steepest slope: still P
_P_WITHIN = int(340 * _MS)  # before the QRS
_P_GAP = int(20 * _MS)  # between the end of T and P; and P's peak and QRS
_P_LEAST_UV = 10  # of all channels, root mean square
_P_COHERENCE = 0.7  # the part of a beat's P that all beats share: AF 0.1, flutter 0.6
_P_PER_CENT = 67  # per cent of the beats share so much: PR does not vary
_P_HALF = int(80 * _MS)
_P_CALM = int(22 * _MS)  # at rest before it for so long: between flutter waves it is 18 ms


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
    smooth = moving_mean(channels, _SMOOTH)
    t_end = _t_end(smooth, j, beat.room)
    p_onset = _p_onset(beat, smooth, usable, onset, t_end)
    return Fiducials(p_onset, onset, j, t_end)


def _slopes(x: NDArray[np.float64], over: int) -> NDArray[np.float64]:
    """Differences ``over`` samples, centred; [time, channels]."""
    slopes = np.zeros_like(x)
    slopes[over // 2 : -over // 2] = x[over:] - x[:-over]
    return slopes


def _size(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square over the channels."""
    return np.asarray(np.sqrt(np.square(x).mean(axis=-1)))


def _qrs(channels: NDArray[np.float64]) -> tuple[int, int] | None:
    """Onset: where the slope leaves that of a calm trace; end: where it comes to that of ST."""
    slopes = _slopes(moving_mean(channels, _QRS_SMOOTH), _QRS_SLOPE)
    size = _size(slopes)
    noise = _NOISE * float(np.sort(size[BEFORE - _CALM_BEFORE : BEFORE + _CALM_AFTER])[_CALMEST])
    steepest = float(size[BEFORE - 30 : BEFORE + 30].max())
    rising = size[BEFORE - _QRS_BEFORE : BEFORE] >= max(_ONSET_PERCENT / 100 * steepest, noise)
    total = np.cumsum(slopes, axis=0)
    at = np.arange(BEFORE, BEFORE + _QRS_AFTER)
    st = (total[at + _ST_FROM + _ST_OVER] - total[at + _ST_FROM]) / _ST_OVER
    falling = _size(slopes[at] - st) >= max(_END_PERCENT / 100 * steepest, noise)
    before = np.flatnonzero(_runs(~rising, _CALM))
    after = np.flatnonzero(_runs(~falling, _CALM))
    if not len(before) or not len(after):
        return None
    onset, end = BEFORE - _QRS_BEFORE + int(before[-1]) + _CALM, BEFORE + int(after[0])
    return (onset, end) if end - onset >= _QRS_LEAST else None


def _runs(calm: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Where ``n`` of them begin in a row."""
    return np.asarray(np.convolve(calm, np.ones(n), "valid") == n)


def _t_end(smooth: NDArray[np.float64], j: int, room: float) -> int | None:
    first = j + _T_FROM
    last = int(min(BEFORE + room / 2 + _T_LATEST, BEFORE + AFTER - _CALM))
    if last - first < _T_FROM:
        return None
    ends = [end for lead in smooth.T if (end := _end(lead, first, last)) is not None]
    if len(ends) < _T_LEADS or sorted(ends)[-2] - float(median(np.array(ends))) > _T_AGREE:
        return None
    return round(sorted(ends)[-2])


def _end(lead: NDArray[np.float64], first: int, last: int) -> float | None:
    """Where the T wave of a lead ends, between two rows; None if it is too low or never does."""
    peak = first + int(np.argmax(np.abs(lead[first:last])))
    second = peak + int(np.argmax(lead[peak:last] * -np.sign(lead[peak])))
    if abs(lead[peak]) < _T_LEAST_UV:
        return None
    if lead[second] * -np.sign(lead[peak]) >= _T_SECOND * abs(lead[peak]) and second < last - 1:
        peak = second
    fall = (lead[peak:last] - lead[peak + 2 : last + 2])[:_T_REACH] * np.sign(lead[peak])
    if len(fall) < _CALM or fall.max() <= 0:
        return None
    at = peak + int(np.argmax(fall))
    end = at + 1 + 2 * abs(lead[at + 1]) / float(fall.max())
    return end if end < BEFORE + AFTER else None


def _p_onset(
    beat: MedianBeat,
    smooth: NDArray[np.float64],
    usable: NDArray[np.bool_],
    onset: int,
    t_end: int | None,
) -> int | None:
    before = (t_end or BEFORE + int(300 * _MS)) - int(beat.rr)  # where the T before this beat ends
    first, last = max(_P_SLOPE, before + _P_GAP, onset - _P_WITHIN), onset - _P_GAP
    if last - first < 2 * _SMOOTH:  # on top of T
        return None
    part = smooth[first:last]
    chord = part[0] + np.linspace(0, 1, len(part))[:, None] * (part[-1] - part[0])
    height = _size(part - chord)
    peak = first + int(np.argmax(height))
    around = slice(max(first, peak - _P_HALF), min(last, peak + _P_HALF))
    if height.max() < _P_LEAST_UV:
        return None
    if _coherence(beat.segments[:, around][:, :, usable]) < _P_COHERENCE:
        return None
    slope = _size(_slopes(smooth, _P_SLOPE)[first : peak + 1])
    rise = int(np.argmax(slope))
    low = slope[: rise + 1] < _P_PERCENT / 100 * slope[rise]
    if not _runs(low, _P_CALM).any():
        return None
    return first + int(np.flatnonzero(low)[-1]) + 1


def _coherence(segments: NDArray[np.float64]) -> float:
    """Which part of the energy of single beats [beats, time, channels] most of them share."""
    total = np.cumsum(segments, axis=1)
    x = total[:, _SMOOTH // 2 :] - total[:, : -(_SMOOTH // 2)]
    x = x - x.mean(axis=1, keepdims=True)
    time = np.linspace(-1, 1, x.shape[1])
    tilt = np.matmul(time, x) / (time @ time)  # [beats, channels]
    x = x - tilt[:, None, :] * time[:, None]
    n = len(x)
    shared = median(x)
    own = np.sort(np.square(x - shared).sum(axis=(1, 2)))[_P_PER_CENT * n // 100]
    whole = np.sort(np.square(x).sum(axis=(1, 2)))[n // 2]
    return float(1 - own / whole * n / (n - 1)) if whole > 0 else 0.0
