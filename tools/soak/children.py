"""The two processes of the instrument in a time that the bench grants them, step by step.

Each is a fork that runs the real ``Acquisition`` or ``Monitor``; only its clock is another. It asks
for time when it has used up what it was given, so that both can be killed or stopped at any point.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from device.processes import end_with_parent

ORIGIN_NS = 1_000_000_000_000  # the clock at second 0
START = datetime(2026, 1, 1, 12, tzinfo=UTC)  # by the calendar
_GRANT = struct.Struct("<qqqq")  # from, until, wall clock ahead of START + time, disk hangs
_FOREVER = 1 << 62
ANSWER_S = 120.0  # real seconds in which half a virtual one must be done
CRASHED = 70


class HungError(RuntimeError):
    """A process did not come back."""


class GrantedClock:
    """The child's clock: time passes as it is waited for, up to what was granted.

    coarse : a wait lasts until the end of what was granted, as on a busy machine
    """

    def __init__(self, link: socket.socket, *, coarse: bool, granted: Callable[[], None]) -> None:
        self._link, self._coarse, self._granted = link, coarse, granted
        self._now_ns = self._until_ns = ORIGIN_NS
        self.ahead_ns = 0  # of the wall clock
        self.disk_hangs = self.stopping = False

    def now_ns(self) -> int:
        return self._now_ns

    def utc(self) -> datetime:
        """The wall clock, which may have been set."""
        return START + timedelta(microseconds=(self._now_ns - ORIGIN_NS + self.ahead_ns) // 1000)

    def sleep_until_ns(self, t_ns: int) -> None:
        if self._coarse and not self.stopping:
            self._ask()
            if not self.stopping:
                self._now_ns = self._until_ns
        while t_ns > self._until_ns and not self.stopping:
            self._now_ns = self._until_ns
            self._ask()
        self._now_ns = max(self._now_ns, t_ns)

    def begin(self) -> None:
        """Wait for the first grant."""
        self._ask(say=False)

    def _ask(self, *, say: bool = True) -> None:
        if say:
            self._link.send(b".")
        data = self._link.recv(_GRANT.size)
        if not data:
            os._exit(0)
        from_ns, until_ns, self.ahead_ns, hangs = _GRANT.unpack(data)
        self._now_ns, self._until_ns = max(self._now_ns, from_ns), until_ns
        self.stopping = until_ns == _FOREVER
        self.disk_hangs = bool(hangs)
        self._granted()


class Child:
    """A forked process that runs ``body``, and the bench's hold on it.

    body : gets its clock's link; strangers : descriptors that are none of its business
    """

    def __init__(
        self, body: Callable[[socket.socket], None], log: Path, strangers: Sequence[int] = ()
    ) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.settimeout(ANSWER_S)
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run(body, theirs, log, [self._link.fileno(), *strangers])
        theirs.close()
        self.alive = True
        self._asked = False

    def fileno(self) -> int:
        """Of the link, a stranger to other children."""
        return self._link.fileno()

    def grant(self, from_ns: int, until_ns: int, ahead_ns: int = 0, hangs: bool = False) -> None:
        """Let time pass; ``wait`` for its end."""
        with contextlib.suppress(OSError):  # it has died: ``wait`` finds out
            self._link.send(_GRANT.pack(from_ns, until_ns, ahead_ns, hangs))
        self._asked = True

    def wait(self) -> int | None:
        """None when the time has passed; the exit code of one that ended instead."""
        if not self._asked:
            return None
        self._asked = False
        try:
            if self._link.recv(1):
                return None
        except TimeoutError:
            self.kill()
            raise HungError(f"no answer for {ANSWER_S:.0f} s") from None
        except OSError:
            pass
        return self._reap()

    def stop(self, from_ns: int) -> int:
        """SIGTERM, as it were: it ends in order, and has all the time. Its exit code."""
        self.grant(from_ns, _FOREVER)
        while (code := self.wait()) is None:
            self.grant(from_ns, _FOREVER)
        return code

    def kill(self) -> None:
        """SIGKILL."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()

    def _reap(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self.alive = False
        self._link.close()
        return os.waitstatus_to_exitcode(status)


def _run(
    body: Callable[[socket.socket], None],
    link: socket.socket,
    log: Path,
    strangers: Sequence[int],
) -> None:
    """The child's life; does not return."""
    code = CRASHED
    try:
        end_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for fd in strangers:
            os.close(fd)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(out, 2)
        found = os.fstat(out)
        os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"  # tracebacks go there
        os.close(out)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), line_buffering=True)
        body(link)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)
