"""Where everything goes on the page: papers, columns of leads, and rows that do not cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hal.frontend import SAMPLE_RATE_HZ

MM_PER_S = 25.0
MM_PER_MV = 10.0
PULSE_MM = 10.0  # in front of the leads: the calibration pulse
CLEAR_MM = 1.5  # between a trace and the next
LABEL_MM = 3.4  # height of a lead's name
LABEL_LOW_MM = 5.0  # a name stands higher than this above its baseline only if it must,
LABEL_FAR_MM = 16  # and no farther right than this
MARKS_MM = 5.0  # below the last row: what carried the call, in time
LEAST_ROW_MM = 15.0  # a second rhythm strip is drawn if this is left to every row
COLUMNS = 4
CORNER_MM, CORNER_OFF_MM = 3.0, 5.0  # squares beside the grid's corners, by which photos are read
_BIN = SAMPLE_RATE_HZ // int(MM_PER_S)  # samples in a millimetre
_GRID = ((0, 3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11))  # rows of columns, numbers in LEADS


@dataclass(frozen=True, slots=True)
class Sheet:
    """A paper, landscape, in millimetres; ``left`` and ``top`` of the grid from its upper left.

    column_s : seconds of each of the four columns; scale : of the texts
    """

    width: float
    height: float
    left: float
    top: float
    grid_width: float
    grid_height: float
    column_s: float
    scale: float
    coloured: bool

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Middles of the corner marks, clockwise from the upper left; none in a narrow margin."""
        if self.left < CORNER_OFF_MM + CORNER_MM:
            return ()
        x = self.left - CORNER_OFF_MM, self.left + self.grid_width + CORNER_OFF_MM
        y = self.top + CORNER_MM / 2, self.top + self.grid_height - CORNER_MM / 2
        return (x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])


SHEETS = {
    "a4": Sheet(297, 210, 16, 48, 265, 145, 2.5, 1.0, True),
    "a5": Sheet(210, 148, 5, 37, 200, 100, 1.9, 0.78, False),  # ten seconds are wider than it is
}


@dataclass(frozen=True, slots=True)
class Strip:
    """One lead over a stretch of time.

    lead : number in LEADS; first, stop : its rows of the study
    x : millimetres from the grid's left edge to its first sample
    mv : float [stop - first], about its own middle; NaN where it cannot be read
    label : the lead's name and what is to be known of it; label_x : from the grid's left edge to
        it; label_y : of its foot above the baseline
    """

    lead: int
    first: int
    stop: int
    x: float
    mv: NDArray[np.float64]
    label: str
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Row:
    """Strips side by side; ``baseline`` in millimetres below the grid's top edge."""

    strips: tuple[Strip, ...]
    baseline: float


@dataclass(frozen=True, slots=True)
class Layout:
    """All rows, the leads in three and below them one or two rhythm strips.

    breaks : first study row of each column; in_step : the rhythm strips show the same instants
        below the columns, which recordings of less than four columns cannot
    crowded : the traces are too tall to be kept apart
    """

    sheet: Sheet
    rows: tuple[Row, ...]
    breaks: tuple[int, ...]
    in_step: bool
    crowded: bool


def arrange(
    uv: NDArray[np.int32], present: NDArray[np.bool_], names: Sequence[str], sheet: Sheet
) -> Layout:
    """Place ``uv`` [n, 12] on ``sheet``; what is not ``present`` [n, 12] keeps its place.

    names : of the 12 leads, with their faults

    The newest four columns are shown. What is shorter than that is shown whole: columns then
    begin at even steps, overlap in time, and say when they begin.
    """
    n = len(uv)
    width = min(n, round(sheet.column_s * SAMPLE_RATE_HZ))
    start = max(0, n - COLUMNS * width)
    in_step = n >= COLUMNS * width
    step = width if in_step else (n - width) / (COLUMNS - 1)
    breaks = tuple(start + round(column * step) for column in range(COLUMNS))
    slot_mm = round(sheet.column_s * SAMPLE_RATE_HZ) / _BIN
    data = np.where(present, uv / 1000, np.nan)
    begins = [f" at {first / SAMPLE_RATE_HZ:.1f} s" * (not in_step) for first in breaks]
    rows = [
        tuple(
            _strip(
                data[first : first + width, lead],
                lead,
                first,
                PULSE_MM + column * slot_mm,
                names[lead] + begins[column],
            )
            for column, (lead, first) in enumerate(zip(leads, breaks, strict=True))
        )
        for leads in _GRID
    ]
    for lead in _rhythm_leads(present[start:]):
        rows.append((_strip(data[start:, lead], lead, start, PULSE_MM, names[lead]),))
    needs = _needs(rows, sheet)
    least = len(rows) * LEAST_ROW_MM
    if len(rows) > len(_GRID) + 1 and max(sum(needs), least) > sheet.grid_height:
        rows.pop()
        needs = _needs(rows, sheet)
    crowded = sum(needs) > sheet.grid_height
    tops = np.cumsum(_spread(needs, sheet.grid_height))
    placed = tuple(Row(strips, round(top)) for strips, top in zip(rows, tops, strict=False))
    return Layout(sheet, placed, breaks, in_step, crowded)


