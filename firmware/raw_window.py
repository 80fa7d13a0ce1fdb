"""The last ten seconds as they were measured, for what the filters would bend or take away."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from hal.frontend import CHANNELS, SAMPLE_RATE_HZ

WINDOW = 10 * SAMPLE_RATE_HZ


class RawWindow:
    """Raw counts at 500 Hz and the beats in them.

    nv_per_count : input-referred nanovolts of one count (``FrontendInfo.nv_per_count``)
    counts : int32 [n, 8], the newest samples, ten seconds at most
    """

    def __init__(self, nv_per_count: float) -> None:
        self.nv_per_count = nv_per_count
        self.reset()

    @property
    def full(self) -> bool:
        """Whether ten seconds are in since the start or ``reset()``."""
        return len(self.counts) == WINDOW

    def reset(self) -> None:
        """Forget everything: at the start and at a gap."""
        self.counts = np.zeros((0, CHANNELS), np.int32)
        self._beats: deque[int] = deque()

    def push(self, counts: NDArray[np.int32]) -> None:
        """The next samples, int32 [n, 8]."""
        self.counts = np.concatenate((self.counts, counts))[-WINDOW:]

    def beat(self, index: int) -> None:
        """A beat with its R peak at ``index``, later than the one before."""
        self._beats.append(index)
        while index - self._beats[0] > WINDOW:
            self._beats.popleft()

    def beats(self, end: int) -> list[int]:
        """Rows of ``counts`` of the R peaks; ``end`` is the index after the newest sample."""
        first = end - len(self.counts)
        return [beat - first for beat in self._beats]
