"""Test signals of exact amplitude at the leads: what a calibrator gives, no heart and no noise.

A wave is a function of time, millivolts. It is taken at the points of the 2 kHz grid, each the mean
of its 0.5 ms where a pulse begins or ends within: narrow pulses keep their area, which is all that
the chip's sinc3 filter lets through of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hal.frontend import Electrode
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials
from hal.patient.chunks import Chunks
from hal.patient.lead_field import electrode_volts
from hal.patient.record import INDEPENDENT_LEADS

Wave = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # seconds [n] -> millivolts [n]
_CELL_S = 1 / ANALOG_RATE_HZ


def sine(peak_to_valley_mv: float, hz: float) -> Wave:
    """A sine, zero and rising at 0 s."""
    return lambda t: np.asarray(peak_to_valley_mv / 2 * np.sin(2 * np.pi * hz * t))


def square(peak_to_valley_mv: float, hz: float) -> Wave:
    """A square wave, high first. Edges off the grid are where their 0.5 ms have them."""
    return lambda t: peak_to_valley_mv * (_covered(t, 0.5 / hz, 1 / hz) - 0.5)


def triangle(peak_to_valley_mv: float, hz: float) -> Wave:
    """A triangle wave, zero and rising at 0 s."""

    def wave(t: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = np.mod(hz * t + 0.25, 1.0)
        return np.asarray(peak_to_valley_mv * (0.5 - np.abs(2 * phase - 1)))

    return wave


def pulses(mv: float, width_s: float, *, at_s: float = 0.0, every_s: float | None = None) -> Wave:
    """Rectangular pulses from ``at_s`` on, one or one ``every_s`` (> width)."""
    return lambda t: mv * _covered(t - at_s, width_s, every_s)


def triangular_pulses(mv: float, width_s: float, *, every_s: float, at_s: float = 0.0) -> Wave:
    """Triangles of ``width_s`` at their foot, the first one's peak at ``at_s`` + half of it."""

    def wave(t: NDArray[np.float64]) -> NDArray[np.float64]:
        since = np.mod(t - at_s, every_s)
        height = 1 - np.abs(2 * since / width_s - 1)
        return np.asarray(mv * np.where(t >= at_s, np.clip(height, 0, None), 0.0))

    return wave


def half_sines(mv: float, width_s: float, *, every_s: float, at_s: float = 0.0) -> Wave:
    """Half periods of a sine, from ``at_s`` on."""

    def wave(t: NDArray[np.float64]) -> NDArray[np.float64]:
        since = np.mod(t - at_s, every_s)
        inside = (t >= at_s) & (since < width_s)
        return np.asarray(mv * np.where(inside, np.sin(np.pi * since / width_s), 0.0))

    return wave


def decays(mv: float, tau_s: float, *, every_s: float, at_s: float = 0.0) -> Wave:
    """Exponential decays, each from ``mv`` at its time."""

    def wave(t: NDArray[np.float64]) -> NDArray[np.float64]:
        since = np.mod(t - at_s, every_s)
        return np.asarray(mv * np.where(t >= at_s, np.exp(-since / tau_s), 0.0))

    return wave


def steady(mv: float) -> Wave:
    """A constant."""
    return lambda t: np.full(len(t), mv)


def together(*waves: Wave) -> Wave:
    """Their sum."""
    return lambda t: np.asarray(np.sum([wave(t) for wave in waves], axis=0))


class Calibration:
    """Endless: ``waves`` by lead (I, II, V1-V6; the others are flat), or one wave at all eight.

    offset_mv : half-cell potential by electrode
    Every lead is as given however large: clipping is the chip's. Raises ValueError for other leads.
    """

    duration: int | None = None

    def __init__(
        self,
        name: str,
        waves: Mapping[str, Wave] | Wave,
        offset_mv: Mapping[Electrode, float] | None = None,
    ) -> None:
        if callable(waves):
            waves = dict.fromkeys(INDEPENDENT_LEADS, waves)
        if wrong := sorted(set(waves) - set(INDEPENDENT_LEADS)):
            raise ValueError(f"no wave can be put on {', '.join(wrong)}: it follows from others")
        self.name = name
        self._waves = waves
        self._offset_v = np.array([1e-3 * (offset_mv or {}).get(e, 0.0) for e in Electrode])
        self._chunks = Chunks(self._make_chunk, ANALOG_RATE_HZ)

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        volts = self._chunks.span(first, first + n) if n else np.zeros((0, len(Electrode)))
        return ElectrodePotentials(volts, np.zeros(volts.shape, dtype=np.bool_))

    def _make_chunk(self, number: int) -> NDArray[np.float64]:
        t = (number * ANALOG_RATE_HZ + np.arange(ANALOG_RATE_HZ)) / ANALOG_RATE_HZ
        made = {wave: wave(t) for wave in set(self._waves.values())}
        mv = np.zeros((len(t), len(INDEPENDENT_LEADS)))
        for lead, wave in self._waves.items():
            mv[:, INDEPENDENT_LEADS.index(lead)] = made[wave]
        return np.asarray(electrode_volts(mv) + self._offset_v)


def _covered(t: NDArray[np.float64], width_s: float, every_s: float | None) -> NDArray[np.float64]:
    """Share of the 0.5 ms from each ``t`` on in which a pulse is on; the first begins at 0."""

    def on_until(at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds of pulse before ``at``."""
        at = np.clip(at, 0.0, None)
        if every_s is None:
            return np.asarray(np.minimum(at, width_s))
        whole = np.floor(at / every_s)
        return np.asarray(whole * width_s + np.minimum(at - whole * every_s, width_s))

    share = (on_until(t + _CELL_S) - on_until(t)) / _CELL_S
    return np.asarray(np.round(share, 9))  # off the binary fractions' last bits
