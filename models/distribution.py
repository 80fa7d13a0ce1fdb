"""Several processors at one training: Keras' own data parallelism, over one process or more.

Keras' distribution API works on its JAX backend: weights on every device, a batch shared out among
them, sums (of gradients and of batch statistics) over all of it, so that the numbers are those of
one device with the same batch, within rounding. More processes, on one host or several, are told
of each other as Keras has it, by KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES
and KERAS_DISTRIBUTION_PROCESS_ID; see docs/training.md.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

COUNT = "KERAS_DISTRIBUTION_NUM_PROCESSES"
_ID = "KERAS_DISTRIBUTION_PROCESS_ID"


def processes() -> int:
    """That train together, this one among them."""
    return int(os.environ.get(COUNT) or 1)


def number() -> int:
    """Of this process."""
    return int(os.environ.get(_ID) or 0) if processes() > 1 else 0


def chief() -> bool:
    """Whether this process writes the run's files."""
    return number() == 0


def join(keras: Any) -> None:
    """Wait for the other processes; share batches among all devices. Before a model is built."""
    if keras.backend.backend() != "jax" or keras.distribution.distribution() is not None:
        return
    if processes() > 1:
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize()
    if len(keras.distribution.list_devices()) > 1:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=False)
        )


def share(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """What of a batch this process reads: its own part, in order."""
    if processes() == 1:
        return rows
    return np.split(rows, processes())[number()]


def weights(rows: NDArray[np.intp]) -> NDArray[np.float32] | None:
    """Of the records of a batch, all 1: Keras does not share out a batch that has none."""
    import keras

    shared = keras.distribution.distribution() is not None
    return np.ones(len(rows), np.float32) if shared else None


def any_of(happened: bool) -> bool:
    """Whether it happened to any process."""
    if processes() == 1:
        return happened
    from jax.experimental.multihost_utils import process_allgather

    return bool(process_allgather(np.array(happened)).any())
