"""The six tasks of the PTB-XL benchmark, and CNN-TE's thirteen labels.

Strodthoff et al., Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL, IEEE JBHI
2021 (helme/ecg_ptbxl_benchmarking): a task is scored on the records that carry at least one of its
labels; its figure is the mean AUC over the labels. Labels that no record of the fold carries are
left out. The benchmark trains a network per task; here one network answers all of them, and a
subclass scores as the highest of its statements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.labels import (
    FORM_TASK,
    RHYTHM,
    STATEMENTS,
    SUBCLASS_OF,
    SUBCLASSES,
    SUPERCLASS_OF,
    SUPERCLASSES,
)
from models.evaluate.outputs import ByGroup

# Best published single networks on fold 10, xresnet1d101 of the benchmark (its README).
PUBLISHED = {
    "all": 0.925,
    "diagnostic": 0.937,
    "subdiagnostic": 0.929,
    "superdiagnostic": 0.928,
    "form": 0.896,
    "rhythm": 0.957,
}


@dataclass(frozen=True)
class Task:
    """``rows``: records that count; ``truth`` and ``score``: [rows, labels]."""

    name: str
    labels: tuple[str, ...]
    rows: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    score: NDArray[np.float64]


def tasks(truth: ByGroup, score: ByGroup) -> list[Task]:
    """The tasks that the scores can answer."""
    found = []
    if "statements" in score:
        for name, codes in _CODES.items():
            columns = [STATEMENTS.index(code) for code in codes]
            found.append(
                _task(name, codes, truth["statements"][:, columns], score["statements"][:, columns])
            )
        joined = [_joined(by["statements"]) for by in (truth, score)]
        found.insert(2, _task("subdiagnostic", SUBCLASSES, *joined))
    if "superclasses" in score:
        found.insert(
            3, _task("superdiagnostic", SUPERCLASSES, truth["superclasses"], score["superclasses"])
        )
    return found


_CODES = {
    "all": STATEMENTS,
    "diagnostic": tuple(SUPERCLASS_OF),
    "form": FORM_TASK,
    "rhythm": RHYTHM,
}


def _task(
    name: str, labels: tuple[str, ...], truth: NDArray[np.float64], score: NDArray[np.float64]
) -> Task:
    present = truth > 0
    rows = present.any(1)
    return Task(name, labels, rows, present[rows], score[rows])


def _joined(statements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Statements [n, 71] to subclasses [n, 23]: the highest of each."""
    columns = [
        [STATEMENTS.index(code) for code, name in SUBCLASS_OF.items() if name == subclass]
        for subclass in SUBCLASSES
    ]
    return np.stack([statements[:, members].max(1) for members in columns], axis=1)
