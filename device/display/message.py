"""In place of the patient: the self-test at the start, and why there is no signal."""

from __future__ import annotations

from device.display.canvas import Canvas
from device.display.faces import BOLD, TEXT, TINY, wrap
from device.display.header import draw_audio
from device.display.live import blink, draw_foot
from device.display.pages.health import well
from device.display.row import TURN, alarm_row
from device.display.state import ScreenState

NO_DATA = "no_data"  # code of the alarm that the message itself tells
ROW = 9
TITLE = 12


def draw_message(canvas: Canvas, state: ScreenState, title: str, text: str) -> None:
    """A title in a bar and the reason below it; other alarms in the row at the foot."""
    told = next((alarm for alarm in state.alarms if alarm.code == NO_DATA), None)
    lines = wrap(state.tr(title), canvas.width - 28, BOLD)[:2]
    bar = 4 + TITLE * len(lines)
    level = canvas.banner(0, bar, solid=not state.night and (told is None or blink(state.index)))
    for k, line in enumerate(lines):
        canvas.text(4, 3 + TITLE * k, line, BOLD, level)
    foot = alarm_row(state, told=NO_DATA)
    bottom = canvas.height - (TITLE if foot else 0)
    for k, line in enumerate(wrap(state.tr(text), canvas.width - 8, TEXT)[: (bottom - bar) // ROW]):
        canvas.text(4, bar + 4 + ROW * k, line)
    if foot:
        draw_foot(canvas, state, foot, bottom)
    else:
        draw_audio(canvas, state, canvas.width - 18, 4, level)


def draw_selftest(canvas: Canvas, state: ScreenState) -> None:
    """Each step with ``ok``, ``FAULT`` or dots while it lasts; the faults in words below."""
    level = canvas.banner(0, TITLE, solid=not state.night)
    canvas.text_in(2, 1, canvas.width - 4, f"LEAD12  {state.tr('SELF-TEST')}", (BOLD, TEXT), level)
    steps = state.selftest
    column = canvas.width // 2 if canvas.width >= 256 else canvas.width
    faults = []
    for k, (name, said) in enumerate(steps):
        x = k * column % canvas.width
        y = TITLE + 3 + ROW * (k * column // canvas.width)
        fine = well(said)
        short = state.tr("ok" if fine else "FAULT") if said else ".."
        value = canvas.text_right(x + column - 8, y, short)
        canvas.text_in(x + 2, y, value - x - 4, state.tr(name))
        if said and not fine:
            faults.append(f"{state.tr(name)}: {state.tr(said)}")
    top = TITLE + 4 + ROW * -(-len(steps) * column // canvas.width)
    words = faults[state.index // TURN % len(faults)] if faults else ""
    face = TEXT if canvas.height - top >= 2 * ROW else TINY
    rows = (canvas.height - top) // (face.height + 1)
    for k, line in enumerate(wrap(words, canvas.width - 4, face)[:rows]):
        canvas.text(2, top + (face.height + 1) * k, line, face)
