"""Compact residual network: 405 k parameters, 32 MMAC for 10 s.

Basic blocks after He et al., Deep residual learning, CVPR 2016, in one dimension with kernels of
5 (50 ms and longer further up); average and maximum pooling side by side, since a finding may be
in every beat or in one.
"""

from __future__ import annotations

from typing import Any

BLOCKS = ((32, 2), (64, 2), (64, 1), (128, 2), (128, 1))  # filters, stride


def build(outputs: int, samples: int | None = 1000) -> Any:
    """[samples, 12] -> [outputs] logits."""
    import keras
    from keras import layers

    def conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
        x = layers.Conv1D(filters, kernel, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    signal = keras.Input((samples, 12), name="signal")
    x = layers.ReLU()(conv(signal, 32, 9, 2))
    for filters, stride in BLOCKS:
        shortcut = x
        if stride != 1 or x.shape[-1] != filters:
            shortcut = conv(x, filters, 1, stride)
        x = layers.ReLU()(conv(x, filters, 5, stride))
        x = conv(x, filters, 5)
        x = layers.ReLU()(layers.Add()([x, shortcut]))
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    x = layers.Dropout(0.2, seed=0)(x)
    return keras.Model(signal, layers.Dense(outputs, name="logits")(x), name="residual")
