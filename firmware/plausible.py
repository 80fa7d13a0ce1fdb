"""Whether a window is an ECG at all, before any network is believed.

A heart beats: narrow steep complexes stand out from what lies between them, in most leads at the
same moments, and look alike from beat to beat. And it is one source seen from several sides: a
dipole in space, so that three components explain nearly all of eight leads (Frank, Circulation
1956;13:737), but never one alone. Noise has more components, a test signal on all inputs one, a
sine no complexes. Thresholds lie beyond everything in 4560 records of PTB-XL's folds 1-8;
``lead12 bench refusal`` measures them elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import inf

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS, LeadFault
from hal.frontend import CHANNEL_LEADS

SLOPE = 4  # samples at 100 Hz: the change over 40 ms, half a QRS
BEFORE, AFTER = 12, 26  # samples around an R peak: QRS and T
QRS = slice(4, 24)  # of these
NARROW = 6  # samples to either side of an R peak: QRS, also a wide one

LEAST_STEEP_UV = 150  # 98th percentile of the change, median lead; real: 268 and more
LEAST_QRS_UV = 300  # peak to peak in the largest lead; real: 520 and more
WAVES_BELOW = 3.6  # kurtosis of the slope: 1.5 a sine, 3 noise; real: 3.9 and more
SPIKES_ABOVE = 60.0  # real: 42 and less
FLUTTERING_BELOW = 1.9  # slope within the QRS to slope between, energies; real: 2.0 and more
UNLIKE_BELOW = 0.3  # correlation of a beat with the median beat; real: 0.30 and more (bigeminy)
ROUGH_ABOVE = 0.65  # share of the signal that is its curvature; real: 0.58 and less
ALIKE_ABOVE = 0.993  # share of the first component of the median beat; real: 0.990 and less
UNRELATED_BELOW = 0.80  # share of three components of the slopes, eight leads; real: 0.82 and more
LEAST_BEATS = 2
RATE_BPM = {"SB": (0.0, 75.0), "GSVT": (80.0, inf), "SR": (35.0, 130.0)}
LEAST_LEADS = 4  # for components; three leads have no more than three

UNREADABLE = (LeadFault.OFF, LeadFault.RAILED, LeadFault.FLAT, LeadFault.NOISY)

_COLUMNS = np.array([LEADS.index(lead) for lead in CHANNEL_LEADS])


class Implausible(StrEnum):
    """Why a window is no ECG."""

    SMALL = "small"  # nothing of the size of a QRS
    WAVES = "waves"  # no narrow complexes: sines, compressions, noise
    SPIKES = "spikes"  # too narrow for complexes: pulses, glitches
    ROUGH = "rough"  # most of it above the band of a QRS
    UNRELATED = "unrelated"  # leads that do not see the same source
    BEATLESS = "beatless"
    FLAT_BEATS = "flat_beats"  # nothing stands out where beats were counted
    UNLIKE = "unlike"  # no two beats alike
    ALIKE = "alike"  # one and the same signal in all leads


def implausible(
    window: NDArray[np.int32],
    telling: NDArray[np.bool_],
    beats: Sequence[int],
    nv_per_count: float,
) -> Implausible | None:
    """Why a window cannot be an ECG; None where it can, or where no lead tells.

    window : int32 [n, 12], filtered leads at 100 Hz, counts
    telling : bool [12], leads to look at
    beats : rows of the R peaks in the window

    Runs on any number of leads; what compares leads needs four independent ones.
    """
    columns = _COLUMNS[telling[_COLUMNS]]
    if not len(columns):
        return None
    uv = np.rint(window[:, columns] * (nv_per_count / 1000)).astype(np.int64)
    return _by_shape(uv) or _by_beats(uv, beats)


def _by_shape(uv: NDArray[np.int64]) -> Implausible | None:
    """What the whole window tells; int64 [n, leads], microvolts."""
    change = uv[SLOPE:] - uv[:-SLOPE]
    rank = len(change) * 98 // 100
    if np.median(np.partition(np.abs(change), rank, axis=0)[rank]) < LEAST_STEEP_UV:
        return Implausible.SMALL
    centred = uv - uv.sum(axis=0) // len(uv)
    curvature = uv[1:-1] - (uv[2:] + uv[:-2]) // 2
    rough = (curvature**2).sum(axis=0) / np.maximum((centred**2).sum(axis=0), 1)
    if np.median(rough) > ROUGH_ABOVE:
        return Implausible.ROUGH
    squared = (uv[2:] - uv[:-2]).astype(np.float64) ** 2
    kurtosis = np.median((squared**2).mean(axis=0) / np.maximum(squared.mean(axis=0) ** 2, 1))
    if kurtosis < WAVES_BELOW:
        return Implausible.WAVES
    if kurtosis > SPIKES_ABOVE:
        return Implausible.SPIKES
    if uv.shape[1] >= LEAST_LEADS:
        # Three components of n leads of mere noise hold 3 / n: nearer to 1 for few leads.
        least = 1 - (1 - UNRELATED_BELOW) * (1 - 3 / uv.shape[1]) / (1 - 3 / len(_COLUMNS))
        if _components(change)[-3:].sum() < least:
            return Implausible.UNRELATED
    return None


def _by_beats(uv: NDArray[np.int64], beats: Sequence[int]) -> Implausible | None:
    """What the beats tell."""
    whole = [beat for beat in beats if BEFORE <= beat < len(uv) - AFTER]
    if len(whole) < LEAST_BEATS:
        return Implausible.BEATLESS
    each = np.stack([uv[beat - BEFORE : beat + AFTER] for beat in whole]).astype(np.float64)
    each -= each.mean(axis=1, keepdims=True)
    median = np.median(each, axis=0)
    if np.ptp(median[QRS], axis=0).max() < LEAST_QRS_UV:
        return Implausible.SMALL
    slope = (uv[2:] - uv[:-2])[whole[0] : whole[-1]]
    near = np.zeros(len(uv), np.bool_)
    for beat in whole:
        near[beat - NARROW : beat + NARROW + 1] = True
    near = near[whole[0] + 1 : whole[-1] + 1]
    if not near.all():
        between = np.maximum((slope[~near] ** 2).mean(axis=0), 1)
        if np.median((slope[near] ** 2).mean(axis=0) / between) < FLUTTERING_BELOW:
            return Implausible.FLAT_BEATS
    qrs = each[:, QRS] - each[:, QRS].mean(axis=1, keepdims=True)
    if max(_likeness(each), _likeness(qrs)) < UNLIKE_BELOW:
        return Implausible.UNLIKE
    if uv.shape[1] >= LEAST_LEADS and _components(median)[-1] > ALIKE_ABOVE:
        return Implausible.ALIKE
    return None


def _likeness(each: NDArray[np.float64]) -> float:
    """Correlation of the beats [beats, n, leads] with the median beat; medians over both."""
    median = np.median(each, axis=0)
    power = (each**2).sum(axis=1) * (median**2).sum(axis=0)
    correlation = (each * median).sum(axis=1) / np.sqrt(np.maximum(power, 1))
    return float(np.median(np.median(correlation, axis=0)))


def _components(x: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the principal components of x [n, leads] in its energy, smallest first."""
    products = np.einsum("ni,nj->ij", x, x).astype(np.float64)
    shares: NDArray[np.float64] = np.linalg.eigvalsh(products)
    return shares / max(float(shares.sum()), 1.0)


def disagrees(label: str, rate_bpm: float | None) -> bool:
    """Whether a MATE group and the measured rate exclude each other, with room for both to err.

    Bradycardia is below 60 and tachycardia above 100 by definition; atrial fibrillation has any
    rate. A rate that is not known contradicts nothing.
    """
    low, high = RATE_BPM.get(label, (0.0, inf))
    return rate_bpm is not None and not low <= rate_bpm <= high
