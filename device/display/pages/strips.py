"""What the pages of traces share: bands of ten seconds of a lead, their scale, the 1 mV pulse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from device.display.canvas import Canvas
from device.display.faces import TEXT
from device.display.trace import UV_PER_ROW, Strip
from firmware.events import LEADS

PULSE = 5  # columns: 200 ms
SECOND = 5 * PULSE
SCALES = {UV_PER_ROW: "10mm/mV", 2 * UV_PER_ROW: "5mm/mV", 4 * UV_PER_ROW: "2.5mm/mV"}
LEAST = 9  # rows of a band: its name; those of the pulse, if more


def bands(strip: Strip, leads: Sequence[str], rows: int) -> tuple[int, list[int]]:
    """Microvolts per row, the same for all ``leads``, and the rows of each.

    The largest of ``SCALES`` at which every lead fits into ``rows``; a tall one takes from flat
    ones. What does not fit at the smallest is cut off at the edge of its band.
    """
    for uv_per_row in SCALES:
        least = max(LEAST, 1000 // uv_per_row + 2)
        need = [max(least, _reach(strip, lead) // uv_per_row + 2) for lead in leads]
        if sum(need) <= rows:
            break
    else:
        need = [LEAST + (rows - LEAST * len(leads)) * n // sum(need) for n in need]
    for k in range(rows - sum(need)):
        need[k % len(need)] += 1
    return uv_per_row, need


def _reach(strip: Strip, lead: str) -> int:
    """Microvolts from the lowest to the highest point drawn."""
    k = LEADS.index(lead)
    here = strip.drawable[:, k]
    if not here.any():
        return 0
    return int(strip.high[here, k].max() - strip.low[here, k].min())


def draw_strip(
    canvas: Canvas, strip: Strip, lead: str, place: tuple[int, int, int], uv_per_row: int
) -> None:
    """The trace of ``lead``; ``place``: first column, first row, rows. Gaps have no ink."""
    x, top, rows = place
    k = LEADS.index(lead)
    low, high, drawable = strip.low[:, k], strip.high[:, k], strip.drawable[:, k]
    if not drawable.any():
        return
    middle = (int(low[drawable].min()) + int(high[drawable].max())) // 2
    centre = top + rows // 2
    upper = np.clip(centre - (high - middle) // uv_per_row, top, top + rows - 1)
    lower = np.clip(centre - (low - middle) // uv_per_row, top, top + rows - 1)
    at = np.arange(top, top + rows)[:, None]
    region = canvas.pixels[top : top + rows, x : x + len(drawable)]
    region[(at >= upper) & (at <= lower) & drawable] = 255


def draw_name(canvas: Canvas, lead: str, place: tuple[int, int, int]) -> None:
    """The lead's name in the first second of its band, where there is no ink.

    Without such a place at the left end, above or below, where less of the trace is hidden.
    """
    x, top, rows = place
    width = TEXT.width(lead) + 3
    for left in range(x, x + SECOND - width + 1):
        for y in range(top, top + rows - 7):
            if not canvas.pixels[y : y + 8, left : left + width].any():
                canvas.text(left + 2, y, lead)
                return
    boxes = [np.s_[y : y + 8, x : x + width] for y in (top, top + rows - 8)]
    y = top + (rows - 8) * bool(canvas.pixels[boxes[0]].sum() > canvas.pixels[boxes[1]].sum())
    canvas.fill(x, y, width, 8, 0)
    canvas.text(x + 2, y, lead)


def draw_pulse(canvas: Canvas, x: int, bottom: int, uv_per_row: int) -> None:
    """1 mV for 200 ms from (x, bottom), its height counted between the rows."""
    top = bottom - 1000 // uv_per_row
    canvas.line(x, bottom, x, top)
    canvas.line(x, top, x + PULSE, top)
    canvas.line(x + PULSE, bottom, x + PULSE, top)
