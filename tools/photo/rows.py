"""The rows of the page, by the calibration pulse in front of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.photo.rectify import PX, Image2D
from tools.report_grid import PULSE_MV, PULSE_S
from tools.report_layout import MM_PER_MV, MM_PER_S, PULSE_MM

LEFT_MM, WIDE_MM, HIGH_MM = 1.5, PULSE_S * MM_PER_S, PULSE_MV * MM_PER_MV
FOOT_MM = (PULSE_MM - WIDE_MM) / 2 - LEFT_MM
APART_MM = 6.0  # two pulses at least
CLEAR = 3.0  # how much darker a pulse is than what surrounds it
LEAST, MOST = 4, 5  # rows of a page


@dataclass(frozen=True)
class Rows:
    """baselines_mm : below the grid's top edge; ink : darkness of the pen"""

    baselines_mm: tuple[float, ...]
    ink: float


def find_rows(ink: Image2D) -> Rows | None:
    """None where there are no four or five pulses, as on every page of ours."""
    strip = ink[:, : round(PULSE_MM * PX)]
    dark, pale = _along(strip)
    dark = ndimage.uniform_filter1d(dark, 5)
    chosen: list[int] = []
    for y in np.argsort(-dark, kind="stable")[: np.count_nonzero(dark)]:
        if all(abs(y - other) > APART_MM * PX for other in chosen) and len(chosen) < MOST:
            chosen.append(int(y))
    at = np.array(chosen)
    if len(at) < LEAST:
        return None
    level = float(np.median(dark[at[:LEAST]]))
    at = at[(dark[at] > 0.6 * level) & (dark[at] > CLEAR * pale[at])]
    if len(at) < LEAST or level < 0.1:
        return None
    return Rows(tuple((np.sort(at) / PX).tolist()), level)


def _along(strip: Image2D) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For a pulse on each row of pixels: the least dark of its five strokes, and its inside."""
    wider = ndimage.maximum_filter(strip, 3)  # the pen is 2 pixels wide; the row may be off by 1
    high = round(HIGH_MM * PX)
    up, down = (round((LEFT_MM + FOOT_MM + x) * PX) for x in (0.0, WIDE_MM))
    left, right = round(LEFT_MM * PX), round((LEFT_MM + 2 * FOOT_MM + WIDE_MM) * PX)
    n = len(strip)
    dark, pale = np.zeros(n), np.ones(n)
    for y in range(high + 4, n - 2):
        strokes = (
            wider[y, left:up],
            wider[y - high : y, up - 1 : up + 1].max(axis=1),
            wider[y - high, up:down],
            wider[y - high : y, down - 1 : down + 1].max(axis=1),
            wider[y, down:right],
        )
        dark[y] = min(float(np.median(stroke)) for stroke in strokes)
        pale[y] = float(np.median(strip[y - high + 8 : y - 8, up + 8 : down - 8]))
    return dark, pale
