"""A simulated patient worked out ahead of time, aside.

A second of a simulated patient takes several milliseconds to work out; a real one takes none.
Done inside the acquisition loop, that would cost samples which no real chip would have lost.
"""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials, Patient

SEGMENT = ANALOG_RATE_HZ  # points worked out at once
AHEAD = 2  # segments ready before they are needed


class PatientAhead:
    """The same volts as ``patient``, from a thread that is the only one to ask it."""

    def __init__(self, patient: Patient) -> None:
        self.name = patient.name
        self.duration = patient.duration
        self._patient = patient
        self._ready: dict[int, Future[ElectrodePotentials]] = {}
        self._worker = ThreadPoolExecutor(1, "patient", initializer=_step_back)
        self._want(0)

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """As Patient.potentials."""
        if self.duration is not None and first + n > self.duration:
            raise ValueError(f"{self.name} ends at point {self.duration}, not {first + n}")
        number, last = first // SEGMENT, (first + max(n, 1) - 1) // SEGMENT
        if last + 1 not in self._ready:
            self._want(number)
        volts, off = [], []
        for part in (self._segment(k).result() for k in range(number, last + 1)):
            where = slice(max(first - number * SEGMENT, 0), first + n - number * SEGMENT)
            volts.append(part.volts[where])
            off.append(part.off[where])
            number += 1
        return ElectrodePotentials(np.concatenate(volts), np.concatenate(off))

    def _want(self, number: int) -> None:
        """Have the segments from ``number`` on made, forget those before."""
        for old in [k for k in self._ready if not number <= k <= number + AHEAD]:
            self._ready.pop(old).cancel()
        for wanted in range(number, number + AHEAD + 1):
            if self.duration is None or wanted * SEGMENT < self.duration:
                self._segment(wanted)

    def _segment(self, number: int) -> Future[ElectrodePotentials]:
        if number not in self._ready:
            first = number * SEGMENT
            n = SEGMENT if self.duration is None else min(SEGMENT, self.duration - first)
            self._ready[number] = self._worker.submit(self._patient.potentials, first, n)
        return self._ready[number]


def _step_back() -> None:
    """Below the acquisition loop, but above other programs: the two share the interpreter."""
    with contextlib.suppress(OSError, AttributeError):
        if os.sched_getscheduler(0) == os.SCHED_FIFO:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
