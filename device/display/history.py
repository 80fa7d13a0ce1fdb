"""The past as the screen keeps it: an hour of rate and calls, in little memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hal.frontend import SAMPLE_RATE_HZ

BIN = 5 * SAMPLE_RATE_HZ // 2  # ten minutes on 240 columns
BINS = 1440  # one hour
REFUSED = "?"  # the label of seconds in which nothing was called


@dataclass(frozen=True, slots=True)
class View:
    """So many columns of the past, the newest last; a value that a column does not have is 0.

    first : number of the first column, counted from the first sample; samples : in each
    low, high : beats per minute; said : place in ``labels`` of what was called most
    """

    first: int
    samples: int
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    said: NDArray[np.int64]
    labels: tuple[str, ...]


class History:
    """An hour in bins of 2.5 s: a ring addressed by sample index // ``BIN``."""

    def __init__(self) -> None:
        self._bin = np.full(BINS, -1, np.int64)  # which bin each slot holds
        self._low = np.zeros(BINS, np.int16)
        self._high = np.zeros(BINS, np.int16)
        self._said = np.zeros(BINS, np.uint8)
        self._labels = ["", REFUSED]

    def rate(self, index: int, bpm: float | None) -> None:
        """Beats per minute, or None where they are not known."""
        slot = self._slot(index)
        if bpm is not None:
            rounded = round(bpm)
            self._low[slot] = min(rounded, self._low[slot] or rounded)
            self._high[slot] = max(rounded, self._high[slot])

    def call(self, index: int, label: str | None) -> None:
        """What was called; None for a refusal."""
        label = label or REFUSED
        if label not in self._labels:
            self._labels.append(label)
        self._said[self._slot(index)] = self._labels.index(label)

    def _slot(self, index: int) -> int:
        number = index // BIN
        slot = number % BINS
        if self._bin[slot] != number:
            self._bin[slot] = number
            for values in (self._low, self._high, self._said):
                values[slot] = 0
        return slot

    def view(self, index: int, columns: int, bins: int) -> View:
        """The past up to sample ``index`` in ``columns`` of ``bins`` bins each."""
        last = index // BIN // bins
        numbers = np.arange((last - columns + 1) * bins, (last + 1) * bins)
        slots = numbers % BINS
        known = (self._bin[slots] == numbers).reshape(columns, bins)

        def of(values: NDArray[np.int16] | NDArray[np.uint8]) -> NDArray[np.int64]:
            cells = values[slots].astype(np.int64).reshape(columns, bins)
            return np.where(known, cells, 0)

        low, said = of(self._low), of(self._said)
        votes = [(said == code).sum(axis=1) for code in range(1, len(self._labels))]
        return View(
            first=last - columns + 1,
            samples=bins * BIN,
            low=np.where(low > 0, low, 1 << 15).min(axis=1) % (1 << 15),
            high=of(self._high).max(axis=1),
            said=np.where(np.max(votes, axis=0) > 0, np.argmax(votes, axis=0) + 1, 0),
            labels=tuple(self._labels),
        )
