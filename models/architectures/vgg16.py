"""VGG16 on the printed page: Ao & He, Front. Artif. Intell. 5:1087370, 2023 (2.4).

The thirteen convolutions of Simonyan & Zisserman, 2014, then global average pooling, dropout (its
rate is not published) and one dense layer. The paper starts from ImageNet weights, which are not
shipped here: the page is shown in three equal channels, so that such weights fit.
"""

from __future__ import annotations

from typing import Any

from models.inputs import page

INPUT = page(1600, 512, every_s=10)  # seconds of a laptop's time: 250 GMAC
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # filters, convolutions
DROPOUT = 0.2


def build(outputs: int, samples: int | None = None) -> Any:
    """[height, samples, 1] -> [outputs] logits; the height, too, is free."""
    import keras
    from keras import layers

    image = keras.Input((INPUT.height if samples else None, samples, 1), name="page")
    x = layers.Concatenate()([image, image, image])
    for block, (filters, convolutions) in enumerate(BLOCKS, 1):
        for number in range(1, convolutions + 1):
            x = layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=f"block{block}_conv{number}"
            )(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Dropout(DROPOUT, seed=0)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(outputs, dtype="float32", name="logits")(x))
