"""Loops that each wait on a clock, in one virtual time: threads of which one runs at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

TURN_S = 60.0  # only a hang reaches it


class Lockstep:
    """Time goes on to the earliest that any of the loops waits for."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self._turn = threading.Condition()
        self._waiting: list[tuple[int, int, Loop]] = []
        self._order = 0
        self._running: Loop | None = None
        self._threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []

    def main(self) -> Loop:
        """The clock of the calling thread, which is running."""
        self._running = Loop(self)
        return self._running

    def beside(self, run: Callable[[Loop], None]) -> None:
        """Start ``run`` in a thread of its own, on its own clock."""
        loop = Loop(self)
        thread = threading.Thread(target=self._run, args=(loop, run), daemon=True)
        self._queue(loop, self.now_ns)
        self._threads.append(thread)
        thread.start()

    def join(self, clock: Loop) -> None:
        """Let the others end; they must have been told to."""
        while any(thread.is_alive() for thread in self._threads) and self._waiting:
            clock.sleep_until_ns(self.now_ns + 1_000_000)
        for failure in self.failures:
            raise failure

    def _run(self, loop: Loop, run: Callable[[Loop], None]) -> None:
        try:
            self._await(loop)
            run(loop)
        except BaseException as error:
            self.failures.append(error)
        with self._turn:
            self._next()

    def _queue(self, loop: Loop, t_ns: int) -> None:
        self._order += 1
        self._waiting.append((max(t_ns, self.now_ns), self._order, loop))

    def _next(self) -> None:
        if not self._waiting:
            return
        first = min(self._waiting, key=lambda entry: entry[:2])
        self._waiting.remove(first)
        self.now_ns, _, self._running = first
        self._turn.notify_all()

    def _await(self, loop: Loop) -> None:
        with self._turn:
            if not self._turn.wait_for(lambda: self._running is loop, TURN_S):
                raise TimeoutError("a loop never gave way")

    def wait(self, loop: Loop, t_ns: int) -> None:
        """Give way until ``t_ns``."""
        with self._turn:
            self._queue(loop, t_ns)
            self._next()
        self._await(loop)


class Loop:
    """The ``Clock`` of one of them."""

    def __init__(self, world: Lockstep) -> None:
        self._world = world

    def now_ns(self) -> int:
        return self._world.now_ns

    def sleep_until_ns(self, t_ns: int) -> None:
        self._world.wait(self, t_ns)
