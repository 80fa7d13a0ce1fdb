"""The output groups of the network: which columns, which labels, which activation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.axis import frontal_axis_deg, left_axis
from models.data.labels import (
    CNN_TE,
    MATE4,
    MATE4_TEXT,
    STATEMENTS,
    SUPERCLASS_TEXT,
    SUPERCLASSES,
)
from models.data.ptbxl import Dataset


@dataclass(frozen=True)
class Group:
    """``labels`` in columns first..first+len-1; ``softmax``: exactly one, ``sigmoid``: any."""

    name: str
    labels: tuple[str, ...]
    text: dict[str, str]  # as displayed; a label without text shows as itself
    activation: str
    first: int

    @property
    def columns(self) -> slice:
        return slice(self.first, self.first + len(self.labels))


GROUPS = (
    Group("mate4", MATE4, MATE4_TEXT, "softmax", 0),
    Group("superclasses", SUPERCLASSES, SUPERCLASS_TEXT, "sigmoid", 4),
    Group("statements", STATEMENTS, {}, "sigmoid", 9),
    Group("cnn_te", tuple(CNN_TE), {}, "sigmoid", 80),
)
OUTPUTS = GROUPS[-1].columns.stop


def column_of(label: str) -> int | None:
    """Column of the first group that has ``label``; None where none has."""
    for group in GROUPS:
        if label in group.labels:
            return group.first + group.labels.index(label)
    return None


def targets(dataset: Dataset) -> NDArray[np.float32]:
    """Labels as the network's columns, float32 [n, OUTPUTS]; mate4 all zero = not labelled."""
    columns = (dataset.mate4, dataset.superclasses, dataset.statements, _cnn_te(dataset))
    return np.concatenate(columns, axis=1).astype(np.float32)


def _cnn_te(dataset: Dataset) -> NDArray[np.uint8]:
    out = np.zeros((len(dataset), len(CNN_TE)), np.uint8)
    for column, (label, statements) in enumerate(CNN_TE.items()):
        for statement in statements:
            out[:, column] |= dataset.statements[:, STATEMENTS.index(statement)]
        if label == "LAD":
            out[:, column] = [left_axis(frontal_axis_deg(dataset.mv(i))) for i in range(len(out))]
    return out
