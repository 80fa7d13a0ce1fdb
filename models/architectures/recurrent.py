"""Convolutions, then a gated recurrent unit either way and attention: a teacher only.

It sees the order of the beats, which pooling forgets. After the CRNN-GRU of "Are ECGs enough?"
and Cho et al., 2014; fused recurrent layers do not convert to int8.
"""

from __future__ import annotations

from typing import Any

BLOCKS = ((48, 2), (96, 2), (128, 2))  # filters, stride


def build(outputs: int, samples: int | None = 1000) -> Any:
    """[samples, 12] -> [outputs] logits."""
    import keras
    from keras import layers, ops

    def conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
        x = layers.Conv1D(filters, kernel, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    signal = keras.Input((samples, 12), name="signal")
    x = layers.ReLU()(conv(signal, BLOCKS[0][0], 15, 2))
    for filters, stride in BLOCKS:
        shortcut = conv(x, filters, 1, stride)
        x = layers.ReLU()(conv(x, filters, 7, stride))
        x = conv(x, filters, 7)
        x = layers.ReLU()(layers.Add()([x, shortcut]))
    order = layers.Bidirectional(layers.GRU(96, return_sequences=True))(x)
    x = layers.Concatenate()([x, order])
    weight = layers.Softmax(axis=1)(layers.Dense(8)(layers.Dense(64, activation="tanh")(x)))
    heads = layers.Lambda(lambda both: ops.einsum("ntc,nth->nhc", *both))([x, weight])
    x = layers.Concatenate()(
        [
            layers.Dense(320, activation="relu")(layers.Flatten()(heads)),
            layers.GlobalMaxPooling1D()(x),
        ]
    )
    x = layers.Dropout(0.3, seed=0)(x)
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
