"""Layers of the published networks, written so that int8 operators alone compute them.

Keras' own LayerNormalization leaves float operators in a converted network, its MultiHeadAttention
works on tensors of rank 5. These are made of matrix products, whose sums are 32 bits wide, and of
the interpreters' own softmax; nothing here depends on how many windows are in a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-5


def layer_norm(x: Any) -> Any:
    """Mean 0 and variance 1 over the last axis of [time, width], then a gain and an offset.

    The variance is a product of each row with itself: squares of their own would be rounded to
    8 bits before they are added up, and most of them to 0. Gain and offset are a convolution of
    one sample, with a scale of its own per channel (Ba et al., Layer normalization, 2016).
    """
    from keras import layers, ops

    x = x - ops.mean(x, axis=-1, keepdims=True)
    square = ops.matmul(ops.expand_dims(x, -2), ops.expand_dims(x, -1))  # [time, 1, 1]
    variance = ops.squeeze(square, -1) / x.shape[-1]
    x = x * ops.rsqrt(variance + EPSILON)
    return layers.DepthwiseConv1D(1, depthwise_initializer="ones")(x)


def self_attention(x: Any, heads: int, dropout: float = 0.0) -> Any:
    """Scaled dot products of [time, width] with itself, in so many heads.

    One product per head: each has its own scales, and no tensor is larger than [time, time].
    Interpreters round weights to 1/256, all of an even look at 512 samples or more to 0. So they
    are applied to what differs from the mean value, which weights that add up to 1 let through.
    dropout : of the weights (Vaswani et al., Attention is all you need, 2017, 3.2)
    """
    from keras import layers, ops

    width = x.shape[-1]
    size = width // heads
    query, key, value = (layers.Dense(width)(x) for _ in range(3))
    query = query * size**-0.5
    mean = ops.mean(value, axis=1, keepdims=True)
    value = value - mean
    seen = []
    for head in range(heads):
        of = np.s_[..., head * size : (head + 1) * size]
        weights = ops.softmax(ops.matmul(query[of], ops.transpose(key[of], (0, 2, 1))))
        if dropout:
            weights = layers.Dropout(dropout, seed=head)(weights)
        seen.append(ops.matmul(weights, value[of]) + mean[of])
    return layers.Dense(width)(layers.Concatenate()(seen))


def encoder_layer(x: Any, heads: int, hidden: int, dropout: float) -> Any:
    """Attention and two dense layers, each added to what went in and then normalised.

    hidden : width of the first dense layer (Vaswani et al., 3.1, as PyTorch's default has it)
    """
    from keras import layers

    y = self_attention(x, heads, dropout)
    x = layer_norm(x + layers.Dropout(dropout, seed=heads)(y))
    y = layers.Dense(hidden, activation="relu")(x)
    y = layers.Dense(x.shape[-1])(layers.Dropout(dropout, seed=heads + 1)(y))
    return layer_norm(x + layers.Dropout(dropout, seed=heads + 2)(y))


def positions(time: int, width: int) -> NDArray[np.float32]:
    """Sines and cosines of the position, float32 [time, width] (Vaswani et al., 3.5)."""
    angle = np.arange(time)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    out = np.empty((time, width), np.float32)
    out[:, 0::2], out[:, 1::2] = np.sin(angle), np.cos(angle)
    return out


def adaptive_average(x: Any, bins: int) -> Any:
    """Averages over so many equal, if need be overlapping, parts of [time, width].

    Part i is floor(i time / bins) up to ceil((i + 1) time / bins), as in PyTorch.
    """
    from keras import ops

    time = x.shape[1]
    edges = [(i * time // bins, -(-(i + 1) * time // bins)) for i in range(bins)]
    return ops.stack([ops.mean(x[:, start:stop], axis=1) for start, stop in edges], axis=1)


def unroll(network: Any) -> None:
    """Lay recurrent layers out in time; the weights stay. Fused ones crash the converter."""
    for layer in network.layers:
        if hasattr(layer, "unroll"):
            layer.unroll = True
