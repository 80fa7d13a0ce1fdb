"""Ten folds of patients, each with its share of the positives (ECG-SMART-NET, II.B).

They are drawn from what may be trained on, PTB-XL's folds 1-8; fold 9 stays what every network
here is chosen by, and is in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDS = 10
OUTSIDE = -1

Rows = NDArray[np.intp]


def folds_of(
    patients: NDArray[np.str_], y: NDArray[Any], trainable: NDArray[np.bool_], seed: int
) -> NDArray[np.int64]:
    """The fold of each record, 0..9; OUTSIDE where it may not be trained on.

    patients, y, trainable : [n]; all records of a patient go into one fold
    y : the binary label that is spread evenly

    Patients go, the largest first and equals by lot, where least of their kind is: those with a
    positive to the fold with the fewest positives, the others to that with the fewest negatives.
    Raises ValueError where a record's patient is not known.
    """
    truth = np.asarray(y, bool)
    if (patients[trainable] == "").any():
        raise ValueError("records without a patient cannot be split by patient; give patient_id")
    names, of = np.unique(patients[trainable], return_inverse=True)
    positives = np.bincount(of, truth[trainable], len(names)).astype(np.int64)
    negatives = np.bincount(of, minlength=len(names)) - positives
    lot = np.random.default_rng(seed).permutation(len(names))
    order = lot[np.lexsort((negatives[lot], positives[lot]))[::-1]]
    filled = np.zeros((2, FOLDS), np.int64)  # positives, negatives
    fold = np.empty(len(names), np.int64)
    for patient in order:
        kind = 0 if positives[patient] else 1
        fold[patient] = np.lexsort((filled[1 - kind], filled[kind]))[0]
        filled[:, fold[patient]] += positives[patient], negatives[patient]
    out = np.full(len(patients), OUTSIDE, np.int64)
    out[trainable] = fold[of]
    return out


def splits(fold: NDArray[np.int64]) -> Iterator[tuple[Rows, Rows, Rows]]:
    """Rows to train on, to validate on and to test on, ten times; each fold is tested on once.

    Validated on is the fold after the tested one; what is OUTSIDE is in none.
    """
    for test in range(FOLDS):
        validation = (test + 1) % FOLDS
        train = (fold != OUTSIDE) & (fold != test) & (fold != validation)
        yield (
            np.flatnonzero(train),
            np.flatnonzero(fold == validation),
            np.flatnonzero(fold == test),
        )
