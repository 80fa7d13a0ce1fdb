"""The same figures for parts of the records: sex, age, recording device, site, source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.dataset import Metadata
from models.evaluate.bootstrap import Weights
from models.evaluate.outputs import ByGroup
from models.evaluate.system import measured

FEWEST = 30  # records below which a part is not shown
AGE_BANDS = (("<40", 0.0, 40.0), ("40-59", 40.0, 60.0), ("60-79", 60.0, 80.0), ("80+", 80.0, 999.0))


def parts(meta: Metadata) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """{"sex": {"F": rows, ...}, ...}; kinds that are known of no record are left out."""
    found = {
        name: _values(values)
        for name, values in (
            ("sex", meta.sex),
            ("source", meta.source),
            ("site", meta.site),
            ("device", meta.device),
        )
    }
    found["age"] = {name: (meta.age >= low) & (meta.age < high) for name, low, high in AGE_BANDS}
    return {
        kind: kept
        for kind, rows in found.items()
        if len(kept := {name: mask for name, mask in rows.items() if mask.sum() >= FEWEST}) > 1
    }


def by_part(
    meta: Metadata, truth: ByGroup, score: ByGroup, weights: Weights
) -> dict[str, dict[str, Any]]:
    """The figures of ``measured`` for each part, with intervals."""
    return {
        kind: {name: _of(rows, truth, score, weights) for name, rows in masks.items()}
        for kind, masks in parts(meta).items()
    }


def _of(
    rows: NDArray[np.bool_], truth: ByGroup, score: ByGroup, weights: Weights
) -> Mapping[str, Any]:
    figures = measured(
        {name: y[rows] for name, y in truth.items()},
        {name: p[rows] for name, p in score.items()},
        weights[:, rows],
    ).figures
    return {"records": int(rows.sum()), **figures}


def _values(values: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    return {str(name): values == name for name in np.unique(values) if name}
