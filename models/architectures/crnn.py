"""CRNNs of "Are ECGs enough?": ResNet18, then two recurrent layers of 256; the last state decides.

Section 4 (b) and the paper's public code, of which the dropout between the layers is. PyTorch's
LSTM has two biases per gate that only add up; Keras' has one, so 2 * 1024 parameters fewer.
"""

from __future__ import annotations

from typing import Any

from models.architectures import layers as own
from models.architectures.resnet import SAMPLES, trunk

UNITS = 256
DROPOUT = 0.1


def lstm(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[2048, 12] -> [outputs] logits."""
    return _build(own.lstm, outputs, samples)


def gru(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[2048, 12] -> [outputs] logits."""
    return _build(own.gru, outputs, samples)


def _build(recurrent: Any, outputs: int, samples: int | None) -> Any:
    import keras
    from keras import layers

    signal = keras.Input((samples, 12), name="signal")
    x = recurrent(UNITS, all_times=True)(trunk(signal))
    x = recurrent(UNITS)(layers.Dropout(DROPOUT, seed=0)(x))
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
