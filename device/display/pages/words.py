"""Words that pages share."""

from __future__ import annotations

from device.display.canvas import Canvas
from device.display.faces import TEXT, TINY, fit
from device.display.state import ScreenState
from hal.frontend import SAMPLE_RATE_HZ

TITLE = 9  # rows


def draw_title(canvas: Canvas, title: str, right: str = "") -> None:
    """The name of the page; at the right what it shows of how much."""
    x = canvas.text(0, 0, title)
    draw_right(canvas, 0, canvas.width - x - 6, right)


def mark(canvas: Canvas, state: ScreenState, y: int, height: int) -> int:
    """The rows from ``y`` in white, at night a bar at their left end; the level of their text."""
    canvas.fill(0, y, 2 if state.night else canvas.width, height)
    return 255 if state.night else 0


def draw_right(canvas: Canvas, y: int, room: int, text: str) -> None:
    """At the right edge, in the larger face that fits ``room``."""
    face, text = fit(text, room, (TEXT, TINY))
    canvas.text_right(canvas.width, y + TEXT.ascent - face.ascent, text, face)


def clock(index: int) -> str:
    """Minutes and seconds since the start, "03:41"; hours in front from the first on."""
    seconds = index // SAMPLE_RATE_HZ
    shown = f"{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{seconds // 3600}:{shown}" if seconds >= 3600 else shown


def lasted(samples: int) -> str:
    """How long: "12 s", "3:05 min"; hours from the first on."""
    seconds = max(samples, 0) // SAMPLE_RATE_HZ
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d} min"
    return f"{seconds // 3600}:{seconds // 60 % 60:02d} h"
