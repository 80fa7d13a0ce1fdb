"""Pulses of a pacemaker, as AAMI EC13 4.1.4 and IEC 60601-2-27 try a monitor with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials, Patient
from hal.patient.calibration import pulses
from hal.patient.chunks import Chunks
from hal.patient.lead_field import DOWER, electrode_volts
from hal.patient.morphology import SPIKE

MV_RANGE = (2.0, 700.0)  # the standards ask for 2 to 250; above 400 the chip clips at gain 6
WIDTH_RANGE_MS = (0.1, 2.0)
PATTERN = SPIKE.waves[0, 2:] @ DOWER.T
PATTERN = PATTERN / np.abs(PATTERN).max()  # leads I, II, V1-V6; 1 where it is largest
_REACH_TAU = 8


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pacing pulse.

    mv : height in the lead where it is largest, +-2 .. +-700
    width_ms : 0.1 .. 2; less than the grid's 0.5 ms keeps its area
    overshoot_mv, tau_ms : after it, against its sign: EC13 has 2.5 to 25 % of it, at most 2 mV, and
        4 to 100 ms
    """

    mv: float
    width_ms: float
    overshoot_mv: float = 0.0
    tau_ms: float = 50.0

    def __post_init__(self) -> None:
        for name, value, (low, high) in (
            ("height", abs(self.mv), MV_RANGE),
            ("width", self.width_ms, WIDTH_RANGE_MS),
        ):
            if not low <= value <= high:
                unit = "mV" if name == "height" else "ms"
                raise ValueError(f"a pacing pulse's {name} is {low:g} to {high:g} {unit}")

    def at(self, since_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Millivolts at times since it began."""
        width_s = self.width_ms / 1e3
        mv = pulses(self.mv, width_s)(since_s)
        if self.overshoot_mv:
            after = since_s - width_s
            tail = self.overshoot_mv * np.exp(-np.clip(after, 0, None) / (self.tau_ms / 1e3))
            mv = mv - np.sign(self.mv) * np.where(after >= 0, tail, 0.0)
        return np.asarray(mv)


class WithPacing:
    """A patient with a pacemaker. times_s : of the pulses that begin in a span of seconds."""

    def __init__(
        self, patient: Patient, pulse: Pulse, times_s: Callable[[float, float], list[float]]
    ) -> None:
        self.name, self.duration = patient.name, patient.duration
        self._patient, self._pulse, self._times_s = patient, pulse, times_s
        self._reach_s = (
            pulse.width_ms + _REACH_TAU * pulse.tau_ms * bool(pulse.overshoot_mv)
        ) / 1e3
        self._chunks = Chunks(self._make_chunk, ANALOG_RATE_HZ)

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        felt = self._patient.potentials(first, n)
        if n == 0:
            return felt
        return ElectrodePotentials(felt.volts + self._chunks.span(first, first + n), felt.off)

    def _make_chunk(self, number: int) -> NDArray[np.float64]:
        t = (number * ANALOG_RATE_HZ + np.arange(ANALOG_RATE_HZ)) / ANALOG_RATE_HZ
        mv = np.zeros(len(t))
        for at_s in self._times_s(t[0] - self._reach_s, t[-1] + 1 / ANALOG_RATE_HZ):
            mv += self._pulse.at(t - at_s)
        return electrode_volts(mv[:, None] * PATTERN)
