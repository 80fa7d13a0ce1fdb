"""The trace as the screen keeps it: one column of pixels per 40 ms, low and high of each lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS, Trace

SAMPLES_PER_COLUMN = 20  # 25 mm/s at 500 Hz, one pixel per millimetre
UV_PER_ROW = 100  # 10 mm/mV, one pixel per millimetre
WIDEST = 256
COLUMNS = 3 * WIDEST  # the sweep on screen, the one it overwrites, and the one that centred that


@dataclass(frozen=True, slots=True)
class Strip:
    """Columns ``first``.. of twelve leads, kept: low and high int32, drawable bool [n, 12]."""

    first: int
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    drawable: NDArray[np.bool_]


class TraceColumns:
    """The last ``COLUMNS`` columns of twelve leads: a ring addressed by sample index // 20.

    A column is drawable in a lead when it holds at least one sample, none of its samples was lost
    and the lead was valid throughout. Each column starts at the last sample of the one before, so
    that a steep QRS is one unbroken line.
    """

    def __init__(self) -> None:
        self.next_index: int | None = None  # the sample expected next; None before the first
        self._column = np.full(COLUMNS, -1, np.int64)  # which column each slot holds
        self._low = np.zeros((COLUMNS, len(LEADS)), np.int32)
        self._high = np.zeros((COLUMNS, len(LEADS)), np.int32)
        self._drawable = np.zeros((COLUMNS, len(LEADS)), np.bool_)
        self._last_uv: NDArray[np.int32] | None = None  # the sample before next_index
        self._last_valid = np.zeros(len(LEADS), np.bool_)
        self._centres: dict[tuple[str, int, int], int] = {}

    def push(self, trace: Trace) -> None:
        """Take in the next samples; what is missing before them stays a gap."""
        first, uv = trace.first_index, trace.uv
        if self.next_index is not None and first < self.next_index:
            uv = uv[self.next_index - first :]
            first = self.next_index
        if not len(uv):
            return
        joined = self.next_index == first and self._last_uv is not None
        end = first + len(uv)
        keep = max(0, len(uv) - COLUMNS * SAMPLES_PER_COLUMN)
        first, uv, joined = first + keep, uv[keep:], joined and not keep
        if not joined:
            self._break(first)
        columns = np.arange(first // SAMPLES_PER_COLUMN, (end - 1) // SAMPLES_PER_COLUMN + 1)
        starts = np.maximum(columns * SAMPLES_PER_COLUMN - first, 0)
        low = np.minimum.reduceat(uv, starts, axis=0)
        high = np.maximum.reduceat(uv, starts, axis=0)
        before = uv[np.maximum(starts - 1, 0)].copy()  # joins each column to the one before
        if joined and self._last_uv is not None:
            link = self._last_valid & trace.valid
            before[0] = np.where(link, self._last_uv, uv[0])
        low, high = np.minimum(low, before), np.maximum(high, before)

        slots = columns % COLUMNS
        fresh = self._column[slots] != columns
        self._drawable[slots] = np.where(fresh[:, None], True, self._drawable[slots]) & trace.valid
        self._low[slots] = np.where(fresh[:, None], low, np.minimum(low, self._low[slots]))
        self._high[slots] = np.where(fresh[:, None], high, np.maximum(high, self._high[slots]))
        self._column[slots] = columns
        self._last_uv, self._last_valid = uv[-1], trace.valid
        self.next_index = end

    def _break(self, first: int) -> None:
        """Samples before ``first`` are missing: the columns they share with others are gaps."""
        if self.next_index is not None and self.next_index % SAMPLES_PER_COLUMN:
            self._spoil(self.next_index // SAMPLES_PER_COLUMN)
        if first % SAMPLES_PER_COLUMN and self.next_index is not None:
            self._spoil(first // SAMPLES_PER_COLUMN)

    def _spoil(self, column: int) -> None:
        slot = column % COLUMNS
        self._column[slot] = column
        self._drawable[slot] = False

    @property
    def head(self) -> int:
        """The newest column, -1 before the first sample."""
        return -1 if self.next_index is None else (self.next_index - 1) // SAMPLES_PER_COLUMN

    def lead(
        self, lead: str, first: int, last: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        """Low and high (microvolts) and drawable of columns first..last, int32/int32/bool [n]."""
        columns = np.arange(first, last + 1)
        slots, k = columns % COLUMNS, LEADS.index(lead)
        drawable = (self._column[slots] == columns) & self._drawable[slots, k]
        return self._low[slots, k], self._high[slots, k], drawable

    def strip(self, first: int, last: int) -> Strip:
        """A copy of columns first..last of all leads."""
        columns = np.arange(first, last + 1)
        slots = columns % COLUMNS
        drawable = (self._column[slots] == columns)[:, None] & self._drawable[slots]
        return Strip(first, self._low[slots], self._high[slots], drawable)

    def centre(self, lead: str, first: int, last: int, width: int) -> NDArray[np.int32]:
        """Microvolts at mid-height for columns first..last of a sweep ``width`` columns wide.

        Constant within a sweep, so the trace never jumps: the middle of what the sweep before it
        reached (2nd to 98th percentile, to the row); 0 for the first sweep.
        """
        sweeps = np.arange(first, last + 1) // width
        centres = {s: self._centre_of(lead, int(s), width) for s in np.unique(sweeps)}
        return np.array([centres[s] for s in sweeps], np.int32)

    def _centre_of(self, lead: str, sweep: int, width: int) -> int:
        key = (lead, sweep, width)
        if key not in self._centres:
            low, high, drawable = self.lead(lead, (sweep - 1) * width, sweep * width - 1)
            middle = 0.0
            if sweep > 0 and drawable.any():
                bottom = np.percentile(low[drawable], 2)
                middle = (bottom + np.percentile(high[drawable], 98)) / 2
            self._centres = {k: v for k, v in self._centres.items() if k[1] >= sweep - 2}
            self._centres[key] = round(middle / UV_PER_ROW) * UV_PER_ROW
        return self._centres[key]
