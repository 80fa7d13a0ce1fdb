"""A page that was found in a picture, as the ``page`` network sees pages: no trace is followed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware.inputs import InputContract
from firmware.page import INK, PAPER
from tools.photo.rectify import PX, Straight
from tools.photo.rows import MOST, Rows
from tools.report_layout import PULSE_MM

EDGE = 0.5  # of the pen's darkness


def as_page(page: Straight, rows: Rows, contract: InputContract) -> NDArray[np.int8]:
    """Its ink, each row moved to where ``firmware.page`` draws it: int8 ``contract.shape``.

    Half of the way to the rows above and below goes with each; pulses are left out.
    """
    dark = page.ink > EDGE * rows.ink
    dark[:, : round(PULSE_MM * PX)] = False
    high, wide = contract.height, contract.samples
    rows_px, columns_px = (
        np.arange(pixels + 1) * size // pixels
        for pixels, size in zip((high, wide), dark.shape, strict=True)
    )
    ink = np.maximum.reduceat(dark, rows_px[:-1], axis=0)
    ink = np.maximum.reduceat(ink, columns_px[:-1], axis=1)
    out = np.zeros((high, wide), np.bool_)
    step = high // MOST
    for number, mm in enumerate(rows.baselines_mm):
        here = round(mm * PX * high / dark.shape[0])
        there = high * (2 * number + 1) // (2 * MOST)
        up = min(step // 2, here, there)
        down = min(step - step // 2, high - here, high - there)
        out[there - up : there + down] |= ink[here - up : here + down]
    return np.where(out, INK, PAPER).astype(np.int8)[:, :, None]
