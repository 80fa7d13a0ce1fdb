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


def plain_epoch(n: int, batch: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows [steps, batch] of one epoch: each of ``n`` once, less than a batch left over."""
    steps = n // batch
    return np.asarray(rng.permutation(n)[: steps * batch].reshape(steps, batch))


def oversampled_epoch(
    y: NDArray[Any], share: float, batch: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows [steps, batch] of one epoch in which records with rare labels come more often.

    A record comes as often as its rarest label asks for, sqrt(share / prevalence) times and once
    at least; of a fraction chance decides, anew each epoch (repeat factors: Gupta et al., LVIS,
    CVPR 2019, 3.3). CNN-TE (4) oversamples "the minority positive class of each abnormality" and
    does not say how; for one label at a time that is plain repetition.

    y : bool [n, labels]; share : of records, above which a label is common enough
    """
    truth = np.asarray(y, bool)
    of_label = np.sqrt(share / np.maximum(truth.mean(0), 1 / len(truth)))
    times = np.where(truth, np.maximum(of_label, 1), 1).max(1)
    whole = times.astype(np.intp)
    whole += rng.random(len(times)) < times - whole
    rows = rng.permutation(np.repeat(np.arange(len(truth)), whole))
    steps = len(rows) // batch
    return np.asarray(rows[: steps * batch].reshape(steps, batch))
