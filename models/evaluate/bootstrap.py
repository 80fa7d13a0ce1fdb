"""95 % intervals by resampling patients (Efron's percentile bootstrap), seeded, without loops.

A resample is a weight per record: how often its patient was drawn. All resamples of an AUC come
out of one matrix product: with K[i, j] = 1, 1/2 or 0 as positive i scores above, like or below
negative j, the AUC under weights w is sum_ij w_i K_ij w_j over sum_i w_i sum_j w_j.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000

Weights = NDArray[np.float32]  # [resamples, records]


def patient_weights(
    patients: NDArray[np.str_], resamples: int = RESAMPLES, seed: int = 0
) -> Weights:
    """How often each record is in each resample, [resamples, n]; patients are drawn whole."""
    names, of = np.unique(patients, return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(seed).multinomial(len(names), share, size=resamples)
    return drawn.astype(np.float32)[:, of]


def resampled_auc(
    truth: NDArray[np.bool_], score: NDArray[np.float64], weights: Weights
) -> NDArray[np.float64]:
    """AUC in each resample, [resamples]; NaN where it holds one class only."""
    positive, negative = weights[:, truth], weights[:, ~truth]
    if not (truth.any() and not truth.all()):
        return np.full(len(weights), np.nan)
    up, down = score[truth][:, None], score[~truth]
    order = np.greater(up, down).astype(np.float32) + np.float32(0.5) * np.equal(up, down)
    won = np.einsum("rj,rj->r", positive @ order, negative, dtype=np.float64)
    pairs = positive.sum(1, dtype=np.float64) * negative.sum(1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = won / pairs
    return found


def resampled_macro_auc(
    truth: NDArray[np.bool_], score: NDArray[np.float64], weights: Weights
) -> NDArray[np.float64]:
    """Mean AUC over the labels that have both classes in the resample, [resamples]."""
    columns = [
        resampled_auc(truth[:, i], score[:, i], weights)
        for i in range(truth.shape[1])
        if truth[:, i].any() and not truth[:, i].all()
    ]
    if not columns:
        return np.full(len(weights), np.nan)
    each = np.stack(columns)
    known = ~np.isnan(each)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = np.where(known, each, 0).sum(0) / known.sum(0)
    return found


def resampled_confusion(
    truth: NDArray[Any], said: NDArray[Any], classes: int, weights: Weights
) -> NDArray[np.float64]:
    """Confusion matrices [resamples, truth, said]."""
    cell = np.eye(classes * classes, dtype=np.float32)[truth * classes + said]
    return (weights @ cell).astype(np.float64).reshape(-1, classes, classes)


def accuracy_and_macro_f1(
    matrices: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each confusion matrix [..., truth, said]; classes that a resample lost do not count."""
    hit = np.diagonal(matrices, axis1=-2, axis2=-1)
    both = matrices.sum(-1) + matrices.sum(-2)
    f1 = 2 * hit / np.maximum(both, 1e-9)
    macro_f1 = f1.sum(-1) / np.maximum((both > 0).sum(-1), 1)
    return hit.sum(-1) / np.maximum(matrices.sum((-2, -1)), 1e-9), macro_f1


def interval(values: NDArray[np.float64]) -> list[float]:
    """[2.5 %, 97.5 %] quantiles, NaN left out."""
    known = values[~np.isnan(values)]
    return [float(v) for v in np.quantile(known, [0.025, 0.975])] if len(known) else []
