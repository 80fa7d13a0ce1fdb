"""The filtered leads of the last seconds, for snapshots over the line."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS, Trace
from hal.frontend import SAMPLE_RATE_HZ

SNAPSHOT = 10 * SAMPLE_RATE_HZ
NO_SAMPLE = -32768  # the lead could not be read, or the sample was lost


class LastTraces:
    """Ten seconds of them."""

    def __init__(self) -> None:
        self._traces: deque[Trace] = deque()

    def clear(self) -> None:
        """Other filters: what was is not of theirs."""
        self._traces.clear()

    def push(self, trace: Trace) -> None:
        """The next samples."""
        self._traces.append(trace)
        oldest = trace.first_index + len(trace.uv) - SNAPSHOT
        while self._traces[0].first_index + len(self._traces[0].uv) <= oldest:
            self._traces.popleft()

    def last_ten_seconds(self, index: int) -> tuple[int, NDArray[np.int16]]:
        """Index of the first row and int16 [n, 12] µV; ``index`` and no rows before any trace."""
        if not self._traces:
            return index, np.zeros((0, len(LEADS)), np.int16)
        last = self._traces[-1]
        end = last.first_index + len(last.uv)
        start = max(self._traces[0].first_index, end - SNAPSHOT, 0)
        uv = np.full((end - start, len(LEADS)), NO_SAMPLE, np.int16)
        for trace in self._traces:
            skip = max(0, start - trace.first_index)
            at = trace.first_index + skip - start
            rows = np.clip(trace.uv[skip:], NO_SAMPLE + 1, -NO_SAMPLE - 1)
            uv[at : at + len(rows), trace.valid] = rows[:, trace.valid]
        return start, uv


def joined(traces: Sequence[Trace]) -> Iterator[Trace]:
    """Traces that follow each other with the same valid leads as one."""
    waiting = deque(traces)
    while waiting:
        run = [waiting.popleft()]
        first, valid = run[0].first_index, run[0].valid
        end = first + len(run[0].uv)
        while waiting and waiting[0].first_index == end and (waiting[0].valid == valid).all():
            run.append(waiting.popleft())
            end += len(run[-1].uv)
        yield Trace(first, np.concatenate([trace.uv for trace in run]), valid)
