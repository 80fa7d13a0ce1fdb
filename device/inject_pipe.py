"""Injected frames from the monitor, which owns the serial line, to acquire, which owns samples.

A Unix datagram socket beside the ring, for its owner only; under a umask that leaves the group all
(the device's, where these two are different users) for the group, too. The sender never waits: what
the socket does not take is lost, and the sender knows. One datagram is one block of frames.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from pathlib import Path

from hal.ads1298.frame import FRAME_BYTES
from hal.injected import MAX_FRAMES, Frames

_HEAD = struct.Struct("<qq")  # origin_ns, first_index
_MOST_INDEX, _MOST_NS = 1 << 41, 1 << 61  # no time of a frame needs more than 63 bits then
_MAX_BYTES = _HEAD.size + MAX_FRAMES * FRAME_BYTES


class InjectPipeError(RuntimeError):
    """The socket cannot be made; the message is one line for the user."""


class FrameReceiver:
    """acquire's end, a ``FrameSource``; replaces what a dead acquire left. Raises InjectPipeError.

    Only the process that holds the ring may make one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        mask = os.umask(0o177)
        if not mask & 0o070:  # the group's, too, where all that is made is
            os.umask(0o117)
        try:
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
        except OSError as error:
            self._socket.close()
            raise InjectPipeError(
                f"{path} cannot be made ({error.strerror or error}); "
                "give the ring a short path in a folder that can be written, [ring] path"
            ) from None
        finally:
            os.umask(mask)
        self._socket.setblocking(False)

    def receive(self, timeout_ns: int) -> Frames | None:
        """As ``FrameSource``; a datagram that is no block of frames counts as none."""
        if not self._ready(timeout_ns * 1e-9):
            return None
        try:
            data = self._socket.recv(_MAX_BYTES + 1)
        except BlockingIOError:
            return None
        frames = data[_HEAD.size :]
        if not frames or len(frames) % FRAME_BYTES or len(data) > _MAX_BYTES:
            return None
        origin_ns, first_index = _HEAD.unpack_from(data)
        if not (0 <= first_index < _MOST_INDEX and abs(origin_ns) < _MOST_NS):
            return None
        return Frames(origin_ns, first_index, frames)

    @property
    def waiting(self) -> bool:
        """Whether frames are there."""
        return self._ready(0)

    def discard(self) -> None:
        """Forget what waits."""
        while self.receive(0) is not None:
            pass

    def _ready(self, timeout_s: float) -> bool:
        return bool(select.select([self._socket], [], [], timeout_s)[0])

    def close(self) -> None:
        """Close and remove the socket."""
        self._socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


class FrameSender:
    """The monitor's end. acquire may come and go; each block finds the one that is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, frames: Frames) -> bool:
        """Whether acquire will get ``frames``: False when it is not there or takes no more."""
        head = _HEAD.pack(frames.origin_ns, frames.first_index)
        try:
            self._socket.sendto(head + frames.data, str(self._path))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()
