"""The ring's memory: a mapped file, its header words and its slots.

It is a plain file in shared memory, not ``multiprocessing.shared_memory``: CPython's resource
tracker unlinks such a segment when any process that opened it dies, which is exactly when it is
needed. 4 KiB of header, then slots of 64 bytes, one per sample.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import stat
import threading
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.frontend import CHANNELS

VERSION = 1
MAGIC = int.from_bytes(b"LEAD12RB", "little")
HEADER_BYTES = 4096
SLOT = np.dtype(
    {
        "names": ["index", "t_ns", "counts", "status", "electrodes_off", "lost_before"],
        "formats": ["<i8", "<i8", ("<i4", (CHANNELS,)), "<u4", "<u2", "<i8"],
        "offsets": [0, 8, 16, 48, 52, 56],
        "itemsize": 64,
    }
)
INFO_AT, FAULT_AT = 512, 3072  # texts: length (uint32), then UTF-8
RECORD_WORDS = 4  # of a reader's place
_TEXT_END = {INFO_AT: FAULT_AT, FAULT_AT: HEADER_BYTES}


class Word(IntEnum):
    """Header words (int64). The writer's and the reader's lie on different cache lines."""

    MAGIC = 0
    VERSION = 1
    SLOTS = 2
    RESERVED = 8  # samples the writer has begun to write
    PUBLISHED = 9  # samples a reader may read
    LOST_ESTIMATED = 10
    HEARTBEAT = 11
    STATE = 12
    TEXT_SEQUENCE = 13  # odd while a text changes
    READER = 32  # two records of four words ...
    READER_WHICH = 40  # ... and which of them counts


class RingError(RuntimeError):
    """The ring cannot be used; the message is one line for the user."""


def refusal(path: Path, why: str) -> RingError:
    """The error for a file that is no ring."""
    return RingError(
        f"{path} is not a usable Lead12 ring: it {why}; delete it and start acquire again"
    )


_lock = threading.Lock()
_lock.acquire()


def fence() -> None:
    """Order memory accesses around this point on any CPU, Arm included.

    A lock's release followed by its acquire is the cheapest full fence CPython offers.
    """
    _lock.release()
    _lock.acquire()


class Segment:
    """An open ring file. ``fd`` is owned from here on, also when this raises RingError."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        try:
            size = os.fstat(fd).st_size
            if size < HEADER_BYTES:
                raise refusal(path, "is too short")
            self._map = mmap.mmap(fd, size)
            self.words = memoryview(self._map)[:HEADER_BYTES].cast("q")
            self.n = self.words[Word.SLOTS]
            self._check(size)
        except BaseException:
            os.close(fd)
            raise
        slots = np.frombuffer(self._map, SLOT, count=self.n, offset=HEADER_BYTES)
        self.index: NDArray[np.int64] = slots["index"]
        self.t_ns: NDArray[np.int64] = slots["t_ns"]
        self.counts: NDArray[np.int32] = slots["counts"]
        self.status: NDArray[np.uint32] = slots["status"]
        self.electrodes_off: NDArray[np.uint16] = slots["electrodes_off"]
        self.lost_before: NDArray[np.int64] = slots["lost_before"]

    def _check(self, size: int) -> None:
        words = self.words
        if words[Word.MAGIC] != MAGIC:
            raise refusal(self.path, "does not begin with the ring's mark")
        if words[Word.VERSION] != VERSION:
            raise refusal(self.path, f"has layout {words[Word.VERSION]}, not {VERSION}")
        if self.n <= 0 or size != HEADER_BYTES + self.n * SLOT.itemsize:
            raise refusal(self.path, f"says {self.n} slots but is {size} bytes long")
        if not 0 <= words[Word.PUBLISHED] <= words[Word.RESERVED]:
            raise refusal(self.path, "has impossible counters")

    def replaced(self) -> bool:
        """Whether the file's name is another file's, or nobody's."""
        try:
            named = self.path.stat()
        except OSError:
            return True
        here = os.fstat(self._fd)
        return (named.st_dev, named.st_ino) != (here.st_dev, here.st_ino)

    def damaged(self) -> bool:
        """Whether what every reader checks is not what the writer wrote."""
        words = self.words
        head = words[Word.MAGIC], words[Word.VERSION], words[Word.SLOTS]
        return head != (MAGIC, VERSION, self.n) or self.reader_place() is None

    def reader_place(self) -> tuple[int, int, int] | None:
        """Position, next index and overrun of the monitor; None when that is damaged."""
        for _ in range(100):  # commits are rare, and between two of them it is at rest
            which = self.words[Word.READER_WHICH]
            at = Word.READER + (which & 1) * RECORD_WORDS
            position, next_index, overrun, check = self.words[at : at + RECORD_WORDS]
            if position == next_index == overrun == check == 0:
                return 0, 0, 0
            if check == position ^ next_index ^ overrun ^ MAGIC:
                return position, next_index, overrun
        return None

    def put_text(self, at: int, text: str) -> None:
        """Writer: replace a header text; what does not fit is cut."""
        raw = text.encode()[: _TEXT_END[at] - at - 4]
        self.words[Word.TEXT_SEQUENCE] |= 1
        fence()
        self._map[at : at + 4 + len(raw)] = len(raw).to_bytes(4, "little") + raw
        fence()
        self.words[Word.TEXT_SEQUENCE] += 1

    def get_text(self, at: int) -> str:
        """Reader: a header text, whole: never half of the old and half of the new."""
        raw = b""
        for _ in range(100):  # a change takes microseconds and is rare; a dead writer's may stay
            before = self.words[Word.TEXT_SEQUENCE]
            fence()
            length = int.from_bytes(self._map[at : at + 4], "little")
            raw = self._map[at + 4 : min(at + 4 + length, _TEXT_END[at])]
            fence()
            if before % 2 == 0 and self.words[Word.TEXT_SEQUENCE] == before:
                break
        return raw.decode(errors="replace")

    def close(self) -> None:
        """Let go of the file. The memory itself goes with the last array over it."""
        self.words.release()
        fcntl.flock(self._fd, fcntl.LOCK_UN)  # mmap keeps a duplicate that would hold the lock
        os.close(self._fd)


