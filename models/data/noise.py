"""Noise of known power, felt at the electrodes: the leads share what their electrodes share.

Signal-to-noise ratio as in the noise stress test (Moody, Muldrow, Mark, Computers in Cardiology
1984;11:381; WFDB's ``nst``): the signal's power is that of a sine as tall as the QRS peak to peak,
amplitude squared / 8. Both powers are means over the channels that the noise reaches, so that one
factor serves all electrodes and Einthoven's sums hold. The noise's power is its variance in the
window as the chip samples it, before any filter: of muscle noise a sixth is below 40 Hz, where the
network listens; of mains nothing. The waves are the simulated patient's
(hal/patient/artefact.py), drawn afresh for each record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from hal.ads1298.wiring import INPUTS, WCT
from hal.frontend import SAMPLE_RATE_HZ, Electrode
from models.data.ptbxl import LEADS8, RATE_HZ

Volts = NDArray[np.float64]

ELECTRODES = len(Electrode)
FELT = tuple(electrode for electrode in Electrode if electrode is not Electrode.RL)
MUSCLE_HZ = (20.0, 250.0)
CPR_PER_MIN = (100.0, 120.0)  # ERC and AHA guidelines
BUMP_EVERY_S = 2.0
QRS_SPAN = 11  # samples: 50 ms before and after, as WFDB's sigamp measures
BEAT_S = 2  # at least one QRS in each, down to 30/min


def leads8(potentials: Volts) -> Volts:
    """What the chip's wiring measures between electrodes: [n, 10] -> LEADS8 [n, 8].

    Column by column: a matrix product would start threads on a machine that is busy training.
    """
    terminal = (potentials[:, 0] + potentials[:, 1] + potentials[:, 2]) / 3  # RA, LA, LL
    leads = np.empty((len(potentials), len(LEADS8)))
    for entry in INPUTS:
        negative = terminal if entry.negative is WCT else potentials[:, entry.negative]
        np.subtract(potentials[:, entry.positive], negative, out=leads[:, LEADS8.index(entry.lead)])
    return leads


class NoiseKind(StrEnum):
    """Sources of noise; each electrode has its own wave unless said otherwise."""

    WANDER = "wander"  # 0.05-0.4 Hz
    MUSCLE = "muscle"  # 20-250 Hz, swelling and ebbing by a half
    MOTION = "motion"  # bumps of one electrode at a time, about one in two seconds
    MAINS = "mains"  # what mains does differently to each electrode, third harmonic included
    CPR = "CPR"  # 100-120 compressions a minute, all electrodes moving together


@dataclass(frozen=True, slots=True)
class Noise:
    """One kind of noise, its dose either way:

    snr_db : see the module
    amplitude_mv : of a sine with the noise's power, mean over the channels it reaches
    electrodes : whom it befalls; () = all but RL, which no lead is measured against
    mains_hz : 50 or 60
    """

    kind: NoiseKind
    snr_db: float | None = None
    amplitude_mv: float | None = None
    electrodes: tuple[Electrode, ...] = ()
    mains_hz: float = 50.0

    def __post_init__(self) -> None:
        if (self.snr_db is None) == (self.amplitude_mv is None):
            raise ValueError(f"{self.kind} noise: give either snr_db or amplitude_mv")

    @property
    def fast(self) -> bool:
        """Whether it needs the chip's 500 Hz grid; else 100 Hz carry it."""
        return self.kind in (NoiseKind.MUSCLE, NoiseKind.MAINS)


