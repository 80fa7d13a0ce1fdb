"""VGG11 with batch normalisation of "Are ECGs enough?": torchvision's in one dimension.

The paper's public code pools with a two-dimensional layer, which mistakes the 512 channels for
rows and averages them into 7 with the time: 49 values are left of an ECG. This pools the time
alone into 7, as VGG does (Simonyan & Zisserman, 2015): 7 * 512 values.
"""

from __future__ import annotations

from typing import Any

from models.architectures.layers import adaptive_average
from models.architectures.resnet import SAMPLES

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))  # halved after each
BINS = 7
DROPOUT = 0.5


def build(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[2048, 12] -> [outputs] logits; the dense layers ask for one length, so None is 2048."""
    import keras
    from keras import layers

    x = signal = keras.Input((samples or SAMPLES, 12), name="signal")
    for stage in STAGES:
        for filters in stage:
            x = layers.Conv1D(filters, 3, padding="same")(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.MaxPooling1D(2)(x)
    x = layers.Flatten()(adaptive_average(x, BINS))
    for number in range(2):
        x = layers.Dense(4096, activation="relu")(x)
        x = layers.Dropout(DROPOUT, seed=number)(x)
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
