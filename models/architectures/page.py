"""A small image network: the report's grid at 2 pixels per millimetre, for a Raspberry Pi.

Depthwise-separable blocks (Howard et al., MobileNets, 2017). What a wave means depends on whose it
is, and on the page its place tells that: the last map is not averaged as a whole but in 5 x 4
fields, one per row and column of leads.
"""

from __future__ import annotations

from typing import Any

from models.inputs import page

INPUT = page(530, 290, every_s=2)
STEM = 32, 7, 4  # filters, kernel, stride: no large map is ever held
BLOCKS = ((32, 1), (64, 2), (64, 1), (96, 2), (96, 1), (160, 2), (160, 1))  # filters, stride
FIELD = (2, 4)  # pixels of the last map, 10 x 17


def build(outputs: int, samples: int | None = None) -> Any:
    """[290, 530, 1] -> [outputs] logits; ``samples`` must be 530 where given."""
    import keras
    from keras import layers

    def norm_relu(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    if samples not in (None, INPUT.samples):
        raise ValueError(f"a page is {INPUT.samples} pixels wide, not {samples}")
    image = keras.Input(INPUT.shape, name="page")
    x = norm_relu(layers.Conv2D(*STEM, padding="same", use_bias=False)(image))
    for filters, stride in BLOCKS:
        y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        y = layers.Conv2D(filters, 1, use_bias=False)(norm_relu(y))
        y = norm_relu(y)
        x = layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y
    x = layers.Flatten()(layers.AveragePooling2D(FIELD)(x))
    x = layers.Dropout(0.2, seed=0)(x)
    return keras.Model(image, layers.Dense(outputs, dtype="float32", name="logits")(x))
