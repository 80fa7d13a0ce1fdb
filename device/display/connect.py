"""The connect screen: a torso with ten spots, and the electrode to see to first, by name."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from device.display.canvas import Canvas
from device.display.faces import BOLD, TEXT, TINY, fit, wrap_in
from device.display.header import draw_audio, draw_quality
from device.display.live import blink
from device.display.row import Line, alarm_row
from device.display.state import ScreenState
from device.display.words import ELECTRODES, PLACES
from firmware.alarms import Audio
from hal.frontend import Electrode

LEFT = 67  # of the words
# The outline's left half on a 64 x 64 field, mirrored for the right: neck to arm, arm to hip.
_OUTLINE = (
    ((27, 0), (27, 4), (24, 7), (10, 10), (5, 14), (2, 22), (0, 34)),
    ((11, 24), (12, 40), (13, 48), (10, 63)),
    ((11, 24), (9, 36)),
)
# The patient faces you: the right arm is on the left. Limb electrodes at the ends of the torso.
_SPOTS = {
    Electrode.RA: (13, 15),
    Electrode.LA: (50, 15),
    Electrode.RL: (18, 57),
    Electrode.LL: (45, 57),
    Electrode.V1: (27, 24),
    Electrode.V2: (36, 24),
    Electrode.V3: (39, 31),
    Electrode.V4: (43, 38),
    Electrode.V5: (50, 36),
    Electrode.V6: (56, 32),
}


def draw_connect(canvas: Canvas, state: ScreenState) -> None:
    """Torso at the left, words at the right; blinking follows the sample index."""
    _draw_torso(canvas, state, (canvas.height - 64) // 2)
    room = canvas.width - LEFT
    off = state.off
    wide, tr = canvas.width >= 256, state.tr
    title = tr("CONNECT ELECTRODES" if wide else "CONNECT")
    sound = 0 if state.audio is Audio.QUIET else 20
    x = canvas.text_in(LEFT, 0, room - sound - (28 if wide else 0), title, (TEXT, TINY))
    if wide or state.audio is not Audio.PAUSED:
        draw_audio(canvas, state, x + 5, 0)
    colour, where = "", tr("checking signal")
    head = tr("ALL ON")
    if off:
        name, its = ELECTRODES[state.naming][off[0]]
        head = tr("{names} OFF").format(names=name)
        colour, where = tr(its), tr(PLACES[off[0]])
    if wide and 2 * BOLD.width(head) <= room:
        canvas.stamp(LEFT, 11, np.kron(BOLD.mask(head), np.ones((2, 2), np.bool_)))
    else:
        canvas.text_in(LEFT, 11, room, head, (BOLD, TEXT))
    bottom = canvas.height - 8
    top = 35 if wide else 25
    if colour:
        canvas.text_in(LEFT, top, room, colour, (TEXT, TINY))
        top += 9
    alarm = alarm_row(state)
    told = _alarm_lines(alarm.head, room - 2) if alarm is not None else []
    bottom -= 6 * max(len(told) - 1, 0)
    for k, line in enumerate(wrap_in(where, room, (bottom - top) // 9, TEXT)):
        canvas.text(LEFT, top + 9 * k, line)
    if alarm is not None:
        _draw_alarm(canvas, state, alarm, told, bottom - 1)
    else:
        _draw_count(canvas, state, len(off), bottom)
        if not wide:
            draw_quality(canvas, canvas.width, bottom, state.quality, letter=False)
    if wide:
        draw_quality(canvas, canvas.width, 0, state.quality)


def _draw_count(canvas: Canvas, state: ScreenState, off: int, y: int) -> None:
    """How many are on, and on wide screens the names of the others."""
    wide = canvas.width >= 256
    said = state.tr("{on}/10 on").format(on=10 - off)
    x = canvas.text_in(LEFT, y, canvas.width - LEFT - (0 if wide else 16), said, (TEXT, TINY)) + 6
    if wide and off:
        names = state.tr("off: {names}").format(names=" ".join(state.off_names))
        canvas.text_in(x, y, canvas.width - x, names, (TEXT, TINY))


def _alarm_lines(head: str, room: int) -> list[str]:
    """One, or two of small capitals where it would be cut short."""
    fits = TINY.width(head.upper()) <= room
    return [head] if fits else wrap_in(head.upper(), room, 2, TINY)


def _draw_alarm(canvas: Canvas, state: ScreenState, line: Line, told: list[str], top: int) -> None:
    """An alarm takes the place of the count: inverted as in the call row."""
    lit = line.alarm == 1 or (line.alarm == 2 and blink(state.index))
    level = 255
    if lit and not (state.night and line.alarm == 1):
        canvas.fill(LEFT - 1, top, canvas.width - LEFT + 1, canvas.height - top)
        level = 0
    room = canvas.width - LEFT - 2
    if len(told) > 1:
        for k, part in enumerate(told):
            canvas.text(LEFT + 1, top + 2 + 6 * k, part, TINY, level)
        return
    face, head = fit(line.head, room, (TEXT, TINY))
    x = canvas.text(LEFT + 1, top + 1 + TEXT.ascent - face.ascent, head, face, level) + 6
    if canvas.width >= 256:
        canvas.text_in(x, top + 1, canvas.width - 1 - x, line.tail, (TEXT, TINY), level)


def _draw_torso(canvas: Canvas, state: ScreenState, top: int) -> None:
    for path in _OUTLINE:
        for (x0, y0), (x1, y1) in pairwise(path):
            canvas.line(x0, top + y0, x1, top + y1, canvas.dim)
            canvas.line(63 - x0, top + y0, 63 - x1, top + y1, canvas.dim)
    lit = blink(state.index)
    for electrode, (x, y) in _SPOTS.items():
        canvas.spot(x, top + y, 5, not state.electrodes_off >> electrode & 1, lit)
