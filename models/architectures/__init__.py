"""Networks by name. Each file defines one kind: ``build(outputs, samples) -> keras.Model``.

Input float32 [samples, 12], what the int8 tensor of the network's contract stands for (samples
None while training: windows may be cropped; a page is [height, width, 1]), output float32
[outputs] logits. With its paper's number of outputs each is the paper's network; here all are
given the same OUTPUTS, so that one table can compare them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from firmware.inputs import InputContract, Normal
from models.architectures import (
    alexnet,
    attention,
    cnn_te,
    crnn,
    ecg_smart_net,
    mate,
    mayo_alvd,
    page,
    recurrent,
    residual,
    resnet,
    resnet_beat,
    separable,
    vgg,
    vgg16,
)
from models.inputs import BEAT, TEN_SECONDS, at

Build = Callable[[int, int | None], Any]
ENOUGH = "Are ECGs enough?"


@dataclass(frozen=True)
class Architecture:
    """build : as above; paper : where it is from; input : what it is shown

    device : it converts to plain int8 operators; others only teach
    """

    build: Build
    paper: str = "Lead12"
    input: InputContract = TEN_SECONDS
    device: bool = True

    def __call__(self, outputs: int, samples: int | None) -> Any:
        return self.build(outputs, samples)


ARCHITECTURES: dict[str, Architecture] = {
    "residual": Architecture(residual.build),
    "separable": Architecture(separable.build),
    "residual-wide": Architecture(partial(residual.build, blocks=residual.WIDE), device=False),
    "recurrent": Architecture(recurrent.build, device=False),
    "mate": Architecture(mate.build, "MATE", at(500, mate.SAMPLES, Normal.MIN_MAX)),
    "mate-shipped": Architecture(
        mate.build_shipped, "MATE", at(50, mate.SHIPPED_SAMPLES, Normal.MIN_MAX)
    ),
    "ecg-smart-net": Architecture(ecg_smart_net.build, "ECG-SMART-NET", BEAT),
    "temporal-resnet18": Architecture(resnet_beat.build, "ECG-SMART-NET", BEAT),
    "resnet18-beat": Architecture(
        partial(resnet_beat.build, across_leads=True), "ECG-SMART-NET", BEAT
    ),
    "mayo-alvd": Architecture(mayo_alvd.build, "ECG-SMART-NET", BEAT),
    "vgg16-page": Architecture(vgg16.build, "Image VGG16", vgg16.INPUT),
    "page": Architecture(page.build, input=page.INPUT),
    "alexnet": Architecture(alexnet.build, ENOUGH, at(500, resnet.SAMPLES, Normal.LOG)),
    "vgg11-bn": Architecture(vgg.build, ENOUGH, at(500, resnet.SAMPLES, Normal.LOG)),
    "resnet18": Architecture(resnet.build, ENOUGH, at(500, resnet.SAMPLES, Normal.LOG)),
    "crnn-lstm": Architecture(crnn.lstm, ENOUGH, at(500, resnet.SAMPLES, Normal.L2)),
    "crnn-gru": Architecture(crnn.gru, ENOUGH, at(500, resnet.SAMPLES, Normal.L2)),
    "att-resnet": Architecture(attention.att_resnet, ENOUGH, at(500, resnet.SAMPLES, Normal.L2)),
    "transformer": Architecture(attention.transformer, ENOUGH, attention.SLOW_INPUT),
    "res-transformer": Architecture(attention.res_transformer, ENOUGH, attention.INPUT),
    "cnn-te": Architecture(cnn_te.build, "CNN-TE", at(500, cnn_te.SAMPLES)),
}
DEVICE = tuple(name for name, of in ARCHITECTURES.items() if of.device)
