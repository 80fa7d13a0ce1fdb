"""Depthwise-separable network: 140 k parameters, 12 MMAC for 10 s; the one for slow boards.

Blocks after Howard et al., MobileNets, 2017, in one dimension with kernels of 9, each with a
shortcut where its shape allows.
"""

from __future__ import annotations

from typing import Any

BLOCKS = ((64, 2), (96, 1), (128, 2), (128, 1), (192, 2), (192, 1))  # filters, stride


def build(outputs: int, samples: int | None = 1000) -> Any:
    """[samples, 12] -> [outputs] logits."""
    import keras
    from keras import layers

    def norm_relu(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    signal = keras.Input((samples, 12), name="signal")
    x = norm_relu(layers.Conv1D(32, 9, 2, padding="same", use_bias=False)(signal))
    for filters, stride in BLOCKS:
        y = layers.DepthwiseConv1D(9, stride, padding="same", use_bias=False)(x)
        y = layers.Conv1D(filters, 1, use_bias=False)(norm_relu(y))
        y = norm_relu(y)
        x = layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    x = layers.Dropout(0.2, seed=0)(x)
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
