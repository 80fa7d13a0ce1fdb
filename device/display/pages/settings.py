"""Settings: what the buttons can change, the one that they would change now marked."""

from __future__ import annotations

from device.display.canvas import Canvas
from device.display.faces import TEXT, TINY, fit
from device.display.pages.words import TITLE, draw_title, mark
from device.display.state import ScreenState

ROW = 9


def draw_settings(canvas: Canvas, state: ScreenState) -> None:
    """OK steps to the next, OK held changes it."""
    tr = state.tr
    count = len(state.settings)
    hint = tr("hold OK: change")
    if canvas.width >= 256:
        hint = f"{tr('OK: next')}   {hint}"
    draw_title(canvas, tr("SETTINGS"), hint)
    if not count:
        return
    marked = state.controls.step % count
    rows = (canvas.height - TITLE - 1) // ROW
    first = min(max(marked - rows + 2, 0), max(count - rows, 0))
    for k, (name, value) in enumerate(state.settings[first : first + rows]):
        y = TITLE + 2 + k * ROW
        level = mark(canvas, state, y - 1, ROW) if first + k == marked else 255
        left = canvas.text_right(canvas.width - 3, y, tr(value), TEXT, level)
        face, text = fit(tr(name), left - 10, (TEXT, TINY))
        canvas.text(4, y + TEXT.ascent - face.ascent, text, face, level)
