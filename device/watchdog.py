"""Who has stopped answering: the receiving end of sd_notify, for a run without systemd.

A datagram socket for each process, in a folder that only this user may enter; its path goes to
the process as NOTIFY_SOCKET. Messages: sd_notify(3), READY=1 and WATCHDOG=1.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from device.processes import START_S, WATCHDOG_S

VARIABLE = "NOTIFY_SOCKET"
_MESSAGE = 4096  # bytes; longer ones are cut


class Watchdog:
    """Notes when each process was heard last.

    names : of the processes
    clock : seconds that only grow
    start_s, silence_s : how long a process may take to start, and then say nothing
    """

    def __init__(
        self,
        names: Iterable[str],
        clock: Callable[[], float],
        *,
        start_s: float = START_S,
        silence_s: float = WATCHDOG_S,
    ) -> None:
        self._clock = clock
        self._start_s, self._silence_s = start_s, silence_s
        self._heard_s: dict[str, float] = {}
        self._ready: set[str] = set()
        self._sockets: dict[str, socket.socket] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="lead12-"))
        for name in names:
            receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            receiver.setblocking(False)
            receiver.bind(self._path(name))
            self._sockets[name] = receiver

    def _path(self, name: str) -> str:
        return str(self._folder / name)

    def environment(self, name: str) -> dict[str, str]:
        """What the process needs to be heard."""
        return {VARIABLE: self._path(name)}

    def started(self, name: str) -> None:
        """The process begins now; what its predecessor said counts no longer."""
        for _ in self._messages(name):
            pass
        self._ready.discard(name)
        self._heard_s[name] = self._clock()

    def silent_s(self, name: str) -> float | None:
        """Seconds since the process was heard, when that is longer than it may be; else None."""
        for message in self._messages(name):
            said = message.split()
            if "READY=1" in said:
                self._ready.add(name)
            if "READY=1" in said or "WATCHDOG=1" in said:
                self._heard_s[name] = self._clock()
        silence_s = self._clock() - self._heard_s[name]
        limit_s = self._silence_s if name in self._ready else self._start_s
        return silence_s if silence_s > limit_s else None

    def _messages(self, name: str) -> Iterator[str]:
        with contextlib.suppress(BlockingIOError):
            while True:
                yield self._sockets[name].recv(_MESSAGE).decode(errors="replace")

    def close(self) -> None:
        """Release sockets and folder."""
        for receiver in self._sockets.values():
            receiver.close()
        shutil.rmtree(self._folder, ignore_errors=True)
