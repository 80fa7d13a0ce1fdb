"""Rhythms: when which wave comes, phrase after phrase.

A phrase is a stretch that needs nothing from the one before it but its end: eight sinus beats, one
Wenckebach period, the beats up to an extrasystole and its pause. Phrases make a rhythm a function
of (seed, phrase number, start time) that never has to be remembered beat by beat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hal.patient import morphology as shapes
from hal.patient.morphology import REFERENCE_QT_S, Shape

RESPIRATION_HZ = 0.24
_MAYER_HZ = 0.095  # the slow wave of blood pressure in the heart rate
_BEATS_PER_PHRASE = 8


@dataclass(frozen=True, slots=True)
class Wave:
    """A shape at a time: seconds of the R peak or P centre; qt_s stretches a beat's recovery."""

    at_s: float
    shape: Shape
    qt_s: float = REFERENCE_QT_S
    recovery: float = 1.0  # relative amplitude of ST and T


Phrase = Callable[[np.random.Generator, float], tuple[list[Wave], float]]


def qt_s(rr_s: float) -> float:
    """QT interval for a cycle length: Fridericia with QTc 0.40 s, Acta Med Scand 1920;53:469."""
    return float(REFERENCE_QT_S * np.cbrt(min(max(rr_s, 0.2), 1.6)))


def pr_s(rr_s: float) -> float:
    """PR interval for a cycle length: 0.16 s at 60 bpm, 0.11 s at the fastest."""
    return min(0.17, 0.10 + 0.06 * rr_s)


def sinus(
    bpm: float, *, shape: Shape = shapes.NORMAL, pr: float | None = None, arrhythmia: float = 0.025
) -> Phrase:
    """Sinus rhythm; ``arrhythmia`` is the respiratory swing of RR (0.025 usual, 0.15 marked)."""

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        waves: list[Wave] = []
        at = start_s
        for _ in range(_BEATS_PER_PHRASE):
            rr = _sinus_rr(rng, at, bpm, arrhythmia)
            waves += _conducted(at, rr, shape, pr)
            at += rr
        return waves, at

    return phrase


def extrasystoles(bpm: float, *, ventricular: bool, between: tuple[int, int]) -> Phrase:
    """Sinus beats, ``between`` (least, most) of them, then an extrasystole and its pause.

    Ventricular ones leave the sinus node alone: the pause is fully compensatory and the sinus P
    falls into the ectopic beat. Atrial ones reset it.
    """

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        waves: list[Wave] = []
        at, rr = start_s, 60 / bpm
        for _ in range(int(rng.integers(between[0], between[1] + 1))):
            last, rr = at, _sinus_rr(rng, at, bpm, 0.02)
            waves += _conducted(last, rr, shapes.NORMAL)
            at = last + rr
        early = last + rr * rng.uniform(0.56, 0.66)
        if ventricular:
            waves.append(Wave(_p_centre(at, pr_s(rr)), shapes.P))
            waves.append(Wave(early, shapes.PVC, qt_s(rr)))
            return waves, last + 2 * rr
        waves.append(Wave(_p_centre(early, 0.14), shapes.ECTOPIC_P))
        waves.append(Wave(early, shapes.NORMAL, qt_s(rr)))
        return waves, early + 1.08 * rr

    return phrase


def regular(bpm: float, shape: Shape, *, spread: float) -> Phrase:
    """Beats without P at a steady rate; ``spread`` is the standard deviation of RR over RR."""

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        at = start_s + 60 / bpm * np.cumsum(1 + spread * rng.standard_normal(_BEATS_PER_PHRASE))
        qt = qt_s(60 / bpm)
        return [Wave(float(t), shape, qt) for t in (start_s, *at[:-1])], float(at[-1])

    return phrase


def stepping(first_bpm: float, then_bpm: float, at_s: float) -> Phrase:
    """Sinus beats like clockwork at a rate, from the first one after ``at_s`` on at another."""

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        waves: list[Wave] = []
        at = start_s
        for _ in range(_BEATS_PER_PHRASE):
            rr = 60 / (first_bpm if at < at_s else then_bpm)
            waves += _conducted(at, rr, shapes.NORMAL)
            at += rr
        return waves, at

    return phrase


