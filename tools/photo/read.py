"""A picture of our report -> a recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from firmware.events import LEADS
from firmware.page import COLUMNS
from hal.errors import RecordingError
from hal.frontend import SAMPLE_RATE_HZ, Electrode
from hal.patient.electrodes import ElectrodeEvent, Fault
from hal.patient.record import INDEPENDENT_LEADS, Recording, runs
from tools.photo.corners import find_page
from tools.photo.extend import extend
from tools.photo.rectify import PX, Straight, straighten
from tools.photo.rows import Rows, find_rows
from tools.photo.trace import follow
from tools.report_layout import MM_PER_MV, MM_PER_S, PULSE_MM

SECONDS = 10
N = SECONDS * SAMPLE_RATE_HZ
PIECE = N // len(COLUMNS)
LIMB, CHEST = (1, 0, 2, 5, 3, 4), (6, 7, 10, 8, 9, 11)  # as the report takes them for strips
BRIDGED = 10  # samples without ink that a straight line may replace
READ = 0.5  # of a piece of a lead, for it to count as read
SAME_MV, SAME = 0.08, 0.5  # two traces of one lead: their difference, or as a share of it
# The limb leads as sums of I and II (Einthoven, Goldberger)
_LIMB_OF = np.array([(1, 0), (0, 1), (-1, 1), (-0.5, -0.5), (1, -0.5), (-0.5, 1)])


@dataclass(frozen=True)
class Read:
    """recording : 500 Hz, ten seconds; electrodes : those whose leads could not be read

    read_s : seconds of each of ``LEADS`` on the page; what is missing follows the rhythm strips
    page, rows : the page it was read from
    """

    recording: Recording
    electrodes: tuple[ElectrodeEvent, ...]
    read_s: dict[str, float]
    page: Straight
    rows: Rows


def read_page(picture: NDArray[np.uint8], name: str) -> Read:
    """RGB [height, width, 3] of a whole page of ours, A4, from whatever side.

    Raises RecordingError, in one line, for anything that is not one or cannot be read.
    """
    page, rows = _page(picture)
    traces = _traces(page, rows)
    seen, strips = _seen(traces), np.stack([_bridged(mv) for mv in traces.strips.values()], axis=1)
    lost = np.isnan(strips).all(axis=1)
    whole = np.nan_to_num(extend(seen, np.nan_to_num(strips)))
    leads = dict(zip(INDEPENDENT_LEADS, whole.T, strict=True))
    return Read(
        Recording.from_leads(name, SAMPLE_RATE_HZ, leads, lost=lost),
        tuple(ElectrodeEvent(one, 0.0, inf, Fault.OFF) for one in _off(seen)),
        traces.seconds(),
        page,
        rows,
    )


def _page(picture: NDArray[np.uint8]) -> tuple[Straight, Rows]:
    for way in find_page(picture):
        page = straighten(picture, way)
        if (rows := find_rows(page.ink)) is not None:
            return page, rows
    raise RecordingError(
        "no ECG grid found: corner marks, but no calibration pulses between them",
        act="photograph a whole A4 page of lead12 report, sharp and evenly lit",
    )


@dataclass(frozen=True)
class _Traces:
    """Millivolts, NaN without ink. pieces : [12, PIECE]; strips : number in LEADS -> [N]"""

    pieces: NDArray[np.float64]
    strips: dict[int, NDArray[np.float64]]

    def seconds(self) -> dict[str, float]:
        """Of each lead, read from the page."""
        read = {
            lead: self.strips.get(number, self.pieces[number]) for number, lead in enumerate(LEADS)
        }
        return {
            lead: round(int(np.isfinite(mv).sum()) / SAMPLE_RATE_HZ, 1) for lead, mv in read.items()
        }


def _traces(page: Straight, rows: Rows) -> _Traces:
    dark = page.ink / rows.ink
    pieces = np.empty((len(LEADS), PIECE))
    for column, leads in enumerate(COLUMNS):
        for row, lead in enumerate(leads):
            mv = _strip(dark, rows, row, column * PIECE, PIECE)
            pieces[lead] = mv if _readable(mv) else np.nan
    below = range(len(COLUMNS[0]), len(rows.baselines_mm))
    whole = [_strip(dark, rows, row, 0, N) for row in below]
    ends = [int(np.flatnonzero(np.isfinite(mv))[-1]) + 1 for mv in whole if np.isfinite(mv).any()]
    if not ends:
        raise RecordingError("no trace can be read on the page", act="take a sharper photo")
    if max(ends) < N - SAMPLE_RATE_HZ:
        raise RecordingError(
            f"the page shows {max(ends) / SAMPLE_RATE_HZ:.1f} s", act="print a recording of ten"
        )
    strips = {
        _whose(mv, pieces, may_be): mv
        for mv, may_be in zip(whole, (LIMB, CHEST), strict=False)
        if np.isfinite(mv).any()
    }
    return _Traces(pieces, strips)


def _strip(
    dark: NDArray[np.float32], rows: Rows, row: int, first: int, n: int
) -> NDArray[np.float64]:
    """Samples ``first`` .. ``first + n`` of a row, about their median; NaN where it has no ink."""
    x = (PULSE_MM + (first + np.arange(n)) * MM_PER_S / SAMPLE_RATE_HZ) * PX
    left, right = round(x[0]), round(x[-1]) + 1
    baselines = (-inf, *rows.baselines_mm, inf)
    above, here, below = baselines[row : row + 3]
    mm = follow(dark[:, left:right], here)
    # Every lead is drawn about its median: what stays elsewhere is the line of another row
    level = ndimage.median_filter(np.nan_to_num(mm), round(MM_PER_S * PX), mode="nearest")
    mm[(level > (here - above) / 2) | (level < (here - below) / 2)] = np.nan
    at = x - left - 0.5
    mv = np.interp(at, np.arange(len(mm)), np.nan_to_num(mm)) / MM_PER_MV
    ink = np.isfinite(mm)[np.clip(np.rint(at).astype(int), 0, len(mm) - 1)]
    mv[~ink] = np.nan
    return mv - np.nanmedian(mv) if ink.any() else mv


def _readable(mv: NDArray[np.float64]) -> bool:
    return float(np.isfinite(mv).mean()) >= READ


def _whose(mv: NDArray[np.float64], pieces: NDArray[np.float64], may_be: Iterable[int]) -> int:
    """Which lead a rhythm strip is: it shows one of the pieces again, at its time.

    A page on which it shows none is not read as ours, or is no page of ours.
    """
    off = {}
    for lead in may_be:
        first = lead // len(COLUMNS[0]) * PIECE
        again = mv[first : first + PIECE]
        both = np.isfinite(again) & np.isfinite(pieces[lead])
        if both.mean() >= READ:
            a, b = again[both] - np.median(again[both]), pieces[lead, both]
            b = b - np.median(b)
            off[lead] = _rms(a - b) / max(SAME_MV, SAME * min(_rms(a), _rms(b)))
    if not off or min(off.values()) > 1:
        raise RecordingError(
            "the traces of this page contradict each other: it is no page of lead12 report,"
            " or too spoilt to read",
            act="photograph it again, flat and sharp",
        )
    alike = min(1.0, 3 * min(off.values()))  # II and aVF may look the same: then it is II
    return next(lead for lead in may_be if off.get(lead, inf) <= alike)


def _rms(mv: NDArray[np.float64]) -> float:
    return float(np.sqrt((mv**2).mean()))


def _seen(traces: _Traces) -> NDArray[np.float64]:
    """What the page tells of the independent leads: millivolts [N, 8], NaN where nothing."""
    seen = np.full((N, len(INDEPENDENT_LEADS)), np.nan)
    for column in range(len(COLUMNS)):
        rows = slice(column * PIECE, (column + 1) * PIECE)
        known = {lead: traces.pieces[lead] for lead in COLUMNS[column]}
        known |= {
            lead: mv[rows] - np.nanmedian(mv[rows])
            for lead, mv in traces.strips.items()
            if _readable(mv[rows])
        }
        limb = [lead for lead in LIMB if lead in known and _readable(known[lead])]
        if np.linalg.matrix_rank(_LIMB_OF[limb]) == 2:
            values = np.stack([known[lead] for lead in limb], axis=1)
            seen[rows, :2] = values @ np.linalg.pinv(_LIMB_OF[limb]).T
        for lead in CHEST:
            if lead in known:
                seen[rows, INDEPENDENT_LEADS.index(LEADS[lead])] = known[lead]
    for lead, mv in traces.strips.items():
        if LEADS[lead] in INDEPENDENT_LEADS:
            seen[:, INDEPENDENT_LEADS.index(LEADS[lead])] = mv
    return np.stack([_bridged(mv) for mv in seen.T], axis=1)


def _bridged(mv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without gaps of up to BRIDGED samples."""
    out, missing = mv.copy(), np.isnan(mv)
    there = np.flatnonzero(~missing)
    for start, stop in runs(missing):
        if stop - start <= BRIDGED and len(there):
            out[start:stop] = np.interp(np.arange(start, stop), there, mv[there])
    return out


def _off(seen: NDArray[np.float64]) -> list[Electrode]:
    """Electrodes without which the leads would be missing that could not be read."""
    missing = [
        lead for lead, mv in zip(INDEPENDENT_LEADS, seen.T, strict=True) if np.isnan(mv).all()
    ]
    of_limb = {("I", "II"): Electrode.RA, ("I",): Electrode.LA, ("II",): Electrode.LL}
    limb = of_limb.get(tuple(lead for lead in missing if lead in ("I", "II")))
    chest = [Electrode[lead] for lead in missing if lead.startswith("V")]
    return [limb, *chest] if limb is not None else chest
