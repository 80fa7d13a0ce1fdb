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
    """Mean AUC of the columns that have both classes; NaN where none has."""
    each = [auc(truth[:, i], score[:, i]) for i in range(truth.shape[1])]
    known = [value for value in each if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    centre, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float((centre - spread) / (1 + z * z / n)), float((centre + spread) / (1 + z * z / n))


def average_precision(truth: NDArray[Any], score: NDArray[Any]) -> float:
    """Area under precision over recall, as steps (no interpolation); NaN without a positive."""
    truth = np.asarray(truth, bool)
    positive = int(truth.sum())
    if not positive:
        return float("nan")
    order = np.argsort(-np.asarray(score), kind="stable")
    last = np.append(np.diff(np.asarray(score)[order]) != 0, True)  # of a run of equal scores
    hits, said = np.cumsum(truth[order])[last], np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) / positive * hits / said).sum())


def at_threshold(truth: NDArray[Any], p: NDArray[Any], threshold: float) -> dict[str, float]:
    """Precision, recall, specificity, F1 and G-mean of ``p >= threshold``; 0 where undefined.

    G-mean: square root of recall times specificity (Kubat & Matwin 1997).
    """
    truth, said = np.asarray(truth, bool), np.asarray(p) >= threshold
    hit, miss, false = (truth & said).sum(), (truth & ~said).sum(), (~truth & said).sum()
    recall = hit / max(hit + miss, 1)
    specificity = (~truth & ~said).sum() / max((~truth).sum(), 1)
    return {
        "precision": float(hit / max(hit + false, 1)),
        "recall": float(recall),
        "specificity": float(specificity),
        "f1": float(2 * hit / max(2 * hit + miss + false, 1)),
        "g_mean": float(np.sqrt(recall * specificity)),
    }


def calibration(truth: NDArray[Any], p: NDArray[Any], bins: int = 10) -> dict[str, Any]:
    """Expected calibration error of a label, equal-width bins (Naeini et al., AAAI 2015).

    Returns ``ece`` and ``bins``: [mean probability, share true, records] of those not empty.
    """
    truth, p = np.asarray(truth, bool), np.asarray(p, np.float64)
    where = np.minimum((p * bins).astype(int), bins - 1)
    rows = [(p[where == b], truth[where == b]) for b in range(bins)]
    table = [[float(q.mean()), float(t.mean()), len(q)] for q, t in rows if len(q)]
    error = sum(n * abs(mean - share) for mean, share, n in table) / max(len(p), 1)
    return {"ece": float(error), "bins": table}
