"""ResNet18 of "Are ECGs enough?", the trunk of its CRNNs, AttResNet and ResTransformer.

He et al., Deep residual learning, CVPR 2016, in one dimension, as the paper's public code has it.
There, layers that halve the time pad it on both sides; here, by at most one sample, at its end.
"""

from __future__ import annotations

from typing import Any

SAMPLES = 2048
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # filters, stride; two blocks each


def build(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[2048, 12] -> [outputs] logits; any other multiple of 32 samples will do."""
    import keras
    from keras import layers

    signal = keras.Input((samples, 12), name="signal")
    x = layers.GlobalAveragePooling1D()(trunk(signal))
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))


def trunk(signal: Any) -> Any:
    """[samples, 12] -> [samples / 32, 512]."""
    from keras import layers

    x = layers.ReLU()(conv(signal, 64, 7, 2))
    x = layers.MaxPooling1D(3, 2, padding="same")(x)
    for filters, stride in STAGES:
        x = block(block(x, filters, 3, stride), filters, 3)
    return x


def block(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
    """Two convolutions, and a shortcut round them."""
    from keras import layers

    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = conv(x, filters, 1, stride)
    x = layers.ReLU()(conv(x, filters, kernel, stride))
    x = conv(x, filters, kernel)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
    """Convolution and batch normalisation."""
    from keras import layers

    x = layers.Conv1D(filters, kernel, stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)
