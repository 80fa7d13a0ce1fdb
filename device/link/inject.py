"""``inject`` commands: frames of a bench's ADS1298 on their way to the front end ``injected``.

``begin``, blocks of ``frames`` in real time, ``end``. Nothing is sent again: what the line
swallowed shows as a jump of the index and is counted. The frames are handed on undecoded.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from device.link.protocol import ProtocolError, Wrong
from device.link.upload import unpack
from hal.ads1298.frame import FRAME_BYTES
from hal.frontend import SAMPLE_NS, SAMPLE_RATE_HZ, FrameBlock
from hal.injected import Frames

MAX_INDEX = 1 << 40
LAG_MS = 2000  # bins of 1 ms; the last takes the rest
ACCOUNT_NS = 300_000_000  # behind ``end``: until the last frames have passed through the ring
_WORDS = FRAME_BYTES // 3  # 24-bit words in a frame
_SIGN = 1 << 23


class InjectAction(StrEnum):
    """What ``inject`` does."""

    BEGIN = "begin"
    FRAMES = "frames"
    END = "end"


class Taker(Protocol):
    """What takes the frames."""

    def send(self, frames: Frames) -> bool:
        """Whether they were taken; never waits."""
        ...


class Injection:
    """Carries out ``inject`` commands and keeps their account.

    gain : of the board's front end; frames of another would have another scale
    """

    def __init__(self, taker: Taker, gain: int) -> None:
        self._taker, self._gain = taker, gain
        self._running = False
        self._report_ns: int | None = None
        self._forget()

    def _forget(self) -> None:
        self._origin_ns: int | None = None
        self._index0: int | None = None
        self._next = 0
        self._frames = self._lost_line = self._lost_acquire = 0
        self._lag: NDArray[np.int64] = np.zeros(LAG_MS, np.int64)
        self._lag_max = 0

    def obey(self, action: InjectAction, arguments: Mapping[str, Any], now_ns: int) -> None:
        """Carry out one command. Raises ProtocolError."""
        if action is InjectAction.BEGIN:
            self._begin(arguments["gain"], arguments["rate_hz"], now_ns)
        elif not self._running:
            raise ProtocolError(Wrong.BAD_COMMAND, "no injection is running; begin one")
        elif action is InjectAction.END:
            self._end(arguments["index"], now_ns)
        else:
            self._take(arguments["index"], arguments["n"], arguments["data"], now_ns)

    def seen(self, block: FrameBlock) -> None:
        """A block of the ring: which of its indices is frame 0 follows from the time."""
        if self._index0 is None and self._origin_ns is not None:
            frame = (int(block.t_ns[0]) - self._origin_ns) // SAMPLE_NS
            if frame >= 0:
                self._index0 = block.first_index - frame

    def report_due(self, now_ns: int) -> bool:
        """True once after each ``begin`` and ``end``: the bench waits for the account."""
        due = self._report_ns is not None and now_ns >= self._report_ns
        if due:
            self._report_ns = None
        return due

    def health(self) -> dict[str, Any]:
        """Since ``begin``: frames that came; lost on the line and not taken by acquire; lag_ms.

        The lag of a frame is its arrival less its due time, which counts from the first block on.
        index0 : sample index of frame 0, None before a frame has come out of the ring
        """
        running = np.cumsum(self._lag)
        total = int(running[-1])
        p50, p99 = (int(np.searchsorted(running, total * q)) for q in (0.5, 0.99))
        lag = {"p50": p50, "p99": p99, "max": self._lag_max} if total else None
        return {
            "running": self._running,
            "index0": self._index0,
            "frames": self._frames,
            "lost_line": self._lost_line,
            "lost_acquire": self._lost_acquire,
            "lag_ms": lag,
        }

    def _begin(self, gain: int, rate_hz: int, now_ns: int) -> None:
        if gain != self._gain or rate_hz != SAMPLE_RATE_HZ:
            said = f"this monitor takes frames of gain {self._gain} at {SAMPLE_RATE_HZ} Hz"
            raise ProtocolError(Wrong.BAD_VALUE, f"{said}; make them so")
        self._forget()
        self._running = True
        self._report_ns = now_ns

    def _take(self, index: int, n: int, data: str, now_ns: int) -> None:
        if index < self._next:
            said = f"frame {index} comes after frame {self._next - 1}; they go forward only"
            raise ProtocolError(Wrong.BAD_VALUE, said)
        frames = unpack_frames(data, n)
        if self._origin_ns is None:
            self._origin_ns = now_ns - (index + n - 1) * SAMPLE_NS
        block = Frames(self._origin_ns, index, frames)
        self._lost_line += index - self._next
        self._next = index + n
        self._frames += n
        lag_ms = max(0, now_ns - block.due_ns(n - 1)) // 1_000_000
        self._lag[min(lag_ms, LAG_MS - 1)] += n
        self._lag_max = max(self._lag_max, lag_ms)
        if not self._taker.send(block):
            self._lost_acquire += n

    def _end(self, index: int, now_ns: int) -> None:
        self._lost_line += max(0, index - self._next)
        self._running = False
        self._report_ns = now_ns + ACCOUNT_NS


def pack_frames(frames: bytes) -> str:
    """Whole frames for one line: differences in time, by planes of bytes, zlib, base 85.

    A quiet ECG takes half its size; one full of noise grows by a third at most.
    """
    words = _words(np.frombuffer(frames, np.uint8).reshape(-1, FRAME_BYTES))
    words[1:] -= words[:-1].copy()
    delta = (words + _SIGN) % (2 * _SIGN) - _SIGN
    folded = delta << 1 ^ delta >> 63  # small ones of both signs become small numbers
    planes = np.stack([folded >> shift & 0xFF for shift in (16, 8, 0)]).astype(np.uint8)
    return base64.b85encode(zlib.compress(planes.transpose(0, 2, 1).tobytes(), 9)).decode()


def unpack_frames(data: str, n: int) -> bytes:
    """The ``n`` frames that ``pack_frames`` was given. Raises ProtocolError."""
    planes = np.frombuffer(unpack(data, n * FRAME_BYTES), np.uint8).reshape(3, _WORDS, n)
    folded = planes.astype(np.int64)
    folded = folded[0] << 16 | folded[1] << 8 | folded[2]
    words = np.cumsum(folded >> 1 ^ -(folded & 1), axis=1).T
    rows = np.stack([words >> shift & 0xFF for shift in (16, 8, 0)], axis=2)
    return bytes(rows.astype(np.uint8).tobytes())


def _words(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """24-bit words int64 [n, 9] of frames uint8 [n, 27]."""
    parts = rows.reshape(-1, _WORDS, 3).astype(np.int64)
    return np.asarray(parts[:, :, 0] << 16 | parts[:, :, 1] << 8 | parts[:, :, 2])
