"""Waiting on conditions of real processes, with a deadline instead of a fixed delay."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_S = 30.0  # only a hang reaches it


def wait_for(what: str, condition: Callable[[], T]) -> T:
    """The first true value of ``condition``; fails the test at the deadline."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError(f"waited {DEADLINE_S:.0f} s for {what}")
