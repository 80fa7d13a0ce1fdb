"""Trend: the rate, what was called and when alarms began, over ten minutes or an hour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from device.display.canvas import Canvas
from device.display.faces import TINY
from device.display.history import BINS, REFUSED, View
from device.display.pages.words import TITLE, draw_title
from device.display.state import ScreenState
from firmware.alarms import Logged
from firmware.findings import Priority

SPANS_MIN = (10, 60)
CALL_ROWS = 8
LEAST_SPAN = 40  # beats per minute from bottom to top
# What a block of a call looks like: rows of it by column, repeated; its name stands in long ones.
_PATTERNS = {
    "AFIB": ("########",),
    "GSVT": ("#.#.#.##", "##.#.#.#"),
    "SB": ("#...#..#", "#......#", "#..#...#", "#......#"),
    "SR": ("#......#",),
    REFUSED: ("...#....", "........", "........"),
}
_OTHER = ("#.##.#.#", "#.#..#.#", "##.##.##")
_MARKS = {
    Priority.HIGH: ("###", "###", ".#."),
    Priority.MEDIUM: ("#.#", "#.#", ".#."),
    Priority.LOW: ("...", ".#.", "..."),
}
_ALARM_MARKS = {
    priority: np.array([[c == "#" for c in row] for row in rows])
    for priority, rows in _MARKS.items()
}


def draw_trend(canvas: Canvas, state: ScreenState) -> None:
    """Newest at the right; OK changes between the spans. What is not known is left blank."""
    minutes = SPANS_MIN[state.controls.step % len(SPANS_MIN)]
    wide = canvas.width >= 256
    columns = 240 if wide else 120
    bins = BINS * minutes // SPANS_MIN[-1] // columns
    left = canvas.width - columns
    view = state.history.view(state.index, columns, bins)
    foot = canvas.height - 8  # of the blocks
    top = TITLE + 1
    rows = foot - CALL_ROWS - 4 - top
    span = f"{minutes} min" if minutes < 60 else "1 h"
    draw_title(canvas, f"{state.tr('TREND')} {span}", _rates(view, state.tr("rate")))
    _draw_rate(canvas, view, left, top, rows)
    _draw_alarms(canvas, view, state.alarm_log, left, foot - CALL_ROWS - 4)
    _draw_calls(canvas, view, left, foot - CALL_ROWS)
    _draw_axis(canvas, minutes, left, foot, columns, state.tr("now"))


def _rates(view: View, rate: str) -> str:
    low, high = view.low[view.low > 0], view.high[view.high > 0]
    return f"{rate} {low.min()}-{high.max()}/min" if len(low) else f"{rate} --"


def _draw_rate(canvas: Canvas, view: View, left: int, top: int, rows: int) -> None:
    """Of each column a line from its lowest to its highest rate, joined to the one before."""
    known = view.low > 0
    floor, ceiling = 40, 120
    if known.any():
        lowest, highest = int(view.low[known].min()), int(view.high[known].max())
        floor = (lowest - 4) // 20 * 20
        ceiling = max(-(-(highest + 4) // 20) * 20, floor + LEAST_SPAN)
    per_row = (ceiling - floor) / (rows - 1)
    low, high = view.low.copy(), view.high.copy()
    joined = known[1:] & known[:-1]
    low[1:] = np.where(joined, np.minimum(low[1:], view.high[:-1]), low[1:])
    high[1:] = np.where(joined, np.maximum(high[1:], view.low[:-1]), high[1:])
    upper = top + np.rint((ceiling - high) / per_row)
    lower = top + np.rint((ceiling - low) / per_row)
    at = np.arange(top, top + rows)[:, None]
    region = canvas.pixels[top : top + rows, left:]
    for row in (0, rows - 1):
        region[row, ::4] = canvas.dim
    region[(at >= upper) & (at <= lower) & known] = 255
    for text, y in ((str(ceiling), top), (str(floor), top + rows - 5)):
        canvas.fill(0, y - 1, TINY.width(text) + 1, 7, 0)
        canvas.text(0, y, text, TINY)


def _draw_alarms(canvas: Canvas, view: View, log: Sequence[Logged], left: int, top: int) -> None:
    """A mark where an alarm began; of several in one place the gravest."""
    for priority in reversed(Priority):
        mark = _ALARM_MARKS[priority]
        for entry in log:
            column = entry.begin // view.samples - view.first
            here = entry.earlier is None and entry.alarm.priority is priority
            if here and 0 <= column < len(view.low):
                x = min(left + column - 1, canvas.width - 3)
                canvas.fill(x, top, 3, 3, 0)
                canvas.stamp(x, top, mark)


def _draw_calls(canvas: Canvas, view: View, left: int, top: int) -> None:
    ends = np.flatnonzero(np.diff(view.said, append=-1)) + 1
    begins = [0, *ends[:-1].tolist()]
    for first, end in zip(begins, ends.tolist(), strict=True):
        label = view.labels[int(view.said[first])]
        if not label:
            continue
        pattern = _PATTERNS.get(label, _OTHER)
        for column in range(first, end):
            cells = np.array([c == "#" for c in pattern[column % len(pattern)]])[:, None]
            canvas.stamp(left + column, top, cells)
        room = end - first - 4
        if label != REFUSED and TINY.width(label) <= room:
            solid = label == "AFIB"
            x = left + first + 2 + (room - TINY.width(label)) // 2
            canvas.fill(x - 1, top + 1, TINY.width(label) + 2, 6, 255 * solid)
            canvas.text(x, top + 1, label, TINY, 0 if solid else 255)


def _draw_axis(canvas: Canvas, minutes: int, left: int, top: int, columns: int, now: str) -> None:
    """A mark and a number of minutes at every quarter, or half where they would touch."""
    parts = 4 if columns >= 240 else 2
    for k in range(parts + 1):
        x = left + min(columns * k // parts, columns - 1)
        ago = minutes * (parts - k) / parts
        text = now.upper() if k == parts else f"-{ago:g}" + " min".upper() * (k == 0)
        width = TINY.width(text)
        canvas.fill(x, top, 1, 1)
        canvas.text(min(max(x - width // 2, 0), canvas.width - width), top + 2, text, TINY)
