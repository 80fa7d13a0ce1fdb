"""The bench's ends of a monitor's wires: a serial line and a screen, to be unplugged at will."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable

from device.display.outputs import Display, DisplayError
from device.display.screens import Frame
from device.link.port import Port
from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, decode
from tools.hil.outcome import Message

SIZE = (256, 64)  # an SSD1322


class Digest:
    """One hash of everything that leaves the monitor, in order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, kind: bytes, data: bytes) -> None:
        """``data`` that left by ``kind`` (one byte)."""
        self._hash.update(kind + len(data).to_bytes(4, "little"))
        self._hash.update(data)

    def hex(self) -> str:
        """Of all until now."""
        return self._hash.hexdigest()


class Line:
    """A serial line between the monitor, which has it as ``Port``, and a host that reads it.

    hear : takes each message as it has come in whole
    """

    def __init__(self, digest: Digest, hear: Callable[[Message], None]) -> None:
        self.state = "plugged"
        self.damaged = 0  # lines that were none
        self._digest, self._hear = digest, hear
        self._typed = b""
        self._lines = LineSplitter(MAX_LINE)

    def plug(self, state: str) -> None:
        """``plugged``, ``unplugged``, or ``stalled``: it takes nothing, and nothing is wrong."""
        self.state = state
        if state == "unplugged":
            self._typed = b""
            self._lines.forget()

    def type(self, line: bytes) -> None:
        """The host sends; into a plug that hangs in the air when there is none."""
        if self.state != "unplugged":
            self._typed += line

    # -- the monitor's end: Port, and Opening for the time after it was lost

    def read(self, max_bytes: int) -> bytes:
        """What the host typed."""
        self._expect_plugged(errno.EIO)
        data, self._typed = self._typed[:max_bytes], self._typed[max_bytes:]
        return data

    def write(self, data: bytes) -> int:
        """All of it, at once; nothing when stalled."""
        self._expect_plugged(errno.EIO)
        if self.state == "stalled":
            return 0
        self._digest.add(b"S", data)
        for line in self._lines.push(data):
            try:
                self._hear(decode(line or b"", crc_required=True))
            except ProtocolError:
                self.damaged += 1
        return len(data)

    def close(self) -> None:
        """Nothing to release."""

    def poll(self) -> Port | None:
        """Opened at once, or not there."""
        self._expect_plugged(errno.ENOENT)
        return self

    def _expect_plugged(self, error: int) -> None:
        if self.state == "unplugged":
            raise OSError(error, os.strerror(error))


class Screen(Display):
    """A display whose pixels go into the digest."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(SIZE, grey=True)
        self.plugged = True
        self._digest = digest

    def _open(self) -> None:
        self._expect_plugged()

    def _show(self, frame: Frame) -> None:
        self._expect_plugged()
        self._digest.add(b"D", frame.index.to_bytes(8, "little") + frame.image.tobytes())

    def _close(self) -> None:
        pass

    def _expect_plugged(self) -> None:
        if not self.plugged:
            raise DisplayError("display: does not answer; check its cable")
