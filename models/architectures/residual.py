"""Residual networks: the compact one of the device, and a wide one that teaches it.

Basic blocks after He et al., Deep residual learning, CVPR 2016, in one dimension with kernels of
5 (50 ms and longer further up); average and maximum pooling side by side, since a finding may be
in every beat or in one.
"""

from __future__ import annotations

from typing import Any

COMPACT = ((32, 2), (64, 2), (64, 1), (128, 2), (128, 1))  # filters, stride: 32 MMAC for 10 s
WIDE = ((48, 2), (96, 2), (96, 1), (192, 2), (192, 1))  # 70 MMAC


def build(
    outputs: int, samples: int | None = 1000, blocks: tuple[tuple[int, int], ...] = COMPACT
) -> Any:
    """[samples, 12] -> [outputs] logits."""
    import keras
    from keras import layers

    def conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
        x = layers.Conv1D(filters, kernel, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    signal = keras.Input((samples, 12), name="signal")
    x = layers.ReLU()(conv(signal, blocks[0][0], 9, 2))
    for filters, stride in blocks:
        shortcut = x
        if stride != 1 or x.shape[-1] != filters:
            shortcut = conv(x, filters, 1, stride)
        x = layers.ReLU()(conv(x, filters, 5, stride))
        x = conv(x, filters, 5)
        x = layers.ReLU()(layers.Add()([x, shortcut]))
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    x = layers.Dropout(0.2, seed=0)(x)
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
