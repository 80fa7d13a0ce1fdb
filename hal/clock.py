"""The clock is passed in: real on the device, virtual in tests and batch runs."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic nanoseconds, and the only way in hal to wait."""

    def now_ns(self) -> int: ...

    def sleep_until_ns(self, t_ns: int) -> None:
        """Return at or after ``t_ns``; at once if it has passed."""
        ...


SPIN_NS = 100_000


class RealClock:
    """CLOCK_MONOTONIC. Waits below 100 us spin: the system would make them longer than that."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until_ns(self, t_ns: int) -> None:
        left = t_ns - time.monotonic_ns()
        if left > SPIN_NS:
            time.sleep(left / 1e9)
        while time.monotonic_ns() < t_ns:
            pass


class VirtualClock:
    """Time that passes only when somebody waits for it."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until_ns(self, t_ns: int) -> None:
        self._now_ns = max(self._now_ns, t_ns)

    def advance_ns(self, delta_ns: int) -> None:
        """Let time pass: work that takes ``delta_ns`` >= 0."""
        self._now_ns += delta_ns


def sleep_ns(clock: Clock, delta_ns: int) -> None:
    """Wait at least ``delta_ns`` on ``clock``."""
    clock.sleep_until_ns(clock.now_ns() + delta_ns)