def with_waves(beats: Phrase, shape: Shape, offset_s: float) -> Phrase:
    """The same beats, each with another wave ``offset_s`` after its R peak: spike, retrograde P."""

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        waves, end = beats(rng, start_s)
        return waves + [Wave(beat.at_s + offset_s, shape) for beat in waves], end

    return phrase


def atria(bpm: float) -> Phrase:
    """P waves that the ventricles do not follow."""

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        waves: list[Wave] = []
        at = start_s
        for _ in range(_BEATS_PER_PHRASE):
            waves.append(Wave(at, shapes.P))
            at += _sinus_rr(rng, at, bpm, 0.02)
        return waves, at

    return phrase


def dropping(atrial_bpm: float, pr: Sequence[float], shape: Shape = shapes.NORMAL) -> Phrase:
    """Second-degree block: one P more than there are PR intervals, the last one not conducted."""

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        waves: list[Wave] = []
        at = start_s  # where R would be, were PR normal
        for conducted in (*pr, None):
            rr = _sinus_rr(rng, at, atrial_bpm, 0.015)
            p = _p_centre(at, pr_s(rr))
            waves.append(Wave(p, shapes.P))
            if conducted is not None:
                waves.append(Wave(p - 0.01 + conducted, shape, qt_s(rr)))
            at += rr
        return waves, at

    return phrase


def fibrillation(bpm: float) -> Phrase:
    """Ventricular response to atrial fibrillation: independent RR from a shifted gamma law.

    Coefficient of variation 0.24 and no shorter than 0.45 of the mean: the refractory time of the
    AV node (Tateno & Glass, Med Biol Eng Comput 2001;39:664).
    """
    mean, least, spread = 60 / bpm, 0.45, 0.24
    order = ((1 - least) / spread) ** 2

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        rr = mean * (least + rng.gamma(order, (1 - least) / order, _BEATS_PER_PHRASE))
        at = start_s + np.cumsum(rr)
        before = [mean, *rr[:-1]]
        beats = zip([start_s, *at[:-1]], before, strict=True)
        return [
            Wave(float(t), shapes.NORMAL, qt_s((mean + last) / 2), recovery=0.8)
            for t, last in beats
        ], float(at[-1])

    return phrase


def flutter_response(cycle_s: float, ratio: int) -> Phrase:
    """Every ``ratio``-th flutter wave conducted, the beats locked to the waves."""

    def phrase(rng: np.random.Generator, start_s: float) -> tuple[list[Wave], float]:
        rr = cycle_s * ratio
        at = np.round(start_s / cycle_s) * cycle_s + rr * np.arange(_BEATS_PER_PHRASE + 1)
        jitter = 0.002 * rng.standard_normal(_BEATS_PER_PHRASE)
        return [
            Wave(float(t), shapes.NORMAL, qt_s(rr), recovery=0.6) for t in at[:-1] + jitter
        ], float(at[-1])

    return phrase


def _sinus_rr(rng: np.random.Generator, at_s: float, bpm: float, arrhythmia: float) -> float:
    swing = arrhythmia * np.sin(2 * np.pi * RESPIRATION_HZ * at_s)
    slow = 0.015 * np.sin(2 * np.pi * _MAYER_HZ * at_s + 1.0)
    return float(60 / bpm * (1 + swing + slow + 0.008 * rng.standard_normal()))


def _conducted(at_s: float, rr_s: float, shape: Shape, pr: float | None = None) -> list[Wave]:
    p = _p_centre(at_s, pr_s(rr_s) if pr is None else pr)
    return [Wave(p, shapes.P), Wave(at_s, shape, qt_s(rr_s))]


def _p_centre(at_s: float, pr: float) -> float:
    """P begins 0.05 s before its centre and QRS 0.04 s before the R peak."""
    return at_s - pr + 0.01
