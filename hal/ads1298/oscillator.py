"""A chip's clock that is not the host's: fast or slow by parts per million, at times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hal.ads1298.faults import Kind, Spell
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials, Patient

_MILLION = 1_000_000
_POINT_NS = 1_000_000_000 // ANALOG_RATE_HZ


class Oscillator:
    """Nanoseconds by the chip's clock against the host's, exact and invertible."""

    def __init__(self, spells: Iterable[Spell]) -> None:
        self._host, self._chip, self._rate = [0], [0], [_MILLION]  # pieces: where each begins
        changes: dict[int, int] = {}
        for spell in spells:
            if spell.kind is Kind.CLOCK_PPM:
                changes[spell.start_ns] = spell.value[0]
                if spell.end_ns is not None:
                    changes.setdefault(spell.end_ns, 0)
        for host_ns, ppm in sorted(changes.items()):
            if host_ns > self._host[-1]:
                self._chip.append(self.ticks(host_ns))
                self._host.append(host_ns)
                self._rate.append(_MILLION)
            self._rate[-1] = _MILLION + ppm
        self.steady = set(self._rate) == {_MILLION}

    def ticks(self, t_ns: int) -> int:
        """What the chip's clock says at host time ``t_ns``."""
        if len(self._host) == 1 and self._rate[0] == _MILLION:
            return t_ns
        n = max(bisect_right(self._host, t_ns) - 1, 0)
        return self._chip[n] + (t_ns - self._host[n]) * self._rate[n] // _MILLION

    def time_ns(self, ticks: int) -> int:
        """The first host time at which the chip's clock says ``ticks`` or more."""
        if self.steady:
            return ticks
        n = max(bisect_right(self._chip, ticks) - 1, 0)
        return self._host[n] - (self._chip[n] - ticks) * _MILLION // self._rate[n]

    def times_ns(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """``time_ns`` of each, int64 [n]."""
        n = np.maximum(np.searchsorted(self._chip, ticks, side="right") - 1, 0)
        rate = np.array(self._rate)[n]
        whole, rest = np.divmod(ticks - np.array(self._chip)[n], rate)  # or a day would overflow
        return np.asarray(np.array(self._host)[n] + whole * _MILLION - (-rest * _MILLION // rate))


class Drifting:
    """A patient as a chip sees it whose clock is not the host's: its points fall elsewhere.

    Between the grid's points by cubic interpolation, within 0.01 dB below 150 Hz.
    start : the chip's time, in ticks, of its point 0
    """

    def __init__(self, patient: Patient, oscillator: Oscillator, start: int) -> None:
        self.name = patient.name
        self._patient = patient
        self._oscillator = oscillator
        self._start = start
        self._start_ns = oscillator.time_ns(start)
        self.duration = None if patient.duration is None else self._points(patient.duration)

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        at = self._at(first, n)
        base = np.floor(at).astype(np.int64)
        low, high = int(base[0]) - 1, int(base[-1]) + 3
        end = self._patient.duration
        begin = max(low, 0)
        felt = self._patient.potentials(begin, (high if end is None else min(high, end)) - begin)
        rows = base - begin
        last = len(felt.volts) - 1
        x = (at - base)[:, None]
        around = [felt.volts[np.clip(rows + k, 0, last)] for k in (-1, 0, 1, 2)]
        weights = (
            -x * (x - 1) * (x - 2) / 6,
            (x + 1) * (x - 1) * (x - 2) / 2,
            -(x + 1) * x * (x - 2) / 2,
            (x + 1) * x * (x - 1) / 6,
        )
        volts = np.sum([w * v for w, v in zip(weights, around, strict=True)], axis=0)
        return ElectrodePotentials(volts, felt.off[np.clip(rows, 0, last)])

    def _at(self, first: int, n: int) -> NDArray[np.float64]:
        """Where the chip's points lie on the patient's grid."""
        ticks = self._start + np.arange(first, first + n) * _POINT_NS
        elapsed_ns = self._oscillator.times_ns(ticks) - self._start_ns
        return elapsed_ns * (ANALOG_RATE_HZ / 1e9)

    def _points(self, duration: int) -> int:
        """Of the chip's points, those within the patient's ``duration``."""
        last_ns = self._start_ns + (duration - 1) * 1_000_000_000 // ANALOG_RATE_HZ
        return (self._oscillator.ticks(last_ns) - self._start) // _POINT_NS + 1
