"""What a logit's gradient tells: Grad-CAM (Selvaraju et al., ICCV 2017), and plain saliency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.explain.cam import NoMapError


def grad_cam(network: Any, x: NDArray[np.float32], column: int) -> NDArray[np.float64]:
    """Where the last feature map speaks for ``column``: 0 and above.

    Channels are weighted by the mean gradient of the logit over the map.

    x : float32 [n, ...], inputs of the network
    returns : float64 [n, places] or, of two-dimensional networks, [n, height, width]

    Raises NoMapError where no layer has places beside its channels.
    """
    import keras
    import tensorflow as tf

    part = keras.Model(network.input, [_last_map(network), network.output])
    with tf.GradientTape() as tape:
        features, logits = part(x, training=False)
        logit = tf.reduce_sum(logits[:, column])  # records do not touch each other
    gradient = np.asarray(tape.gradient(logit, features), np.float64)
    weight = gradient.mean(axis=tuple(range(1, gradient.ndim - 1)), keepdims=True)
    summed: NDArray[np.float64] = (weight * np.asarray(features, np.float64)).sum(-1)
    return np.maximum(summed, 0)


def gradient(network: Any, x: NDArray[np.float32], column: int) -> NDArray[np.float64]:
    """Absolute gradient of a logit by its input (Simonyan et al., 2013; ECG-SMART-NET, II.C).

    x : float32 [n, ...], inputs of the network; returns float64 of its shape
    """
    import tensorflow as tf

    shown = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(shown)
        logit = tf.reduce_sum(network(shown, training=False)[:, column])
    return np.abs(np.asarray(tape.gradient(logit, shown), np.float64))


def _last_map(network: Any) -> Any:
    """Output of the last layer that still has places beside its channels."""
    for layer in reversed(network.layers[1:]):
        if len(layer.output.shape) > 2:
            return layer.output
    raise NoMapError(f"{network.name} has no feature map; use the gradient")
