"""The live screen: trace, rate, call, quality, electrodes, time."""

from __future__ import annotations

import numpy as np

from device.display.canvas import HEART, Canvas
from device.display.faces import BOLD, TEXT, TINY, fit
from device.display.state import Line, ScreenState
from device.display.trace import SAMPLES_PER_COLUMN, UV_PER_ROW
from firmware.events import QualityGrade
from hal.frontend import SAMPLE_RATE_HZ, Electrode

HEADER = 8  # rows
ERASE = 8  # columns blanked ahead of the sweep
TWO_TRACES = 88  # rows from which a second lead finds room
BLINK = SAMPLE_RATE_HZ // 2  # half a period of the 1 Hz blink


def blink(index: int) -> bool:
    """Phase of everything that blinks, from the sample index: the same signal, the same frames."""
    return index // BLINK % 2 == 0


def draw_live(canvas: Canvas, state: ScreenState) -> None:
    """Lay the live screen out by the canvas: 128 or 256 wide, 64 rows or more."""
    wide = canvas.width >= 256
    row = 12 if wide else 20
    trace_width = 188 if wide else 96
    height = canvas.height - HEADER - row
    _draw_header(canvas, state, wide)
    leads = (state.lead, state.second_lead) if height >= TWO_TRACES else (state.lead,)
    each = height // len(leads)
    for k, lead in enumerate(leads):
        _draw_trace(canvas, state, lead, HEADER + k * each, trace_width, each)
        if k:
            canvas.text(0, HEADER + k * each, lead)
    _draw_notes(canvas, state, canvas.height - row - 8, trace_width)
    canvas.pixels[HEADER : HEADER + height : 2, trace_width] = canvas.dim
    _draw_rate(canvas, state, trace_width + 1, height, wide)
    top = canvas.height - row
    if wide:
        _draw_wide_call(canvas, state, top)
    else:
        _draw_narrow_call(canvas, state, top)


def _draw_header(canvas: Canvas, state: ScreenState, wide: bool) -> None:
    left = canvas.text(0, 0, state.lead)
    if wide:
        left = canvas.text(left + 5, 2, "25mm/s 10mm/mV", TINY)
        left = canvas.text(left + 5, 0, state.profile)
    else:
        left = canvas.text(left + 4, 2, state.profile[:4].rstrip("I"), TINY)
        if state.on_trial:
            canvas.text(left + 5, 2, "TEST", TINY)
    right = canvas.text_right(canvas.width, 0, state.elapsed_text)
    if wide and state.model:
        shown = f"TEST {state.model}" if state.on_trial else state.model
        face, model = fit(shown, 60, (TEXT, TINY))
        right = canvas.text_right(right - 7, TEXT.ascent - face.ascent, model, face)
    draw_quality(canvas, right - (7 if wide else 5), 0, state.quality)


def draw_quality(
    canvas: Canvas, right: int, top: int, grade: QualityGrade | None, *, letter: bool = True
) -> None:
    """Three bars ending before ``right``, as many filled as the grade says, after the letter Q."""
    x = right - 3 * 5 + 1
    for k in range(3):
        if grade is not None and grade > k:
            canvas.fill(x + 5 * k, top, 4, 7)
        else:
            canvas.frame(x + 5 * k, top, 4, 7)
    if letter:
        canvas.text_right(x - 2, top, "Q" if grade is not None else "Q?")


