"""Scores, with the counts they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Along the last axis."""
    z = np.asarray(logits, np.float64)
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def confusion(truth: NDArray[Any], said: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Counts [truth, said]."""
    out = np.zeros((classes, classes), np.int64)
    np.add.at(out, (truth, said), 1)
    return out


def rhythm_scores(truth: NDArray[Any], said: NDArray[Any], classes: int = 4) -> dict[str, Any]:
    """Sensitivity, positive predictivity and F1 per class, macro-F1, accuracy, confusion."""
    matrix = confusion(truth, said, classes)
    hit = matrix.diagonal()
    se = hit / np.maximum(matrix.sum(1), 1)
    ppv = hit / np.maximum(matrix.sum(0), 1)
    f1 = 2 * hit / np.maximum(matrix.sum(1) + matrix.sum(0), 1)
    return {
        "confusion": matrix.tolist(),
        "sensitivity": se.tolist(),
        "positive_predictivity": ppv.tolist(),
        "f1": f1.tolist(),
        "macro_f1": float(f1.mean()),
        "accuracy": float(hit.sum() / max(matrix.sum(), 1)),
    }


def auc(truth: NDArray[Any], score: NDArray[Any]) -> float:
    """Area under the ROC curve, ties counted half (Mann-Whitney); NaN without both classes."""
    truth = np.asarray(truth, bool)
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float(
        (ranks[inverse][truth].sum() - positive * (positive + 1) / 2) / positive / negative
    )


def macro_auc(truth: NDArray[Any], score: NDArray[Any]) -> float:
    """Mean AUC of the columns that have both classes."""
    return float(np.nanmean([auc(truth[:, i], score[:, i]) for i in range(truth.shape[1])]))


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    centre, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float((centre - spread) / (1 + z * z / n)), float((centre + spread) / (1 + z * z / n))
