"""One threshold per label, tuned for F1 (CNN-TE), and judged on patients it was not tuned on.

CNN-TE reads its thresholds off the curve of the very records it reports (section 5, table 3).
Here the patients of a fold are halved: thresholds are tuned on each half and applied to the other,
so that every record counts once and none has helped to choose what it is judged by. Records of
the training folds would not do: networks have learnt them, and score them higher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibrate import best_f1
from models.evaluate.gmean import f1_scores
from models.metrics import average_precision

SEED = 0
NEVER = np.inf  # threshold of a label that the tuning half does not have


@dataclass(frozen=True)
class Tuned:
    """``thresholds`` [2, labels]: of either half; ``said`` bool [n, labels]: by the other's."""

    thresholds: NDArray[np.float64]
    said: NDArray[np.bool_]


def halves(patients: NDArray[np.str_]) -> NDArray[np.bool_]:
    """The records of one half of the patients, by lot; all records of a patient together."""
    names, of = np.unique(patients, return_inverse=True)
    first = np.zeros(len(names), np.bool_)
    first[np.random.default_rng(SEED).permutation(len(names))[: len(names) // 2]] = True
    half: NDArray[np.bool_] = first[of]
    return half


def tuned(truth: NDArray[Any], p: NDArray[np.float64], patients: NDArray[np.str_]) -> Tuned:
    """Thresholds for truth and probabilities, both [n, labels], across the two halves."""
    half = halves(patients)
    thresholds = np.full((2, truth.shape[1]), NEVER)
    said = np.zeros(truth.shape, np.bool_)
    for k, rows in enumerate((half, ~half)):
        for label in np.flatnonzero(truth[rows].any(0)):
            thresholds[k, label] = best_f1(p[rows, label], truth[rows, label])
        said[~rows] = p[~rows] >= thresholds[k]
    return Tuned(thresholds, said)


def table(
    labels: tuple[str, ...], truth: NDArray[Any], p: NDArray[np.float64], of: Tuned
) -> dict[str, Any]:
    """CNN-TE's tables 2 and 3: AUPRC, share of positives, threshold, precision, recall, F1.

    Thresholds are the mean of the two halves'; labels that not both halves have are left out.
    ``correlation`` is Pearson's, of thresholds with shares; NaN with fewer than three labels.
    """
    f1 = f1_scores(truth, of.said)
    rows: dict[str, dict[str, float]] = {}
    for i, label in enumerate(labels):
        if not np.isfinite(of.thresholds[:, i]).all():
            continue
        hit = int((truth[:, i] & of.said[:, i]).sum())
        rows[label] = {
            "share": float(truth[:, i].mean()),
            "auprc": average_precision(truth[:, i], p[:, i]),
            "threshold": float(of.thresholds[:, i].mean()),
            "precision": hit / max(int(of.said[:, i].sum()), 1),
            "recall": hit / int(truth[:, i].sum()),
            "f1": float(f1[i]),
        }
    shares = [row["share"] for row in rows.values()]
    thresholds = [row["threshold"] for row in rows.values()]
    return {"labels": rows, "correlation": _pearson(thresholds, shares)}


def _pearson(one: list[float], other: list[float]) -> float:
    if len(one) < 3 or np.std(one) == 0 or np.std(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
