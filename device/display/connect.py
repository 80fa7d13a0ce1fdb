"""The connect screen: a torso with ten spots, and the electrode to see to first, by name."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from device.display.canvas import Canvas
from device.display.faces import BOLD, TEXT, TINY, wrap
from device.display.live import blink, draw_quality
from device.display.state import ScreenState
from device.display.words import ELECTRODES, PLACES
from hal.frontend import Electrode, electrodes_in

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
    left = 67
    room = canvas.width - left
    off = electrodes_in(state.electrodes_off)
    wide = canvas.width >= 256
    canvas.text(left, 0, "CONNECT ELECTRODES" if wide else "CONNECT")
    if off:
        name, colour = ELECTRODES[state.naming][off[0]]
        head, words = f"{name} OFF", [colour, PLACES[off[0]]]
    else:
        head, words = "ALL ON", ["checking signal"]
    canvas.stamp(
        left, 11, np.kron(BOLD.mask(head), np.ones((2, 2), np.bool_)) if wide else BOLD.mask(head)
    )
    lines = [line for text in words for line in wrap(text, room, TEXT)]
    for k, line in enumerate(lines):
        canvas.text(left, (35 if wide else 25) + 9 * k, line)
    bottom = canvas.height - 8
    x = canvas.text(left, bottom, f"{10 - len(off)}/10 on") + 6
    if wide and off:
        canvas.text_in(
            x, bottom, canvas.width - x, "off: " + " ".join(state.off_names), (TEXT, TINY)
        )
    draw_quality(canvas, canvas.width, 0 if wide else bottom, state.quality, letter=wide)


def _draw_torso(canvas: Canvas, state: ScreenState, top: int) -> None:
    for path in _OUTLINE:
        for (x0, y0), (x1, y1) in pairwise(path):
            canvas.line(x0, top + y0, x1, top + y1, canvas.dim)
            canvas.line(63 - x0, top + y0, 63 - x1, top + y1, canvas.dim)
    lit = blink(state.index)
    for electrode, (x, y) in _SPOTS.items():
        canvas.spot(x, top + y, 5, not state.electrodes_off >> electrode & 1, lit)
