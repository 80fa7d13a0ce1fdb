"""One strip of a page: the way of the pen through it, in millimetres above its baseline.

The way is the cheapest from left to right (Dijkstra's, column by column): ink is nearly free,
paper is dear, so it stays on its own line and leaves names, bars and neighbours alone; over a long
gap the pen is lifted. Where the line is steep, a column of pixels holds a piece of it: its middle
is taken, and at a turn its end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.photo.rectify import PX, Image2D

PEN = 0.002  # cost of a pixel of ink; one of paper costs 1
FULL, NONE = 0.55, 0.2  # of the pen's darkness: as good as ink, as good as paper
EDGE = 0.5  # of the pen's darkness, where a line begins and ends
LIFT, LIFTED = 15.0, 0.05  # cost of taking the pen off at the baseline, and of a pixel without
START_MM = 2  # from the baseline a line may begin at the cost of a pixel of paper; squared
TALLEST_MM = 60
OFF = -1


def follow(dark: Image2D, baseline_mm: float) -> NDArray[np.float64]:
    """Millimetres above the baseline per column of pixels; NaN where there is no ink.

    dark : the strip, float32 [height, columns], 1 = the pen
    """
    top = max(0, round((baseline_mm - TALLEST_MM) * PX))
    strip = dark[top : round((baseline_mm + TALLEST_MM) * PX)]
    base = baseline_mm * PX - top
    cost = np.clip((FULL - strip) / (FULL - NONE), 0, 1) + PEN
    entered, left = _way(cost, round(base))
    y = _height(strip, np.minimum(entered, left), np.maximum(entered, left))
    return np.where(entered == OFF, np.nan, (base - y) / PX)


def _way(cost: Image2D, base: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the cheapest way enters and leaves each column, from near the row ``base``.

    Both are ``OFF`` where the pen is lifted.
    """
    high, wide = cost.shape
    rows = np.arange(high)
    entries = np.empty((wide, high), np.int32)
    total = (((rows - base) / (START_MM * PX)) ** 2).astype(np.float32)
    lifted = LIFT
    stayed, set_down = np.empty(wide, np.bool_), np.empty(wide, np.bool_)
    for column in range(wide):
        step, lift = cost[:, column], total[base] + LIFT
        stayed[column] = lifted <= lift
        set_down[column] = lifted < total[base]
        total[base] = min(total[base], lifted)
        lifted = min(lifted, lift) + LIFTED
        total, entries[column] = _up_and_down(total + step, step, rows)
    entered, left = np.empty(wide, np.int64), np.empty(wide, np.int64)
    at = OFF if lifted < total.min() else int(total.argmin())
    for column in range(wide - 1, -1, -1):
        left[column] = entered[column] = at
        if at == OFF:
            at = OFF if stayed[column] else base
        else:
            at = entered[column] = entries[column, at]
            at = OFF if at == base and set_down[column] else at
    return entered, left


def _up_and_down(
    total: NDArray[np.float32], step: NDArray[np.float32], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cheapest cost of each pixel of a column once it was entered anywhere, and where."""
    best, where = total, rows
    for turn in (1, -1):
        so_far = np.cumsum(step[::turn])
        saved = total[::turn] - so_far
        least = np.minimum.accumulate(saved)
        at = np.maximum.accumulate(np.where(saved == least, rows, 0))
        cost, came = (least + so_far)[::turn], at[::turn]
        came = came if turn == 1 else len(rows) - 1 - came
        better = cost < best
        best, where = np.where(better, cost, best), np.where(better, came, where)
    return best, where


def _height(
    strip: Image2D, first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The line's place in each column, pixels from above; ``first`` .. ``last`` are on it."""
    ink = strip > EDGE
    columns = np.arange(strip.shape[1])
    rows = np.arange(len(strip))[:, None]
    above = np.maximum.accumulate(np.where(ink, -1, rows), axis=0)  # nearest paper
    below = np.minimum.accumulate(np.where(ink, len(strip), rows)[::-1], axis=0)[::-1]
    there = ink[first, columns] | ink[last, columns]
    top = np.where(ink[first, columns], above[first, columns] + 1, first).astype(float)
    bottom = np.where(ink[last, columns], below[last, columns] - 1, last).astype(float)
    length = bottom - top + 1
    pen = float(np.median(length[there])) if there.any() else 1.0
    y = (top + bottom + 1) / 2
    level = length < 2 * pen
    reach = np.arange(-2, 3)
    around = np.clip(np.rint(y - 0.5).astype(int) + reach[:, None], 0, len(strip) - 1)
    weight = np.clip(strip[around, columns] - NONE, 0, None)
    weighed = (weight * (around + 0.5)).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-6)
    y = np.where(level & (length <= 5), weighed, y)
    for end, sign in ((top + pen / 2, -1), (bottom + 1 - pen / 2, 1)):
        y = np.where(~level & _turns(end * sign), end, y)
    return np.where(there, y, np.nan)


def _turns(far: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where it is no less than beside it, and more than a little further off."""
    near = ndimage.maximum_filter1d(far, 3)
    return np.asarray((far >= near) & (far > ndimage.minimum_filter1d(far, 7)))
