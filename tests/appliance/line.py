"""The serial line's other end: a pseudo-terminal of the container, held from outside.

Its device end is /dev/lead12-line inside and stays open here as well, as a UART's does: a monitor
that dies does not hang up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import time
import tty
from collections import deque
from dataclasses import dataclass
from typing import Any

from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, decode, encode, pack
from tests.appliance.container import Container, wait_for
from tools.line_session import LineSession

NAME = "/dev/lead12-line"
DIALOUT = 20  # Debian's group of serial ports
KEPT = 5000
_TIOCGPTN, _TIOCSPTLCK = 0x8004_5430, 0x4004_5431  # asm-generic/ioctls.h


@dataclass(frozen=True)
class Message:
    """One line of the device, and when it came (time.monotonic)."""

    at_s: float
    body: dict[str, Any]


class Line:
    """Reads all the time; ``messages`` are the newest."""

    def __init__(self, container: Container) -> None:
        self.messages: deque[Message] = deque(maxlen=KEPT)
        self.damaged = 0
        self._seq = 0
        pts = container.path("/dev/pts")
        self._host = os.open(pts / "ptmx", os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(self._host, _TIOCSPTLCK, struct.pack("i", 0))
        number = struct.unpack("i", fcntl.ioctl(self._host, _TIOCGPTN, bytes(4)))[0]
        self._device = os.open(pts / str(number), os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._device)
        os.fchown(self._device, 0, DIALOUT)
        os.fchmod(self._device, 0o660)
        link = container.path(NAME)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/dev/pts/{number}")
        self._open = True
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        lines = LineSplitter(MAX_LINE)
        while self._open:
            try:
                data = os.read(self._host, 65536)
            except OSError:
                return
            for line in lines.push(data):
                if line == b"":
                    continue
                try:
                    body = decode(line or b"", crc_required=True)
                except ProtocolError:
                    self.damaged += 1
                    continue
                self.messages.append(Message(time.monotonic(), body))

    def since(self, at_s: float, kind: str = "") -> list[dict[str, Any]]:
        """The messages that came after ``at_s``, of one type if that is named."""
        there = list(self.messages)
        return [m.body for m in there if m.at_s >= at_s and kind in ("", m.body["type"])]

    def ask(
        self, timeout_s: float = 5, session: LineSession | None = None, **members: Any
    ) -> dict[str, Any]:
        """Send a command, signed by ``session`` if there is one; its reply or error."""
        self._seq += 1
        asked_s = time.monotonic()
        if session is not None:
            os.write(self._host, session.encode(self._seq, members))
        else:
            os.write(self._host, encode(self._seq, "command", pack(members)))
        answer: list[dict[str, Any]] = []

        def answered() -> bool:
            said = self.since(asked_s)
            answer[:] = [m for m in said if m.get("re") == self._seq and "re" in m]
            return bool(answer)

        wait_for(f"an answer to {members.get('command')}", answered, timeout_s)
        return answer[0]

    def close(self) -> None:
        """Pull the plug."""
        self._open = False
        for end in (self._device, self._host):
            with contextlib.suppress(OSError):
                os.close(end)
