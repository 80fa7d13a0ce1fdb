"""ECG-SMART-NET: ResNet-18 over time within each lead, then one convolution over the leads.

Riek et al., ECG-SMART-NET, tables 1 and 2. Table 1 has the spatial convolution bare; the authors'
code normalises and rectifies it, and is followed: bare, it would be one linear map with the layer
after it.
"""

from __future__ import annotations

from typing import Any

from models.architectures.resnet_beat import normalised, trunk


def build(outputs: int, samples: int | None = 400) -> Any:
    """[samples, 12], R at 150 of 400 -> [outputs] logits."""
    import keras
    from keras import layers

    beat = keras.Input((samples, 12), name="signal")
    x = layers.Conv2D(512, (1, 12), use_bias=False, name="spatial")(trunk(beat))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(normalised(x)))
    return keras.Model(beat, layers.Dense(outputs, dtype="float32", name="logits")(x))
