"""The frames of a scenario's chip as they would come by SPI, faults of chip and wires included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import faults
from hal.ads1298.chip import SimulatedChip
from hal.ads1298.driver import Ads1298
from hal.ads1298.edge_count import EdgeCount
from hal.ads1298.faults import Kind
from hal.ads1298.frame import FRAME_BYTES
from hal.ads1298.registers import SETTLED_EDGE
from hal.ads1298.wire import ChipDataReady, ChipFrames, ChipPins, ChipSpi
from hal.clock import VirtualClock
from hal.edge_reader import EdgePacedReader
from hal.frontend import SAMPLE_NS, FrontendConfig
from hal.spi import FrameReader
from tools.hil.course import build_patient
from tools.hil.scenario import FaultAction, Scenario

# What frames cannot show, and why
NOT_IN_FRAMES = {
    Kind.WRONG_ID: "registers are not on the line",
    Kind.BROWN_OUT: "registers are not on the line",
    Kind.LATE_DRDY: "the line has its own timing",
    Kind.CLOCK_PPM: "the line has its own timing",
}
_SILENCE_NS = 100_000_000  # at most so long at once without an edge


class ScenarioFrames:
    """Frames of ``scenario`` from second 0 on, 500 per second; the chip is set as ``config`` says.

    The patient is not delayed by anything the monitor does: the chip is never restarted.
    """

    def __init__(self, scenario: Scenario, config: FrontendConfig) -> None:
        clock = VirtualClock()
        chip = SimulatedChip(build_patient(scenario), clock)
        spi, line = ChipSpi(chip), ChipDataReady(chip)
        entries = [
            (action.at_s, {action.name: action.value})
            for action in scenario.timeline
            if isinstance(action, FaultAction)
        ]
        self._reader: FrameReader = (
            EdgePacedReader(spi, line) if entries else ChipFrames(chip, spi, line)
        )
        driver = Ads1298(spi, self._reader, ChipPins(chip), line, clock)
        driver.configure(config)
        driver.start()
        first_ns = chip.edge_ns(SETTLED_EDGE)
        assert first_ns is not None
        self._first_ns = first_ns
        chip.faults = faults.timeline(entries, first_ns)
        self._clock = clock
        self._count = EdgeCount()
        self._index = np.empty(0, np.int64)
        self._frames = np.empty((0, FRAME_BYTES), np.uint8)

    def upto(self, end: int) -> list[tuple[int, bytes]]:
        """Runs of consecutive frames, with the index of the first, below index ``end``.

        Each frame comes once; those that never reached the host are in none.
        """
        end_ns = self._first_ns + (end - 1) * SAMPLE_NS
        while self._clock.now_ns() <= end_ns and not (self._index >= end - 1).any():
            self._read(end)
        due = self._index < end
        index, rows = self._index[due], self._frames[due]
        self._index, self._frames = self._index[~due], self._frames[~due]
        jumps = (np.flatnonzero(np.diff(index) != 1) + 1).tolist()
        cuts = zip([0, *jumps], [*jumps, len(index)], strict=True)
        return [(int(index[a]), rows[a:b].tobytes()) for a, b in cuts if b > a]

    def _read(self, end: int) -> None:
        newest = int(self._index[-1]) if len(self._index) else -1
        wanted = max(1, end - 1 - newest)
        data, edges = self._reader.read_frames(wanted, FRAME_BYTES, _SILENCE_NS)
        if not len(edges):
            return
        index = self._count.number(edges) - SETTLED_EDGE
        settled = index >= 0
        rows: NDArray[np.uint8] = np.frombuffer(data, np.uint8).reshape(-1, FRAME_BYTES)
        self._index = np.concatenate([self._index, index[settled]])
        self._frames = np.concatenate([self._frames, rows[settled]])
