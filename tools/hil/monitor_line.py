"""The bench's end of a monitor's serial line: nothing here waits, whatever the line does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from device.link.port import FdPort, Port
from device.link.protocol import MAX_LINE, LineSplitter, encode, pack
from tools.hil.outcome import Message
from tools.line_session import LineSession
from tools.listen import Checker
from tools.serial_port import open_serial

READ_BYTES = 65_536
BITS_PER_BYTE = 10  # 8N1


def open_line(port: str, baud: int) -> Port:
    """A port of this computer. Raises OSError, whose text is one sentence."""
    opened = open_serial(port, baud, 0, 0)
    return FdPort(opened.fileno(), opened.close)


class MonitorLine:
    """Commands out, checked messages in.

    sent : bytes that the port has taken · checker : counts lines, bad ones and missing ones
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._out: deque[bytes] = deque()
        self._lines = LineSplitter(MAX_LINE)
        self._whole = False  # the first line may be half of one
        self._seq = 0
        self.session: LineSession | None = None  # all commands are lines of it
        self.checker = Checker()
        self.sent = self.backlog = 0

    def send(self, body: Mapping[str, Any]) -> int:
        """Queue a command; the number that its answer repeats."""
        seq, self._seq = self._seq, self._seq + 1
        session = self.session
        line = session.encode(seq, body) if session else encode(seq, "command", pack(body))
        self._out.append(line)
        self.backlog += len(line)
        return seq

    def poll(self) -> Iterator[Message]:
        """Send and receive what the line takes and has. Raises OSError when it is gone."""
        while self._out:
            taken = self._port.write(self._out[0])
            self.sent += taken
            self.backlog -= taken
            if taken < len(self._out[0]):
                self._out[0] = self._out[0][taken:]
                break
            self._out.popleft()
        for text in self._lines.push(self._port.read(READ_BYTES)):
            if not self._whole:
                self._whole = True
                if text is None or not text.startswith(b'{"v":'):
                    continue
            message, _ = self.checker.check(text)
            if message is not None:
                yield message

    def close(self) -> None:
        """Release the port."""
        self._port.close()
