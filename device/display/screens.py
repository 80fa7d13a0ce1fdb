"""The screens: which one answers the question of the moment, drawn for any size of display."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from device.display.canvas import Canvas
from device.display.connect import draw_connect
from device.display.faces import BOLD, TEXT, wrap
from device.display.live import draw_foot, draw_live
from device.display.pages import PAGES
from device.display.state import ScreenState

FOOT = 12  # rows of a page that belong to an alarm while there is one


@dataclass(frozen=True, slots=True)
class Frame:
    """One finished screen: mode L image, sample index, and the same in a line of plain text."""

    image: Image.Image
    index: int
    status: str


def render(state: ScreenState, size: tuple[int, int], *, grey: bool = True) -> Frame:
    """Draw ``state`` for a display of ``size`` (width, height) in pixels.

    Widths from 128 and heights from 64 are served; every pixel is 0 or 255 unless ``grey``.
    """
    canvas = Canvas(*size, grey=grey)
    page = PAGES.get(state.controls.page)
    if page is not None:
        _draw_page(canvas, state, page)
    elif state.message is not None:
        _draw_message(canvas, *state.message)
    elif state.connecting:
        draw_connect(canvas, state)
    else:
        draw_live(canvas, state)
    return Frame(canvas.image(), state.index, state.status_line)


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


def _draw_message(canvas: Canvas, title: str, text: str) -> None:
    lines = wrap(title, canvas.width - 8, BOLD)[:2]
    canvas.fill(0, 0, canvas.width, 4 + 12 * len(lines))
    for k, line in enumerate(lines):
        canvas.text(4, 3 + 12 * k, line, BOLD, level=0)
    top = 8 + 12 * len(lines)
    room = (canvas.height - top) // 9
    for k, line in enumerate(wrap(text, canvas.width - 8, TEXT)[:room]):
        canvas.text(4, top + 9 * k, line)
