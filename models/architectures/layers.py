"""Layers of the published networks, written so that int8 operators alone compute them.

Keras' own LayerNormalization leaves float operators in a converted network, its MultiHeadAttention
works on tensors of rank 5. These are made of matrix products, whose sums are 32 bits wide, and of
the interpreters' own softmax; nothing here depends on how many windows are in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-5
EVEN_IS_NOTHING = 512  # samples looked at, each with less than half of 1/256


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
    Weights are applied to what differs from the mean value, which weights that add up to 1 let
    through: rounded, they no longer do. Nor do weights change when the mean key is taken off all:
    products of what they share would take most of int8's range.
    dropout : of the weights (Vaswani et al., Attention is all you need, 2017, 3.2)
    """
    from keras import layers, ops

    width = x.shape[-1]
    size = width // heads
    query, key, value = (layers.Dense(width)(x) for _ in range(3))
    query = query * size**-0.5
    key = key - ops.mean(key, axis=1, keepdims=True)
    mean = ops.mean(value, axis=1, keepdims=True)
    value = value - mean
    seen = []
    for head in range(heads):
        of = np.s_[..., head * size : (head + 1) * size]
        scores = ops.matmul(query[of], ops.transpose(key[of], (0, 2, 1)))
        drop = layers.Dropout(dropout, seed=head) if dropout else lambda weights: weights
        seen.append(_looked(scores, value[of], drop) + mean[of])
    return layers.Dense(width)(layers.Concatenate()(seen))


def _looked(scores: Any, value: Any, drop: Callable[[Any], Any]) -> Any:
    """Softmax of the scores [time, time], dropped from, times a value whose mean is 0.

    The interpreters' softmax rounds to 1/256: all of an even look at 512 samples to 0, and their
    reference kernel aborts at it. So for longer windows it is made of exponentials, its weights
    count in even looks, and the even look itself, of which nothing would come, is taken off.
    """
    from keras import ops

    time = scores.shape[-1]
    if time is None or time < EVEN_IS_NOTHING:
        return ops.matmul(drop(ops.softmax(scores)), value)
    look = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
    root = ops.rsqrt(ops.mean(look, axis=-1, keepdims=True))
    return ops.matmul(drop(look * (root * root)) - 1.0, value) / time


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


def lstm(units: int, all_times: bool = False) -> Any:
    """Keras' LSTM (fused, for training), which ``unroll`` lays out in time.

    all_times : give the state of each, not only of the last
    """
    from keras import layers, ops

    class LSTM(layers.LSTM):
        def call(
            self,
            sequences: Any,
            initial_state: Any = None,
            mask: Any = None,
            training: bool = False,
        ) -> Any:
            if not self.unroll:
                return super().call(sequences, initial_state, mask, training)
            inputs = _dense(sequences, self.cell.kernel, self.cell.bias, 4)
            states: list[Any] = []
            memory: Any = 0.0
            for time in range(sequences.shape[1]):
                z = [one[:, time] for one in inputs]
                if states:
                    own = _dense(states[-1], self.cell.recurrent_kernel, None, 4)
                    z = [a + b for a, b in zip(z, own, strict=True)]
                kept = ops.sigmoid(z[0]) * ops.tanh(z[2])
                memory = ops.sigmoid(z[1]) * memory + kept if states else kept
                states.append(ops.sigmoid(z[3]) * ops.tanh(memory))
            return ops.stack(states, axis=1) if self.return_sequences else states[-1]

    return LSTM(units, return_sequences=all_times)


def gru(units: int, all_times: bool = False) -> Any:
    """Keras' GRU, as ``lstm``; the reset gate acts after the product, as in PyTorch."""
    from keras import layers, ops

    class GRU(layers.GRU):
        def call(
            self,
            sequences: Any,
            initial_state: Any = None,
            mask: Any = None,
            training: bool = False,
        ) -> Any:
            if not self.unroll:
                return super().call(sequences, initial_state, mask, training)
            inputs = _dense(sequences, self.cell.kernel, self.cell.bias[0], 3)
            states: list[Any] = []
            for time in range(sequences.shape[1]):
                update, reset, new = (one[:, time] for one in inputs)
                before = states[-1] if states else ops.zeros_like(update)
                own = _dense(before, self.cell.recurrent_kernel, self.cell.bias[1], 3)
                keep = ops.sigmoid(update + own[0])
                new = (1 - keep) * ops.tanh(new + ops.sigmoid(reset + own[1]) * own[2])
                states.append(keep * before + new if states else new)
            return ops.stack(states, axis=1) if self.return_sequences else states[-1]

    return GRU(units, return_sequences=all_times)


def unroll(network: Any) -> None:
    """Lay recurrent layers out in time; the weights stay.

    Keras' fused ones crash the converter. Its unrolled ones split the gates of a time with one
    operator, which is left in float where a gate of the first time has nothing to act on.
    """
    for layer in network.layers:
        if hasattr(layer, "unroll"):
            layer.unroll = True


def _dense(x: Any, kernel: Any, bias: Any, gates: int) -> list[Any]:
    """Each gate by itself, so that each has its own scales."""
    from keras import ops

    width = kernel.shape[-1] // gates
    out = []
    for gate in range(gates):
        of = np.s_[..., gate * width : (gate + 1) * width]
        product = ops.matmul(x, kernel[of])
        out.append(product if bias is None else product + bias[of])
    return out
