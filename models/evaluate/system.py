"""The figures of one system: the float network, the int8 network, or the whole device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluate.bootstrap import (
    Weights,
    accuracy_and_macro_f1,
    interval,
    resampled_confusion,
    resampled_macro_auc,
)
from models.evaluate.outputs import ByGroup
from models.evaluate.tasks import tasks
from models.metrics import auc, macro_auc, rhythm_scores, wilson

HEADLINES = ("all", "rhythm", "superdiagnostic", "mate4_accuracy", "mate4_macro_f1")


@dataclass(frozen=True)
class Measured:
    """``figures`` go into the JSON; ``resampled`` serve differences between systems."""

    figures: dict[str, Any]
    resampled: dict[str, NDArray[np.float64]]


def measured(truth: ByGroup, score: ByGroup, weights: Weights | None = None) -> Measured:
    """Macro AUC of each task and the MATE-4 table; with intervals where ``weights`` are given."""
    resampled: dict[str, NDArray[np.float64]] = {}
    table: dict[str, Any] = {}
    for task in tasks(truth, score):
        table[task.name] = {
            "auc": macro_auc(task.truth, task.score),
            "labels": int((task.truth.any(0) & ~task.truth.all(0)).sum()),
            "of_labels": len(task.labels),
            "records": int(task.rows.sum()),
        }
        if weights is not None:
            values = resampled_macro_auc(task.truth, task.score, weights[:, task.rows])
            resampled[task.name] = values
            table[task.name]["interval"] = interval(values)
    figures: dict[str, Any] = {"tasks": table}
    if "mate4" in score:
        figures["mate4"] = _mate4(truth["mate4"], score["mate4"], weights, resampled)
    return Measured(figures, resampled)


def headline(figures: dict[str, Any], name: str) -> float:
    """One of HEADLINES out of a system's figures; NaN where it was not measured."""
    if name.startswith("mate4_"):
        return float(figures.get("mate4", {}).get(name.removeprefix("mate4_"), np.nan))
    return float(figures["tasks"].get(name, {}).get("auc", np.nan))


def difference(one: Measured, other: Measured) -> dict[str, Any]:
    """``one`` minus ``other`` on the same records: paired, with intervals."""
    return {
        name: {
            "difference": headline(one.figures, name) - headline(other.figures, name),
            "interval": interval(one.resampled[name] - other.resampled[name]),
        }
        for name in HEADLINES
        if name in one.resampled and name in other.resampled
    }


def _mate4(
    truth: NDArray[np.float64],
    score: NDArray[np.float64],
    weights: Weights | None,
    resampled: dict[str, NDArray[np.float64]],
) -> dict[str, Any]:
    """By the highest score, on the records with exactly one rhythm group."""
    known = truth.any(1)
    right, said = truth[known].argmax(1), score[known].argmax(1)
    found = four_groups(right, said)
    found["auc"] = [auc(right == i, score[known, i]) for i in range(4)]
    if weights is not None:
        matrices = resampled_confusion(right, said, 4, weights[:, known])
        for name, values in zip(
            ("accuracy", "macro_f1"), accuracy_and_macro_f1(matrices), strict=True
        ):
            resampled[f"mate4_{name}"] = values
            found[f"{name}_interval"] = interval(values)
    return found


def four_groups(right: NDArray[Any], said: NDArray[Any]) -> dict[str, Any]:
    """Confusion [truth, said] of the MATE groups, Se and +P with Wilson intervals, F1, accuracy."""
    found = rhythm_scores(right, said)
    found["records"] = len(right)
    found["sensitivity_95"] = [_wilson(said[right == i] == i) for i in range(4)]
    found["positive_predictivity_95"] = [_wilson(right[said == i] == i) for i in range(4)]
    return found


def _wilson(right: NDArray[np.bool_]) -> list[float]:
    return list(wilson(int(right.sum()), len(right)))
