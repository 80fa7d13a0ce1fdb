"""What ECG-SMART-NET is chosen and reported by, on a task that PTB-XL has labels for.

Riek et al. look for occlusion of a coronary artery, seen in the catheter laboratory; PTB-XL has
read its ECGs, not the arteries. Nearest in kind are its statements of subendocardial injury, the
only ones of an acute event; but they are no occlusion, and a fold has a few dozen: too few for an
average precision. The task here is the superclass MI, every infarction whether fresh or old: an
easier question, of four times the prevalence. Its figures compare networks with each other, not
with the paper's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibrate import best_f1
from models.groups import GROUPS
from models.metrics import at_threshold, auc, average_precision

TASK = "MI"
_GROUP = next(group for group in GROUPS if TASK in group.labels)
COLUMN = _GROUP.first + _GROUP.labels.index(TASK)  # of targets and logits, [n, OUTPUTS]
ALPHA = 2 / 3


def beat_score(truth: NDArray[Any], p: NDArray[Any]) -> float:
    """Equation 1: 2/3 AUC + 1/3 average precision; 0..1, NaN without both classes."""
    return ALPHA * auc(truth, p) + (1 - ALPHA) * average_precision(truth, p)


def operating_point(truth: NDArray[Any], p: NDArray[np.float64]) -> float:
    """Threshold of the highest F1 of ``p >= threshold``, on validation (III.B)."""
    return best_f1(p, np.asarray(truth, bool))


def figures(truth: NDArray[Any], p: NDArray[Any], threshold: float) -> dict[str, float]:
    """Table 5 at an operating point, and the score; what is undefined is 0, AUC and AP NaN."""
    truth, said = np.asarray(truth, bool), np.asarray(p) >= threshold
    here = at_threshold(truth, p, threshold)
    return {
        "accuracy": float((truth == said).mean()),
        "sensitivity": here["recall"],
        "specificity": here["specificity"],
        "ppv": here["precision"],
        "npv": float((~truth & ~said).sum() / max((~said).sum(), 1)),
        "f1": here["f1"],
        "auc": auc(truth, p),
        "ap": average_precision(truth, p),
        "score": beat_score(truth, p),
    }
