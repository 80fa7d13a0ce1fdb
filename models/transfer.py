"""What trainings on the small set came to, from scratch and from the weights of the rest.

As table 3 of "Are ECGs enough?"; which set a network is trained on its recipe's ``records`` say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.cross import split
from models.data.ptbxl import Dataset
from models.run_folder import FINAL, HISTORY, complete, read_config, told, train_config

SCORES = ("superclass_auc", "rhythm_auc", "statement_auc")  # of history.json, on fold 9


def found(runs: Path, dataset: Dataset) -> list[dict[str, Any]]:
    """Every finished training below a folder that was on a part of the patients, the rest first.

    Each with recipe, architecture, trunk, start (the recipe of the run its weights are from, None
    from scratch), records trained on, epochs, and its macro AUCs on fold 9 (float).
    """
    out = []
    for path in sorted(runs.rglob(FINAL)):
        run = path.parent
        config, said = train_config(run), told(run)
        if config.records == "all" or not complete(run):
            continue
        kept = json.loads((run / HISTORY).read_text())[round(said["kept_epoch"]) - 1]
        out.append(
            {
                "recipe": read_config(run)["recipe"],
                "architecture": config.architecture,
                "on": config.records,
                "start": config.from_run.split("/")[0] or None,
                "trunk": config.trunk,
                "records": len(split(dataset, config).train),
                "epochs": said["epochs_done"],
                "brief": bool(config.brief_for),
                **{name: kept[name] for name in SCORES},
            }
        )
    return sorted(out, key=lambda one: (one["architecture"], one["on"], one["start"] or ""))
