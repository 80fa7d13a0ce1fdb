"""Serial ports that never block: a tty or socket through pyserial, standard output, or a given fd.

``read`` and ``write`` return at once with what was possible and raise OSError when the other end
is gone. Opening may take seconds (a socket, a slow USB driver), so ``Opener`` does it aside.
"""

from __future__ import annotations

import errno
import os
import re
import select
import threading
from collections.abc import Callable
from typing import Any, Protocol

STDOUT = "-"
PTY = "pty"  # the supervisor makes one and hands its end down as FD_PREFIX
FD_PREFIX = "fd:"  # "fd:N:NAME": an inherited end of a pseudo-terminal whose other end is NAME
_ONLY_RUN = "pty is made by lead12 run only; name the port in [serial], or none"
_NOT_THERE = "it is not there; plug the cable in, or check the name"
_NO_SERIAL = "it is not a serial port; lead12 doctor shows the ones that are here"
_ACT = {
    errno.ENOENT: _NOT_THERE,
    errno.ENODEV: _NOT_THERE,
    errno.ENXIO: _NOT_THERE,
    errno.EACCES: "this user may not use it; it must be in the port's group (dialout)",
    errno.EBUSY: "another program is using it; end that one first",
    errno.ENOTTY: _NO_SERIAL,
    errno.EISDIR: _NO_SERIAL,
}
_STDOUT_CHUNK = 512  # POSIX: a pipe that polls writable takes this much without blocking
_LOOP_BYTES = 4096  # of pyserial's queue


class Port(Protocol):
    """What the link needs of a port."""

    def read(self, max_bytes: int) -> bytes: ...

    def write(self, data: bytes) -> int: ...

    def close(self) -> None: ...


class FdPort:
    """Any file descriptor in non-blocking mode."""

    def __init__(self, fd: int, close: Callable[[], None]) -> None:
        self._fd = fd
        self._close = close
        os.set_blocking(fd, False)

    def read(self, max_bytes: int) -> bytes:
        """What has come in; b"" when nothing has."""
        ready, _, _ = select.select([self._fd], [], [], 0)
        if not ready:
            return b""
        try:
            data = os.read(self._fd, max_bytes)
        except BlockingIOError:
            return b""
        if not data:  # readable and empty: the other end hung up
            raise ConnectionResetError("the serial port is gone")
        return data

    def write(self, data: bytes) -> int:
        """Bytes taken, 0 when the line is busy."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Release the port."""
        self._close()


class StdoutPort:
    """Standard output; its file description is shared, so it is not made non-blocking."""

    def read(self, max_bytes: int) -> bytes:
        """Nothing: a terminal's keyboard is no host."""
        return b""

    def write(self, data: bytes) -> int:
        """At most one chunk, when somebody takes it."""
        _, ready, _ = select.select([], [1], [], 0)
        try:
            return os.write(1, data[:_STDOUT_CHUNK]) if ready else 0
        except OSError as error:
            if error.errno == errno.ENOSPC:  # a file; the system's words say nothing to do
                raise OSError(errno.ENOSPC, "no room is left for the messages; make some") from None
            raise

    def close(self) -> None:
        """Leave standard output open."""


class LoopPort:
    """pyserial's ``loop://``, which has no file descriptor: what is sent comes back."""

    def __init__(self, serial: Any) -> None:
        self._serial = serial
        serial.write_timeout = None  # it would time the line rate; room is looked at instead

    def read(self, max_bytes: int) -> bytes:
        """What has come in."""
        return bytes(self._serial.read(min(max_bytes, self._serial.in_waiting)))

    def write(self, data: bytes) -> int:
        """Bytes taken."""
        room = max(0, _LOOP_BYTES - self._serial.in_waiting)
        return int(self._serial.write(data[:room]))

    def close(self) -> None:
        """Release the port."""
        self._serial.close()


def open_port(name: str, baud: int) -> Port:
    """Open ``/dev/ttyUSB0``, a pyserial URL, ``-`` or ``fd:N:NAME``. Raises OSError; may block."""
    if name == STDOUT:
        return StdoutPort()
    if name.startswith(FD_PREFIX):
        fd = name.removeprefix(FD_PREFIX).partition(":")[0]
        return FdPort(int(fd), lambda: None)
    import serial

    if name == PTY:
        raise OSError(errno.EINVAL, _ONLY_RUN)
    try:
        port = serial.serial_for_url(
            name, baudrate=baud, timeout=0, write_timeout=0, exclusive=True
        )
    except (ValueError, TypeError) as error:  # an unknown URL scheme or line rate
        raise OSError(str(error)) from None
    except OSError as error:  # its text has the name three times, and nothing to do
        number = errno.ENOTTY if "Inappropriate ioctl" in str(error) else error.errno or 0
        if act := _ACT.get(number):
            raise OSError(number, act) from None
        if refused := re.search(r"\[Errno -?\d+\] (.+)$", str(error)):  # of a URL
            act = f"{refused[1]}; is there a program that serves it?"
            raise OSError(number, act) from None
        raise
    try:
        return FdPort(port.fileno(), port.close)
    except (AttributeError, OSError):
        return LoopPort(port)


def host_end(name: str) -> str:
    """Where a host finds the other end of port ``name``, if it is a pseudo-terminal; else ""."""
    return name.removeprefix(FD_PREFIX).partition(":")[2] if name.startswith(FD_PREFIX) else ""


class Opening(Protocol):
    """A port being opened."""

    def poll(self) -> Port | None:
        """The open port, None while it is being opened. Raises OSError when it cannot be."""
        ...


class Opener:
    """Opens a port in a thread; ``poll`` says how it went."""

    def __init__(self, name: str, baud: int) -> None:
        self._name, self._baud = name, baud
        self._port: Port | None = None
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._open, name="serial-open", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            self._port = open_port(self._name, self._baud)
        except OSError as error:  # pyserial's SerialException is one
            self._error = error

    def poll(self) -> Port | None:
        """The open port, None while it is being opened. Raises OSError when it cannot be."""
        if self._thread.is_alive():
            return None
        if self._error is not None:
            raise self._error
        return self._port
