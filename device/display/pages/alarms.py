"""Alarms: what is wrong and what to do about it, whether it is heard, and what there was."""

from __future__ import annotations

from collections.abc import Sequence

from device.display.canvas import Canvas
from device.display.faces import TEXT, TINY, fit
from device.display.pages.words import TITLE, clock, draw_title, lasted, mark
from device.display.state import ScreenState
from device.display.words import MARKS
from firmware.alarms import Alarm, AlarmState, Audio, Logged

ROW = 9


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
        if isinstance(entry, Alarm):
            y = _draw_active(canvas, state, entry, y)
        else:
            y = _draw_past(canvas, state, entry, y)


def _rows(canvas: Canvas, entry: Alarm | Logged) -> int:
    return 2 * ROW if isinstance(entry, Alarm) and canvas.width < 256 else ROW


def _pages(
    canvas: Canvas, entries: Sequence[Alarm | Logged], room: int
) -> list[list[Alarm | Logged]]:
    """As many on each as ``room`` rows of pixels hold."""
    pages: list[list[Alarm | Logged]] = [[]]
    left = room
    for entry in entries:
        if _rows(canvas, entry) > left:
            pages.append([])
            left = room
        pages[-1].append(entry)
        left -= _rows(canvas, entry)
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
    act = state.tr(alarm.act)
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
    x = canvas.text(0, y, clock(entry.begin)) + 5
    end = state.index if entry.end is None else entry.end
    right = canvas.text_right(canvas.width, y, lasted(end - entry.begin))
    text = MARKS[entry.alarm.priority] + state.tr(entry.alarm.text)
    _draw_low(canvas, x, y, right - 4 - x, text, 255)
    return y + ROW
