"""Class activation maps, exact: what each place adds to a logit (Zhou et al., CVPR 2016).

For networks that end in pooling and one dense layer. Average pooling shares a channel's weight
among all places; maximum pooling gives it to the place of the maximum. So a map sums up to the
logit less its bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOGITS = "logits"  # name of every network's last layer


class NoMapError(ValueError):
    """The network's head allows no such map; the message is one line."""


@dataclass(frozen=True)
class _Pool:
    """One pooling layer in front of the logits: what it pools, and how."""

    features: Any
    maximum: bool


def activation_map(network: Any, x: NDArray[np.float32], column: int) -> NDArray[np.float64]:
    """What each place of the last feature map adds to the logit of ``column``.

    x : float32 [n, ...], inputs of the network
    returns : float64 [n, places] or, of two-dimensional networks, [n, height, width]

    Raises NoMapError where something other than pooling and dropout is in front of the logits.
    """
    import keras

    pools = _pools(network)
    kernel = network.get_layer(LOGITS).get_weights()[0][:, column].astype(np.float64)
    part = keras.Model(network.input, {str(i): pool.features for i, pool in enumerate(pools)})
    shown = part.predict_on_batch(x)
    maps, first = [], 0
    for i, pool in enumerate(pools):
        features = shown[str(i)]
        n, *places, channels = features.shape
        flat = np.asarray(features, np.float64).reshape(n, -1, channels)
        weight = kernel[first : first + channels]
        first += channels
        if pool.maximum:
            added = np.zeros(flat.shape)
            at = flat.argmax(1)[:, None]
            np.put_along_axis(added, at, np.take_along_axis(flat, at, 1), 1)
        else:
            added = flat / flat.shape[1]
        maps.append((added @ weight).reshape(n, *places))
    if len({one.shape for one in maps}) > 1:
        raise NoMapError(f"{network.name} pools maps of different sizes; use Grad-CAM")
    summed: NDArray[np.float64] = np.sum(maps, axis=0)
    return summed


def _pools(network: Any) -> list[_Pool]:
    """Those whose outputs, side by side, are the input of the logits."""
    tensors, found = [network.get_layer(LOGITS).input], []
    while tensors:
        layer = tensors.pop(0)._keras_history.operation
        kind = type(layer).__name__
        if kind == "Dropout":
            tensors.insert(0, layer.input)
        elif kind == "Concatenate":
            tensors[:0] = layer.input
        elif kind.startswith(("GlobalAveragePooling", "GlobalMaxPooling")):
            found.append(_Pool(layer.input, "Max" in kind))
        else:
            raise NoMapError(
                f"{network.name} has {layer.name} in front of its logits, so that no place of its "
                "input has a share of its own in them; use Grad-CAM"
            )
    return found
