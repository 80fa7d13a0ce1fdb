"""The ADS1298 driver over a simulated chip on a simulated patient: runs anywhere."""

from __future__ import annotations

from pathlib import Path

from hal.ads1298.chip import SimulatedChip
from hal.ads1298.driver import Ads1298
from hal.ads1298.faults import Faults
from hal.ads1298.wire import ChipDataReady, ChipFrames, ChipPins, ChipSpi
from hal.capture import captured_driver
from hal.clock import Clock
from hal.edge_reader import EdgePacedReader
from hal.frontend import Capability, Frontend
from hal.patient import Patient
from hal.spi import FrameReader


def simulated_frontend(
    patient: Patient,
    clock: Clock,
    *,
    seed: int = 0,
    bulk: bool = False,
    faults: Faults | None = None,
    capture: Path | None = None,
) -> Frontend:
    """The real driver on a simulated chip.

    patient : starts anew at every START; sample i is its points up to 4 i + 3
    seed : of the chip's input noise, >= 0
    bulk : many frames per SPI read instead of one per edge; same bytes, much faster
    capture : file that takes all that passes on the wires; frames are then read one per edge
    """
    chip = SimulatedChip(patient, clock, seed, faults)
    spi = ChipSpi(chip)
    line = ChipDataReady(chip)
    if capture is not None:
        return captured_driver(
            spi,
            line,
            ChipPins(chip),
            clock,
            file=capture,
            frontend="simulated",
            bus="simulated SPI",
            extra=Capability.SIMULATED,
        )
    reader: FrameReader = ChipFrames(chip, spi, line) if bulk else EdgePacedReader(spi, line)
    extra = Capability.SIMULATED | (Capability.BULK if bulk else Capability.NONE)
    return Ads1298(spi, reader, ChipPins(chip), line, clock, bus="simulated SPI", extra=extra)
