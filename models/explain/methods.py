"""The maps of a float network under one shape: relevance in cells of one lead x 40 ms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.explain import CELL_MS
from firmware.inputs import InputContract
from models.data.forms import stands_for
from models.evaluate.saliency import Relevance, Tensor, cells
from models.explain.cam import NoMapError, activation_map
from models.explain.grad_cam import grad_cam, gradient

Maps = Callable[[Any, NDArray[np.float32], int], NDArray[np.float64]]
GRADIENT, GRAD_CAM, CAM = "gradient", "Grad-CAM", "CAM"
LEADLESS = (GRAD_CAM, CAM)  # their feature maps have time alone: all leads get the same
_MAPS: dict[str, Maps] = {GRADIENT: gradient, GRAD_CAM: grad_cam, CAM: activation_map}


@dataclass(frozen=True)
class FloatMaps:
    """One method on one float network; ``contract`` is what it is shown."""

    network: Any
    contract: InputContract
    method: str

    def relevance(self, tensor: Tensor, column: int) -> Relevance:
        """Of one record, int8 [samples, 12] -> [12, windows]; what speaks against it is 0.

        Raises NoMapError where the head allows no such map.
        """
        x = stands_for(tensor[None], self.contract)
        found = _MAPS[self.method](self.network, x, column)[0]
        windows = len(tensor) * 1000 // (self.contract.rate_hz * CELL_MS)
        if self.method in LEADLESS:
            found = found.reshape(len(found), -1).sum(1)
        return np.maximum(cells(found, windows), 0)

    def score(self, tensor: Tensor, column: int) -> float:
        """The logit."""
        x = stands_for(tensor[None], self.contract)
        return float(np.asarray(self.network(x, training=False))[0, column])


def methods(network: Any, contract: InputContract, tensor: Tensor) -> list[FloatMaps]:
    """Those that the network's head allows, tried on one record."""
    found = []
    for name in _MAPS:
        one = FloatMaps(network, contract, name)
        try:
            one.relevance(tensor, 0)
        except NoMapError:
            continue
        found.append(one)
    return found
