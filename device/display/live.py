"""The live screen: trace, rate, call, quality, electrodes, time."""

from __future__ import annotations

import numpy as np

from device.display.canvas import HEART, Canvas
from device.display.faces import BOLD, TEXT, TINY, fit
from device.display.header import draw_header
from device.display.row import Line
from device.display.state import ScreenState
from device.display.trace import SAMPLES_PER_COLUMN, UV_PER_ROW
from hal.frontend import SAMPLE_RATE_HZ, Electrode

HEADER = 8  # rows
ERASE = 8  # columns blanked ahead of the sweep
TWO_TRACES = 88  # rows from which a second lead always finds room
MIN_ROWS = 14  # of a trace among others
TALL_ROWS = 30  # a trace this tall is drawn at 10 mm/mV, a lower one at 5
RHYTHM_LEADS = ("II", "V1", "V5")  # the three rhythm strips of most twelve-lead print-outs
BLINK = SAMPLE_RATE_HZ // 2  # half a period of the 1 Hz blink


def blink(index: int) -> bool:
    """Phase of everything that blinks, from the sample index: the same signal, the same frames."""
    return index // BLINK % 2 == 0


def views(lead: str, rows: int) -> tuple[tuple[str, ...], ...]:
    """What the button steps through, ``lead`` first: single leads, then as many as ``rows`` hold.

    On tall screens the first lead stands below each of the others.
    """
    first, second, third = (lead, *(other for other in RHYTHM_LEADS if other != lead))[:3]
    most = min(rows // MIN_ROWS, 3)
    together = tuple((first, second, third)[:n] for n in (2, 3) if n <= most)
    if rows >= TWO_TRACES:
        return ((first, second), (third, first), *together[1:])
    return ((first,), (second,), (third,), *together)


def draw_live(canvas: Canvas, state: ScreenState) -> None:
    """Lay the live screen out by the canvas: 128 or 256 wide, 64 rows or more."""
    wide = canvas.width >= 256
    row = 12 if wide else 20
    trace_width = 188 if wide else 96
    height = canvas.height - HEADER - row
    every = views(state.lead, height)
    leads = every[state.view % len(every)]
    each = height // len(leads)
    uv_per_row = UV_PER_ROW if each >= TALL_ROWS else 2 * UV_PER_ROW
    gain = f"{1000 // uv_per_row}mm/mV"
    draw_header(canvas, state, leads[0] if len(leads) == 1 else "", gain)
    for k, lead in enumerate(leads):
        _draw_trace(canvas, state, lead, (HEADER + k * each, trace_width, each), uv_per_row)
    _draw_seconds(canvas, HEADER + height - 1, trace_width)
    _draw_beats(canvas, state, trace_width)
    if len(leads) > 1:
        _draw_names(canvas, leads, each)
    _draw_notes(canvas, state, canvas.height - row - 8, trace_width)
    canvas.pixels[HEADER : HEADER + height : 2, trace_width] = canvas.dim
    _draw_rate(canvas, state, trace_width + 1, height, wide)
    top = canvas.height - row
    if wide:
        _draw_wide_call(canvas, state, top)
    else:
        _draw_narrow_call(canvas, state, top)


def _draw_trace(
    canvas: Canvas, state: ScreenState, lead: str, box: tuple[int, int, int], uv_per_row: int
) -> None:
    """The sweep of ``lead`` in a ``box``: top, width, height."""
    top, width, height = box
    first, head = _swept(state, width)
    if head < 0:
        return
    low, high, drawable = state.trace.lead(lead, first, head)
    centre = state.trace.centre(lead, first, head, width)
    middle = top + height // 2
    upper = np.clip(middle - (high - centre) // uv_per_row, top, top + height - 1)
    lower = np.clip(middle - (low - centre) // uv_per_row, top, top + height - 1)
    x = np.arange(first, head + 1) % width
    rows = np.arange(top, top + height)[:, None]
    ink = (rows >= upper) & (rows <= lower) & drawable
    region = canvas.pixels[top : top + height]
    region[:, x] = np.where(ink, 255, region[:, x])


def _swept(state: ScreenState, width: int) -> tuple[int, int]:
    """First and last column of the sweep; what is ahead of it is erased."""
    return max(state.trace.head - width + 1 + ERASE, 0), state.trace.head


def _draw_names(canvas: Canvas, leads: tuple[str, ...], each: int) -> None:
    """Each at the left of its trace, on ground of its own."""
    for k, lead in enumerate(leads):
        y = HEADER + k * each
        canvas.fill(0, y, TINY.width(lead.upper()) + 1, 6, 0)
        canvas.text(0, y, lead.upper(), TINY)


def _draw_seconds(canvas: Canvas, y: int, width: int) -> None:
    ticks = canvas.pixels[y, : width : SAMPLE_RATE_HZ // SAMPLES_PER_COLUMN]
    ticks[ticks == 0] = canvas.dim


def _draw_beats(canvas: Canvas, state: ScreenState, width: int) -> None:
    """A mark above each beat."""
    first, head = _swept(state, width)
    since = state.beatless_since
    for beat in state.beats:
        if since is not None and beat >= since:
            break
        column = beat // SAMPLES_PER_COLUMN
        if first <= column <= head:
            place = column % width
            canvas.fill(place - 1, HEADER, 3 if place < width - 1 else 2, 1)
            canvas.fill(place, HEADER + 1, 1, 1)


def _draw_notes(canvas: Canvas, state: ScreenState, top: int, width: int) -> None:
    """What is not well with the instrument, the newest in words, over the foot of the trace."""
    alarms = {alarm.code for alarm in state.alarms}  # told in the row below
    notes = [text for kind, text in state.notes.items() if kind not in alarms]
    if not notes:
        return
    *others, text = notes
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
        size = (8, tall, 2, 2) if len(text) == 3 else (13, tall, 3, 3)
    top = HEADER + (2 if wide else 1)
    canvas.digits(canvas.width - 2, top, text, size)
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
    """Fill the row of an alarm; return the level in which its text is to be drawn.

    In the dark only an alarm of high priority lights a whole row; a medium one is framed.
    """
    if line.alarm == 1:
        return canvas.banner(top, canvas.height - top, solid=not state.night)
    if line.alarm == 2 and blink(state.index):
        return canvas.banner(top, canvas.height - top, solid=True)
    return 255


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
    left = canvas.width - 2 - x
    if face.width(head) < room // 2 or TINY.width(line.tail.upper()) <= left:
        canvas.text_in(x, top + 4, left, line.tail, (TEXT, TINY), level)


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
    x = _draw_tail(canvas, line, (x, top + 4, right), level) + 6
    if line.progress is not None:
        _draw_progress(canvas, x, top + 4, max(right - x, 8), line.progress, level)


def _draw_tail(canvas: Canvas, line: Line, place: tuple[int, int, int], level: int) -> int:
    """The tail and, only if both fit, what takes turns beside it; the x after them.

    place : x, y, and the x before which they end
    """
    x, y, right = place
    if line.more:
        for face, other in ((TEXT, TEXT), (TEXT, TINY), (TINY, TINY)):
            tail, more = (fit(line.tail, 999, (face,))[1], fit(line.more, 999, (other,))[1])
            if x + face.width(tail) + 6 + other.width(more) <= right:
                x = canvas.text(x, y + TEXT.ascent - face.ascent, tail, face, level) + 6
                return canvas.text(x, y + TEXT.ascent - other.ascent, more, other, level)
    return canvas.text_in(x, y, right - x, line.tail, (TEXT, TINY), level)


def _draw_narrow_call(canvas: Canvas, state: ScreenState, top: int) -> None:
    line = state.line
    level = _begin_call(canvas, state, line, top)
    room = canvas.width - 4
    face, head = fit(line.head, room, (BOLD, TEXT))
    if head != line.head and line.short:
        face, head = fit(line.short, room, (BOLD, TEXT))
    canvas.text(2, top + 1 + BOLD.ascent - face.ascent, head, face, level)
    right = canvas.width - 2
    if state.recording:
        canvas.fill(right - 5, top + 14, 5, 3, level)
        canvas.fill(right - 4, top + 13, 3, 5, level)
        right -= 8
    if state.trouble and line.alarm < 2 and not line.electrodes:
        text = fit(state.trouble, 44, (TEXT, TINY))[1]
        right = canvas.text_right(right, top + 12, text, level=level) - 3
    x = _draw_tail(canvas, line, (2, top + 12, right), level) + 4
    if line.progress is not None:
        _draw_progress(canvas, x, top + 12, max(right - x, 8), line.progress, level)
