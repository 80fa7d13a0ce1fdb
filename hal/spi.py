"""The wire between driver and chip: where every fake sits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hal.errors import FrontendError, Reason


class SpiBus(Protocol):
    """A full-duplex SPI link whose chip-select is low for exactly one ``transfer``.

    Raises FrontendError(BUS | NOT_FOUND | PERMISSION) when the system refuses.
    """

    mode: int  # 0..3; the ADS1298 needs 1 (CPOL 0, CPHA 1)
    speed_hz: int

    def transfer(self, mosi: bytes) -> bytes:
        """Clock ``mosi`` out and return as many bytes clocked in."""
        ...

    def close(self) -> None: ...


def exchange(spi: SpiBus, mosi: bytes) -> bytes:
    """One transfer, refused with FrontendError(BUS) unless as many bytes come back as were sent."""
    miso = spi.transfer(mosi)
    if len(miso) != len(mosi):
        raise FrontendError(
            Reason.BUS,
            f"the SPI bus gave {len(miso)} bytes for {len(mosi)}",
            act="check the SPI driver, then restart",
        )
    return miso


@dataclass(frozen=True, slots=True)
class Edge:
    """One falling edge of DRDY.

    ``sequence`` counts every edge the line has made since the first one after START (0-based),
    seen or not; ``t_ns`` is its monotonic time as stamped by whoever saw it first (the kernel,
    where there is one).
    """

    sequence: int
    t_ns: int


class DataReady(Protocol):
    """The DRDY line. The chip has no FIFO: only the newest edge can still be read."""

    def wait(self, timeout_ns: int) -> Edge | None:
        """Return the newest edge not returned before, waiting for one; None on timeout.

        Older unread edges are skipped: their conversions are gone, and the jump in
        ``sequence`` says how many.
        """
        ...

    def reset(self) -> None:
        """Forget edges so far; the next one is sequence 0. Called right before START."""
        ...

    def close(self) -> None: ...


class ControlPins(Protocol):
    """PWDN, RESET and START where they are wired; each may be a no-op on boards that tie them."""

    def power_down(self, asserted: bool) -> None: ...

    def reset(self, asserted: bool) -> None: ...

    def start(self, asserted: bool) -> None: ...

    def close(self) -> None: ...


class FrameReader(Protocol):
    """Clocks out one RDATAC frame per DRDY.

    ``EdgePacedReader`` does it edge by edge over an SpiBus and a DataReady line; a simulated
    chip may offer many at once for speed (byte-identical, tested).
    """

    def read_frames(
        self, max_frames: int, frame_bytes: int, timeout_ns: int
    ) -> tuple[bytes, NDArray[np.int64]]:
        """Return k*frame_bytes bytes and the k edges they belong to, 1 <= k <= max_frames.

        Edges are int64 [k, 2]: sequence and t_ns of each. k = 0 (empty) only when no edge came
        within ``timeout_ns``; fewer than ``max_frames`` only when the next edge did not.
        """
        ...
