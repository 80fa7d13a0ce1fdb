"""The measured rate beside the network: what is counted at 500 Hz corrects what is guessed.

A network of ten seconds at 100 Hz is a poor counter: whether a sinus rhythm is slow, normal or
fast is better known from the beats. Both are joined by logistic regression, whose weights come
with the bundle (fitted on its validation records; none: the network stands alone).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

Scores = dict[str, dict[str, float]]

# (bpm from which it grows, +1 above or -1 below it, bpm per unit)
_HINGES = ((60, -1, 10), (50, -1, 10), (90, 1, 10), (110, 1, 20))
_HINGE_MAX = 4.0
_IRREGULARITY_SCALE, _IRREGULARITY_MAX = 10, 3.0
FEATURES = 1 + len(_HINGES) + 1
UNKNOWN = (0.0,) * FEATURES

_LEAST = 1e-6  # the network's own rounding: a probability of 0 or 1 still has a logit
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Fusion:
    """Weights of a bundle.

    weights : group to label to FEATURES weights; a group or label without any keeps its score
    softmax : groups whose labels exclude each other; of the others each label stands alone
    """

    weights: Mapping[str, Mapping[str, tuple[float, ...]]]
    softmax: frozenset[str]


def features(rate_bpm: float | None, irregularity: float | None) -> tuple[float, ...]:
    """What a rate and an RR irregularity say, FEATURES numbers.

    1; tens of bpm below 60, below 50 and above 90 and twenties above 110, each 0..4; ten times
    the irregularity, 0..3, 0 where too few beats tell it. ``UNKNOWN``, all zero, without a rate.
    """
    if rate_bpm is None:
        return UNKNOWN
    hinges = [
        min(max(0.0, side * (rate_bpm - at) / unit), _HINGE_MAX) for at, side, unit in _HINGES
    ]
    spread = min((irregularity or 0.0) * _IRREGULARITY_SCALE, _IRREGULARITY_MAX)
    return (1.0, *hinges, spread)


def fuse(
    scores: Scores, rate_bpm: float | None, irregularity: float | None, fusion: Fusion
) -> Scores:
    """``scores`` with the weighted features added to their logits, rounded like the network's.

    In a softmax group log p takes the sum and the group is made to add up to 1 again; elsewhere
    logit p does. What has no weights, and everything without a rate, is passed on to the bit.
    """
    f = features(rate_bpm, irregularity)
    if f == UNKNOWN:
        return scores
    out = dict(scores)
    for group, weights in fusion.weights.items():
        if group not in scores:
            continue
        shift = {
            label: sum(w * x for w, x in zip(of, f, strict=True)) for label, of in weights.items()
        }
        join = _exclusive if group in fusion.softmax else _independent
        out[group] = join(scores[group], shift)
    return out


def _exclusive(scores: dict[str, float], shift: dict[str, float]) -> dict[str, float]:
    z = {label: math.log(max(p, _LEAST)) + shift.get(label, 0.0) for label, p in scores.items()}
    top = max(z.values())
    e = {label: math.exp(value - top) for label, value in z.items()}
    total = sum(e.values())
    return {label: round(value / total, _DIGITS) for label, value in e.items()}


def _independent(scores: dict[str, float], shift: dict[str, float]) -> dict[str, float]:
    out = dict(scores)
    for label in shift.keys() & scores.keys():
        p = min(max(scores[label], _LEAST), 1 - _LEAST)
        z = math.log(p / (1 - p)) + shift[label]
        out[label] = round((1 + math.tanh(z / 2)) / 2, _DIGITS)  # the logistic, never overflowing
    return out
