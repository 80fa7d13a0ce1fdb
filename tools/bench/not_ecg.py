"""Signals that are no ECG, by class and seed: what a monitor must never put a rhythm's name to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from hal.frontend import CHANNELS, SAMPLE_RATE_HZ, Electrode
from hal.patient import ANALOG_OVERSAMPLING
from hal.patient.presets import preset

NV_PER_COUNT = 2.4e9 / 6 / ((1 << 23) - 1)  # 2.4 V reference, gain 6
SECONDS = 13  # two for the filters to settle, the window, and their delay
SAMPLES = SECONDS * SAMPLE_RATE_HZ
FULL_SCALE = (1 << 23) - 1
CHIP_NOISE_UV = 1.0
HEARTS = ("sinus-70", "af-90", "sinus-120", "lbbb-70", "pvc-70")
PERSONS = 3

Signal = NDArray[np.float64]  # microvolts [SAMPLES, 8]
_T = np.arange(SAMPLES) / SAMPLE_RATE_HZ


def counts_of(uv: Signal, rng: np.random.Generator) -> NDArray[np.int32]:
    """What a channel would measure, its own noise included: counts int32 [n, 8]."""
    noisy = uv + rng.normal(0, CHIP_NOISE_UV, uv.shape)
    return np.rint(noisy * 1000 / NV_PER_COUNT).clip(-FULL_SCALE - 1, FULL_SCALE).astype(np.int32)


def draw(kind: str, seed: int) -> NDArray[np.int32]:
    """Thirteen seconds of the class ``kind`` (see KINDS): counts int32 [SAMPLES, 8]."""
    rng = np.random.default_rng((list(KINDS).index(kind), seed))
    made = KINDS[kind](rng)
    return made if made.dtype == np.int32 else counts_of(made, rng)


def _log(rng: np.random.Generator, low: float, high: float, size: int | None = None) -> NDArray:
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


ONE_SOURCE = ("alike", "gains", "signs", "late")
ANY = (*ONE_SOURCE, "stereo", "own")


def _spread(
    rng: np.random.Generator,
    make: Callable[[], NDArray[np.float64]],
    ways: Sequence[str] = ANY,
) -> Signal:
    """Channels alike, with gains and signs of their own, late, mixed of two, or each on its own.

    make : another wave of the kind at each call; half of the signals get noise besides
    """
    how = rng.choice(ways)
    if how == "own":
        signal = np.stack([_sized(rng, make()) for _ in range(CHANNELS)], axis=1)
    elif how == "stereo":
        sides = np.stack([_sized(rng, make()), _sized(rng, make())], axis=1)
        signal = sides @ rng.uniform(-1, 1, (2, CHANNELS))
    else:
        signal = np.repeat(_sized(rng, make())[:, None], CHANNELS, axis=1)
        if how != "alike":
            signal = signal * rng.uniform(0.2, 1.0, CHANNELS)
        if how == "signs":
            signal = signal * rng.choice([-1, 1], CHANNELS)
        if how == "late":
            shifts = rng.integers(0, SAMPLE_RATE_HZ, CHANNELS)
            late = [np.roll(wave, n) for wave, n in zip(signal.T, shifts, strict=True)]
            signal = np.stack(late, axis=1)
    return signal + _noise(rng, 2, 30) if rng.random() < 0.5 else signal


def _sized(rng: np.random.Generator, wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """``wave`` at a size that an ECG could have: 0.1 to 5 mV."""
    return wave / max(float(np.abs(wave).max()), 1e-9) * _log(rng, 100, 5000)


def _flat(rng: np.random.Generator) -> Signal:
    return np.zeros((SAMPLES, CHANNELS)) + rng.uniform(-3e5, 3e5, CHANNELS)


def _noise(rng: np.random.Generator, low_uv: float, high_uv: float) -> Signal:
    return rng.standard_normal((SAMPLES, CHANNELS)) * _log(rng, low_uv, high_uv)


def _coloured(rng: np.random.Generator) -> Signal:
    """Noise with power falling as 1/f to 1/f^2: electrodes on no patient."""
    spectrum = np.fft.rfft(rng.standard_normal((SAMPLES, CHANNELS)), axis=0)
    f = np.fft.rfftfreq(SAMPLES, 1 / SAMPLE_RATE_HZ)
    shape = np.where(f < 0.1, 0, np.maximum(f, 0.1) ** -rng.uniform(0.5, 1.0))
    noise = np.fft.irfft(spectrum * shape[:, None], SAMPLES, axis=0)
    return noise / noise.std() * _log(rng, 20, 2000)


def _mains(rng: np.random.Generator) -> Signal:
    f = rng.choice([50, 60]) * (1 + rng.uniform(-0.002, 0.002))
    phase = 2 * np.pi * f * _T[:, None] + rng.uniform(0, 2 * np.pi, CHANNELS)
    wave = np.sin(phase) + rng.uniform(0, 0.2) * np.sin(3 * phase)
    return wave * _log(rng, 20, 5000) * rng.uniform(0.3, 1, CHANNELS)


def _railed(rng: np.random.Generator) -> NDArray[np.int32]:
    """Most channels at a rail, the rest with noise or mains."""
    counts = counts_of(_noise(rng, 2, 200) if rng.random() < 0.5 else _mains(rng), rng)
    railed = rng.permutation(CHANNELS)[: rng.integers(5, CHANNELS + 1)]
    counts[:, railed] = rng.choice([-FULL_SCALE - 1, FULL_SCALE], len(railed))
    return counts


def _sine(rng: np.random.Generator) -> Signal:
    phase = 2 * np.pi * _log(rng, 0.5, 40) * _T
    if rng.random() < 0.5:
        shift = rng.uniform(0, 2 * np.pi, CHANNELS)
        return np.sin(phase[:, None] + shift) * _log(rng, 100, 5000)
    return _spread(rng, lambda: np.sin(phase + rng.uniform(0, 2 * np.pi)))


def _chords(rng: np.random.Generator) -> Signal:
    """Notes with overtones, struck or bowed, at their pitch or played far too slowly."""
    base, tempo = _log(rng, 2, 120), rng.uniform(0.15, 1.0)

    def melody() -> NDArray[np.float64]:
        wave, at = np.zeros(SAMPLES), 0.0
        while at < SECONDS:
            length = tempo * float(rng.choice([0.5, 1, 1, 2]))
            first = int(at * SAMPLE_RATE_HZ)
            since = _T[: SAMPLES - first]
            envelope = np.exp(-since / (length * rng.uniform(0.3, 3))) * (1 - np.exp(-since / 0.02))
            for semitones in rng.choice([0, 2, 4, 5, 7, 9, 11, 12], rng.integers(1, 4)):
                phase = 2 * np.pi * base * 2 ** (semitones / 12) * since
                tone = np.sin(phase) + np.sin(2 * phase) / 2 + np.sin(3 * phase) / 3
                wave[first:] += envelope * tone
            at += length
        return wave

    return _spread(rng, melody)


def _modulated(rng: np.random.Generator) -> Signal:
    """A carrier swelling or sliding."""
    carrier, depth, sliding = _log(rng, 3, 60), rng.uniform(0.3, 1), rng.random() < 0.5

    def wave() -> NDArray[np.float64]:
        wobble = np.sin(2 * np.pi * _log(rng, 0.3, 4) * _T + rng.uniform(0, 2 * np.pi))
        if not sliding:
            return (1 + depth * wobble) * np.sin(2 * np.pi * carrier * _T)
        f = carrier * (1 + 0.8 * depth * wobble)
        return np.sin(2 * np.pi * np.cumsum(f) / SAMPLE_RATE_HZ)

    return _spread(rng, wave)


def _percussion(rng: np.random.Generator, ways: Sequence[str] = ONE_SOURCE) -> Signal:
    """Drums: a falling tone on the beat, noise off the beat."""
    beat_s, f, decay_s = 60 / rng.uniform(50, 180), _log(rng, 4, 60), _log(rng, 0.03, 0.3)
    first = rng.uniform(0, beat_s)

    def drums() -> NDArray[np.float64]:
        loud, pitch, start = rng.uniform(0, 1, 2), f * rng.uniform(0.7, 1.4), rng.uniform(0, 0.02)
        since = (_T - first - start) % beat_s
        kick = np.exp(-since / decay_s) * np.sin(
            2 * np.pi * pitch * since * (1 + np.exp(-since / 0.05))
        )
        off = (since - beat_s / 2) % beat_s
        return loud[0] * kick + loud[1] * np.exp(-off / 0.06) * rng.standard_normal(SAMPLES)

    return _spread(rng, drums, ways)


def _steps(rng: np.random.Generator) -> Signal:
    """Square waves, calibration pulses and triangles, 1-2 Hz."""
    f, first = rng.uniform(1, 2), rng.random()
    duty = float(rng.choice([0.5, rng.uniform(0.02, 0.4)]))
    phase = (f * _T + first) % 1
    if rng.random() < 0.4:
        triangles = np.interp(phase, [0, duty / 2, duty, 1], [0, 1, 0, 0])
        return _spread(rng, lambda: triangles, ONE_SOURCE)
    return _spread(rng, lambda: np.where(phase < duty, 1.0, 0.0), ONE_SOURCE)


def _ramps(rng: np.random.Generator, ways: Sequence[str] = ONE_SOURCE) -> Signal:
    """Drifts up to 20 mV/s, sawteeth up and down, triangles."""
    if ways is ONE_SOURCE and rng.random() < 0.3:
        return _T[:, None] * rng.uniform(-2e4, 2e4, CHANNELS)
    f, kind = _log(rng, 0.2, 5), rng.integers(3)

    def wave() -> NDArray[np.float64]:
        phase = (f * _T + rng.random()) % 1
        return (phase, 1 - phase, np.abs(2 * phase - 1))[kind]

    return _spread(rng, wave, ways)


def _in_step(rng: np.random.Generator) -> Signal:
    """Several drums or generators at one rate, on all channels differently: nearly a heart."""
    kind = (_percussion, _ramps)[rng.integers(2)]
    return kind(rng, ("stereo", "own"))


def _cpr(rng: np.random.Generator) -> Signal:
    """Chest compressions on a silent heart: 95-125 a minute, not two alike, their own shape."""
    period = 60 / rng.uniform(95, 125)
    starts = np.cumsum(rng.normal(period, 0.04 * period, int(SECONDS / period) + 3)) - 2 * period
    which = np.searchsorted(starts, _T, side="right") - 1
    phase = (_T - starts[which]) / np.diff(starts, append=starts[-1] + period)[which]
    size = rng.normal(1, 0.15, len(starts))[which]
    harmonics = np.arange(1, rng.integers(4, 8))
    weight = rng.standard_normal((len(harmonics), CHANNELS)) / harmonics[:, None]
    shift = rng.uniform(0, 2 * np.pi, (len(harmonics), CHANNELS))
    waves = np.sin(2 * np.pi * phase[:, None, None] * harmonics[:, None] + shift)
    signal = size[:, None] * (waves * weight).sum(axis=1)
    signal *= rng.uniform(0.3, 1, CHANNELS)
    wander = np.cumsum(rng.standard_normal((SAMPLES, CHANNELS)), axis=0) / SAMPLE_RATE_HZ**0.5
    return (signal / signal.std() + 0.1 * wander) * _log(rng, 200, 2500)


def _speech(rng: np.random.Generator) -> Signal:
    """Syllables of voiced sound and hiss, three to six a second, with pauses."""
    pitch_hz, breath = _log(rng, 4, 120), rng.uniform(0.1, 1)

    def voice() -> NDArray[np.float64]:
        envelope, at = np.zeros(SAMPLES), 0.0
        while at < SECONDS:
            length = rng.uniform(0.08, 0.3)
            here = slice(int(at * SAMPLE_RATE_HZ), int((at + 2 * length) * SAMPLE_RATE_HZ))
            since = (_T[here] - at - length / 2) / (length / 2.5)
            envelope[here] += rng.uniform(0.3, 1) * np.exp(-(since**4))
            pause = (0.3, 0.8) if rng.random() < 0.15 else (0.0, 0.08)
            at += length + rng.uniform(*pause)
        pitch = np.cumsum(pitch_hz * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * _T))) / SAMPLE_RATE_HZ
        voiced = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 6))
        return envelope * (voiced + breath * rng.standard_normal(SAMPLES))

    return _spread(rng, voice)


def _one_lead(rng: np.random.Generator) -> Signal:
    """One lead of an ECG, on one channel or copied to several, and noise on the others."""
    heart = _heart(str(rng.choice(HEARTS)), int(rng.integers(PERSONS)))[:, rng.integers(CHANNELS)]
    copies = rng.permutation(CHANNELS)[: rng.choice([1, 1, 2, CHANNELS])]
    signal = _noise(rng, 5, 500)
    signal[:, copies] = heart[:, None] + _noise(rng, 2, 10)[:, copies]
    return signal


@cache
def _heart(name: str, person: int) -> Signal:
    """A simulated heart's leads I, II, V1-V6, quiet."""
    volts = preset(name, person).potentials(0, SAMPLES * ANALOG_OVERSAMPLING).volts
    uv = 1e6 * volts[::ANALOG_OVERSAMPLING]
    arm, limbs = uv[:, [Electrode.RA]], [Electrode.RA, Electrode.LA, Electrode.LL]
    chest = uv[:, [e for e in Electrode if e >= Electrode.V1]]
    terminal = uv[:, limbs].mean(axis=1, keepdims=True)
    return np.concatenate([uv[:, limbs[1:]] - arm, chest - terminal], axis=1)


