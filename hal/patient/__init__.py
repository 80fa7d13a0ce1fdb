"""The simulated patient: what the ten electrodes feel, in volts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

ANALOG_OVERSAMPLING = 4  # analog grid points per 500 Hz sample
ANALOG_RATE_HZ = 2000


@dataclass(frozen=True, slots=True)
class ElectrodePotentials:
    """What the chip's inputs are wired to, on the 2 kHz analog grid.

    volts : float64 [n, 10] against the body's common mode, columns in the order of Electrode,
        electrode offsets (up to +-0.3 V) included; an electrode that is off has its skin value
        here all the same (the chip model decides what an open input does)
    off : bool [n, 10], True where the electrode does not touch the skin
    """

    volts: NDArray[np.float64]
    off: NDArray[np.bool_]


class Patient(Protocol):
    """A pure function of time: the same span gives the same volts, however it is cut up."""

    name: str  # "af-90", "LUDB_001"
    duration: int | None  # analog points until the signal ends; None = for ever

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """Volts of points first .. first+n-1 (first >= 0); ValueError beyond ``duration``."""
        ...
