"""A signal made in fixed chunks, so that it is the same however it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


class Chunks:
    """Cuts any span out of chunks 0, 1, 2, ... of ``size`` points and keeps the last few.

    make : chunk number -> float64 [size, columns]; the last one of a signal may be shorter
    """

    def __init__(self, make: Callable[[int], NDArray[np.float64]], size: int) -> None:
        self._chunk = lru_cache(maxsize=4)(make)
        self._size = size

    def span(self, start: int, stop: int) -> NDArray[np.float64]:
        """A copy of points start .. stop-1, 0 <= start < stop."""
        size = self._size
        parts = []
        for number in range(start // size, (stop - 1) // size + 1):
            base = number * size
            parts.append(self._chunk(number)[max(start - base, 0) : stop - base])
        return parts[0].copy() if len(parts) == 1 else np.concatenate(parts)


def random_of(*key: int) -> np.random.Generator:
    """The generator of a key (seed, stream, number): the same draws in any order of asking."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
