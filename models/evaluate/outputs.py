"""Scores and labels of many records, by output group: what every figure is computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.bundle import OutputGroup
from firmware.network import Network
from models.groups import GROUPS
from models.metrics import sigmoid, softmax
from models.train import Progress, Tensors

ByGroup = dict[str, NDArray[np.float64]]  # group name: [n, labels]


def int8_logits(
    network: Network, tensors: Tensors, say: Progress, what: str
) -> NDArray[np.float64]:
    """De-quantised logits [n, outputs] of the int8 network."""
    out = []
    for row, tensor in enumerate(tensors):
        out.append(network.logits(tensor))
        if row % 200 == 199 or row + 1 == len(tensors):
            say(what, row + 1, len(tensors))
    return network.dequantised(np.stack(out))


def probabilities(groups: Sequence[OutputGroup], logits: NDArray[Any]) -> ByGroup:
    """Calibrated probabilities of logits [n, outputs], in the groups of a bundle."""
    out = {}
    for group in groups:
        z = logits[:, group.first : group.first + len(group.labels)] / group.temperature
        out[group.name] = softmax(z) if group.activation == "softmax" else sigmoid(z)
    return out


def from_results(groups: Sequence[OutputGroup], results: Sequence[Mapping[str, Any]]) -> ByGroup:
    """The same from what ``lead12 classify`` says of each record; zeros where it gave no scores."""
    out = {}
    for group in groups:
        said = [result.get("scores", {}).get(group.name, {}) for result in results]
        out[group.name] = np.array([[p.get(label, 0.0) for label in group.labels] for p in said])
    return out


def truth(y: NDArray[Any]) -> ByGroup:
    """Targets [n, OUTPUTS] by group; a row of mate4 without a one is not labelled."""
    return {group.name: y[:, group.columns] for group in GROUPS}