def attach(path: Path) -> Segment:
    """Open an existing ring. Raises FileNotFoundError, or RingError when it is not one."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RingError(f"{path} cannot be opened ({error.strerror})") from None
    return Segment(path, fd)


def expect_ring(path: Path) -> None:
    """Raises FileNotFoundError, or RingError for what is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RingError(f"{path} cannot be opened ({error.strerror})") from None
    try:
        plain = stat.S_ISREG(os.fstat(fd).st_mode)
        if not plain or os.read(fd, 8) != MAGIC.to_bytes(8, "little"):
            raise refusal(path, "does not begin with the ring's mark")
    finally:
        os.close(fd)


def put_aside(path: Path) -> Path:
    """Rename it, in place of the one put aside before. Raises RingError."""
    aside = path.with_name(f"{path.name}.damaged")
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
    try:
        os.replace(path, aside)
    except OSError as error:
        raise RingError(f"{path} cannot be put aside ({error.strerror}); delete it") from None
    return aside


def create(path: Path, slots: int) -> Segment:
    """Make a ring, locked for this writer, in place of whatever ring has that name.

    It is made under another name first: readers never see half a header.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        os.ftruncate(fd, HEADER_BYTES + slots * SLOT.itemsize)
    except OSError as error:
        raise RingError(f"{path} cannot be created ({error.strerror})") from None
    header = np.zeros(HEADER_BYTES // 8, np.int64)
    header[[Word.MAGIC, Word.VERSION, Word.SLOTS]] = MAGIC, VERSION, slots
    os.pwrite(fd, header.tobytes(), 0)
    segment = Segment(path, fd)
    lock_for_writing(segment)
    fresh.replace(path)
    return segment


def writer_of(path: Path) -> int:
    """The process that holds the ring at ``path`` for writing; 0 where none is seen.

    Raises OSError.
    """
    inode = path.stat().st_ino
    for line in Path("/proc/locks").read_text("ascii").splitlines():
        # 1: FLOCK  ADVISORY  WRITE 1234 00:19:5678 0 EOF
        fields = line.split()
        if fields[1:2] == ["FLOCK"] and fields[5].rpartition(":")[2] == str(inode):
            return max(0, int(fields[4]))
    return 0


def lock_for_writing(segment: Segment) -> None:
    """One writer at a time; the lock ends with the process. Raises RingError."""
    try:
        fcntl.flock(segment._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        path = segment.path
        segment.close()
        raise RingError(f"{path} is in use by another acquire process; stop it first") from None
