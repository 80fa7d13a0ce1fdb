"""From int8 logits to probabilities that mean what they say, and thresholds to call by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.bundle import OutputGroup
from models.groups import Group
from models.metrics import sigmoid, softmax

TEMPERATURES = np.geomspace(0.4, 3.0, 201)
CALL_PPV = 0.90  # share of calls of a label that must be right ...
CALL_RANGE = (0.50, 0.90)  # ... by a threshold in this range
ENOUGH = 20  # positives below which a sigmoid label gets no threshold of its own


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
    """Temperature of least binary cross-entropy; thresholds of best F1 where there are ENOUGH."""

    def cross_entropy(t: float) -> float:
        return float(np.logaddexp(0, np.where(y > 0, -logits, logits) / t).mean())

    temperature = _least(cross_entropy)
    p = sigmoid(logits / temperature)
    thresholds = {}
    for i, label in enumerate(labels):
        positives = int(y[:, i].sum())
        if positives < ENOUGH:
            continue
        order = np.argsort(-p[:, i], kind="stable")
        hits = np.cumsum(y[order, i])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + positives)
        thresholds[label] = round(float(p[order[int(f1.argmax())], i]), 3)
    return temperature, thresholds


def _least(cost: Any) -> float:
    return round(float(min(TEMPERATURES, key=cost)), 4)
