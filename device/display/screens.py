"""The screens: which one answers the question of the moment, drawn for any size of display."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from device.display.canvas import Canvas
from device.display.connect import draw_connect
from device.display.live import draw_foot, draw_live
from device.display.message import draw_message, draw_selftest
from device.display.pages import PAGES
from device.display.state import ScreenState

FOOT = 12  # rows of a page that belong to an alarm while there is one


@dataclass(frozen=True, slots=True)
class Frame:
    """One finished screen: mode L image, sample index, and the same in a line of plain text."""

    image: Image.Image
    index: int
    status: str
    night: bool = False  # panels turn their contrast down


def render(state: ScreenState, size: tuple[int, int], *, grey: bool = True) -> Frame:
    """Draw ``state`` for a display of ``size`` (width, height) in pixels.

    Widths from 128 and heights from 64 are served; every pixel is 0 or 255 unless ``grey``.
    """
    canvas = Canvas(*size, grey=grey)
    page = PAGES.get(state.controls.page)
    if page is not None:
        _draw_page(canvas, state, page)
    elif state.starting:
        draw_selftest(canvas, state)
    elif state.message is not None:
        draw_message(canvas, state, *state.message)
    elif state.connecting:
        draw_connect(canvas, state)
    else:
        draw_live(canvas, state)
    if state.night:
        canvas.darken()
    return Frame(canvas.image(), state.index, state.status_line, state.night)


def _draw_page(
    canvas: Canvas, state: ScreenState, page: Callable[[Canvas, ScreenState], None]
) -> None:
    """``page``, above a row for what is wrong meanwhile."""
    line = state.foot
    if line is None:
        page(canvas, state)
    else:
        page(canvas.above(FOOT), state)
        draw_foot(canvas, state, line, canvas.height - FOOT)
