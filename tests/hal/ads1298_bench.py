"""A bench for the ADS1298: patients one can predict, and the driver on a simulated chip."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hal.ads1298.chip import SimulatedChip
from hal.ads1298.driver import Ads1298
from hal.ads1298.faults import Faults
from hal.ads1298.wire import ChipDataReady, ChipFrames, ChipPins, ChipSpi
from hal.clock import VirtualClock
from hal.edge_reader import EdgePacedReader
from hal.errors import FrontendError
from hal.frontend import Electrode, FrameBlock, FrontendConfig, electrode_mask
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials

COUNT_V = 2.4 / (6 * (2**23 - 1))


def shown_off(electrode: Electrode) -> int:
    """The mask that one electrode off must give: without RL the body takes all but RA along."""
    if electrode is Electrode.RL:
        return electrode_mask(e for e in Electrode if e is not Electrode.RA)
    return electrode_mask([electrode])


class BenchPatient:
    """Constant volts plus a sine per electrode; electrodes off from a point on."""

    name = "bench"

    def __init__(
        self,
        volts: dict[Electrode, float] | None = None,
        *,
        sine_v: dict[Electrode, float] | None = None,
        hz: float = 10.0,
        off: Iterable[Electrode] = (),
        off_span: tuple[int, int] = (0, 1 << 40),
        duration: int | None = None,
    ) -> None:
        self._dc = np.array([(volts or {}).get(e, 0.0) for e in Electrode])
        self._amplitude = np.array([(sine_v or {}).get(e, 0.0) for e in Electrode])
        self._hz = hz
        self._off = np.array([e in tuple(off) for e in Electrode])
        self._span = off_span
        self.duration = duration

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        if first < 0 or n < 1 or (self.duration is not None and first + n > self.duration):
            raise ValueError(f"points {first}..{first + n - 1} are outside the signal")
        points = np.arange(first, first + n)
        wave = np.sin(2 * np.pi * self._hz * points / ANALOG_RATE_HZ)
        inside = (points >= self._span[0]) & (points < self._span[1])
        return ElectrodePotentials(
            self._dc + wave[:, None] * self._amplitude, inside[:, None] & self._off
        )


class Bench:
    """Chip, wires and driver, within reach of a test."""

    def __init__(
        self,
        patient: BenchPatient | None = None,
        *,
        driver: type[Ads1298] = Ads1298,
        bulk: bool = False,
        faults: Faults | None = None,
        spi_mode: int = 1,
        seed: int = 1,
    ) -> None:
        self.clock = VirtualClock()
        self.chip = SimulatedChip(patient or BenchPatient(), self.clock, seed, faults)
        self.spi = ChipSpi(self.chip, mode=spi_mode)
        self.pins = ChipPins(self.chip)
        self.line = ChipDataReady(self.chip)
        reader = (
            ChipFrames(self.chip, self.spi, self.line)
            if bulk
            else EdgePacedReader(self.spi, self.line)
        )
        self.driver = driver(self.spi, reader, self.pins, self.line, self.clock)

    def run(self, config: FrontendConfig | None = None) -> Ads1298:
        """The driver, configured and started."""
        self.driver.open()
        self.driver.configure(config or FrontendConfig())
        self.driver.start()
        return self.driver


def read_all(driver: Ads1298, frames: int, at_once: int = 50) -> list[FrameBlock]:
    """Blocks of up to ``frames`` samples; fewer when the front end fails before."""
    blocks: list[FrameBlock] = []
    try:
        while (left := frames - sum(map(len, blocks))) > 0:
            blocks.append(driver.read(min(at_once, left), 0.1))
    except FrontendError:
        if not blocks:
            raise
    return blocks


def joined(blocks: list[FrameBlock], what: str) -> NDArray[np.int64]:
    """``t_ns``, ``counts``, ``status``, ``electrodes_off`` or ``index`` of all ``blocks``."""
    if what == "index":
        return np.concatenate([b.first_index + np.arange(len(b)) for b in blocks])
    return np.concatenate([getattr(b, what) for b in blocks])
