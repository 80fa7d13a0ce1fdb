"""Twelve leads: the ten seconds before the page was chosen, three leads at a time."""

from __future__ import annotations

from collections.abc import Sequence

from device.display.canvas import Canvas
from device.display.faces import TEXT, TINY
from device.display.pages.strips import (
    PULSE,
    SCALES,
    bands,
    draw_name,
    draw_pulse,
    draw_strip,
)
from device.display.pages.words import TITLE, clock, draw_right, draw_title
from device.display.state import WINDOW_COLUMNS, Frozen, ScreenState
from device.display.trace import Strip
from firmware.events import LEADS
from firmware.measurements import Measurements

GROUPS = tuple(LEADS[k : k + 3] for k in range(0, len(LEADS), 3))
HALF = WINDOW_COLUMNS // 2  # what 128 columns hold of it
INTERVALS = 116  # columns of the wide page
SCALE_ROWS = 12  # of the narrow title: two lines of small capitals, or 1 mV


def draw_leads(canvas: Canvas, state: ScreenState) -> None:
    """Four steps of ten seconds, or eight of five where the panel is narrow; then the numbers."""
    frozen = state.frozen
    wide = canvas.width >= 256
    parts = 1 if wide else 2
    traces = parts * len(GROUPS)
    steps = traces + parts
    step = state.controls.step % steps
    of = f"{step + 1}/{steps}"
    if step >= traces:
        _draw_measurements(canvas, state, frozen.measurements, of, step - traces)
        return
    group, part = GROUPS[step // parts], step % parts
    if wide:
        top, left, shown = TITLE, PULSE + 1, frozen.strip
    else:
        top, left, shown = SCALE_ROWS, canvas.width - HALF, _part(frozen.strip, part)
    uv_per_row, rows = bands(shown, group, canvas.height - top)
    if wide:
        _draw_wide_title(canvas, state, frozen, SCALES[uv_per_row], of)
    else:
        scale = f"{SCALES[uv_per_row]} {5 * part}-{5 * part + 5}s {state.profile[:4].rstrip('I')}"
        _draw_narrow_title(canvas, state, frozen, scale, of)
        draw_pulse(canvas, 0, 10, uv_per_row)
    for lead, height in zip(group, rows, strict=True):
        if wide:
            pulse = 1000 // uv_per_row
            draw_pulse(canvas, 0, top + (height + pulse) // 2, uv_per_row)
        draw_strip(canvas, shown, lead, (left, top, height), uv_per_row)
        draw_name(canvas, lead, (left, top, height))
        top += height


def _part(strip: Strip, part: int) -> Strip:
    rows = slice(part * HALF, (part + 1) * HALF)
    first = strip.first + part * HALF
    return Strip(first, strip.low[rows], strip.high[rows], strip.drawable[rows])


def _kept(state: ScreenState, frozen: Frozen) -> str:
    """When it was, and whether it is on the disk."""
    said = state.tr("saved") if state.saved_at == frozen.since else state.tr("not saved")
    return f"{clock(frozen.since)} {said}"


def _draw_wide_title(
    canvas: Canvas, state: ScreenState, frozen: Frozen, scale: str, of: str
) -> None:
    x = canvas.text(0, 0, f"{state.tr('12 LEADS')} {of}") + 6
    x = canvas.text(x, 2, f"25mm/s {scale} {state.profile}", TINY) + 6
    draw_right(canvas, 0, canvas.width - x, _kept(state, frozen))


def _draw_narrow_title(
    canvas: Canvas, state: ScreenState, frozen: Frozen, scale: str, of: str
) -> None:
    left = PULSE + 3
    canvas.text(left, 0, f"{of} {_kept(state, frozen)}".upper(), TINY)
    canvas.text(left, 6, f"25mm/s {scale}", TINY)


def _draw_measurements(
    canvas: Canvas, state: ScreenState, found: Measurements | None, of: str, part: int
) -> None:
    """Intervals and ST; on a narrow panel one after the other. Blank where not measurable."""
    tr, wide = state.tr, canvas.width >= 256
    title = tr("MEASURED") if found else tr("NOT MEASURED YET")
    st = tr("ST mV")
    draw_title(canvas, st if found and part else title, of)
    if wide:
        canvas.text(INTERVALS, 0, st)
    if part == 0:
        _draw_intervals(canvas, tr("Rate"), tr("Axis"), found, (INTERVALS if wide else 128) // 2)
    if wide or part == 1:
        _draw_st(canvas, found, INTERVALS if wide else 0)


def _draw_intervals(
    canvas: Canvas, rate: str, axis: str, found: Measurements | None, column: int
) -> None:
    names = (rate, "PR", "QRS", "QT", axis, "QTcB", "QTcF")
    values: tuple[float | None, ...] = (None,) * len(names)
    if found is not None:
        values = (
            found.rate_bpm, found.pr_ms, found.qrs_ms, found.qt_ms,
            found.axis_deg, found.qtcb_ms, found.qtcf_ms,
        )  # fmt: skip
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        x, y = k // 4 * column, TITLE + 2 + k % 4 * 10
        shown = "--" if value is None else str(round(value))
        left = canvas.text_right(x + column - 17, y, shown)
        canvas.text_in(x, y, left - x - 2, name, (TEXT, TINY))
        unit = {rate: "", axis: "°"}.get(name, "ms")
        canvas.text(x + column - 15, y + (2 if unit == "ms" else 0), unit, TINY)


def _draw_st(canvas: Canvas, found: Measurements | None, left: int) -> None:
    """In the order of ``LEADS``, down and then to the right, at J + 60 ms."""
    st_uv: Sequence[float | None] = found.st_uv if found else [None] * len(LEADS)
    down = 4
    column = (canvas.width - left) * down // len(LEADS)
    for k, (lead, uv) in enumerate(zip(LEADS, st_uv, strict=True)):
        x, y = left + k // down * column, TITLE + 2 + k % down * 10
        canvas.text_in(x, y + 2, 16, lead, (TINY,))
        said = "--" if uv is None else _signed(round(uv / 1000, 2))
        canvas.text_right(x + column - 3, y, said)


def _signed(mv: float) -> str:
    return f"{mv:+.2f}" if mv else "0.00"
