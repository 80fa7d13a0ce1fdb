"""Frames read one by one, each on its DRDY edge: how real hardware is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.errors import FrontendError
from hal.spi import DataReady, SpiBus, exchange


class EdgePacedReader:
    """A ``FrameReader`` over any SPI bus and data-ready line."""

    def __init__(self, spi: SpiBus, data_ready: DataReady) -> None:
        self._spi = spi
        self._data_ready = data_ready

    def read_frames(
        self, max_frames: int, frame_bytes: int, timeout_ns: int
    ) -> tuple[bytes, NDArray[np.int64]]:
        """As ``FrameReader``; ``timeout_ns`` holds for every edge.

        A frame during whose reading the next edge fell may be torn: it is dropped, and so is
        that edge's, already half overwritten; the jump in sequence counts both.
        """
        zeros = bytes(frame_bytes)
        frames: list[bytes] = []
        edges: list[tuple[int, int]] = []
        late_since_ns: int | None = None
        try:
            while len(frames) < max_frames:
                edge = self._data_ready.wait(timeout_ns)
                if edge is None:
                    break
                frames.append(exchange(self._spi, zeros))
                edges.append((edge.sequence, edge.t_ns))
                if self._data_ready.wait(0) is None:
                    late_since_ns = None
                    continue
                frames.pop()
                edges.pop()
                if late_since_ns is None:
                    late_since_ns = edge.t_ns
                elif edge.t_ns - late_since_ns > timeout_ns:
                    break  # always late: as good as no edge
        except FrontendError:
            if not frames:  # first what was read; the trouble comes again at the next call
                raise
        return b"".join(frames), np.array(edges, np.int64).reshape(-1, 2)