def _rhythm_leads(present: NDArray[np.bool_]) -> tuple[int, int]:
    """II and V1, or those of which more can be read."""
    there = present.sum(axis=0)
    limb = max((1, 0, 2, 5, 3, 4), key=lambda lead: there[lead])
    return limb, max((6, 7, 10, 8, 9, 11), key=lambda lead: there[lead])


def _strip(mv: NDArray[np.float64], lead: int, first: int, x: float, label: str) -> Strip:
    """About its median: the mean of an ECG has no meaning, its isoelectric line is where it is."""
    if np.isfinite(mv).any():
        mv = mv - np.nanmedian(mv)
    label_x, label_y = _place_label(np.nan_to_num(mv), _wide(label))
    return Strip(lead, first, first + len(mv), x, mv, label, x + label_x, label_y)


def _wide(label: str) -> int:
    """Millimetres of a label at full size, ample."""
    name, _, rest = label.partition(" ")
    return round(2.4 * len(name) + 1.4 * len(rest)) + 3


def _place_label(mv: NDArray[np.float64], wide: int) -> tuple[float, float]:
    """Where a label stands above the trace: as far left as it stands low."""
    best = (1.0, np.inf)
    for x in range(1, LABEL_FAR_MM):
        under = mv[(x - 1) * _BIN : (x - 1 + wide) * _BIN]
        y = max(2.0, float(under.max(initial=0.0)) * MM_PER_MV + 1)
        if y < best[1]:
            best = (float(x), y)
        if y <= LABEL_LOW_MM:
            break
    return best


def _needs(rows: Sequence[Sequence[Strip]], sheet: Sheet) -> list[float]:
    """Least millimetres from the grid's top to the first baseline, between these, to the end."""
    bins = round(sheet.grid_width) + 1
    highs, lows = zip(*(_outline(row, bins) for row in rows), strict=True)
    between = [
        float((below - above).max()) + CLEAR_MM
        for above, below in zip(lows[:-1], highs[1:], strict=True)
    ]
    return [float(highs[0].max()) + CLEAR_MM, *between, MARKS_MM + CLEAR_MM - float(lows[-1].min())]


def _outline(row: Sequence[Strip], bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Highest and lowest millimetre of a row in each millimetre across, names included."""
    high, low = np.zeros(bins), np.zeros(bins)
    high[: round(PULSE_MM)] = MM_PER_MV
    for strip in row:
        at = np.round(strip.x + np.arange(len(strip.mv)) / _BIN).astype(np.int64)
        mm = np.nan_to_num(strip.mv) * MM_PER_MV
        np.maximum.at(high, at, mm)
        np.minimum.at(low, at, mm)
        label = slice(round(strip.label_x) - 1, round(strip.label_x) + _wide(strip.label))
        high[label] = np.maximum(high[label], strip.label_y + LABEL_MM)
    wider_high = np.maximum(high, np.maximum(np.roll(high, 1), np.roll(high, -1)))
    wider_low = np.minimum(low, np.minimum(np.roll(low, 1), np.roll(low, -1)))
    return wider_high, wider_low


def _spread(needs: Sequence[float], height: float) -> NDArray[np.float64]:
    """Distances of at least ``needs`` that fill ``height`` and are as equal as can be.

    Where they do not fit, the largest are cut, so that one artefact does not press all others
    together.
    """
    least = np.array(needs)
    share = np.array([0.5, *[1.0] * (len(needs) - 2), 0.5])  # rows sit in the middle of theirs
    fits = least.sum() < height
    low, high = 0.0, height
    for _ in range(60):
        level = (low + high) / 2
        filled = np.maximum(least, level * share) if fits else np.minimum(least, level)
        low, high = (level, high) if filled.sum() < height else (low, level)
    return np.maximum(least, low * share) if fits else np.minimum(least, low)
