"""A serial line of a given rate in front of a pseudo-terminal, which has none of its own."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty
from collections.abc import Iterator

TICK_S = 0.002
BURST_S = 0.01  # what a line carries while its driver looks away
BITS_PER_BYTE = 10  # start bit, eight bits, stop bit


class _Direction:
    """Bytes from one end to the other; nothing is taken that cannot be passed on yet."""

    def __init__(self, source: int, target: int, bytes_per_s: float) -> None:
        self._source, self._target, self._rate = source, target, bytes_per_s
        self._allowed = 0.0
        self._held = b""
        self.carried = 0

    def move(self, elapsed_s: float) -> None:
        self._allowed = min(self._allowed + elapsed_s * self._rate, BURST_S * self._rate + 1)
        if not self._held and self._allowed >= 1 and select.select([self._source], [], [], 0)[0]:
            self._held = os.read(self._source, int(self._allowed))
            self._allowed -= len(self._held)
        if self._held and select.select([], [self._target], [], 0)[1]:
            try:
                taken = os.write(self._target, self._held)
            except BlockingIOError:  # room for less than a write: the next round
                return
            self.carried += taken
            self._held = self._held[taken:]


class Throttle:
    """``port`` is the laptop's end; ``to_device`` and ``to_host`` count bytes carried."""

    def __init__(self, device: str, baud: int) -> None:
        rate = baud / BITS_PER_BYTE
        self._far = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._far)
        self._near, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._near, False)
        self._slave = slave  # kept open: the line is there before and after a program uses it
        self.port = os.ttyname(slave)
        self._down = _Direction(self._near, self._far, rate)
        self._up = _Direction(self._far, self._near, rate)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="throttle", daemon=True)
        self._thread.start()

    @property
    def to_device(self) -> int:
        """Bytes."""
        return self._down.carried

    @property
    def to_host(self) -> int:
        """Bytes."""
        return self._up.carried

    def _run(self) -> None:
        before = time.monotonic()
        with contextlib.suppress(OSError):  # an end is gone
            while not self._stopping.wait(TICK_S):
                now = time.monotonic()
                for direction in (self._down, self._up):
                    direction.move(now - before)
                before = now

    def close(self) -> None:
        """Take the line away."""
        self._stopping.set()
        self._thread.join()
        for fd in (self._far, self._near, self._slave):
            os.close(fd)


@contextlib.contextmanager
def throttled(device: str, baud: int) -> Iterator[Throttle]:
    """A line of ``baud`` to the pseudo-terminal ``device``, both ways."""
    line = Throttle(device, baud)
    try:
        yield line
    finally:
        line.close()
