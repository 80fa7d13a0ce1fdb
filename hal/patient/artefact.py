"""What a real recording has besides the heart: wander, muscle, mains, motion, electrode offsets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hal.frontend import Electrode
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials, Patient
from hal.patient.chunks import Chunks, random_of

MAX_OFFSET_MV = 300.0
_CHUNK_POINTS = ANALOG_RATE_HZ
_N = len(Electrode)
_MUSCLE_TAPS = 255
_FFT_POINTS = 2304  # 2^8 * 9, holds a chunk and the filter's tail
_MUSCLE_BAND_HZ = (20.0, 300.0)
_MOTION_SLOT_S = 4.0  # one movement in each, of at most this length
_STREAMS = {"wander": 32, "muscle": 33, "mains": 34, "motion": 35}


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Amplitudes, 0 = none. Every electrode has its own wave unless said otherwise.

    wander_uv : RMS of the baseline, 0.05-0.4 Hz
    muscle_uv : RMS of muscle noise, 20-300 Hz, swelling and ebbing by a half
    mains_uv : amplitude of what mains does differently to each electrode, third harmonic included
    mains_common_mv : amplitude of mains common to all electrodes, the right leg too
    mains_hz : 50 or 60
    motion_uv : height of the bumps of moving electrodes, one electrode every four seconds
    offset_mv : half-cell potential per electrode in the order of Electrode, within +-300; or ()
    only : electrodes that wander, muscle and motion befall; () = all
    """

    wander_uv: float = 0.0
    muscle_uv: float = 0.0
    mains_uv: float = 0.0
    mains_common_mv: float = 0.0
    mains_hz: float = 50.0
    motion_uv: float = 0.0
    offset_mv: tuple[float, ...] = ()
    only: tuple[Electrode, ...] = ()

    def __post_init__(self) -> None:
        if self.offset_mv and len(self.offset_mv) != _N:
            raise ValueError(f"offset_mv has {len(self.offset_mv)} values, not {_N}")
        if any(abs(offset) > MAX_OFFSET_MV for offset in self.offset_mv):
            raise ValueError(f"an electrode offset is beyond +-{MAX_OFFSET_MV:g} mV")


class WithArtefacts:
    """A patient with artefacts added; deterministic by ``seed``."""

    def __init__(self, patient: Patient, artefacts: Artefacts, seed: int = 0) -> None:
        self.name = patient.name
        self.duration = patient.duration
        self._patient = patient
        self._noise = ArtefactSource(artefacts, seed)

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        clean = self._patient.potentials(first, n)
        if n == 0:
            return clean
        return ElectrodePotentials(clean.volts + self._noise.volts(first, n), clean.off)


