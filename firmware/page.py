"""A page of ten seconds in black and white, for networks that read images: integers all the way.

Two layouts, told apart by their shape:

- wide (at least 5:2): six rows of two ten-second strips, I to aVF beside V1 to V6, 3 mV a row, as
  the library ``ecg_plot`` draws by default (``columns=2``, ``row_height=6``) and Ao & He, Image
  based deep learning in 12-lead ECG diagnosis, 2023 (2.2), had it at 1600 x 512;
- else the report's grid (265 mm x 145 mm, 25 mm/s, 10 mm/mV): three rows of four columns of 2.5 s
  over II and V1 throughout, with a pulse's width left free in front.

No grid, no names, no pulses: they are the same on every page.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.inputs import InputContract

INK, PAPER = 127, -128
STRIP_ROWS, STRIP_MV = 6, 3
GRID_WIDE_MM, GRID_HIGH_MM, PULSE_MM = 265, 145, 10  # of the report
MM_PER_MV, COLUMNS_MM = 10, 250
COLUMNS = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))  # numbers in LEADS
RHYTHM = (LEADS.index("II"), LEADS.index("V1"))


def draw(
    leads: NDArray[np.int32], lost: NDArray[np.bool_], contract: InputContract
) -> NDArray[np.int8]:
    """The page of ``contract``: int8 [height, samples, 1], ``INK`` on ``PAPER``.

    leads : int32 [n, 12], counts at gain 6, ten seconds as filtered; each piece is drawn about
        its median, and what leaves the page is cut
    lost : bool [12], leads that are not drawn

    Raises ValueError where a strip would have more pixels than samples.
    """
    page = _Page(contract)
    (page.strips if page.wide * 2 >= page.high * 5 else page.report)(leads, lost)
    ink = np.cumsum(page.edges[:-1], axis=0, dtype=np.int16) > 0
    return np.where(ink, INK, PAPER).astype(np.int8)[:, :, None]


class _Page:
    """``edges`` [high + 1, wide]: how often ink begins at a pixel, going down, less how often
    it has ended above it.
    """

    def __init__(self, contract: InputContract) -> None:
        self.wide, self.high = contract.samples, contract.height
        self.edges = np.zeros((self.high + 1, self.wide), np.int16)
        self._num = contract.scale_num * round(contract.step_uv)  # microvolts per count
        self._den = contract.scale_den * 1000

    def strips(self, leads: NDArray[np.int32], lost: NDArray[np.bool_]) -> None:
        scale = self.high, STRIP_ROWS * STRIP_MV
        for number in np.flatnonzero(~lost):
            column, row = divmod(int(number), STRIP_ROWS)
            left, right = self.wide * column // 2, self.wide * (column + 1) // 2
            self._strip(leads[:, number], left, right, self._row(row, STRIP_ROWS), scale)

    def report(self, leads: NDArray[np.int32], lost: NDArray[np.bool_]) -> None:
        scale = self.high * MM_PER_MV, GRID_HIGH_MM
        parts = len(COLUMNS)
        x = [
            self.wide * (PULSE_MM * parts + COLUMNS_MM * part) // (GRID_WIDE_MM * parts)
            for part in range(parts + 1)
        ]
        at = [len(leads) * part // parts for part in range(parts + 1)]
        rows = len(COLUMNS[0]) + len(RHYTHM)
        pieces = [
            (number, row, part, part + 1)
            for part, numbers in enumerate(COLUMNS)
            for row, number in enumerate(numbers)
        ] + [(number, row, 0, parts) for row, number in enumerate(RHYTHM, len(COLUMNS[0]))]
        for number, row, begin, end in pieces:
            if not lost[number]:
                piece = leads[at[begin] : at[end], number]
                self._strip(piece, x[begin], x[end], self._row(row, rows), scale)

    def _row(self, row: int, rows: int) -> int:
        return self.high * (2 * row + 1) // (2 * rows)

    def _strip(
        self,
        counts: NDArray[np.int32],
        left: int,
        right: int,
        baseline: int,
        scale: tuple[int, int],
    ) -> None:
        """A piece of a lead from pixel ``left`` to ``right``; a millivolt is num / den pixels."""
        n, (num, den) = len(counts), scale
        if n < right - left:
            raise ValueError(f"{right - left} pixels are too many for {n} samples")
        about = counts.astype(np.int64) - int(np.partition(counts, n // 2)[n // 2])
        half = self._den * den
        up = (about * (2 * self._num * num) + half) // (2 * half)
        y = np.clip(baseline - up, 0, self.high - 1)
        x = left + np.arange(n) * (right - left) // n
        before = np.concatenate([y[:1], y[:-1]])  # each sample inks from the one before to itself
        np.add.at(self.edges, (np.minimum(y, before), x), 1)
        np.add.at(self.edges, (np.maximum(y, before) + 1, x), -1)
