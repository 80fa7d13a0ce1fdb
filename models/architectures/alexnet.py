"""AlexNet of "Are ECGs enough?": torchvision's in one dimension, with batch normalisation.

Layers as in the paper's public code, which normalises its fourth convolution after the ReLU where
this does so before it, as in the other four.
"""

from __future__ import annotations

from typing import Any

from models.architectures.layers import adaptive_average
from models.architectures.resnet import SAMPLES

CONVOLUTIONS = ((64, 11), (192, 5), (384, 3), (256, 3), (256, 3))  # filters, kernel
POOLED = (0, 1, 4)  # after these
BINS = 6
DROPOUT = 0.5


def build(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[2048, 12] -> [outputs] logits; the dense layers ask for one length, so None is 2048."""
    import keras
    from keras import layers

    signal = keras.Input((samples or SAMPLES, 12), name="signal")
    x = layers.ZeroPadding1D(2)(signal)
    for number, (filters, kernel) in enumerate(CONVOLUTIONS):
        stride, padding = (4, "valid") if number == 0 else (1, "same")
        x = layers.Conv1D(filters, kernel, stride, padding=padding)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        if number in POOLED:
            x = layers.MaxPooling1D(3, 2)(x)
    x = layers.Flatten()(adaptive_average(x, BINS))
    for number in range(2):
        x = layers.Dropout(DROPOUT, seed=number)(x)
        x = layers.Dense(4096, activation="relu")(x)
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
