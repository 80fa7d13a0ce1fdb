"""Families of patients by the standards' test waves, with their numbers in the name.

The rhythms have the names and rates of IEC 60601-2-27, 201.7.9.2.9.101 b) (before it AAMI EC13,
waves 3a-3d, 4a and 4b), on this simulator's hearts: the printed curves are not traced. QRS and T
of the pulse families are EC13's: a triangle of 100 ms, and half a sine of 180 ms that ends 350 ms
after the QRS began. Lead I has two thirds of lead II, the chest leads all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from hal.patient import ANALOG_RATE_HZ, Patient, morphology
from hal.patient.calibration import Calibration, Wave, half_sines, together, triangular_pulses
from hal.patient.changes import Scaled
from hal.patient.generator import Rhythm, RhythmPatient
from hal.patient.morphology import Shape
from hal.patient.pacing import Pulse, WithPacing
from hal.patient.record import INDEPENDENT_LEADS
from hal.patient.rhythm import Phrase, atria, qt_s, regular, stepping
from hal.patient.rhythm import Wave as Beat

STEP_S = 20.0  # when the rate of rate-<bpm>-to-<bpm> changes
_CAPTURE_S = 0.085  # from a pacing pulse to the R peak it makes
_AV_S = 0.15  # between the pulses of a double pacemaker
_INEFFECTIVE_S = 60 / 75
_LEAD_I = 2 / 3


def alternating(bpm: float, shapes: tuple[Shape, ...], coupling: float) -> Phrase:
    """Beats of ``shapes`` in turn, ``bpm`` of them a minute, every second one after ``coupling``
    of the time that two take.
    """
    pair_s = 120 / bpm

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Beat], float]:
        at = [start_s + pair_s * (n // 2 + coupling * (n % 2)) for n in range(len(shapes))]
        beats = [Beat(t, shape, qt_s(60 / bpm)) for t, shape in zip(at, shapes, strict=True)]
        return beats, start_s + pair_s * len(shapes) / 2

    return phrase


_N, _E, _F = morphology.NORMAL, morphology.PVC, morphology.VENTRICULAR_TACHYCARDIA
RHYTHMS: Mapping[str, tuple[str, Rhythm]] = {
    "a1-bigeminy-80": ("ventricular bigeminy", Rhythm((alternating(80, (_N, _E), 0.4),))),
    "a2-bigeminy-60": (
        "slow ventricular bigeminy, two foci by turns",
        Rhythm((alternating(60, (_N, _E, _N, _F), 0.35),)),
    ),
    "a3-bigeminy-120": (
        "rapid ventricular bigeminy, two foci by turns",
        Rhythm((alternating(120, (_N, _E, _N, _F), 0.45),)),
    ),
    "a4-bidirectional-90": (
        "bidirectional systoles",
        Rhythm((alternating(90, (_E, _F), 0.5),)),
    ),
}


def _pulsed(name: str, wave: Wave, part: Wave) -> Patient:
    """``wave`` in lead II and the chest leads, ``part`` in lead I."""
    return Calibration(name, {lead: part if lead == "I" else wave for lead in INDEPENDENT_LEADS})


def _rate_step(name: str, seed: int, match: re.Match[str]) -> Patient:
    first, then = float(match[1]), float(match[2])
    for bpm in (first, then):
        _within(name, bpm, 20, 300, "bpm")
    return RhythmPatient(name, rate_step(first, then), seed)


def rate_step(first_bpm: float, then_bpm: float) -> Rhythm:
    """Sinus rhythm whose rate changes at STEP_S from one beat to the next."""
    return Rhythm((stepping(first_bpm, then_bpm, STEP_S),))


def _alarm(name: str, seed: int, match: re.Match[str]) -> Patient:
    bpm, mv = {"b1": (206, 1.0), "b2": (195, 2.0)}[match[1]]
    mv *= {"half": 0.5, "normal": 1.0, "double": 2.0}[match[2]]
    shape = morphology.VENTRICULAR_TACHYCARDIA
    heart = RhythmPatient(name, Rhythm((regular(bpm, shape, spread=0.0),)), seed)
    volts = heart.potentials(0, 10 * ANALOG_RATE_HZ).volts
    return Scaled(heart, mv * 1e-3 / float(np.ptp(volts[:, 2] - volts[:, 0])))  # LL - RA


def _qrs(name: str, seed: int, match: re.Match[str]) -> Patient:
    mv, width_s, bpm = int(match[1]) / 1e3, int(match[2]) / 1e3, int(match[3])
    _within(name, int(match[1]), 10, 10_000, "uV")
    _within(name, int(match[2]), 5, 150, "ms")
    _within(name, bpm, 20, 300, "bpm")

    def wave(size: float) -> Wave:
        return triangular_pulses(size * mv, width_s, every_s=60 / bpm, at_s=0.3)

    return _pulsed(name, wave(1.0), wave(_LEAD_I))


def _tall_t(name: str, seed: int, match: re.Match[str]) -> Patient:
    mv = int(match[1]) / 1e3
    _within(name, int(match[1]), 0, 2000, "uV")

    def wave(size: float) -> Wave:
        return together(
            triangular_pulses(size, 0.100, every_s=0.75, at_s=0.3),
            half_sines(size * mv, 0.180, every_s=0.75, at_s=0.3 + 0.350 - 0.180),
        )

    return _pulsed(name, wave(1.0), wave(_LEAD_I))


def _paced(name: str, seed: int, match: re.Match[str]) -> Patient:
    mv = float(match[2]) * (-1 if match[1] else 1)
    ways = set(match[4].split("-")) - {""}
    overshoot_mv = min(2.0, 0.25 * abs(mv)) if "overshoot" in ways else 0.0
    pulse = Pulse(mv, int(match[3]) / 1e3, overshoot_mv)
    double = (0.0, _AV_S) if "double" in ways else (0.0,)
    if "ineffective" in ways:
        still = RhythmPatient(name, Rhythm((atria(85),)), seed)

        def clockwork(start_s: float, stop_s: float) -> list[float]:
            low, high = (int(np.ceil(t / _INEFFECTIVE_S)) for t in (start_s - _AV_S, stop_s))
            times = [n * _INEFFECTIVE_S + d for n in range(max(low, 0), high) for d in double]
            return [t for t in times if start_s <= t < stop_s]

        return WithPacing(still, pulse, clockwork)
    heart = RhythmPatient(name, Rhythm((regular(60, morphology.PACED, spread=0.0),)), seed)

    def before_beats(start_s: float, stop_s: float) -> list[float]:
        low = max(0, round((start_s - 0.1) * ANALOG_RATE_HZ))
        high = round((stop_s + 0.5) * ANALOG_RATE_HZ)
        at = [beat / ANALOG_RATE_HZ - _CAPTURE_S for beat in heart.beats(low, high - low)]
        return [t - d for t in at for d in double if start_s <= t - d < stop_s]

    return WithPacing(heart, pulse, before_beats)


def _within(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: {value:g} {unit} is not {low:g} to {high:g} {unit}")


_Make = Callable[[str, int, re.Match[str]], Patient]
_FAMILIES: tuple[tuple[str, str, re.Pattern[str], _Make], ...] = (
    (
        "rate-<bpm>-to-<bpm>",
        "sinus rhythm whose rate changes at 20 s",
        re.compile(r"rate-(\d{2,3})-to-(\d{2,3})"),
        _rate_step,
    ),
    (
        "b1-vt-<half|normal|double>, b2-vt-...",
        "ventricular tachycardia, 1 mV at 206 bpm and 2 mV at 195 bpm in lead II",
        re.compile(r"(b[12])-vt-(half|normal|double)"),
        _alarm,
    ),
    (
        "qrs-<uV>uv-<ms>ms-<bpm>bpm",
        "triangular QRS pulses",
        re.compile(r"qrs-(\d{2,5})uv-(\d{1,3})ms-(\d{2,3})bpm"),
        _qrs,
    ),
    (
        "t-<uV>uv",
        "T waves of that height behind a QRS of 1 mV, 80 bpm",
        re.compile(r"t-(\d{1,4})uv"),
        _tall_t,
    ),
    (
        "pacer-[neg]<mV>mv-<us>us[-overshoot][-double][-ineffective]",
        "paced beats at 60; or pulses at 75 that no beat follows",
        re.compile(r"pacer-(neg)?(\d{1,3})mv-(\d{3,4})us((?:-(?:overshoot|double|ineffective))*)"),
        _paced,
    ),
)


def families() -> dict[str, str]:
    """How the names of the families are made, and what they show."""
    return {form: what for form, what, _, _ in _FAMILIES}


def standard(name: str, seed: int) -> Patient | None:
    """The patient of a family; None for other names. Raises ValueError out of range."""
    for _, _, pattern, make in _FAMILIES:
        if match := pattern.fullmatch(name):
            return make(name, seed, match)
    return None