def _garbage(rng: np.random.Generator) -> NDArray[np.int32]:
    """What a broken bus reads: random words, counters, alternating patterns, sudden spikes."""
    shape = (SAMPLES, CHANNELS)
    match rng.integers(5):
        case 0:
            bits = int(rng.integers(8, 24))
            return rng.integers(-(1 << bits), 1 << bits, shape, dtype=np.int32)
        case 1:
            count = np.arange(SAMPLES * CHANNELS).reshape(shape) * int(rng.integers(1, 1 << 12))
            return ((count + FULL_SCALE) % (1 << 24) - FULL_SCALE - 1).astype(np.int32)
        case 2:
            pattern = rng.integers(-FULL_SCALE, FULL_SCALE, (int(rng.integers(2, 40)), CHANNELS))
            return np.resize(pattern, shape).astype(np.int32)
        case 3:
            held = rng.integers(-(1 << 18), 1 << 18, shape, dtype=np.int32)
            return np.repeat(held[:: (step := int(rng.integers(2, 200)))], step, axis=0)[:SAMPLES]
        case _:
            spikes = rng.random(shape) < _log(rng, 0.0005, 0.02)
            return np.where(spikes, rng.integers(-(1 << 22), 1 << 22, shape), 0).astype(np.int32)


HARD = "several drums or ramps in step"  # two sources and a beat: measured without a limit
KINDS: dict[str, Callable[[np.random.Generator], NDArray]] = {
    "flat line": _flat,
    "noise of 10 µV": partial(_noise, low_uv=10, high_uv=10),
    "white noise, 10 µV to 2 mV": partial(_noise, low_uv=10, high_uv=2000),
    "noise falling with frequency": _coloured,
    "mains, 50 and 60 Hz": _mains,
    "railed channels": _railed,
    "sine waves, 0.5-40 Hz": _sine,
    "music: notes and chords": _chords,
    "music: swelling and sliding tones": _modulated,
    "music: percussion": _percussion,
    "steps, pulses, triangles, 1-2 Hz": _steps,
    "ramps and sawteeth": _ramps,
    "chest compressions alone": _cpr,
    "speech-like sound": _speech,
    "one lead of an ECG, noise on the rest": _one_lead,
    "digital garbage": _garbage,
    HARD: _in_step,
}
