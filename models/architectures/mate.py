"""MATE: its residual network as published, and the plain one that its application ships.

The paper (2.2.3) gives the order of the layers, but neither n, m, filters nor kernels. Its authors
searched for them in public; the networks are:

published : the ten best of both last searches agree on 32 filters, three convolutions of 3 in each
    of three blocks, pools of 5, a first stride of 2 and 64 dense units; one dense layer, as in the
    paper's text and figure (their code has two). Theirs saw 500 samples at 50 Hz; the paper says
    500 Hz, and that is followed.
shipped : no skip anywhere. The best of the search without skips (64 filters, four convolutions in
    each of three blocks, dense 64 and 32), built by their own builder, which pools by 2 where the
    search had pooled by 5: its 283,172 parameters are the 283 k of the larger file shipped. Layers
    of the smaller one, 189 k, could not be told from its count.
"""

from __future__ import annotations

from typing import Any

SAMPLES, SHIPPED_SAMPLES = 5000, 500


def build(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[samples, 12], min-max scaled -> [outputs] logits; None stands for 5000: it is flattened."""
    return _network(outputs, samples or SAMPLES, 32, (3, 3), pool=5, dense={64: 0.3}, skip=True)


def build_shipped(outputs: int, samples: int | None = SHIPPED_SAMPLES) -> Any:
    """[samples, 12], min-max scaled -> [outputs] logits; None stands for 500: it is flattened."""
    dense = {64: 0.45, 32: 0.25}
    return _network(
        outputs, samples or SHIPPED_SAMPLES, 64, (3, 4), pool=2, dense=dense, skip=False
    )


def _network(
    outputs: int,
    samples: int,
    filters: int,
    blocks: tuple[int, int],
    pool: int,
    dense: dict[int, float],
    skip: bool,
) -> Any:
    """Of blocks[0] blocks of blocks[1] convolutions; dense : units, and the share dropped after."""
    import keras
    from keras import layers, ops

    def conv(x: Any, stride: int = 1) -> Any:
        return norm_relu(layers.Conv1D(filters, 3, stride, padding="same")(x))

    def norm_relu(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    signal = keras.Input((samples, 12), name="signal")
    x = conv(signal, stride=2)
    for _ in range(blocks[0]):
        shortcut = x
        for _ in range(blocks[1]):
            x = conv(x)
        if skip:
            x = norm_relu(layers.Add()([x, shortcut]))
        x = layers.MaxPooling1D(pool, 2)(x)
    x = ops.reshape(x, (-1, x.shape[1] * filters))  # Flatten would ask for the batch's size
    for seed, (units, dropped) in enumerate(dense.items()):
        x = layers.Dropout(dropped, seed=seed)(layers.Dense(units, activation="relu")(x))
    return keras.Model(signal, layers.Dense(outputs, dtype="float32", name="logits")(x))
