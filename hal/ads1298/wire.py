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
            newest = self._seen_up_to(chip.newest_edge())
            if newest is not None:
                t_ns = chip.edge_ns(newest)
                assert t_ns is not None
                self.take(newest)
                return Edge(self.sequence(newest), t_ns)
            self._raise_at_end()
            due = chip.edge_ns(self.next_seen(max(chip.newest_edge(), self.last_taken)))
            if due is None or due > deadline:
                chip.clock.sleep_until_ns(deadline)
                return None
            chip.clock.sleep_until_ns(due)

    def next_seen(self, edge: int) -> int:
        """The first edge after ``edge`` of this run that the host will see."""
        edge += 1
        if self._chip.converting:
            run = self._chip.run
            while edge in run.missed or edge in run.unmade:
                edge = run.unmade.next_outside(run.missed.next_outside(edge))
        return edge

    def sequence(self, edge: int) -> int:
        """The line's own number of an edge of this run: what it does not make is not counted."""
        return edge - self._chip.run.unmade.below(edge) + self._offset

    def reset(self) -> None:
        self._first = self._chip.edges_before + self._chip.newest_edge() + 1
        self._returned = -1

    def close(self) -> None:
        """Nothing to release."""

    def take(self, edge: int) -> None:
        """Mark this run's edges up to ``edge`` as returned."""
        self._returned = edge + self._offset

    @property
    def _offset(self) -> int:
        return self._chip.edges_before - self._first

    @property
    def last_taken(self) -> int:
        """The newest of this run's edges that were returned; below 0 before the first."""
        return self._returned - self._offset

    def _seen_up_to(self, newest: int) -> int | None:
        last = self.last_taken
        if newest > last:
            run = self._chip.run
            while newest in run.missed or newest in run.unmade:
                newest = run.unmade.last_outside(run.missed.last_outside(newest))
        return newest if newest > last else None

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
        chip, run = self._chip, self._chip.run
        edges = self._edges(chip.newest_edge(), max_frames, timeout_ns)
        data = chip.read_many(edges)
        edges[0] = self._line.last_taken  # seen; the data are of the newest, seen or not
        t_ns = first.t_ns + (edges - edges[0]) * chip.period_ns
        sequences = first.sequence + (edges - edges[0])
        if not run.regular:
            t_ns = np.array([run.conversion_ns(e) + run.late_ns(e) for e in edges.tolist()])
        if run.unmade:
            sequences = np.array([self._line.sequence(e) for e in edges.tolist()])
        self._line.take(int(edges[-1]))
        chip.clock.sleep_until_ns(int(t_ns[-1]) + frame_bytes * self._spi.byte_ns)
        return data, np.stack((sequences, t_ns), axis=1)

    def _edges(self, first: int, max_frames: int, timeout_ns: int) -> NDArray[np.int64]:
        """Up to ``max_frames`` edges from ``first`` that the host sees in time."""
        run, limit = self._chip.run, self._chip.edge_limit
        if not (run.missed or run.unmade):
            return np.arange(first, min(first + max_frames, limit))
        edges = [first]
        while len(edges) < max_frames:
            edge = self._line.next_seen(edges[-1])
            wait_ns = run.conversion_ns(edge) - run.conversion_ns(edges[-1])
            if edge >= limit or wait_ns > timeout_ns:
                break
            edges.append(edge)
        return np.array(edges)
