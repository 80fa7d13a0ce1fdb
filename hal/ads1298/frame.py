"""The 27-byte frame: 24 status bits, then eight 24-bit two's complement counts, MSB first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.ads1298.registers import CHANNEL_COUNT

STATUS_BYTES = 3
COUNT_BYTES = 3
FRAME_BYTES = STATUS_BYTES + CHANNEL_COUNT * COUNT_BYTES
STATUS_BITS = 24
PREFIX = 0b1100  # the first four bits of every frame
_PREFIX_SHIFT = np.uint32(STATUS_BITS - 4)


def status_word(statp: int = 0, statn: int = 0, gpio: int = 0) -> int:
    """1100, LOFF_STATP[7:0], LOFF_STATN[7:0], GPIO[7:4]."""
    return PREFIX << 20 | statp << 12 | statn << 4 | gpio


def is_frame(status: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether each status word [n] begins with 1100."""
    return np.equal(status >> _PREFIX_SHIFT, PREFIX)


def unpack(frames: bytes) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Status words uint32 [n] and counts int32 [n, 8] of n whole frames.

    Raises ValueError when ``frames`` is not a multiple of 27 bytes.
    """
    if len(frames) % FRAME_BYTES:
        raise ValueError(f"{len(frames)} bytes are not whole frames of {FRAME_BYTES}")
    rows = np.frombuffer(frames, np.uint8).reshape(-1, FRAME_BYTES)
    # 24-bit words in the upper bytes of 32: the arithmetic shift extends the sign from bit 23
    words = np.zeros((len(rows), 1 + CHANNEL_COUNT, 4), np.uint8)
    for byte in range(COUNT_BYTES):  # NumPy copies three columns faster than rows of three bytes
        words[:, :, byte] = rows[:, byte::COUNT_BYTES]
    values = words.view(">i4")[:, :, 0].astype(np.int32)
    status = values[:, 0].view(np.uint32) >> np.uint32(8)
    return status, np.ascontiguousarray(values[:, 1:] >> 8)


def pack(status: NDArray[np.uint32], counts: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Frames uint8 [n, 27] of status words [n] and counts [n, 8] in the 24-bit range."""
    words = np.empty((len(status), 1 + CHANNEL_COUNT), ">i4")
    words[:, 0] = status
    words[:, 1:] = counts
    data = words.view(np.uint8).reshape(-1, 1 + CHANNEL_COUNT, 4)
    frames = np.empty((len(status), FRAME_BYTES), np.uint8)
    for byte in range(COUNT_BYTES):
        frames[:, byte::COUNT_BYTES] = data[:, :, 1 + byte]
    return frames
