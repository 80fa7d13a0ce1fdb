"""One patient after another, round and round: for demonstrations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials, Patient

_FADE_POINTS = ANALOG_RATE_HZ // 4


class Tour:
    """Endless: each stop is a patient and for how many seconds (>= 1); 0.25 s of fade between them.

    Every patient must be endless. Each one is asked at the tour's own time.
    """

    duration: int | None = None

    def __init__(self, name: str, stops: Sequence[tuple[Patient, float]]) -> None:
        self.name = name
        self._patients = [patient for patient, _ in stops]
        self._ends = np.cumsum([round(seconds * ANALOG_RATE_HZ) for _, seconds in stops])

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        volts, off = np.empty((n, 10)), np.empty((n, 10), dtype=np.bool_)
        done = 0
        while done < n:
            phase = (first + done) % int(self._ends[-1])
            stop = int(np.searchsorted(self._ends, phase, side="right"))
            begin = int(self._ends[stop - 1]) if stop else 0
            fading = phase - begin < _FADE_POINTS and first + done >= _FADE_POINTS
            until = begin + _FADE_POINTS if fading else int(self._ends[stop])
            count = min(n - done, until - phase)
            felt = self._patients[stop].potentials(first + done, count)
            rows = slice(done, done + count)
            volts[rows], off[rows] = felt.volts, felt.off
            if fading:
                left = self._patients[stop - 1].potentials(first + done, count).volts
                weight = (np.arange(phase - begin, phase - begin + count)[:, None] + 0.5) / (
                    _FADE_POINTS
                )
                volts[rows] = weight * felt.volts + (1 - weight) * left
            done += count
        return ElectrodePotentials(volts, off)
