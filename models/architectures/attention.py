"""AttResNet, Transformer and ResTransformer of "Are ECGs enough?".

Section 4 (c) to (e). Where it is silent its public code was followed: attention without a shortcut
and its mean over time in AttResNet; a hidden width of 2048, dropout 0.1 and averages over time in
the Transformers. Of the ResTransformer's encoder layers the paper gives no number, its code 4
by default and 2 in its settings: 4 here, as in the Transformer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from firmware.inputs import Normal
from models.architectures.layers import encoder_layer, positions, self_attention
from models.architectures.resnet import SAMPLES, trunk
from models.inputs import at

WIDTH, HEADS, ENCODER_LAYERS, HIDDEN = 512, 4, 4, 2048
DROPOUT = 0.1
INPUT = at(500, SAMPLES, Normal.Z_SCORE)  # of both Transformers
SLOW_INPUT = replace(INPUT, every_s=10)  # seconds of a laptop's time: 43 GMAC


def att_resnet(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[2048, 12] -> [outputs] logits."""
    import keras

    signal = keras.Input((samples, 12), name="signal")
    return _classifier(signal, self_attention(trunk(signal), HEADS), outputs)


def transformer(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[2048, 12] -> [outputs] logits: every sample attends to every other."""
    import keras
    from keras import layers

    signal = keras.Input((samples or SAMPLES, 12), name="signal")
    return _encoded(signal, layers.Conv1D(WIDTH, 3, padding="same")(signal), outputs)


def res_transformer(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[2048, 12] -> [outputs] logits."""
    import keras

    signal = keras.Input((samples or SAMPLES, 12), name="signal")
    return _encoded(signal, trunk(signal), outputs)


def _encoded(signal: Any, x: Any, outputs: int) -> Any:
    x = x + positions(x.shape[1], WIDTH)
    for _ in range(ENCODER_LAYERS):
        x = encoder_layer(x, HEADS, HIDDEN, DROPOUT)
    return _classifier(signal, x, outputs)


def _classifier(signal: Any, x: Any, outputs: int) -> Any:
    import keras
    from keras import layers

    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
