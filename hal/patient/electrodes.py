"""What goes wrong at the electrodes: off, noisy, or on each other's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

import numpy as np

from hal.frontend import Electrode
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials, Patient
from hal.patient.artefact import Artefacts, ArtefactSource

_POOR_CONTACT = Artefacts(wander_uv=400.0, muscle_uv=250.0, motion_uv=1500.0)


class Fault(StrEnum):
    """Kinds of ElectrodeEvent."""

    OFF = "off"
    NOISY = "noisy"  # poor contact: wander, hiss and bumps of millivolts
    SWAPPED = "swapped"


@dataclass(frozen=True, slots=True)
class ElectrodeEvent:
    """One fault of one electrode between two times; ``other`` is whom it is swapped with.

    Electrode names are those on the cable. Swaps hold in the order given, so that three wires
    can go round.
    """

    electrode: Electrode
    start_s: float
    end_s: float
    kind: Fault
    other: Electrode | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(f"{self.start_s:g} s to {self.end_s:g} s is no span of time")
        if (self.kind is Fault.SWAPPED) != (self.other is not None):
            raise ValueError("a swap names the other electrode, and only a swap does")


def swapped(one: Electrode, other: Electrode) -> ElectrodeEvent:
    """Two electrodes exchanged all the time."""
    return ElectrodeEvent(one, 0.0, inf, Fault.SWAPPED, other)


class WithElectrodeFaults:
    """A patient whose electrodes have ``events``; ``seed`` draws the noise of poor contacts."""

    def __init__(self, patient: Patient, events: Sequence[ElectrodeEvent], seed: int = 0) -> None:
        self.name = patient.name
        self.duration = patient.duration
        self._patient = patient
        self._events = tuple(events)
        self._noise = {
            event.electrode: ArtefactSource(
                replace(_POOR_CONTACT, only=(event.electrode,)), seed * 16 + event.electrode
            )
            for event in self._events
            if event.kind is Fault.NOISY
        }

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        felt = self._patient.potentials(first, n)
        volts, off = felt.volts, felt.off
        for event in self._events:
            low = _point(event.start_s, first, n)
            high = _point(event.end_s, first, n)
            if low >= high:
                continue
            if volts is felt.volts:
                volts, off = volts.copy(), off.copy()
            if event.kind is Fault.OFF:
                off[low:high, event.electrode] = True
            elif event.kind is Fault.NOISY:
                noise = self._noise[event.electrode].volts(first + low, high - low)
                volts[low:high] += noise
            elif event.other is not None:
                pair = [event.electrode, event.other]
                volts[low:high, pair] = volts[low:high, pair[::-1]]
        return ElectrodePotentials(volts, off)


def _point(t_s: float, first: int, n: int) -> int:
    """Row of time ``t_s`` in a span, clipped to it."""
    return int(np.clip(t_s * ANALOG_RATE_HZ - first, 0, n)) if t_s != inf else n
