"""The figures of table 2 of "Are ECGs enough?": accuracy, F1, MAP and G-mean of several labels.

The paper gives G-mean as the root of sensitivity times specificity (3.4) and leaves open of what
over several labels. Followed is its public code (``utils.get_metrics``): accuracy and specificity
over all entries at once, sensitivity and F1 as means of the labels; MAP is the mean of the labels'
average precisions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.metrics import average_precision


def f1_scores(truth: NDArray[Any], said: NDArray[Any]) -> NDArray[np.float64]:
    """F1 of each label, of bool [n, labels]; 0 where a label is neither there nor said."""
    hit = (truth & said).sum(0)
    scores: NDArray[np.float64] = 2 * hit / np.maximum(truth.sum(0) + said.sum(0), 1)
    return scores


def mean_average_precision(truth: NDArray[Any], p: NDArray[np.float64]) -> float:
    """Mean over the labels that have a positive; NaN where none has."""
    each = [average_precision(truth[:, i], p[:, i]) for i in range(truth.shape[1])]
    known = [value for value in each if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def said_figures(truth: NDArray[Any], said: NDArray[Any]) -> dict[str, float]:
    """Accuracy, F1 and G-mean of answers, both bool [n, labels].

    Labels without a positive do not count in the means: nothing can be found of them.
    """
    there = truth.any(0)
    if not there.any():
        return dict.fromkeys(("accuracy", "f1", "sensitivity", "specificity", "g_mean"), np.nan)
    hit = (truth & said).sum(0)[there]
    sensitivity = float((hit / truth.sum(0)[there]).mean())
    specificity = float((~truth & ~said).sum() / max((~truth).sum(), 1))
    return {
        "accuracy": float((truth == said).mean()),
        "f1": float(f1_scores(truth, said)[there].mean()),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "g_mean": float(np.sqrt(sensitivity * specificity)),
    }
