"""Activity without beats: fibrillating and fluttering chambers, in millivolts at the leads.

The atria lie nearer to V1 than a dipole at the heart's centre would say, so their waves are given
as lead patterns (I, II, V1-V6). Frequencies: fibrillatory 4-8 Hz (Stridh & Sornmo, IEEE Trans
Biomed Eng 2001;48:105), flutter 300/min, ventricular fibrillation about 5 Hz.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hal.patient.lead_field import DOWER

FLUTTER_CYCLE_S = 0.2
_F_WAVES = np.array(  # RMS in mV: right atrium seen by V1, left atrium seen by the inferior leads
    [
        [0.004, 0.012, 0.048, 0.026, 0.012, 0.006, 0.004, 0.003],
        [0.006, 0.024, 0.016, 0.010, 0.008, 0.008, 0.008, 0.008],
    ]
)
_FLUTTER_WAVE = np.array([0.01, 0.15, -0.09, -0.04, 0.0, 0.025, 0.035, 0.035])
_PARTIALS = 14


class Background(Protocol):
    """Continuous activity as a function of time."""

    def mv(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Millivolts [n, 8] at leads I, II, V1-V6 at times ``t_s`` [n]."""
        ...


Make = Callable[[np.random.Generator], Background]


class NarrowBand:
    """Independent narrow-band Gaussian processes, each with its lead pattern.

    patterns : float64 [m, 8], mV RMS at the leads
    centre_hz, spread_hz : mean and standard deviation of the frequency; kept within 2 spreads
    """

    def __init__(
        self,
        rng: np.random.Generator,
        patterns: NDArray[np.float64],
        centre_hz: float,
        spread_hz: float,
    ) -> None:
        size = (len(patterns), _PARTIALS)
        offset = np.clip(rng.standard_normal(size), -2, 2)
        self._omega = 2 * np.pi * (centre_hz + spread_hz * offset)
        self._phase = rng.uniform(0, 2 * np.pi, size)
        self._patterns = patterns * np.sqrt(2 / _PARTIALS)

    def mv(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Background.mv."""
        waves = [
            np.sin(t_s[:, None] * omega + phase).sum(axis=1)
            for omega, phase in zip(self._omega, self._phase, strict=True)
        ]
        return np.asarray(np.stack(waves, axis=1) @ self._patterns)


class Flutter:
    """The saw-tooth of typical flutter: slowly down and steeply up in the inferior leads."""

    def mv(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Background.mv."""
        phase = 2 * np.pi * (t_s / FLUTTER_CYCLE_S)
        tooth = np.sin(phase) + 0.42 * np.sin(2 * phase) + 0.16 * np.sin(3 * phase)
        return np.asarray(tooth[:, None] * _FLUTTER_WAVE)


def atrial_fibrillation(rng: np.random.Generator) -> Background:
    """Fibrillatory waves, 5.3-6.5 Hz by patient, strongest in V1."""
    return NarrowBand(rng, _F_WAVES, rng.uniform(5.3, 6.5), 0.5)


def atrial_flutter(_: np.random.Generator) -> Background:
    """Flutter at 300/min."""
    return Flutter()


def ventricular_fibrillation(rng: np.random.Generator) -> Background:
    """Coarse ventricular fibrillation, about 0.3 mV RMS."""
    return NarrowBand(rng, 0.26 * DOWER.T, 5.0, 1.2)
