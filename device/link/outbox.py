"""What waits for the line: bounded, oldest results dropped first, every drop counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

MAX_BYTES = 65_536  # about 40 s of results, for a host that is unplugged and comes back


class Outbox:
    """Messages in order; (type, members) as ``protocol.encode`` takes them."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max = max_bytes
        self._bytes = 0
        self._waiting: deque[tuple[str, str]] = deque()
        self._bulk: Iterator[tuple[str, str]] | None = None
        self.dropped = 0

    def put(self, kind: str, members: str) -> None:
        """Queue one message, making room by dropping the oldest results, then the oldest."""
        self._waiting.append((kind, members))
        self._bytes += len(members)
        while self._bytes > self._max:
            victim = next((m for m in self._waiting if m[0] == "result"), self._waiting[0])
            self._waiting.remove(victim)
            self._bytes -= len(victim[1])
            self.dropped += 1

    def put_first(self, kind: str, members: str) -> None:
        """Queue ahead of all others: the hello of a new connection, a line cut off half way."""
        if kind == "hello" and self._waiting and self._waiting[0][0] == "hello":
            self.pop()  # of a connection that did not last
        self._waiting.appendleft((kind, members))
        self._bytes += len(members)

    def put_bulk(self, messages: Iterator[tuple[str, str]]) -> bool:
        """A long answer, made piece by piece while nothing else waits; False while one runs."""
        if self._bulk is not None:
            return False
        self._bulk = messages
        return True

    def pop(self) -> tuple[str, str] | None:
        """The next message to send."""
        if self._waiting:
            message = self._waiting.popleft()
            self._bytes -= len(message[1])
            return message
        if self._bulk is not None:
            piece = next(self._bulk, None)
            if piece is None:
                self._bulk = None
            return piece
        return None

    def stop_bulk(self) -> None:
        """Give up a long answer: who asked is gone."""
        self._bulk = None

    def __len__(self) -> int:
        return len(self._waiting)
