"""The maps of a float network under one shape: relevance in cells of one lead x 40 ms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.explain import CELL_MS
from firmware.inputs import InputContract
from models.data.forms import stands_for
from models.evaluate.saliency import Relevance, Tensor, cells
from models.explain.cam import NoMapError, activation_map
from models.explain.grad_cam import grad_cam, gradient

Maps = Callable[[Any, NDArray[np.float32], int], NDArray[np.float64]]
GRADIENT, GRAD_CAM, CAM = "gradient", "Grad-CAM", "CAM"
BATCH = 25
_MAPS: dict[str, Maps] = {GRADIENT: gradient, GRAD_CAM: grad_cam, CAM: activation_map}


@dataclass(frozen=True)
class FloatMaps:
    """One method on one float network; ``contract`` is what it is shown.

    leads : whether the map tells the leads apart; most feature maps have time alone
    place_ms : of one place of the map
    """

    network: Any
    contract: InputContract
    method: str
    leads: bool
    place_ms: float

    def relevance(self, tensors: Sequence[Tensor], column: int) -> list[Relevance]:
        """Of records int8 [samples, 12], each [12, windows]; what speaks against it is 0.

        Raises NoMapError where the head allows no such map.
        """
        windows = len(tensors[0]) * 1000 // (self.contract.rate_hz * CELL_MS)
        found: list[Relevance] = []
        for x in self._batches(tensors):
            for one in _MAPS[self.method](self.network, x, column):
                of_leads = one if self.leads else one.reshape(len(one), -1).sum(1)
                found.append(np.maximum(cells(of_leads, windows), 0))
        return found

    def scores(self, tensors: Sequence[Tensor], column: int) -> NDArray[np.float64]:
        """The logits of the column."""
        parts = [self.network.predict_on_batch(x)[:, column] for x in self._batches(tensors)]
        return np.concatenate(parts).astype(np.float64)

    def _batches(self, tensors: Sequence[Tensor]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(tensors), BATCH):
            yield stands_for(np.stack(tensors[start : start + BATCH]), self.contract)


def methods(network: Any, contract: InputContract, tensor: Tensor) -> list[FloatMaps]:
    """Those that the network's head allows, tried on one record."""
    found = []
    for name, made in _MAPS.items():
        try:
            one = made(network, stands_for(tensor[None], contract), 0)[0]
        except NoMapError:
            continue
        leads = one.shape[1:] == (len(LEADS),)
        place_ms = 1000 * len(tensor) / contract.rate_hz / len(one)
        found.append(FloatMaps(network, contract, name, leads, place_ms))
    return found
