"""Records of PTB-XL fold 9 that carry a superclass or a statement, as a network is shown them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.inputs import InputContract
from models.data import forms
from models.data.dataset import VALIDATION_FOLD, Dataset
from models.data.labels import STATEMENTS, SUPERCLASSES
from models.evaluate.saliency import Tensor
from models.groups import GROUPS
from models.train import Progress

GROUP = next(group for group in GROUPS if group.name == "superclasses")
CHECKED = 20  # records of a class for the checks
RANDOM = 3  # networks that were never trained


@dataclass(frozen=True)
class Found:
    """``network`` goes into docs/explanations.json; ``pictures``: PNG by name."""

    network: dict[str, Any]
    pictures: dict[str, bytes]


@dataclass(frozen=True)
class Fold9:
    """Its records, in an order drawn once; ``most`` of a kind are taken."""

    dataset: Dataset
    contract: InputContract
    most: int
    say: Progress

    def carrying(self, labels: Sequence[str], but_not: Sequence[str] = ()) -> list[Tensor]:
        """Records with any of some superclasses or statements, and none of others."""
        fold9 = np.flatnonzero(self.dataset.fold == VALIDATION_FOLD)
        order = np.random.default_rng(0).permutation(fold9)
        wanted = self._any(labels)[order] & ~self._any(but_not)[order]
        rows = np.sort(order[wanted][: self.most])
        return list(forms.tensors(self.dataset, self.contract, rows, self.say))

    def _any(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        has = np.zeros(len(self.dataset), np.bool_)
        for label in labels:
            if label in SUPERCLASSES:
                has |= self.dataset.superclasses[:, SUPERCLASSES.index(label)] > 0
            else:
                has |= self.dataset.statements[:, STATEMENTS.index(label)] > 0
        return has


def column(label: str) -> int:
    """Of a superclass, in every network's output."""
    return GROUP.first + GROUP.labels.index(label)
