"""Alarms: what is wrong and what to do about it, whether it is heard, and what there was."""

from __future__ import annotations

from collections.abc import Sequence

from device.display.canvas import Canvas
from device.display.faces import TEXT, TINY, fit
from device.display.pages.words import TITLE, clock, draw_title, lasted, mark
from device.display.row import act_of
from device.display.state import ScreenState
from device.display.words import MARKS
from firmware.alarms import Alarm, AlarmState, Audio, Logged

ROW = 9
Row = Alarm | Logged | None  # of the list; None: what follows was before a restart


def draw_alarms(canvas: Canvas, state: ScreenState) -> None:
    """The gravest alarm of now stays at the top; OK turns the pages of the others and the past."""
    count = len(state.alarms)
    title = state.tr("ALARMS")
    draw_title(canvas, f"{title} {count}" if count else title, _audio(state))
    y = TITLE + 1
    if count:
        y = _draw_active(canvas, state, state.alarms[0], y)
    else:
        canvas.text(2, y, state.tr("no alarm"))
        y += ROW
    past = [entry for entry in state.alarm_log if entry.alarm.state is AlarmState.OFF]
    pages = _pages(canvas, [*state.alarms[1:], *past], canvas.height - y)
    for entry in pages[state.controls.step % len(pages)]:
        if entry is None:
            canvas.text(0, y, state.tr("before restart"))
            y += ROW
        elif isinstance(entry, Alarm):
            y = _draw_active(canvas, state, entry, y)
        else:
            y = _draw_past(canvas, state, entry, y)


def _rows(canvas: Canvas, entry: Row) -> int:
    return 2 * ROW if isinstance(entry, Alarm) and canvas.width < 256 else ROW


def _pages(canvas: Canvas, entries: Sequence[Alarm | Logged], room: int) -> list[list[Row]]:
    """As many on each as ``room`` rows of pixels hold; each says where the past begins anew."""
    pages: list[list[Row]] = [[]]
    left = room
    for entry in entries:
        earlier = isinstance(entry, Logged) and entry.earlier is not None
        rows = _rows(canvas, entry)
        if rows + ROW * (earlier and None not in pages[-1]) > left:
            pages.append([])
            left = room
        if earlier and None not in pages[-1]:
            pages[-1].append(None)
            left -= ROW
        pages[-1].append(entry)
        left -= rows
    return pages


def _audio(state: ScreenState) -> str:
    tr = state.tr
    match state.audio:
        case Audio.PAUSED:
            left = state.audio_left_s
            return f"{tr('sound paused')} {left // 60}:{left % 60:02d}"
        case Audio.SILENCED:
            return tr("silenced")
        case Audio.SOUNDING:
            return tr("OK: silence")
    return tr("sound on")


def _draw_active(canvas: Canvas, state: ScreenState, alarm: Alarm, y: int) -> int:
    """What is there on white; what is over and was not acknowledged on black."""
    height = _rows(canvas, alarm)
    there = alarm.state is AlarmState.ON
    level = mark(canvas, state, y - 1, height) if there else 255
    since = lasted(state.index - alarm.since) if there else state.tr("is over")
    right = canvas.text_right(canvas.width - 2, y + height - ROW, since, TEXT, level)
    head = MARKS[alarm.priority] + state.tr(alarm.text)
    act = state.tr(act_of(state, alarm))
    if height == ROW:
        face, text = fit(head, right - 8, (TEXT, TINY))
        x = canvas.text(4, y + TEXT.ascent - face.ascent, text, face, level) + 8
        _draw_low(canvas, x, y, right - 6 - x, act, level)
    else:
        _draw_low(canvas, 4, y, canvas.width - 6, head, level)
        _draw_low(canvas, 4, y + ROW, right - 8, act, level)
    return y + height


def _draw_low(canvas: Canvas, x: int, y: int, room: int, text: str, level: int) -> None:
    """On the baseline of the larger face, whichever fits."""
    if room > 0:
        face, text = fit(text, room, (TEXT, TINY))
        canvas.text(x, y + TEXT.ascent - face.ascent, text, face, level)


def _draw_past(canvas: Canvas, state: ScreenState, entry: Logged, y: int) -> int:
    """When it began, what it was, how long it lasted."""
    if entry.earlier is None:
        x = canvas.text(0, y, clock(entry.begin)) + 5
    else:
        known = f"{entry.earlier[11:16]} UTC" if entry.earlier else ""
        x = canvas.text(4, y + TEXT.ascent - TINY.ascent, known, TINY) + 5 * bool(known)
    end = state.index if entry.end is None else entry.end
    right = canvas.text_right(canvas.width, y, lasted(end - entry.begin))
    text = MARKS[entry.alarm.priority] + state.tr(entry.alarm.text)
    _draw_low(canvas, x, y, right - 4 - x, text, 255)
    return y + ROW
