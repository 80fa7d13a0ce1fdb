"""In place of the patient: the self-test at the start, and why there is no signal."""

from __future__ import annotations

from device.display.canvas import Canvas
from device.display.faces import BOLD, TEXT, TINY, wrap_in
from device.display.header import draw_audio
from device.display.live import blink, draw_foot
from device.display.pages.health import well
from device.display.row import NO_DATA, TURN, alarm_row
from device.display.state import ScreenState
from device.display.words import MARKS
from firmware.alarms import Audio
from firmware.findings import Priority

ROW = 9
TITLE = 12


def draw_message(canvas: Canvas, state: ScreenState, title: str, text: str) -> None:
    """A title in a bar and the reason below it; other alarms in the row at the foot."""
    told = next((alarm for alarm in state.alarms if alarm.code == NO_DATA), None)
    sound = {Audio.QUIET: 4, Audio.PAUSED: 50}.get(state.audio, 18)
    lines = wrap_in(state.tr(title), canvas.width - 6 - sound, 2, BOLD)
    bar = 4 + TITLE * len(lines)
    level = canvas.banner(0, bar, solid=not state.night and (told is None or blink(state.index)))
    for k, line in enumerate(lines):
        canvas.text(4, 3 + TITLE * k, line, BOLD, level)
    foot = alarm_row(state, told=NO_DATA)
    bottom = canvas.height - (TITLE if foot else 0)
    rows = (bottom - bar - 3) // ROW
    for k, line in enumerate(wrap_in(state.tr(text), canvas.width - 8, rows, TEXT)):
        canvas.text(4, bar + 4 + ROW * k, line)
    draw_audio(canvas, state, canvas.width - sound, 4, level)
    if foot:
        draw_foot(canvas, state, foot, bottom)


def draw_selftest(canvas: Canvas, state: ScreenState) -> None:
    """Each step with ``ok``, ``FAULT`` (``!!``) or dots while it lasts; faults in words below."""
    level = canvas.banner(0, TITLE, solid=not state.night)
    canvas.text_in(2, 1, canvas.width - 4, f"LEAD12  {state.tr('SELF-TEST')}", (BOLD, TEXT), level)
    steps = state.selftest
    wrong = [(name, said) for name, said in steps if said and not well(said)]
    columns = 2 if canvas.width >= 256 or wrong else 1
    room = canvas.width // columns
    for k, (name, said) in enumerate(steps):
        x, y = k % columns * room, TITLE + 3 + ROW * (k // columns)
        value = _draw_result(canvas, state, x + room - 6, y, said)
        canvas.text_in(x + 2, y, value - x - 4, state.tr(name), (TEXT, TINY))
    if not wrong:
        return
    name, said = wrong[state.index // TURN % len(wrong)]
    top = TITLE + 5 + ROW * (-(-len(steps) // columns))
    words = f"{state.tr(name)}: {state.tr(said)}"
    for k, line in enumerate(wrap_in(words, canvas.width - 4, (canvas.height - top) // ROW, TEXT)):
        canvas.text(2, top + ROW * k, line)


def _draw_result(canvas: Canvas, state: ScreenState, right: int, y: int, said: str) -> int:
    """Of one step; the x where it begins."""
    if not said:
        return canvas.text_right(right, y, "..")
    if well(said):
        return canvas.text_right(right, y, state.tr("off" if said.startswith("off") else "ok"))
    mark = state.tr("FAULT") if canvas.width >= 256 else MARKS[Priority.HIGH].strip()
    width = TEXT.width(mark) + 4
    canvas.fill(right - width, y - 1, width, ROW)
    canvas.text_right(right - 2, y, mark, level=0)
    return right - width
