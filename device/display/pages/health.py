"""Model and health: every part of the instrument, well or in a sentence what is not."""

from __future__ import annotations

from device.display.canvas import Canvas
from device.display.faces import TEXT, TINY, fit, wrap
from device.display.pages.words import TITLE, draw_title
from device.display.state import ScreenState

ROW = 9


def well(text: str) -> bool:
    """Whether nothing is to be done: "ok" or "off", and what is worth knowing beside it."""
    return text.split(" ")[0].rstrip(",") in ("ok", "off")


def draw_health(canvas: Canvas, state: ScreenState) -> None:
    """What is not well first, with a mark; OK turns the page."""
    parts = sorted(state.health.items(), key=lambda item: well(item[1]))
    tr = state.tr
    names = {
        "front end": tr("front end"), "samples": tr("samples"), "filters": tr("filters"),
        "model": tr("model"), "serial": tr("serial"), "storage": tr("storage"),
        "board": tr("board"), "battery": tr("battery"), "uptime": tr("uptime"),
        "display": tr("display"), "settings": tr("settings"),
    }  # fmt: skip
    lines: list[tuple[str, str, bool]] = []  # of name, text, whether it is well
    wide = canvas.width >= 256
    column = 84 if wide else 56
    for name, text in parts:
        fine = well(text)
        word, _, more = text.partition(" ")
        text = f"{tr('ok') if word == 'ok' else tr('off')} {more}" if fine else tr(text)
        told = wrap(text, canvas.width - column, TEXT)
        for k, line in enumerate(told):
            lines.append((names.get(name, name) if k == 0 else "", line, fine))
    rows = (canvas.height - TITLE) // ROW
    pages = max(1, -(-len(lines) // rows))
    page = state.controls.step % pages
    wrong = sum(not well(text) for text in state.health.values())
    said = f"{wrong} {tr('not well')}" if wrong else tr("all well")
    draw_title(canvas, tr("HEALTH"), f"{said}  {page + 1}/{pages}")
    for k, (name, text, fine) in enumerate(lines[page * rows : (page + 1) * rows]):
        y = TITLE + 1 + k * ROW
        name = f"! {name}" if name and not fine else name
        face, shown = fit(name, column - 4, (TEXT, TINY))
        canvas.text(0, y + TEXT.ascent - face.ascent, shown, face)
        canvas.text_in(column, y, canvas.width - column, text, (TEXT, TINY))
