"""ResNet-18 on median beats: over time alone, or over leads and time as on a picture.

He et al., Deep residual learning, CVPR 2016, as ECG-SMART-NET compares itself with it (II.A,
figure 3B and C). The paper's tables name no projection; its authors' code has ResNet's own, 1 x 1
and normalised, and that is followed. Their k x k network began with ImageNet weights, which are
not to be had here: it is trained from scratch.

A beat is [samples, leads, 1]: what the paper writes as 64 x 12 x 200 is [200, 12, 64] here.
PyTorch's paddings: with stride 2 both ends get the same, where Keras' "same" favours the later.
"""

from __future__ import annotations

from typing import Any

from models.architectures.resnet import STAGES


def build(outputs: int, samples: int | None = 400, across_leads: bool = False) -> Any:
    """[samples, 12] -> [outputs] logits."""
    import keras
    from keras import layers

    beat = keras.Input((samples, 12), name="signal")
    x = layers.GlobalAveragePooling2D()(trunk(beat, across_leads))
    return keras.Model(beat, layers.Dense(outputs, dtype="float32", name="logits")(x))


def trunk(beat: Any, across_leads: bool = False) -> Any:
    """ResNet-18 up to its last block: [samples, 12] -> [samples / 32, 12, 512].

    across_leads : kernels k x k, which pool the leads, too, not 1 x k
    """
    from keras import layers, ops

    def over(size: int) -> tuple[int, int]:
        return size, size if across_leads else 1

    def padded(x: Any, by: int) -> Any:
        return layers.ZeroPadding2D((by, by if across_leads else 0))(x)

    def conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
        if stride > 1 and kernel > 1:
            x = padded(x, kernel // 2)
        padding = "same" if stride == 1 else "valid"
        x = layers.Conv2D(filters, over(kernel), over(stride), padding, use_bias=False)(x)
        return normalised(x)

    x = conv(ops.expand_dims(beat, -1), STAGES[0][0], 7, 2)
    x = layers.ReLU(name="stem")(x)
    # After a ReLU a zero is as good a border as PyTorch's minus infinity
    x = layers.MaxPooling2D(over(3), over(2), name="pool")(padded(x, 1))
    for stage, (filters, first_stride) in enumerate(STAGES, 1):
        for block, stride in enumerate((first_stride, 1), 1):
            shortcut = x
            if stride != 1 or x.shape[-1] != filters:
                shortcut = conv(x, filters, 1, stride)
            x = layers.ReLU()(conv(x, filters, 3, stride))
            x = layers.Add()([conv(x, filters, 3), shortcut])
            x = layers.ReLU(name=f"stage{stage}-block{block}")(x)
    return x


def normalised(x: Any) -> Any:
    """Batch normalisation with PyTorch's constants."""
    from keras import layers

    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
