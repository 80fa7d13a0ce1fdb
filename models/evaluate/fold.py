"""The records that everything is measured on, and the device that measures them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hal.patient.record import Recording
from models.data.dataset import RATE_HZ, VALIDATION_FOLD, Dataset, Metadata
from models.evaluate.bootstrap import patient_weights
from models.evaluate.outputs import truth
from models.groups import targets
from models.train import Progress, Tensors

HEAVY_MACS = 20_000_000_000  # per record, above which some records must do
MOST_MACS = 8_600_000_000_000  # of all records of such a network: 199 for the Transformer
SOME = 50  # at least

Result = dict[str, Any]  # what lead12 classify says of one recording


class Chain(Protocol):
    """The whole device: simulated chip, pipeline, network, fusion, refusal."""

    def recordings(
        self, bundle: Path, recordings: Iterable[Recording], total: int, say: Progress
    ) -> list[Result]:
        """What ``lead12 classify`` says of each."""

    def patients(
        self, bundle: Path, patients: Sequence[tuple[str, int]], seconds: float, say: Progress
    ) -> list[list[Result]]:
        """The calls during the first ``seconds`` of each simulated (preset, seed)."""


class Fold:
    """Records of fold 9, their tensors and truth, and how they are resampled."""

    def __init__(self, dataset: Dataset, tensors: Tensors) -> None:
        self.dataset, self.tensors = dataset, tensors
        self.truth = truth(targets(dataset))
        self.weights = patient_weights(dataset.meta.patient_id)
        self.known = self.truth["mate4"].any(1)

    def recordings(self) -> Iterable[Recording]:
        """The records as patients of the simulated chip."""
        for row, name in enumerate(self.dataset.record_ids):
            yield Recording(name, float(RATE_HZ), self.dataset.mv(row))


def watched(dataset: Dataset, macs: int, most: int | None = None) -> NDArray[np.int64]:
    """Rows of fold 9, the same every time: all, ``most``, or what a heavy network gets through."""
    rows = np.flatnonzero(dataset.fold == VALIDATION_FOLD)
    most = most or (max(SOME, MOST_MACS // macs) if macs > HEAVY_MACS else len(rows))
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def only(dataset: Dataset, rows: NDArray[Any]) -> Dataset:
    """The data set with these rows alone."""
    meta = {
        field.name: getattr(dataset.meta, field.name)[rows]
        for field in fields(Metadata)
        if field.name != "record_ids"
    }
    names = tuple(dataset.meta.record_ids[row] for row in rows)
    labels = ("steps", "mate4", "superclasses", "statements", "fold")
    return replace(
        dataset,
        meta=Metadata(record_ids=names, **meta),
        **{name: getattr(dataset, name)[rows] for name in labels},
    )
