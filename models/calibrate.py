"""From int8 logits to probabilities that mean what they say, and thresholds to call by.

All of it is fitted on the validation fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from firmware.bundle import OutputGroup
from firmware.fusion import FEATURES, features
from models.data.rates import Rate
from models.groups import Group
from models.metrics import sigmoid, softmax

TEMPERATURES = np.geomspace(0.4, 3.0, 201)
CALL_PPV = 0.90  # share of calls of a label that must be right ...
CALL_RANGE = (0.50, 0.90)  # ... by a threshold in this range
ENOUGH = 5  # positives below which a sigmoid label shares the threshold of the other rare ones
PLATT_ENOUGH, PLATT_PENALTY = 20, 1.0
FUSION_PENALTY = 0.3  # on the squared weights: 88 to 1746 records a group are few for 18 weights


def calibrated(group: Group, logits: NDArray[Any], y: NDArray[Any]) -> OutputGroup:
    """The group with its temperature and thresholds, from its logits and targets [n, labels]."""
    fit = _softmax if group.activation == "softmax" else _sigmoid
    temperature, thresholds = fit(group.labels, logits.astype(np.float64), y)
    return OutputGroup(
        name=group.name,
        labels=group.labels,
        texts=group.text,
        activation=group.activation,
        first=group.first,
        temperature=temperature,
        thresholds=thresholds,
    )


def _softmax(
    labels: tuple[str, ...], logits: NDArray[np.float64], y: NDArray[Any]
) -> tuple[float, dict[str, float]]:
    """Temperature of least cross-entropy (Guo et al., On calibration, ICML 2017).

    A label's threshold is the least in CALL_RANGE, in steps of 0.05, at which CALL_PPV of its
    calls are right: below it the monitor says "unsure".
    """
    known = y.any(1)
    logits, truth = logits[known], y[known].argmax(1)
    rows = np.arange(len(truth))

    def cross_entropy(t: float) -> float:
        return float(-np.log(np.maximum(softmax(logits / t)[rows, truth], 1e-12)).mean())

    temperature = _least(cross_entropy)
    p = softmax(logits / temperature)
    said, best = p.argmax(1), p.max(1)
    thresholds = {}
    for i, label in enumerate(labels):
        for threshold in np.arange(CALL_RANGE[0], CALL_RANGE[1] + 0.01, 0.05):
            called = (said == i) & (best >= threshold)
            if called.any() and (truth[called] == i).mean() >= CALL_PPV:
                break
        thresholds[label] = round(float(threshold), 2)
    return temperature, thresholds


def _sigmoid(
    labels: tuple[str, ...], logits: NDArray[np.float64], y: NDArray[Any]
) -> tuple[float, dict[str, float]]:
    """Temperature of least binary cross-entropy; per label the threshold of best F1.

    Labels with fewer positives than ENOUGH share one, of the best F1 over all of them.
    """

    def cross_entropy(t: float) -> float:
        return float(np.logaddexp(0, np.where(y > 0, -logits, logits) / t).mean())

    temperature = _least(cross_entropy)
    p = sigmoid(logits / temperature)
    rare = y.sum(0) < ENOUGH
    shared = best_f1(p[:, rare].ravel(), y[:, rare].ravel()) if y[:, rare].any() else 0.5
    thresholds = {
        label: shared if rare[i] else best_f1(p[:, i], y[:, i]) for i, label in enumerate(labels)
    }
    return temperature, thresholds


def best_f1(p: NDArray[np.float64], y: NDArray[Any]) -> float:
    """Threshold of the highest F1 of ``p >= threshold``, rounded down to 0.001."""
    order = np.argsort(-p, kind="stable")
    f1 = 2 * np.cumsum(y[order]) / (np.arange(1, len(order) + 1) + y.sum())
    last = np.append(np.diff(p[order]) != 0, True)  # of a run of equal p, which is said as one
    return float(np.floor(p[order[int(np.where(last, f1, -1).argmax())]] * 1000) / 1000)


def slopes_and_offsets(
    logits: NDArray[Any], y: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per sigmoid column, what makes slope * logit + offset calibrated (Platt 1999).

    Teachers and label noise leave each label a bias of its own, which one temperature per group
    cannot take off. Columns with fewer positives than PLATT_ENOUGH keep slope 1 and offset 0.
    """
    slopes, offsets = np.ones(logits.shape[1]), np.zeros(logits.shape[1])
    for column in range(logits.shape[1]):
        truth, z = y[:, column] > 0, logits[:, column].astype(np.float64)
        if min(truth.sum(), (~truth).sum()) < PLATT_ENOUGH:
            continue
        sign = np.where(truth, -1.0, 1.0)

        def cost(ab: NDArray[np.float64], z: Any = z, sign: Any = sign) -> float:
            away = PLATT_PENALTY * ((ab[0] - 1) ** 2 + ab[1] ** 2)
            return float(np.logaddexp(0, sign * (ab[0] * z + ab[1])).sum() + away)

        best = optimize.minimize(cost, np.array([1.0, 0.0]), bounds=((0.5, 2), (-2, 2)))
        slopes[column], offsets[column] = best.x
    return slopes, offsets


def fusion_weights(
    logits: NDArray[Any],
    y: NDArray[Any],
    rates: Sequence[Rate],
    reference: int,
) -> NDArray[np.float64]:
    """What a measured rate adds to the logits of a softmax group, [labels, FEATURES].

    Multinomial logistic regression on ``firmware.fusion.features`` with the network's logits
    (divided by their temperature) as offset, FUSION_PENALTY on the squares; the label in column
    ``reference`` keeps zero weights. Rows of ``y`` that are all zero are not used.
    """
    known = y.any(1)
    z, truth = logits[known].astype(np.float64), y[known].argmax(1)
    f = np.array([features(*rate) for rate in rates])[known]
    others = [label for label in range(z.shape[1]) if label != reference]
    rows = np.arange(len(truth))

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = np.zeros((z.shape[1], FEATURES))
        weights[others] = flat.reshape(len(others), FEATURES)
        p = softmax(z + f @ weights.T)
        loss = -np.log(np.maximum(p[rows, truth], 1e-12)).sum() + FUSION_PENALTY * (flat**2).sum()
        p[rows, truth] -= 1
        return float(loss), (p.T @ f)[others].ravel() + 2 * FUSION_PENALTY * flat

    best = optimize.minimize(cost, np.zeros(len(others) * FEATURES), jac=True, method="L-BFGS-B")
    weights = np.zeros((z.shape[1], FEATURES))
    weights[others] = best.x.reshape(len(others), FEATURES)
    return np.round(weights, 4)


def _least(cost: Any) -> float:
    return round(float(min(TEMPERATURES, key=cost)), 4)
