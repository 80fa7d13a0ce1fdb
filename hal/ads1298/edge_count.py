"""Sample numbers from DRDY edges: also those that the line never made are counted."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from hal.errors import FrontendError, Reason
from hal.frontend import SAMPLE_NS

_RECENT = 8  # edges of which the most punctual one sets the time
_LATE = 0.75  # of a period; an edge later than this has followed one that did not come


class EdgeCount:
    """Numbers edges by the line's own count and by their time.

    An edge that never reached the line (a loose wire, a glitch) is in no count; the edges after
    it are a period late for good. A stamp may be late too, but then the next one is not.
    """

    def __init__(self) -> None:
        self._unmade = 0
        self._recent: deque[int] = deque(maxlen=_RECENT)  # stamps less number times period
        self._last = -1  # sequence

    def number(self, edges: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers int64 [k] of edges int64 [k, 2] (sequence, t_ns), k >= 1, unmade ones counted.

        Over a jump of the line's own count of more than a few edges no others are looked for.
        Raises FrontendError(BUS) when that count does not rise: no sample has a place then.
        """
        before = np.concatenate(([self._last], edges[:-1, 0]))
        if (edges[:, 0] <= before).any():
            raise FrontendError(
                Reason.BUS,
                f"the count of data-ready edges does not rise after {before.max()}",
                act="check the DRDY wire, then restart",
            )
        numbers = edges[:, 0] + self._unmade
        phases = edges[:, 1] - numbers * SAMPLE_NS
        low, high = int(phases.min()), int(phases.max())
        if self._recent:
            low, high = min(low, *self._recent), max(high, *self._recent)
        if high - low > SAMPLE_NS // 4:
            return np.array([self._number(int(seq), int(t_ns)) for seq, t_ns in edges])
        self._recent.extend(phases[-_RECENT:].tolist())
        self._last = int(edges[-1, 0])
        return numbers

    def _number(self, sequence: int, t_ns: int) -> int:
        phase = t_ns - (sequence + self._unmade) * SAMPLE_NS
        if sequence - self._last > _RECENT:
            self._recent.clear()  # over so long a jump the chip's clock may have drifted as far
        late = phase - min(self._recent, default=phase)
        if late > _LATE * SAMPLE_NS:
            unmade = round(late / SAMPLE_NS)
            self._unmade += unmade
            phase -= unmade * SAMPLE_NS
        self._recent.append(phase)
        self._last = sequence
        return sequence + self._unmade
