"""How old samples are when their filtered leads are there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_MS = 500  # bins of 1 ms; the last one holds all that are older


class Latency:
    """A histogram since it was last taken."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(MOST_MS, np.int64)

    def push(self, t_ns: NDArray[np.int64], now_ns: int) -> None:
        """Samples of the times ``t_ns`` are there now."""
        age_ms = (now_ns - t_ns) // 1_000_000
        np.add.at(self._counts, np.clip(age_ms, 0, MOST_MS - 1), 1)

    def take(self) -> dict[str, int | None]:
        """Percentiles, upper edge of the bin in ms; None without a sample. Begins anew."""
        running = np.cumsum(self._counts)
        total = int(running[-1])
        self._counts[:] = 0
        return {
            name: int(np.searchsorted(running, total * share)) + 1 if total else None
            for name, share in (("p50", 0.5), ("p99", 0.99))
        }
