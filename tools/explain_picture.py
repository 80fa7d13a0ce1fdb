"""An explanation as people look at it: twelve leads, the cells that count tinted behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from firmware.events import LEADS
from firmware.explain import CELL_MS, Explanation, microvolts
from firmware.inputs import InputContract, Normal

ROW = 84  # pixels per lead
PER_SECOND = 150.0
PER_MV = 40.0
LEFT, TOP, BOTTOM = 74, 26, 22
PAPER, INK, GRID = (255, 255, 255), (20, 20, 20), (226, 226, 226)
TINT = (230, 60, 20)


def picture(
    tensor: NDArray[np.int8], explanation: Explanation, of: InputContract, title: str = ""
) -> Image.Image:
    """The window or median beat, int8 [samples, 12], with what speaks for the label.

    Rows in the order of ``LEADS``, each with its share of the relevance and a bar of 1 mV, or of
    the tallest wave where millivolts were forgotten; a line every second.
    """
    cell_s = CELL_MS / 1000
    samples, windows = len(tensor), explanation.relevance.shape[1]
    per_sample = PER_SECOND / of.rate_hz
    width = LEFT + round(samples * per_sample)
    height = TOP + ROW * len(LEADS) + BOTTOM
    image = Image.new("RGB", (width + 8, height), PAPER)
    draw = ImageDraw.Draw(image)
    said = f"{explanation.group} {explanation.label}, log odds {explanation.score:.1f}"
    draw.text((6, 6), f"{title}  {said}".strip(), INK)
    if of.normal is Normal.FIXED:
        draw.text((6, height - BOTTOM + 2), "bars: 1 mV", INK)
    cell = PER_SECOND * cell_s
    for row, (lead, share) in enumerate(explanation.lead_shares.items()):
        top = TOP + row * ROW
        for window in np.flatnonzero(explanation.relevance[row]):
            at = LEFT + window * cell
            tint = _tint(int(explanation.relevance[row, window]) / 127)
            draw.rectangle((at, top, at + cell - 1, top + ROW - 3), fill=tint)
        draw.text((6, top + ROW / 2 - 12), f"{lead}\n{share:.0%}", INK)
    for second in range(round(windows * cell_s) + 1):
        at = LEFT + second / cell_s * cell
        draw.line((at, TOP, at, height - BOTTOM), GRID)
        draw.text((at + 2, height - BOTTOM + 2), f"{second} s", INK)
    mv = microvolts(tensor, of) / 1000
    for row in range(len(LEADS)):
        middle = TOP + row * ROW + ROW / 2
        trace = np.clip(middle - mv[:, row] * PER_MV, middle - ROW / 2, middle + ROW / 2)
        draw.line(_bar(LEFT - 8, middle), INK)
        at = LEFT + np.arange(samples) * per_sample
        draw.line(list(zip(at.tolist(), trace.tolist(), strict=True)), INK)
    return image


def _bar(x: float, middle: float) -> list[tuple[float, float]]:
    """One millivolt, upwards from the row's middle, with a foot and a head."""
    top = middle - PER_MV
    return [(x - 3, middle), (x + 3, middle), (x, middle), (x, top), (x - 3, top), (x + 3, top)]


def _tint(strength: float) -> tuple[int, int, int]:
    """Paper at 0, ``TINT`` at 1."""
    red, green, blue = (round(p + (t - p) * strength) for p, t in zip(PAPER, TINT, strict=True))
    return red, green, blue
