"""Why the call was made: the lead that carried it, and the 40 ms of it that mattered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.display.canvas import Canvas
from device.display.faces import BOLD, TEXT, TINY, wrap
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
    if why.explanation is None:
        draw_title(canvas, _head(canvas, state, why, ""))
        what = state.tr(why.failure) or state.tr("looking for the reasons ..")
        for k, line in enumerate(wrap(what, canvas.width - 4, TEXT)[:4]):
            canvas.text(2, TITLE + 4 + 9 * k, line)
        return
    shares = why.explanation.lead_shares
    by_weight = sorted(LEADS, key=lambda lead: -shares[lead])
    lead = by_weight[state.controls.step % len(LEADS)]
    said = f"{lead} {percent(shares[lead])}"
    if canvas.width >= 256:
        said += f"  {clock(why.index + 1)}"
    draw_title(canvas, _head(canvas, state, why, said), said)
    _draw_lead(canvas, why, why.explanation, lead)
    _draw_shares(canvas, shares, lead)


def _head(canvas: Canvas, state: ScreenState, why: Reasons, right: str) -> str:
    """What was called, as many words of it as leave room for ``right``."""
    room = canvas.width - TEXT.width(right) - 4
    name, text = state.tr("WHY"), state.tr(why.question.text)
    sure = percent(why.probability)
    for head in (f"{name} {text} {sure}", f"{text} {sure}", f"{name} {why.question.label} {sure}"):
        if TEXT.width(head) <= room:
            return head
    return head


def _draw_lead(canvas: Canvas, why: Reasons, explanation: Explanation, lead: str) -> None:
    row = explanation.relevance[LEADS.index(lead)]
    first = _most_telling(row, min(len(row), canvas.width))
    cells = slice(first, first + min(len(row), canvas.width))
    of = why.strip
    strip = Strip(of.first + first, of.low[cells], of.high[cells], of.drawable[cells])
    left = (canvas.width - len(strip.low)) // 2
    foot = canvas.height - LEAD_ROWS - (2 if canvas.width >= 256 else 7)  # of the bars
    height = foot - WEIGHT_ROWS - TITLE
    uv_per_row, _ = bands(strip, (lead,), height)
    draw_strip(canvas, strip, lead, (left, TITLE, height), uv_per_row)
    draw_name(canvas, lead, (left, TITLE, height))
    bar = np.rint(row[cells].astype(np.int64) * WEIGHT_ROWS / MOST)
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
            canvas.fill(x, bottom - 7, column, 7, 255 - level)
            canvas.text(x + (column - TINY.width(name)) // 2, bottom - 6, name, TINY, level)
            canvas.fill(x + 2, bottom - 7 - height, column - 4, height)
        else:
            level = 0 if lead == chosen else 255
            canvas.fill(x, bottom - 8, TINY.width(name) + 2, 7, 255 - level)
            canvas.text(x + 1, bottom - 7, name, TINY, level)
            canvas.fill(x + TINY.width(name) + 3, bottom - height - 1, 5, height)


def _draw_nothing(canvas: Canvas, state: ScreenState) -> None:
    """Nothing was called: why not, and what to do; a network has no part in it."""
    tr, line = state.tr, state.line
    draw_title(canvas, tr("WHY"))
    measured = state.beatless_since is not None or line.alarm == 2
    said = tr("measured, not the network's") if measured else tr("nothing is called")
    y = TITLE + 3
    canvas.text_in(2, y, canvas.width - 4, line.head, (BOLD, TEXT))
    for k, text in enumerate((said, line.tail) if measured else (line.tail, said)):
        canvas.text_in(2, y + 13 + 10 * k, canvas.width - 4, text, (TEXT, TINY))
