"""The simulated chip's connections: SPI, DRDY, pins, and a block path for speed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import registers as reg
from hal.ads1298.chip import SimulatedChip
from hal.ads1298.frame import FRAME_BYTES
from hal.errors import FrontendError, Reason
from hal.spi import Edge

BITS_PER_BYTE = 8


class ChipSpi:
    """SPI to the simulated chip; a transfer takes the time it takes on the wire."""

    def __init__(
        self,
        chip: SimulatedChip,
        mode: int = reg.SPI_MODE,
        speed_hz: int = reg.REGISTER_SPEED_MAX_HZ,
    ) -> None:
        self.mode = mode
        self.speed_hz = speed_hz
        self._chip = chip

    @property
    def byte_ns(self) -> int:
        """What one byte takes on the wire."""
        return BITS_PER_BYTE * 1_000_000_000 // self.speed_hz

    def transfer(self, mosi: bytes) -> bytes:
        clock = self._chip.clock
        end = clock.now_ns() + len(mosi) * self.byte_ns
        miso = self._chip.exchange(mosi, self.mode, self.byte_ns)
        clock.sleep_until_ns(end)
        return miso

    def close(self) -> None:
        """Nothing to release."""


class ChipDataReady:
    """The chip's DRDY line, paced by the chip's clock."""

    def __init__(self, chip: SimulatedChip) -> None:
        self._chip = chip
        self._first = 0  # of the chip's edges, the one that is sequence 0
        self._returned = -1  # newest sequence given out

    def wait(self, timeout_ns: int) -> Edge | None:
        """As the protocol; FrontendError(END_OF_SIGNAL) after the last edge of a finite signal."""
        chip = self._chip
        deadline = chip.clock.now_ns() + timeout_ns
        while True:
            offset = chip.edges_before - self._first
            newest = self._seen_up_to(chip.newest_edge(), self._returned - offset)
            if newest is not None:
                t_ns = chip.edge_ns(newest)
                assert t_ns is not None
                self._returned = newest + offset
                return Edge(self._returned, t_ns)
            self._raise_at_end()
            due = chip.edge_ns(self.next_seen(max(chip.newest_edge(), self._returned - offset)))
            if due is None or due > deadline:
                chip.clock.sleep_until_ns(deadline)
                return None
            chip.clock.sleep_until_ns(due)

    def next_seen(self, edge: int) -> int:
        """The first edge after ``edge`` of this run that the host will see."""
        edge += 1
        while edge - reg.SETTLED_EDGE in self._chip.faults.missed_edges:
            edge += 1
        return edge

    def reset(self) -> None:
        self._first = self._chip.edges_before + self._chip.newest_edge() + 1
        self._returned = -1

    def close(self) -> None:
        """Nothing to release."""

    def take(self, edges: NDArray[np.int64]) -> None:
        """Mark ``edges`` of this run, read by the block path, as returned."""
        self._returned = int(edges[-1]) + self._chip.edges_before - self._first

    def _seen_up_to(self, newest: int, returned: int) -> int | None:
        while newest > returned and newest - reg.SETTLED_EDGE in self._chip.faults.missed_edges:
            newest -= 1
        return newest if newest > returned else None

    def _raise_at_end(self) -> None:
        chip = self._chip
        end = chip.signal_ends_at
        if end is not None and chip.converting and chip.edge_limit == end + reg.SETTLED_EDGE:
            last = chip.newest_edge()
            if last + 1 >= chip.edge_limit:
                raise FrontendError(
                    Reason.END_OF_SIGNAL, f"the patient's signal ended after {end} samples"
                )


class ChipPins:
    """PWDN, RESET and START of the simulated chip."""

    def __init__(self, chip: SimulatedChip) -> None:
        self._chip = chip

    def power_down(self, asserted: bool) -> None:
        self._chip.set_power_down(asserted)

    def reset(self, asserted: bool) -> None:
        self._chip.set_reset(asserted)

    def start(self, asserted: bool) -> None:
        self._chip.set_start(asserted)

    def close(self) -> None:
        """Nothing to release."""


class ChipFrames:
    """The block path: many frames at once, byte for byte what EdgePacedReader would have read."""

    def __init__(self, chip: SimulatedChip, spi: ChipSpi, data_ready: ChipDataReady) -> None:
        self._chip = chip
        self._spi = spi
        self._line = data_ready

    def read_frames(
        self, max_frames: int, frame_bytes: int, timeout_ns: int
    ) -> tuple[bytes, NDArray[np.int64]]:
        first = self._line.wait(timeout_ns)
        if first is None:
            return b"", np.empty((0, 2), np.int64)
        assert frame_bytes == FRAME_BYTES
        chip = self._chip
        edges = self._edges(chip.newest_edge(), max_frames)
        t_ns = first.t_ns + (edges - edges[0]) * chip.period_ns
        data = chip.read_many(edges)
        sequences = first.sequence + (edges - edges[0])
        self._line.take(edges)
        chip.clock.sleep_until_ns(int(t_ns[-1]) + frame_bytes * self._spi.byte_ns)
        return data, np.stack((sequences, t_ns), axis=1)

    def _edges(self, first: int, max_frames: int) -> NDArray[np.int64]:
        """Up to ``max_frames`` edges from ``first`` that the host sees and that will come."""
        missed = sorted(i + reg.SETTLED_EDGE for i in self._chip.faults.missed_edges)
        edges = np.arange(first, first + max_frames + len(missed))
        edges = edges[~np.isin(edges, missed)] if missed else edges
        return edges[edges < self._chip.edge_limit][:max_frames]
