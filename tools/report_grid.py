"""The part of the page that is to scale: paper, calibration pulses, traces, what carried the call.

25 mm are a second and 10 mm a millivolt; ``tests/tools/test_report.py`` measures both on the PDF.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware.explain import CELL_MS, Explanation
from hal.frontend import SAMPLE_RATE_HZ
from hal.patient.record import runs
from tools.report_draw import INK, PALE, TRACE_MM, Pen
from tools.report_layout import (
    CORNER_MM,
    MARKS_MM,
    MM_PER_MV,
    MM_PER_S,
    PULSE_MM,
    Layout,
    Row,
    Strip,
)

PULSE_MV, PULSE_S = 1.0, 0.2
CELL_ROWS = CELL_MS * SAMPLE_RATE_HZ // 1000
MARKED = 0.2  # of the strongest cell: less is not marked on the trace
MARK_MM = (1.2, 3.0)  # thickness of the marker's stroke, for the weakest and the strongest
FULL = 127  # relevance of the strongest cell
_MM_PER_ROW = MM_PER_S / SAMPLE_RATE_HZ


def draw_grid(pen: Pen, layout: Layout, why: Explanation | None) -> None:
    """The grid and all on it."""
    if why is not None:
        for row in layout.rows:
            for strip in row.strips:
                _mark(pen, row, strip, why)
    _paper(pen)
    _breaks(pen, layout)
    for row in layout.rows:
        _pulse(pen, row.baseline)
        for strip in row.strips:
            _trace(pen, row.baseline, strip)
            _name(pen, row, strip)
    if why is not None:
        _times(pen, layout, why)


def _paper(pen: Pen) -> None:
    """Lines every millimetre and every five; dots for the former where there is no colour."""
    sheet, inks = pen.sheet, pen.inks
    right, bottom = sheet.left + sheet.grid_width, sheet.top + sheet.grid_height
    across = [(sheet.left, sheet.top + y, right, sheet.top + y) for y in _steps(sheet.grid_height)]
    down = [(sheet.left + x, sheet.top, sheet.left + x, bottom) for x in _steps(sheet.grid_width)]
    if inks.dotted:
        pen.dots(inks.fine_mm, 1 - inks.fine_mm)
        pen.lines(across, width=inks.fine_mm, ink=inks.fine)
        pen.dots(0, 0)
    else:
        pen.lines(across + down, width=inks.fine_mm, ink=inks.fine)
    pen.lines(across[::5] + down[::5], width=inks.bold_mm, ink=inks.bold)
    for x, y in sheet.corners:
        pen.box(x - CORNER_MM / 2, y - CORNER_MM / 2, CORNER_MM, CORNER_MM, INK)


def _steps(length: float) -> range:
    return range(round(length) + 1)


def _breaks(pen: Pen, layout: Layout) -> None:
    """Where the next lead begins, at the same instant in all rows."""
    sheet = layout.sheet
    leads = [row for row in layout.rows if len(row.strips) > 1]
    strips = [row for row in layout.rows if len(row.strips) == 1]
    for strip in leads[0].strips[1:]:
        x = sheet.left + strip.x
        for row in leads:
            y = sheet.top + row.baseline
            pen.lines([(x, y - 6, x, y - 3), (x, y + 3, x, y + 6)], width=0.2, ink=INK)
        for row in strips if layout.in_step else ():
            y = sheet.top + row.baseline
            pen.lines([(x, y + 3, x, y + 5)], width=0.2, ink=INK)


def _pulse(pen: Pen, baseline: float) -> None:
    x, y = pen.sheet.left + 1.5, pen.sheet.top + baseline
    wide, high = PULSE_S * MM_PER_S, PULSE_MV * MM_PER_MV
    foot = (PULSE_MM - wide) / 2 - 1.5
    pen.line(
        (x, y),
        (x + foot, y),
        (x + foot, y - high),
        (x + foot + wide, y - high),
        (x + foot + wide, y),
        (x + 2 * foot + wide, y),
        width=TRACE_MM,
    )


def _points(pen: Pen, baseline: float, strip: Strip) -> tuple[NDArray[np.float64], ...]:
    x = pen.sheet.left + strip.x + np.arange(len(strip.mv)) * _MM_PER_ROW
    return x, pen.sheet.top + baseline - strip.mv * MM_PER_MV


def _trace(pen: Pen, baseline: float, strip: Strip) -> None:
    """The lead; where it leaves the grid it is cut, and an arrow says so."""
    x, y = _points(pen, baseline, strip)
    top, bottom = pen.sheet.top, pen.sheet.top + pen.sheet.grid_height
    inside = (y >= top) & (y <= bottom)  # NaN is neither
    for start, stop in runs(inside):
        pen.curve(x[start:stop], y[start:stop], width=TRACE_MM)
    for start, stop in runs((y < top) | (y > bottom)):
        up = y[start] < top
        pen.arrow(float(x[start:stop].mean()), top if up else bottom, up)


def _name(pen: Pen, row: Row, strip: Strip) -> None:
    x, y = pen.sheet.left + strip.label_x, pen.sheet.top + row.baseline - strip.label_y
    lead, _, rest = strip.label.partition(" ")
    pen.text(x, y, lead, 9, bold=True)
    pen.text(x + pen.width(lead, 9, True) + 1, y, rest, 7)


def _mark(pen: Pen, row: Row, strip: Strip, why: Explanation) -> None:
    """A marker's stroke behind the pieces of a lead that spoke for the call."""
    x, y = _points(pen, row.baseline, strip)
    thin, thick = MARK_MM
    for cell, strength in enumerate(why.relevance[strip.lead] / FULL):
        start = max(0, cell * CELL_ROWS - strip.first)
        stop = min(len(y), (cell + 1) * CELL_ROWS - strip.first + 1)
        there = stop - start > 1 and bool(np.isfinite(y[start:stop]).all())
        if strength >= MARKED and there:
            share = (strength - MARKED) / (1 - MARKED)
            width = thin + (thick - thin) * float(share)
            pen.curve(x[start:stop], y[start:stop], width=width, ink=pen.inks.mark)


def _times(pen: Pen, layout: Layout, why: Explanation) -> None:
    """Below all: how much each 40 ms counted, over all leads."""
    strip = layout.rows[-1].strips[0]
    shares = why.window_shares
    foot = pen.sheet.top + pen.sheet.grid_height - 0.5
    most = float(shares.max())
    for cell, share in enumerate(shares):
        at = cell * CELL_ROWS - strip.first
        if share > 0 and at >= 0:
            high = float(share) / most * (MARKS_MM - 1)
            left = pen.sheet.left + strip.x + at * _MM_PER_ROW
            pen.box(left + 0.1, foot - high, CELL_ROWS * _MM_PER_ROW - 0.2, high, PALE)
    pen.text(pen.sheet.left + 1, foot - 0.3, "why", 6.5, ink=PALE)
