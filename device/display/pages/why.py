"""Why the call was made: the lead that carried it, and the 40 ms of it that mattered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.display.canvas import Canvas
from device.display.faces import BOLD, TEXT, TINY, fit, wrap
from device.display.pages.strips import SCALES, bands, draw_name, draw_strip
from device.display.pages.words import TITLE, clock, draw_title
from device.display.reasons import Reasons
from device.display.state import ScreenState
from device.display.trace import Strip
from device.display.words import percent
from firmware.events import LEADS
from firmware.explain import Explanation

MOST = 127  # relevance of the cell that counts most
WEIGHT_ROWS = 8  # of the bars below the trace
LEAD_ROWS = 8  # of the twelve bars
NAMES = ("I", "II", "III", "R", "L", "F", "V1", "V2", "V3", "V4", "V5", "V6")  # where room is short


def draw_why(canvas: Canvas, state: ScreenState) -> None:
    """The trace of one lead over the weights of its windows, and the share of each lead.

    OK steps to the lead that counts next.
    """
    why = state.why
    if why is None:
        _draw_nothing(canvas, state)
        return
    sure = percent(why.probability)
    wide = canvas.width >= 256
    said = state.tr(why.question.text)
    if not wide and TEXT.width(f"{said} {sure}") > canvas.width:
        said = why.question.label
    if why.explanation is None:
        draw_title(canvas, f"{said} {sure}" if not wide else f"{state.tr('WHY')} {said} {sure}")
        what = state.tr(why.failure) if why.failure else state.tr("looking for the reasons ..")
        for k, line in enumerate(wrap(what, canvas.width - 4, TEXT)):
            canvas.text(2, TITLE + 6 + 9 * k, line)
        return
    shares = why.explanation.lead_shares
    by_weight = sorted(LEADS, key=lambda lead: -shares[lead])
    lead = by_weight[state.controls.step % len(LEADS)]
    head = f"{state.tr('WHY')} {said} {sure}" if wide else f"{said} {sure}"
    share = f"{lead} {percent(shares[lead])}"
    draw_title(canvas, head, f"{share}  {clock(why.index)}" if wide else share)
    _draw_lead(canvas, why, why.explanation, lead)
    _draw_shares(canvas, shares, lead)


def _draw_lead(canvas: Canvas, why: Reasons, explanation: Explanation, lead: str) -> None:
    row = explanation.relevance[LEADS.index(lead)]
    first = _most_telling(row, min(len(row), canvas.width))
    cells = slice(first, first + min(len(row), canvas.width))
    of = why.strip
    strip = Strip(of.first + first, of.low[cells], of.high[cells], of.drawable[cells])
    left = (canvas.width - len(strip.low)) // 2
    foot = canvas.height - LEAD_ROWS - 6  # of the bars
    height = foot - WEIGHT_ROWS - TITLE
    uv_per_row, _ = bands(strip, (lead,), height)
    draw_strip(canvas, strip, lead, (left, TITLE, height), uv_per_row)
    draw_name(canvas, lead, (left, TITLE, height))
    bar = np.ceil(row[cells].astype(np.int64) * WEIGHT_ROWS / MOST)
    at = np.arange(foot - WEIGHT_ROWS, foot)[:, None]
    region = canvas.pixels[foot - WEIGHT_ROWS : foot, left : left + len(bar)]
    region[at < foot - WEIGHT_ROWS + bar] = 255
    if SCALES[uv_per_row] != "10mm/mV":
        canvas.text_right(canvas.width, TITLE, SCALES[uv_per_row], TINY)


def _most_telling(row: NDArray[np.int8], width: int) -> int:
    """First of ``width`` windows that carry the most."""
    total = np.concatenate([[0], np.cumsum(row, dtype=np.int64)])
    return int(np.argmax(total[width:] - total[: len(total) - width]))


def _draw_shares(canvas: Canvas, shares: dict[str, float], chosen: str) -> None:
    """Twelve bars as high as the share of their lead, the largest the full height."""
    most = max(shares.values()) or 1.0
    column = canvas.width // len(LEADS)
    bottom = canvas.height
    for k, (lead, short) in enumerate(zip(LEADS, NAMES, strict=True)):
        x = k * column + (canvas.width - column * len(LEADS)) // 2
        name = short if canvas.width < 256 else lead.upper()
        height = round(LEAD_ROWS * shares[lead] / most)
        if canvas.width < 256:
            level = 0 if lead == chosen else 255
            canvas.fill(x, bottom - 6, column, 6, 255 - level)
            canvas.text(x + (column - TINY.width(name)) // 2, bottom - 5, name, TINY, level)
            canvas.fill(x + 2, bottom - 6 - height, column - 4, height)
        else:
            level = 0 if lead == chosen else 255
            canvas.fill(x, bottom - 7, 13, 7, 255 - level)
            canvas.text(x + 1, bottom - 6, name, TINY, level)
            canvas.fill(x + 14, bottom - height, column - 16, height)


def _draw_nothing(canvas: Canvas, state: ScreenState) -> None:
    """Nothing was called: why not, and what to do."""
    draw_title(canvas, state.tr("WHY"))
    line = state.line
    face, head = fit(state.tr("NOTHING IS CALLED"), canvas.width - 4, (BOLD, TEXT))
    y = TITLE + 3
    canvas.text(2, y, head, face)
    for text in (line.head, line.tail):
        y += 13 if face is BOLD and text is line.head else 10
        canvas.text_in(2, y, canvas.width - 4, text, (TEXT, TINY))
