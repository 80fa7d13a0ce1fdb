"""A patient changed as a whole: later, taller, or another one from a time on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials, Patient

FADE_POINTS = ANALOG_RATE_HZ // 4


class Later:
    """A patient from ``seconds`` (>= 0) on: how it goes on while a front end starts again."""

    def __init__(self, patient: Patient, seconds: float) -> None:
        self.name = patient.name
        self._patient = patient
        self._points = round(seconds * ANALOG_RATE_HZ)
        self.duration = None if patient.duration is None else patient.duration - self._points
        if self._points < 0 or (self.duration is not None and self.duration < 1):
            raise ValueError(f"{self.name} has nothing at {seconds:g} s")

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        return self._patient.potentials(first + self._points, n)


def later(patient: Patient, seconds: float) -> Patient:
    """``patient`` from its second ``seconds`` on. Raises ValueError beyond its end."""
    return Later(patient, seconds) if seconds else patient


class Scaled:
    """A patient ``factor`` times as tall, offsets and noise of its own included."""

    def __init__(self, patient: Patient, factor: float) -> None:
        self.name, self.duration = patient.name, patient.duration
        self._patient, self._factor = patient, factor

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        felt = self._patient.potentials(first, n)
        return ElectrodePotentials(felt.volts * self._factor, felt.off)


class Succession:
    """One patient after another: the onset of a rhythm, faded in over 0.25 s.

    stages : (second at which it begins, patient), rising from 0; each begins at its own second 0,
        and lasts until the next has been faded in. Raises ValueError otherwise.
    """

    def __init__(self, stages: Sequence[tuple[float, Patient]]) -> None:
        self.name = " then ".join(patient.name for _, patient in stages)
        self._patients = [patient for _, patient in stages]
        self._starts = [round(at_s * ANALOG_RATE_HZ) for at_s, _ in stages]
        last = self._patients[-1].duration
        self.duration = None if last is None else self._starts[-1] + last
        if self._starts[0] != 0:
            raise ValueError(f"the first patient begins at 0 s, not {stages[0][0]:g} s")
        for n, start in enumerate(self._starts[1:]):
            lasts = self._patients[n].duration
            if start - self._starts[n] < FADE_POINTS:
                raise ValueError(
                    f"patients change at {stages[n + 1][0]:g} s: too soon after another"
                )
            if lasts is not None and self._starts[n] + lasts < start + FADE_POINTS:
                raise ValueError(f"{self._patients[n].name} ends before {stages[n + 1][0]:g} s")

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        volts, off = np.empty((n, 10)), np.empty((n, 10), dtype=np.bool_)
        for k, (start, patient) in enumerate(zip(self._starts, self._patients, strict=True)):
            final = k + 1 == len(self._starts)
            low = max(first, start)
            high = first + n if final else min(first + n, self._starts[k + 1])
            if low >= high:
                continue
            felt = patient.potentials(low - start, high - low)
            volts[low - first : high - first] = felt.volts
            off[low - first : high - first] = felt.off
            faded = min(high, start + FADE_POINTS)
            if k and low < faded:
                before = self._patients[k - 1]
                left = before.potentials(low - self._starts[k - 1], faded - low).volts
                share = (np.arange(low, faded)[:, None] - start + 0.5) / FADE_POINTS
                rows = slice(low - first, faded - first)
                volts[rows] = share * volts[rows] + (1 - share) * left
        return ElectrodePotentials(volts, off)