def _draw_trace(
    canvas: Canvas, state: ScreenState, lead: str, top: int, width: int, height: int
) -> None:
    canvas.pixels[top + height - 1, : width : SAMPLE_RATE_HZ // SAMPLES_PER_COLUMN] = canvas.dim
    head = state.trace.head
    first = max(head - width + 1 + ERASE, 0)
    if head < 0:
        return
    low, high, drawable = state.trace.lead(lead, first, head)
    centre = state.trace.centre(lead, first, head, width)
    middle = top + height // 2
    upper = np.clip(middle - (high - centre) // UV_PER_ROW, top, top + height - 1)
    lower = np.clip(middle - (low - centre) // UV_PER_ROW, top, top + height - 1)
    x = np.arange(first, head + 1) % width
    rows = np.arange(top, top + height)[:, None]
    ink = (rows >= upper) & (rows <= lower) & drawable
    region = canvas.pixels[top : top + height]
    region[:, x] = np.where(ink, 255, region[:, x])
    for beat in state.beats:
        column = beat // SAMPLES_PER_COLUMN
        if first <= column <= head:
            place = column % width
            canvas.fill(place - 1, top, 3 if place < width - 1 else 2, 1)
            canvas.fill(place, top + 1, 1, 1)


def _draw_notes(canvas: Canvas, state: ScreenState, top: int, width: int) -> None:
    """What is not well with the instrument, the newest in words, over the foot of the trace."""
    if not state.notes:
        return
    *others, text = state.notes.values()
    more = f" +{len(others)}" if others else ""
    face, text = fit(text + more, width - 3, (TEXT, TINY))
    canvas.fill(0, top - 1, face.width(text) + 3, 9, 0)
    canvas.text(1, top + TEXT.ascent - face.ascent, text, face)


def _draw_rate(canvas: Canvas, state: ScreenState, left: int, height: int, wide: bool) -> None:
    text = state.rate_text
    if wide:
        size = (18, 27, 4, 3)
    else:
        tall = 16 if height < 60 else 28
        size = (9, tall, 2, 2) if len(text) == 3 else (14, tall, 3, 3)
    top = HEADER + (2 if wide else 1)
    canvas.digits(canvas.width, top, text, size)
    y = top + size[1] + (2 if wide else 1)
    unit = canvas.text_right(canvas.width, y, "/min")
    if state.beat_seen:
        canvas.stamp(unit - 8, y + 1, HEART)
    lit = blink(state.index)
    for electrode in Electrode:
        chest = electrode >= Electrode.V1
        if wide:
            x, y = left + 8 + 5 * electrode + 4 * chest, HEADER + height - 3
        else:
            x = left + 3 + 5 * (electrode - Electrode.V1 * chest)
            y = HEADER + height - 3 - 5 * (not chest)
        canvas.spot(x, y, 4, not state.electrodes_off >> electrode & 1, lit)


def _draw_recording(canvas: Canvas, state: ScreenState, right: int, y: int, level: int) -> int:
    if not state.recording:
        return right
    x = right - TEXT.width("REC")
    canvas.text(x, y, "REC", TEXT, level)
    canvas.fill(x - 8, y + 1, 6, 5, level)
    canvas.fill(x - 7, y, 4, 7, level)
    return x - 12


def _begin_call(canvas: Canvas, state: ScreenState, line: Line, top: int) -> int:
    """Fill the row of an alarm; return the level in which its text is to be drawn."""
    inverted = line.alarm == 1 or (line.alarm == 2 and blink(state.index))
    if inverted:
        canvas.fill(0, top, canvas.width, canvas.height - top)
    return 0 if inverted else 255


def _draw_progress(canvas: Canvas, x: int, y: int, width: int, part: float, level: int) -> None:
    canvas.frame(x, y, width, 6, level)
    canvas.fill(x + 2, y + 2, round((width - 4) * part), 2, level)


def draw_foot(canvas: Canvas, state: ScreenState, line: Line, top: int) -> None:
    """``line`` in one row, on any width: what is wrong while another page is shown."""
    level = _begin_call(canvas, state, line, top)
    room = canvas.width - 4
    face, head = fit(line.head, room, (BOLD, TEXT))
    if head != line.head and line.short:
        face, head = fit(line.short, room, (BOLD, TEXT))
    x = canvas.text(2, top + 1 + BOLD.ascent - face.ascent, head, face, level) + 6
    if face.width(head) < room // 2:
        canvas.text_in(x, top + 4, canvas.width - 2 - x, line.tail, (TEXT, TINY), level)


def _draw_wide_call(canvas: Canvas, state: ScreenState, top: int) -> None:
    line = state.line
    level = _begin_call(canvas, state, line, top)
    right = _draw_recording(canvas, state, canvas.width - 2, top + 3, level)
    if state.trouble and line.alarm < 2 and not line.electrodes:
        text = fit(state.trouble, 60, (TEXT, TINY))[1]
        right = canvas.text_right(right, top + 3, text, level=level) - 6
    for tail_face in (TEXT, TINY):
        room = right - 2 - (tail_face.width(line.tail) + 6 if line.tail else 0)
        face, head = fit(line.head, room, (BOLD, TEXT))
        if head == line.head:
            break
    else:
        face, head = fit(line.short or line.head, room, (BOLD, TEXT))
    y = top + 1 + BOLD.ascent - face.ascent
    x = canvas.text(2, y, head, face, level) + 6
    x = canvas.text_in(x, top + 4, right - x, line.tail, (TEXT, TINY), level) + 6
    if line.progress is not None:
        _draw_progress(canvas, x, top + 4, max(right - x, 8), line.progress, level)


def _draw_narrow_call(canvas: Canvas, state: ScreenState, top: int) -> None:
    line = state.line
    level = _begin_call(canvas, state, line, top)
    room = canvas.width - 2
    face, head = fit(line.head, room, (BOLD, TEXT))
    if head != line.head and line.short:
        face, head = fit(line.short, room, (BOLD, TEXT))
    canvas.text(1, top + 1 + BOLD.ascent - face.ascent, head, face, level)
    right = canvas.width - 1
    if state.recording:
        canvas.fill(right - 5, top + 14, 5, 3, level)
        canvas.fill(right - 4, top + 13, 3, 5, level)
        right -= 8
    if state.trouble and line.alarm < 2 and not line.electrodes:
        text = fit(state.trouble, 44, (TEXT, TINY))[1]
        right = canvas.text_right(right, top + 12, text, level=level) - 3
    x = canvas.text_in(1, top + 12, right - 1, line.tail, (TEXT, TINY), level) + 4
    if line.progress is not None:
        _draw_progress(canvas, x, top + 12, max(right - x, 8), line.progress, level)
