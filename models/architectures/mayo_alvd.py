"""The Mayo Clinic's network for asymptomatic left-ventricular dysfunction, on median beats.

Attia et al., Screening for cardiac contractile dysfunction using an artificial intelligence-enabled
electrocardiogram, Nature Medicine 2019, as ECG-SMART-NET compares itself with it (figure 3D): six
convolutions over time, one over the leads, two dense layers. The comparison's own code lacks it;
filters, kernels and pooling are those of the code that Attia et al. published, which also pads the
signal with zeros to a length that halves evenly. That code has ten layers with weights where the
comparison counts nine.
"""

from __future__ import annotations

from typing import Any

SAMPLES = 400
TEMPORAL = ((16, 5, 2), (16, 5, 2), (32, 5, 4), (32, 3, 2), (64, 3, 2), (64, 3, 4))
# filters, kernel, pooled: by 256 in all
DENSE = (64, 32)


def build(outputs: int, samples: int | None = SAMPLES) -> Any:
    """[samples, 12] -> [outputs] logits; None stands for 400: it is flattened."""
    import keras
    from keras import layers, ops

    def norm_relu(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    samples = samples or SAMPLES
    short = -samples % 256
    beat = keras.Input((samples, 12), name="signal")
    x = ops.expand_dims(beat, -1)
    x = layers.ZeroPadding2D(((short // 2, short - short // 2), (0, 0)))(x)
    for filters, kernel, pooled in TEMPORAL:
        x = norm_relu(layers.Conv2D(filters, (kernel, 1), padding="same")(x))
        x = layers.MaxPooling2D((pooled, 1))(x)
    x = norm_relu(layers.Conv2D(128, (1, 12), name="spatial")(x))
    x = ops.reshape(x, (-1, x.shape[1] * 128))  # Flatten would ask for the batch's size
    for seed, units in enumerate(DENSE):
        x = layers.Dropout(0.5, seed=seed)(norm_relu(layers.Dense(units)(x)))
    return keras.Model(beat, layers.Dense(outputs, dtype="float32", name="logits")(x))
