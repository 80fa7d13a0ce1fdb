"""Ten networks of one recipe, each tested on the patients that it never saw (ECG-SMART-NET, II.B).

``OUT/fold-3`` ... : one run folder per fold, with ``test.json``: table 5 of the paper on its own
test patients, at the threshold that its validation patients chose
``OUT/folds.json`` : mean and standard deviation over the folds tested
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import TrainConfig
from models.data import ptbxl
from models.evaluate.beat_score import COLUMN, TASK, figures, operating_point
from models.evaluate.folds import folds_of, splits
from models.groups import targets
from models.metrics import sigmoid
from models.run_folder import read_config, told

LOT = 4  # how patients fall into the ten folds
SMALL_LOT = 3  # which of them are the small set
TEST, ALL = "test.json", "folds.json"

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """Records to train on, to watch and to test on; none is in two, nor is a patient."""

    train: Rows
    validation: Rows
    test: Rows


def split(dataset: ptbxl.Dataset, config: TrainConfig) -> Split:
    """Folds 1-8 or the share of their patients that is asked for, watched by fold 9.

    With ``config.fold`` the patients of folds 1-8 alone: eight tenths, one and one.
    """
    train = np.isin(dataset.fold, ptbxl.TRAIN_FOLDS)
    validation = np.flatnonzero(dataset.fold == ptbxl.VALIDATION_FOLD)
    patients = dataset.meta.patient_id
    if config.fold is not None:
        infarction = targets(dataset)[:, COLUMN] > 0
        return Split(*list(splits(folds_of(patients, infarction, train, LOT)))[config.fold])
    if config.records != "all":
        lot = np.random.default_rng(SMALL_LOT).permutation(np.unique(patients[train]))
        small = np.isin(patients, lot[: round(config.small_share * len(lot))])
        train &= small if config.records == "small" else ~small
    return Split(np.flatnonzero(train), validation, np.empty(0, np.intp))


def examine(
    run: Path,
    validation: tuple[NDArray[np.float32], NDArray[np.float32]],
    test: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    """Write test.json from (targets, logits) [n, OUTPUTS] of both."""
    truth, p = ([y[:, COLUMN] > 0, sigmoid(logits[:, COLUMN])] for y, logits in (validation, test))
    threshold = operating_point(*truth)
    of = {"task": TASK, "records": len(p[0]), "threshold": threshold}
    _write(run / TEST, of | figures(*p, threshold))


def gather(out: Path, runs: Sequence[Path]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each figure over the folds tested; written to folds.json."""
    tested = [json.loads((run / TEST).read_text()) for run in runs]
    names = [name for name in tested[0] if name not in ("task", "records", "threshold")]
    values = {name: np.array([one[name] for one in tested]) for name in names}
    spread = {name: (float(v.mean()), float(v.std(ddof=len(v) > 1))) for name, v in values.items()}
    said = {name: {"mean": mean, "sd": sd} for name, (mean, sd) in spread.items()}
    _write(out / ALL, {"task": TASK, "folds": len(runs), **said})
    return spread


def found(runs: Path) -> list[dict[str, Any]]:
    """What ``gather`` wrote below a folder, each with its recipe, architecture and mean epochs."""
    out = []
    for path in sorted(runs.rglob(ALL)):
        of = [(read_config(one.parent), told(one.parent)) for one in path.parent.glob(f"*/{TEST}")]
        config, epochs = of[0][0], [said["epochs_done"] for _, said in of]
        named = {"recipe": config["recipe"], "architecture": config["architecture"]}
        out.append({**named, "epochs": float(np.mean(epochs)), **json.loads(path.read_text())})
    return out


def _write(path: Path, tree: dict[str, Any]) -> None:
    path.write_text(json.dumps(tree, indent=1) + "\n")
