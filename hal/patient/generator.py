"""A rhythm as patient: waves on the heart vector, projected to the electrodes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials
from hal.patient.background import Make
from hal.patient.chunks import Chunks, random_of
from hal.patient.lead_field import DOWER, electrode_volts, turned
from hal.patient.morphology import REFERENCE_QT_S, vector
from hal.patient.rhythm import RESPIRATION_HZ, Phrase, Wave

_CHUNK_POINTS = ANALOG_RATE_HZ
_BEFORE_S, _AFTER_S = 0.25, 0.85  # how far a wave reaches: the widest T at 30 bpm ends at 0.6 s
_BREATH_GAIN, _BREATH_TURN = 0.05, 0.06  # amplitude and, in radians, frontal axis with respiration


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What a heart does.

    tracks : independent sequences of phrases (the atria and ventricles of a third-degree block)
    background : activity without beats, drawn per patient
    mate4 : rhythm group AFIB, GSVT, SB or SR where exactly one fits
    """

    tracks: tuple[Phrase, ...]
    mate4: str | None = None
    background: Make | None = None


class _Track:
    """One sequence of phrases with random access; remembers only where phrases begin."""

    def __init__(self, phrase: Phrase, seed: int, stream: int) -> None:
        self._make = phrase
        self._seed, self._stream = seed, stream
        self._starts = [float(random_of(seed, stream).uniform(0.1, 0.5))]
        self._phrase = lru_cache(maxsize=8)(self._make_phrase)

    def waves(self, start_s: float, stop_s: float) -> list[tuple[Wave, float, float]]:
        """Waves whose time is in start_s .. stop_s, with their size and their T wave's size."""
        while self._starts[-1] - 1.0 <= stop_s:  # P waves precede the start of their phrase
            self._starts.append(self._phrase(len(self._starts) - 1)[1])
        first = max(0, bisect_left(self._starts, start_s - 1.0) - 1)
        found = []
        for number in range(first, len(self._starts) - 1):
            if self._starts[number] - 1.0 > stop_s:
                break
            found += [w for w in self._phrase(number)[0] if start_s <= w[0].at_s < stop_s]
        return found

    def _make_phrase(self, number: int) -> tuple[list[tuple[Wave, float, float]], float]:
        rng = random_of(self._seed, self._stream, number)
        waves, end_s = self._make(rng, self._starts[number])
        size = 1 + 0.025 * rng.standard_normal((len(waves), 2))
        return [(w, float(a), float(b)) for w, (a, b) in zip(waves, size, strict=True)], end_s


class RhythmPatient:
    """Endless ECG of a rhythm. ``seed`` is the person: axis, amplitudes and every later draw."""

    duration: int | None = None

    def __init__(self, name: str, rhythm: Rhythm, seed: int = 0) -> None:
        self.name = name
        self.mate4 = rhythm.mate4
        self._tracks = [_Track(phrase, seed, 16 + k) for k, phrase in enumerate(rhythm.tracks)]
        rng = random_of(seed, 0)
        axis = turned(*np.clip(rng.normal(0, (9, 7)), -20, 20))
        self._lead_field = (DOWER @ axis * rng.uniform(0.85, 1.15)).T
        self._recovery = rng.uniform(0.85, 1.25)
        self._background = rhythm.background(random_of(seed, 1)) if rhythm.background else None
        self._chunks = Chunks(self._make_chunk, _CHUNK_POINTS)

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        if first < 0:
            raise ValueError(f"{self.name}: point {first} is before the signal")
        volts = self._chunks.span(first, first + n) if n else np.zeros((0, 10))
        return ElectrodePotentials(volts, np.zeros(volts.shape, dtype=np.bool_))

    def beats(self, first: int, n: int) -> list[int]:
        """The truth: points (2 kHz) of the R peaks in first .. first+n-1, in order."""
        start_s, stop_s = first / ANALOG_RATE_HZ, (first + n) / ANALOG_RATE_HZ
        points = (
            round(wave.at_s * ANALOG_RATE_HZ)
            for track in self._tracks
            for wave, _, _ in track.waves(start_s - 0.01, stop_s + 0.01)
            if wave.shape.is_beat
        )
        return sorted(point for point in points if first <= point < first + n)

    def waves(self, start_s: float, stop_s: float) -> list[tuple[Wave, NDArray[np.float64]]]:
        """The truth: the waves of start_s .. stop_s and their Gaussians in the leads.

        Gaussians are float64 [k, 10]: seconds from the time of the wave, sigma, millivolts in I,
        II, V1-V6. Breathing, 5 % of the heights, is left out.
        """
        found = []
        for track in self._tracks:
            for wave, size, recovery in track.waves(start_s, stop_s):
                rows = self._rows(wave, size, recovery)
                leads = np.concatenate([rows[:, :2], rows[:, 2:] @ self._lead_field], axis=1)
                found.append((wave, leads))
        return sorted(found, key=lambda one: one[0].at_s)

    def _make_chunk(self, number: int) -> NDArray[np.float64]:
        t = (number * _CHUNK_POINTS + np.arange(_CHUNK_POINTS)) / ANALOG_RATE_HZ
        heart = np.zeros((_CHUNK_POINTS, 3))
        for track in self._tracks:
            for wave, size, recovery in track.waves(t[0] - _AFTER_S, t[-1] + _BEFORE_S):
                low, high = np.searchsorted(t, [wave.at_s - _BEFORE_S, wave.at_s + _AFTER_S])
                rows = self._rows(wave, size, recovery)
                heart[low:high] += vector(rows, t[low:high] - wave.at_s)
        breath = np.sin(2 * np.pi * RESPIRATION_HZ * t)[:, None]
        x, y, z = heart.T
        heart = (1 + _BREATH_GAIN * breath) * heart
        heart += _BREATH_TURN * breath * np.stack([-y, x, np.zeros_like(z)], axis=1)
        mv = heart @ self._lead_field
        if self._background is not None:
            mv += self._background.mv(t)
        return electrode_volts(mv)

    def _rows(self, wave: Wave, size: float, recovery: float) -> NDArray[np.float64]:
        stretch = wave.qt_s / REFERENCE_QT_S
        gain = wave.recovery * recovery * self._recovery
        waves = wave.shape.waves * [1, 1, size, size, size]
        after = wave.shape.recovery * [stretch, stretch, gain, gain, gain]
        return np.concatenate([waves, after])


def rr_s(beats: list[int]) -> NDArray[np.float64]:
    """RR intervals in seconds of R peaks in points."""
    return np.array([later - former for former, later in pairwise(beats)]) / ANALOG_RATE_HZ
