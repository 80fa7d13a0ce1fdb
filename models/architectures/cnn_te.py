"""CNN-TE: residual blocks, sinusoidal positions, one Transformer encoder layer.

Ford & Lan, "Detection of multiple cardiac abnormalities using Convolution, Positional Encoder and
Transformer on 12-lead ECG recordings", sections 3.1 to 3.4; no code is public. The paper gives 8
residual blocks, 5000 x 12 -> 157 x 512, 2 heads and a dense layer of 13; filters, kernels, strides,
the hidden width and the average before the last layer are ours. Its softmax over 13 labels that
do not exclude each other is not followed: logits come out, and each label stands alone.
"""

from __future__ import annotations

from typing import Any

from models.architectures.layers import encoder_layer, positions
from models.architectures.resnet import block, conv

SAMPLES = 5000
BLOCKS = (
    *((64, 2), (64, 1), (128, 2), (128, 1)),
    *((256, 2), (256, 2), (512, 2), (512, 1)),
)  # filters, stride
STEM, KERNEL = 15, 7
HEADS, HIDDEN, DROPOUT = 2, 1024, 0.1


def build(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[5000, 12] -> [outputs] logits; positions are of one length, so None is 5000."""
    import keras
    from keras import layers

    signal = keras.Input((samples or SAMPLES, 12), name="signal")
    x = layers.ReLU()(conv(signal, 64, STEM))
    for filters, stride in BLOCKS:
        x = block(x, filters, KERNEL, stride)
    x = x + positions(x.shape[1], x.shape[2])
    x = layers.GlobalAveragePooling1D()(encoder_layer(x, HEADS, HIDDEN, DROPOUT))
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
