"""Who sees every sample, from outside: a second reader of the ring, which keeps all it reads.

One ``Ring`` for each ring file there was; a monitor's restart goes on in the same, a boot or a ring
that was damaged begins another. The times of the samples are the machine's monotonic clock, which
container and host share: they tell which ring a record is of.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.ring import ReaderAccount, RingReader
from device.segment import RingError
from hal.frontend import SAMPLE_NS, FrameBlock
from tests.appliance.container import Container

RING = "/run/lead12/lead12.ring"
LOOK_S = 0.05


@dataclass(frozen=True)
class Gap:
    """Samples that are missing in a ring, and the seconds (monotonic) between which."""

    lost: int
    from_s: float
    to_s: float


class FromTheStart(RingReader):
    """Reads all that the ring still has, and commits nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, resume=False)
        self._account = ReaderAccount()


@dataclass
class Ring:
    """One ring file and what was in it."""

    reader: FromTheStart
    blocks: list[FrameBlock] = field(default_factory=list)
    damaged: str = ""

    @property
    def samples(self) -> int:
        return sum(map(len, self.blocks))

    @property
    def next_index(self) -> int:
        return self.blocks[-1].first_index + len(self.blocks[-1]) if self.blocks else 0

    def gaps(self) -> list[Gap]:
        """All that is missing between its samples."""
        pairs = zip(self.blocks, self.blocks[1:], strict=False)
        return [
            Gap(after.lost_before, before.t_ns[-1] * 1e-9, after.t_ns[0] * 1e-9)
            for before, after in pairs
            if after.lost_before
        ]

    def drift(self) -> int:
        """Index against clock: how many samples more than their times say, over the whole ring."""
        if not self.blocks:
            return 0
        first, last = self.blocks[0], self.blocks[-1]
        elapsed_ns = int(last.t_ns[-1]) - int(first.t_ns[0])
        return self.next_index - 1 - first.first_index - round(elapsed_ns / SAMPLE_NS)

    def counts_at(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """Index [n], t_ns [n] and counts [n, 8] of every sample."""
        blocks = list(self.blocks)  # as they are now: the witness goes on reading
        if not blocks:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 8), np.int32)
        index = [np.arange(b.first_index, b.first_index + len(b)) for b in blocks]
        return (
            np.concatenate(index),
            np.concatenate([b.t_ns for b in blocks]),
            np.concatenate([b.counts for b in blocks]),
        )


class Witness:
    """Follows the ring of a container from boot to boot."""

    def __init__(self) -> None:
        self.rings: list[Ring] = []
        self._container: Container | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def watch(self, container: Container) -> None:
        """Look at this machine from now on."""
        with self._lock:
            self._container = container

    def _follow(self) -> None:
        while not self._stop.wait(LOOK_S):
            with self._lock, contextlib.suppress(RingError, OSError, ValueError):
                self._look()

    def _look(self) -> None:
        if self._container is None or not self._container.running:
            return
        if not self.rings or self.rings[-1].reader.replaced():
            self._drain()
            self.rings.append(Ring(FromTheStart(self._container.path(RING))))
        self._drain()

    def _drain(self) -> None:
        ring = self.rings[-1] if self.rings else None
        if ring is None:
            return
        try:
            while (block := ring.reader.read(4096)) is not None:
                ring.blocks.append(block)
        except RingError as error:
            ring.damaged = str(error)
        if ring.reader.account.overrun:
            ring.damaged = "damaged slots, or overwritten before they were read"

    @property
    def now(self) -> Ring | None:
        """The ring in use."""
        with self._lock:
            return self.rings[-1] if self.rings else None

    def samples_since(self, at_s: float) -> bool:
        """Whether a sample was taken after ``at_s`` (monotonic)."""
        ring = self.now
        return bool(ring and ring.blocks and ring.blocks[-1].t_ns[-1] * 1e-9 > at_s)

    def first_index_after(self, at_s: float) -> int | None:
        """Index of the first sample that was taken after ``at_s`` (monotonic), if one was."""
        ring = self.now
        first = None
        for block in reversed(ring.blocks if ring else []):
            if block.t_ns[-1] * 1e-9 <= at_s:
                break
            first = block.first_index + int(np.argmax(block.t_ns * 1e-9 > at_s))
        return first

    def monitor_account(self) -> tuple[int, int, int]:
        """written, processed, overrun: both sides of the ring as they are in it."""
        assert self._container is not None
        reader = RingReader(self._container.path(RING))
        try:
            status, account = reader.status(), reader.account
            return status.samples, account.processed, account.overrun
        finally:
            reader.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def now_s() -> float:
    return time.monotonic()
