"""Which records an epoch is taught in, and in which batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def balanced_epoch(y: NDArray[Any], batch: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows [steps, batch] of one epoch in which every batch is half positive, half negative.

    The larger class is undersampled without replacement, anew with each call; of the smaller one
    less than half a batch is left over (ECG-SMART-NET, II.B).

    y : bool [n], the binary label
    batch : even
    Raises ValueError where one class is too small for a single batch.
    """
    truth = np.asarray(y, bool)
    half, odd = divmod(batch, 2)
    classes = [np.flatnonzero(truth), np.flatnonzero(~truth)]
    steps = min(map(len, classes)) // half if half else 0
    if odd or not steps:
        raise ValueError(
            f"{len(classes[0])} positive and {len(classes[1])} negative records make no balanced "
            f"batch of {batch}: it must be even, and each class must fill half of it"
        )
    halves = [rng.permutation(rows)[: steps * half].reshape(steps, half) for rows in classes]
    return rng.permuted(np.concatenate(halves, 1), axis=1)
