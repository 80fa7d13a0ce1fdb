"""ST elevation, measured on unfiltered counts: a warning, never a diagnosis.

The monitor's and the network's high-pass (0.67 and 0.5 Hz) bend the ST segment, and the 0.05 Hz
path runs only where somebody looks at it. So each beat is measured on raw counts against its own
PR segment; the drift towards the next PR segment is taken off on the way, and means over 20 ms take
out 50 Hz mains. The median over the beats is deaf to single ectopic ones.

Limits after the Fourth Universal Definition of Myocardial Infarction (Thygesen et al., Circulation
2018;138:e618): 0.1 mV in two contiguous leads, 0.2 mV in V2 and V3 (men of 40 and more), here both
at J + 20 ms and at J + 60 ms: at J + 60 ms alone, 7 % of normal PTB-XL records exceed them, at both
0.7 %. A wide QRS elevates ST by itself, and so does a hypertrophied left ventricle in V1-V3: there
nothing is said. Where the trace falls towards the QRS there is no PR segment but a flutter wave, or
the end of a P wave: ST must be elevated against the level 30 ms earlier, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS, LeadFault
from firmware.findings import Finding, Priority
from firmware.leads import twelve_leads
from firmware.median import median
from firmware.raw_window import RawWindow
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ

_MS = SAMPLE_RATE_HZ / 1000

CODE = "st_elevation"
LIMIT_UV = np.array([200 if lead in ("V2", "V3") else 100 for lead in LEADS])
CONTIGUOUS = (*pairwise(LEADS[6:]), ("II", "aVF"), ("aVF", "III"), ("I", "aVL"))
WIDE = int(120 * _MS)  # QRS of bundle branch block and pacing
LVH_UV = 3500  # S in V1 + R in V5 or V6 (Sokolow and Lyon, Am Heart J 1949;37:161)
DISCORDANT = ("V1", "V2", "V3")  # where a hypertrophied left ventricle elevates ST

LEAST_BEATS = 5
SPREAD_UV = 100  # half the beats of a lead agree within this, or the lead is too restless

BEFORE, AFTER = int(240 * _MS), int(260 * _MS)  # of a beat, from its R peak: what is looked at
MEAN = int(20 * _MS)
AT = (int(20 * _MS), int(60 * _MS))  # after J
PR_END = int(8 * _MS)  # before the QRS: end of the level it is measured against
EARLIER = int(30 * _MS)  # before that: in a PR segment the same level
QRS_WITHIN = int(110 * _MS)  # of the R peak, to either side
_SLOPE = int(8 * _MS)
_SLOPE_AT = (_SLOPE + MEAN) // 2  # rows from where a slope begins to where it belongs
_STEEP_PERCENT = 12  # of the steepest slope: still QRS
_CALM = int(16 * _MS)  # below that for so long: over
BEARABLE = (None, LeadFault.WANDER, LeadFault.MAINS)  # what is read all the same
_OF_CHANNEL = [LEADS.index(lead) for lead in CHANNEL_LEADS]


@dataclass(frozen=True, slots=True)
class StLevels:
    """Of ten seconds.

    uv : float64 [2, 12], medians over the beats at J + 20 and J + 60 ms; NaN where unread
    fall_uv : float64 [12], by how much the trace falls in the 30 ms before the PR level
    qrs_ms : from the onset to J
    lvh : the voltages are those of left ventricular hypertrophy
    """

    uv: NDArray[np.float64]
    fall_uv: NDArray[np.float64]
    qrs_ms: float
    lvh: bool

    def elevated(self) -> tuple[str, ...]:
        """Leads above their limits together with a contiguous one; () where ST tells nothing."""
        if self.qrs_ms >= WIDE / _MS:
            return ()
        over = (self.uv - self.fall_uv.clip(0) >= LIMIT_UV).all(axis=0)  # NaN is not
        high = {lead for lead, is_over in zip(LEADS, over, strict=True) if is_over}
        if self.lvh:
            high -= set(DISCORDANT)
        pairs = [pair for pair in CONTIGUOUS if high.issuperset(pair)]
        return tuple(lead for lead in LEADS if any(lead in pair for pair in pairs))


def st_warnings(raw: RawWindow, end: int, faults: Mapping[str, LeadFault]) -> tuple[Finding, ...]:
    """The warning, if there is one, when the samples before ``end`` are in.

    faults : of the leads; those with graver ones than wander and mains are not looked at
    """
    if not raw.full:
        return ()
    readable = np.array([faults.get(lead) in BEARABLE for lead in LEADS])
    levels = st_levels(raw.counts, raw.beats(end), readable, raw.nv_per_count)
    leads = levels.elevated() if levels else ()
    if not leads:
        return ()
    act = f"look at {' '.join(leads)}"
    return (Finding(CODE, "ST ELEVATION?", act, Priority.HIGH, None),)


def st_levels(
    counts: NDArray[np.int32],
    beats: Sequence[int],
    readable: NDArray[np.bool_],
    nv_per_count: float,
) -> StLevels | None:
    """ST levels of raw counts, int32 [n, 8]; None where too few beats or no clear QRS are there.

    beats : rows of ``counts`` that hold the R peaks; readable : bool [12], leads to speak of
    """
    rows = np.array([beat for beat in beats if BEFORE <= beat < len(counts) - AFTER])
    if len(rows) < LEAST_BEATS + 1:
        return None
    segments = counts[rows[:, None] + np.arange(-BEFORE, AFTER)]  # [beats, time, 8]
    middle = median(segments - segments[:, :1])
    usable = readable[_OF_CHANNEL]
    edges = _qrs(middle[:, usable]) if usable.any() else None
    if edges is None:
        return None
    onset, j = edges
    pr = onset - PR_END - MEAN
    before = _mean_at(segments, pr)  # [beats, 8]
    drift = np.diff(before, axis=0) / np.diff(rows)[:, None]  # per sample, to the next beat
    uv = nv_per_count / 1000
    leads = np.empty((len(AT), len(rows) - 1, len(LEADS)))
    for k, after in enumerate(AT):
        at = j + after - MEAN // 2
        st = _mean_at(segments[:-1], at) - before[:-1] - drift * (at - pr)
        leads[k] = twelve_leads(np.rint(st).astype(np.int32)) * uv
    low, levels, high = np.percentile(leads, (25, 50, 75), axis=1)
    levels[(high - low > SPREAD_UV) | ~readable] = np.nan
    fell = middle[pr - EARLIER :][:MEAN].mean(axis=0) - middle[pr:][:MEAN].mean(axis=0)
    fall_uv = twelve_leads(np.rint(fell[None]).astype(np.int32))[0] * uv
    return StLevels(levels, fall_uv, (j - onset) / _MS, _hypertrophied(middle, pr, j, uv))


def _mean_at(segments: NDArray[np.int32], start: int) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = segments[:, start : start + MEAN].mean(axis=1)
    return mean


def _qrs(middle: NDArray[np.float64]) -> tuple[int, int] | None:
    """Rows of onset and end of the QRS in the median beat [time, 8]; None if it never ends."""
    total = np.cumsum(middle, axis=0)
    smooth = total[MEAN:] - total[:-MEAN]
    slope = np.abs(smooth[_SLOPE:] - smooth[:-_SLOPE]).mean(axis=1)
    centre = BEFORE - _SLOPE_AT  # where the slope at the R peak begins
    steep = slope >= slope[centre - 40 : centre + 40].max() * _STEEP_PERCENT / 100
    calm = np.convolve(steep, np.ones(_CALM), "valid") == 0  # from here on, for so long
    after = np.flatnonzero(calm[centre : centre + QRS_WITHIN])
    before = np.flatnonzero(calm[centre - QRS_WITHIN : centre - _CALM])
    if not len(after) or not len(before):
        return None
    onset = BEFORE - QRS_WITHIN + int(before[-1]) + _CALM
    return onset, BEFORE + int(after[0])


def _hypertrophied(middle: NDArray[np.float64], pr: int, j: int, uv: float) -> bool:
    level = middle[pr : pr + MEAN].mean(axis=0)
    chest = twelve_leads(np.rint(middle[pr:j] - level).astype(np.int32))[:, 6:] * uv
    return bool(-chest[:, 0].min() + chest[:, 4:].max() >= LVH_UV)