class ArtefactSource:
    """The artefacts alone, a pure function of time."""

    def __init__(self, artefacts: Artefacts, seed: int) -> None:
        self._is = artefacts
        self._seed = seed
        self._felt_by = np.zeros(_N)
        self._felt_by[list(artefacts.only or Electrode)] = 1.0
        self._chunks = Chunks(self._make_chunk, _CHUNK_POINTS)
        self._white = Chunks(self._make_white, _CHUNK_POINTS)

    def volts(self, first: int, n: int) -> NDArray[np.float64]:
        """Volts [n, 10] of points first .. first+n-1, n >= 1."""
        return self._chunks.span(first, first + n)

    def _make_chunk(self, number: int) -> NDArray[np.float64]:
        first = number * _CHUNK_POINTS
        t = (first + np.arange(_CHUNK_POINTS)) / ANALOG_RATE_HZ
        uv = np.zeros((_CHUNK_POINTS, _N))
        if self._is.wander_uv:
            uv += self._is.wander_uv * self._wander(t)
        if self._is.muscle_uv:
            uv += self._is.muscle_uv * self._muscle(first, t)
        if self._is.motion_uv:
            uv += self._is.motion_uv * self._motion(t)
        uv *= self._felt_by
        if self._is.mains_uv or self._is.mains_common_mv:
            uv += self._mains(t)
        if self._is.offset_mv:
            uv += 1e3 * np.array(self._is.offset_mv)
        return uv * 1e-6

    def _wander(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit RMS: slow drift of the skin and the chest's movement in breathing."""
        return self._wander_waves.at(t[0])

    @cached_property
    def _wander_waves(self) -> _Sines:
        rng = random_of(self._seed, _STREAMS["wander"])
        frequency = np.array([0.05, 0.09, 0.15, 0.24, 0.38])[:, None] * rng.uniform(0.9, 1.1, _N)
        weight = np.array([0.6, 0.5, 0.4, 0.6, 0.2])
        phase = rng.uniform(0, 2 * np.pi, frequency.shape)
        unit = np.sqrt(np.square(weight).sum() / 2)
        return _Sines(frequency, phase, weight[:, None] / unit)

    def _muscle(self, first: int, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit RMS: white noise through a band-pass, its envelope slow."""
        white = self._white.span(first, first + _CHUNK_POINTS + _MUSCLE_TAPS - 1)
        spectrum = np.fft.rfft(white.T, _FFT_POINTS) * _MUSCLE_SPECTRUM
        band = np.fft.irfft(spectrum, _FFT_POINTS)[:, _MUSCLE_TAPS - 1 :][:, :_CHUNK_POINTS]
        return np.asarray(band.T * (1 + self._envelope.at(t[0])))

    @cached_property
    def _envelope(self) -> _Sines:
        phase = random_of(self._seed, _STREAMS["muscle"]).uniform(0, 2 * np.pi, (1, _N))
        return _Sines(np.full((1, _N), 0.13), phase, np.full((1, 1), 0.5))

    def _make_white(self, number: int) -> NDArray[np.float64]:
        rng = random_of(self._seed, _STREAMS["muscle"], number)
        return rng.standard_normal((_CHUNK_POINTS, _N))

    def _mains(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        rng = random_of(self._seed, _STREAMS["mains"])
        imbalance = self._is.mains_uv * rng.uniform(0.5, 1.0, _N) * rng.choice([-1, 1], _N)
        common = 1e3 * self._is.mains_common_mv
        phase = 2 * np.pi * self._is.mains_hz * t
        shape = np.sin(phase) + 0.12 * np.sin(3 * phase + 0.7)
        return np.asarray(shape[:, None] * (common + imbalance))

    def _motion(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit height: quick displacement of one electrode, slower return."""
        bumps = np.zeros((len(t), _N))
        last = int(t[-1] / _MOTION_SLOT_S)
        for slot in range(max(0, int(t[0] / _MOTION_SLOT_S) - 1), last + 1):
            rng = random_of(self._seed, _STREAMS["motion"], slot)
            since = t - (slot + rng.uniform(0.0, 0.5)) * _MOTION_SLOT_S
            rise, fall = rng.uniform(0.03, 0.15), rng.uniform(0.15, 0.35)
            on = np.clip(since, 0.0, None)
            height = rng.uniform(0.4, 1.0) * rng.choice([-1, 1])
            bump = height * (1 - np.exp(-on / rise)) * np.exp(-on / fall)
            bumps[:, rng.integers(_N)] += np.where(since < _MOTION_SLOT_S, bump, 0.0)
        return bumps


class _Sines:
    """Sums of sines, a chunk at a time: sin(a + b) from the sines of a chunk's begin and of steps.

    frequency_hz, phase : float64 [k, _N]; weight : float64 [k, 1] or [k, _N]
    """

    def __init__(
        self,
        frequency_hz: NDArray[np.float64],
        phase: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None:
        self._omega, self._phase, self._weight = 2 * np.pi * frequency_hz, phase, weight
        step = np.arange(_CHUNK_POINTS) / ANALOG_RATE_HZ
        angle = self._omega.T[:, :, None] * step  # [_N, k, points]
        self._steps = np.concatenate((np.cos(angle), np.sin(angle)), axis=1)

    def at(self, t_s: float) -> NDArray[np.float64]:
        """Points [_CHUNK_POINTS, _N] from ``t_s`` on."""
        angle = self._omega * t_s + self._phase
        begin = np.concatenate((np.sin(angle) * self._weight, np.cos(angle) * self._weight))
        # not a matrix product, for which BLAS would wake its threads
        return np.asarray(np.einsum("kn,nkp->np", begin, self._steps).T)


def _band_pass(taps: int, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Blackman-windowed band-pass with unit noise gain."""
    n = np.arange(taps) - taps // 2
    low, high = 2 * low_hz / ANALOG_RATE_HZ, 2 * high_hz / ANALOG_RATE_HZ
    fir = (high * np.sinc(high * n) - low * np.sinc(low * n)) * np.blackman(taps)
    return np.asarray(fir / np.sqrt(np.square(fir).sum()))


_MUSCLE_SPECTRUM = np.fft.rfft(_band_pass(_MUSCLE_TAPS, *_MUSCLE_BAND_HZ), _FFT_POINTS)
