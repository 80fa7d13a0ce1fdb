"""The host's end of the serial line: a pseudo-terminal that comes and goes, and what is heard."""

from __future__ import annotations

import contextlib
import errno
import os
import tty
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, decode, encode, pack
from tools.listen import Checker

CHECKED_EVERY = 50  # results held against the schema; of all other messages, each one
READ_BYTES = 65_536


class HostLine:
    """``name`` is a link to whatever pseudo-terminal is plugged in now.

    lines, checked : messages heard, and those held against the schema
    wrong : what was wrong with lines, in words; whoever reads it empties it
    """

    def __init__(self, name: Path) -> None:
        self._name = name
        self._lines = LineSplitter(MAX_LINE)
        self._checker = Checker()
        self._fds: tuple[int, ...] = ()
        self._next: int | None = None  # sequence number that comes next
        self._half = True  # a line may come that was cut off at its beginning
        self._ends = False  # the monitor that speaks is killed; another begins at 0
        self._seq = self._results = 0
        self._out = b""
        self.blocked = False
        self.lines = self.checked = 0
        self.wrong: list[str] = []

    @property
    def fds(self) -> tuple[int, ...]:
        """No business of the instrument's processes."""
        return self._fds

    @property
    def plugged(self) -> bool:
        return bool(self._fds)

    def plug(self) -> None:
        """A new terminal; both ends stay open here, as a supervisor's do."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self._fds = (ours, theirs)
        self._name.symlink_to(os.ttyname(theirs))
        self.interrupted()

    def unplug(self) -> None:
        """The cable is pulled."""
        self._name.unlink(missing_ok=True)
        for fd in self._fds:
            os.close(fd)
        self._fds, self._out = (), b""

    def interrupted(self) -> None:
        """What comes next begins somewhere: the cable, or the monitor, is another."""
        self._half, self._next = True, None

    def ends(self) -> None:
        """The monitor is being killed: of what it said a rest may come, the last line cut off."""
        self._ends = True

    def send(self, body: Mapping[str, Any]) -> None:
        """One command."""
        self.type(encode(self._seq, "command", pack(body)))
        self._seq += 1

    def type(self, data: bytes) -> None:
        """Any bytes; into the air when nothing is plugged in."""
        if self._fds:
            self._out = (self._out + data)[-READ_BYTES:]

    def poll(self) -> Iterator[dict[str, Any]]:
        """Messages that have come, each checked."""
        if not self._fds:
            return
        with contextlib.suppress(BlockingIOError):
            while self._out:
                self._out = self._out[os.write(self._fds[0], self._out) :]
        if self.blocked:
            return
        data = b""
        try:
            while piece := os.read(self._fds[0], READ_BYTES):
                data += piece
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        for line in self._lines.push(data):
            if (message := self._take(line)) is not None:
                yield message

    def _take(self, line: bytes | None) -> dict[str, Any] | None:
        self.lines += 1
        result = line is not None and b'"type":"result"' in line[:60]
        self._results += result
        flaw = ""
        try:
            message: dict[str, Any] | None = decode(line or b"", crc_required=True)
        except ProtocolError as error:
            message, flaw = None, str(error)
        if message is not None and (not result or self._results % CHECKED_EVERY == 0):
            self.checked += 1
            message, flaw = self._checker.check(line)
            flaw = "" if flaw.startswith("sequence") else flaw  # counted here, for every line
        half, self._half = self._half, False
        if message is None:
            if not half and not self._ends:
                self.wrong.append(f"a damaged line: {flaw}: {(line or b'')[:60]!r}")
            return None
        if self._ends and message["seq"] <= 1:  # its first line may have met the last one's rest
            self._ends = False
        elif self._next is not None and message["seq"] != self._next:
            self.wrong.append(f"sequence number {message['seq']} where {self._next} comes next")
        self._next = message["seq"] + 1
        return message
