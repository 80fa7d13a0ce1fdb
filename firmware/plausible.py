"""Whether a window is an ECG at all, before any network is believed.

A heart beats: narrow complexes of a millivolt stand out from a quieter trace between them. And it
is one source seen from several sides, near enough a dipole in space, so that three components hold
nearly all of eight leads (Frank, Circulation 1956;13:737), but never one alone. Noise has more
components, a test signal on all inputs has one, a sine or a square wave has no complexes.
Thresholds lie beyond everything in 4560 records of PTB-XL's folds 1-8; ``lead12 bench refusal``
measures them elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import inf

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS, LeadFault
from firmware.median import median
from hal.frontend import CHANNEL_LEADS

SLOPE = 4  # samples at 100 Hz: the change over 40 ms, half a QRS
BEFORE, AFTER = 12, 26  # samples around an R peak: QRS and T
QRS = slice(4, 24)  # of these

LEAST_STEEP_UV = 150  # 98th percentile of the change, median lead; real: 268 and more
LEAST_QRS_UV = 300  # peak to peak in the largest lead; real: 520 and more
WAVES_BELOW = 3.6  # kurtosis of the slope: 1.5 a sine, 3 noise; real: 3.9 and more
LEVELS_BELOW = 2.5  # kurtosis of the trace: 1 a square wave, 1.8 a sawtooth; real: 2.6 and more
TREND = 100  # samples: what is slower than a second is wander, and is taken off before that
ROUGH_ABOVE = 0.65  # share of the signal that is its curvature; real: 0.58 and less
PEAKED = 12.0  # kurtosis of the slope: a child's narrow QRS alone on a level trace is rough, too
ALIKE_ABOVE = 0.993  # share of the first component of the median beat; real: 0.990 and less
UNRELATED_BELOW = 0.80  # share of three components in the slopes of eight leads; real: 0.82
LEAST_BEATS = 2
RATE_BPM = {"SB": (0.0, 75.0), "GSVT": (80.0, inf), "SR": (35.0, 130.0)}
ESCAPE_BELOW_BPM, REGULAR_BELOW = 60.0, 0.02
LEAST_LEADS = 4  # for components; three leads have no more than three

UNREADABLE = (LeadFault.OFF, LeadFault.RAILED, LeadFault.FLAT, LeadFault.NOISY)

_COLUMNS = np.array([LEADS.index(lead) for lead in CHANNEL_LEADS])


class Implausible(StrEnum):
    """Why a window is no ECG."""

    SMALL = "small"  # nothing of the size of a QRS
    WAVES = "waves"  # no narrow complexes: sines, compressions, noise
    LEVELS = "levels"  # as long high as low: square waves, ramps
    ROUGH = "rough"  # most of it above the band of a QRS
    UNRELATED = "unrelated"  # leads that do not see the same source
    BEATLESS = "beatless"
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
    if median(np.partition(np.abs(change), rank, axis=0)[rank]) < LEAST_STEEP_UV:
        return Implausible.SMALL
    centred = uv - uv.sum(axis=0) // len(uv)
    curvature = uv[1:-1] - (uv[2:] + uv[:-2]) // 2
    rough = (curvature**2).sum(axis=0) / np.maximum((centred**2).sum(axis=0), 1)
    peaked = _kurtosis(uv[2:] - uv[:-2])
    if median(rough) > ROUGH_ABOVE and peaked < PEAKED:
        return Implausible.ROUGH
    if peaked < WAVES_BELOW:
        return Implausible.WAVES
    total = np.concatenate([np.zeros_like(uv[:1]), uv.cumsum(axis=0)])
    trend = (total[TREND:] - total[:-TREND]) // TREND
    if _kurtosis(uv[TREND // 2 :][: len(trend)] - trend) < LEVELS_BELOW:
        return Implausible.LEVELS
    if uv.shape[1] >= LEAST_LEADS:
        # Three components of n leads of mere noise hold 3 / n: nearer to 1 for few leads.
        least = 1 - (1 - UNRELATED_BELOW) * (1 - 3 / uv.shape[1]) / (1 - 3 / len(_COLUMNS))
        energy = np.sqrt((change.astype(np.float64) ** 2).sum(axis=0))
        if _components(change / np.maximum(energy, 1))[-3:].sum() < least:
            return Implausible.UNRELATED
    return None


def _by_beats(uv: NDArray[np.int64], beats: Sequence[int]) -> Implausible | None:
    """What the beats tell."""
    whole = [beat for beat in beats if BEFORE <= beat < len(uv) - AFTER]
    if len(whole) < LEAST_BEATS:
        return Implausible.BEATLESS
    each = np.stack([uv[beat - BEFORE : beat + AFTER] for beat in whole])
    beat = median(each)
    beat -= beat.mean(axis=0)
    if np.ptp(beat[QRS], axis=0).max() < LEAST_QRS_UV:
        return Implausible.SMALL
    if uv.shape[1] >= LEAST_LEADS and _components(beat)[-1] > ALIKE_ABOVE:
        return Implausible.ALIKE
    return None


def _kurtosis(x: NDArray[np.int64]) -> float:
    """Fourth moment over the squared second, about zero; median of the leads of x [n, leads]."""
    squared = x.astype(np.float64) ** 2
    ratio = (squared**2).mean(axis=0) / np.maximum(squared.mean(axis=0) ** 2, 1)
    return float(median(ratio))


def _components(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the principal components of x [n, leads] in its energy, smallest first."""
    shares: NDArray[np.float64] = np.linalg.eigvalsh(np.einsum("ni,nj->ij", x, x))
    return shares / max(float(shares.sum()), 1e-9)


def disagrees(label: str, rate_bpm: float | None, irregularity: float | None) -> bool:
    """Whether a MATE group and the measured beats exclude each other, with room for both to err.

    Bradycardia is below 60 and tachycardia above 100 by definition. Atrial fibrillation has any
    rate, but slow *and* regular it is none, or the ventricles beat for themselves: complete AV
    block. What is not known contradicts nothing.
    """
    if rate_bpm is None:
        return False
    if label == "AFIB" and irregularity is not None:
        return rate_bpm < ESCAPE_BELOW_BPM and irregularity < REGULAR_BELOW
    low, high = RATE_BPM.get(label, (0.0, inf))
    return not low <= rate_bpm <= high