def qrs_power(mv: Volts) -> Volts:
    """Power [8] in mV^2 of the QRS in mV [n, 8] at 100 Hz, as the noise stress test defines it.

    Without a detector: the largest peak to peak within 100 ms, median over spans of 2 s.
    """
    extent = maximum_filter1d(mv, QRS_SPAN, axis=0) - minimum_filter1d(mv, QRS_SPAN, axis=0)
    span = BEAT_S * RATE_HZ
    spans = extent[: len(mv) // span * span].reshape(-1, span, mv.shape[1])
    return np.asarray(np.median(spans.max(axis=1), axis=0) ** 2 / 8)


def electrode_noise(
    noise: Noise, samples: int, window: slice, mv: Volts, rng: np.random.Generator
) -> Volts:
    """Millivolts [samples, 10] at the electrodes, at 500 Hz if ``noise.fast``, else at 100 Hz.

    window : the part of ``samples`` in which the dose holds
    mv : the record, [1000, 8] at 100 Hz, whose QRS snr_db is measured against
    """
    wave = _WAVES[noise.kind](samples, noise, rng)
    felt = noise.electrodes or FELT
    wave[:, [electrode for electrode in Electrode if electrode not in felt]] = 0
    reached = leads8(np.eye(ELECTRODES)[list(felt)]).any(axis=0)
    power = leads8(wave[window]).var(axis=0)[reached].mean()
    if noise.snr_db is not None:
        wanted = qrs_power(mv)[reached].mean() * 10 ** (-noise.snr_db / 10)
    else:
        wanted = (noise.amplitude_mv or 0.0) ** 2 / 2
    wave *= np.sqrt(wanted / power) if power > 0 else 0.0
    return wave


def wander(samples: int, noise: Noise, rng: np.random.Generator) -> Volts:
    """Slow drift of the skin, and the chest's movement in breathing."""
    t = np.arange(samples)[:, None] / RATE_HZ
    wave = np.zeros((samples, ELECTRODES))
    for hz, weight in ((0.05, 0.6), (0.09, 0.5), (0.15, 0.4), (0.24, 0.6), (0.38, 0.2)):
        each = hz * rng.uniform(0.9, 1.1, ELECTRODES)
        phase = rng.uniform(0, 2 * np.pi, ELECTRODES)
        wave += weight * np.sin(2 * np.pi * each * t + phase)
    return wave


def muscle(samples: int, noise: Noise, rng: np.random.Generator) -> Volts:
    """White between the edges of the band, from its spectrum; less what sinc3 takes."""
    size = fft.next_fast_len(samples, real=True)
    hz = fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    low, high = np.searchsorted(hz, MUSCLE_HZ)
    spectrum = np.zeros((ELECTRODES, len(hz)), np.complex128)
    random = rng.standard_normal((2, ELECTRODES, high - low))
    spectrum[:, low:high] = random[0] + 1j * random[1]
    spectrum[:, low:high] *= np.sinc(hz[low:high] / SAMPLE_RATE_HZ) ** 3
    wave = fft.irfft(spectrum, size, axis=1)[:, :samples].T
    t = np.arange(samples)[:, None] / SAMPLE_RATE_HZ
    return wave * (1 + 0.5 * np.sin(2 * np.pi * 0.13 * t + rng.uniform(0, 2 * np.pi, ELECTRODES)))


def mains(samples: int, noise: Noise, rng: np.random.Generator) -> Volts:
    """One phase for all electrodes, each with its own strength and sign."""
    hz = noise.mains_hz * rng.uniform(0.998, 1.002)  # 49.9-50.1 Hz
    phase = 2 * np.pi * (hz / SAMPLE_RATE_HZ * np.arange(samples) + rng.uniform())
    shape = np.sin(phase) + 0.12 * np.sin(3 * phase + 0.7)
    return np.outer(shape, rng.uniform(0.5, 1.0, ELECTRODES) * rng.choice([-1, 1], ELECTRODES))


def motion(samples: int, noise: Noise, rng: np.random.Generator) -> Volts:
    """Quick displacement of one electrode, slower return."""
    wave = np.zeros((samples, ELECTRODES))
    felt = noise.electrodes or FELT
    for slot in np.arange(0, samples / RATE_HZ, BUMP_EVERY_S):
        start = int((slot + rng.uniform(0, BUMP_EVERY_S)) * RATE_HZ)
        since = np.arange(min(samples - start, 3 * RATE_HZ)) / RATE_HZ
        rise, fall = rng.uniform(0.03, 0.15), rng.uniform(0.15, 0.35)
        height = rng.uniform(0.4, 1.0) * rng.choice([-1, 1])
        bump = height * (1 - np.exp(-since / rise)) * np.exp(-since / fall)
        wave[start : start + len(since), felt[rng.integers(len(felt))]] += bump
    return wave


def cpr(samples: int, noise: Noise, rng: np.random.Generator) -> Volts:
    """Chest compressions: a period that varies by 2 %, six harmonics, depth varying by a tenth."""
    hz = rng.uniform(*CPR_PER_MIN) / 60
    t = np.arange(samples) / RATE_HZ
    hurry = 0.02 * np.sin(2 * np.pi * 0.2 * t + rng.uniform(0, 2 * np.pi)) / (2 * np.pi * 0.2)
    phase = 2 * np.pi * hz * (t + hurry)
    depth = 1 + 0.1 * np.sin(2 * np.pi * 0.3 * t + rng.uniform(0, 2 * np.pi))
    wave = np.zeros((samples, ELECTRODES))
    strength = rng.uniform(0.3, 1.0, ELECTRODES) * rng.choice([-1, 1], ELECTRODES)
    for harmonic in range(1, 7):
        lag = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.4, ELECTRODES)
        wave += np.sin(harmonic * phase[:, None] + lag) * strength / harmonic
    return wave * depth[:, None]


_WAVES = {
    NoiseKind.WANDER: wander,
    NoiseKind.MUSCLE: muscle,
    NoiseKind.MOTION: motion,
    NoiseKind.MAINS: mains,
    NoiseKind.CPR: cpr,
}
