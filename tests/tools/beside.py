"""Something that is polled in a thread beside the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

POLL_S = 0.002


class Beside:
    """Calls ``poll`` with the time in nanoseconds until the end of the block."""

    def __init__(self, poll: Callable[[int], None]) -> None:
        self._poll = poll
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stopping.wait(POLL_S):
            self._poll(time.monotonic_ns())

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
