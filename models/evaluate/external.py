"""Other hospitals' records: evaluation only, never training, thresholds or choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.dataset import LABELS_OF, Recordings
from models.data.labels import MATE4
from models.evaluate.outputs import ByGroup
from models.evaluate.refusal import answers
from models.evaluate.system import four_groups
from models.metrics import auc, wilson

# MATE's own two networks on the same records (accuracy, macro-F1).
MATE_NETWORKS = {"MATE, first network": (0.852, 0.829), "MATE, second network": (0.878, 0.859)}
FEWEST = 3  # positives of a source below which its AUC says nothing


def external(
    recordings: Recordings, score: ByGroup, results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Figures of the device on ``recordings``; ``results`` as of ``lead12 classify``."""
    mate4 = recordings.mate4.astype(bool)
    known = mate4.sum(1) == 1
    right, said = mate4[known].argmax(1), score["mate4"][known].argmax(1)
    found: dict[str, Any] = {
        "records": len(recordings),
        "sources": {str(s): int((recordings.meta.source == s).sum()) for s in _sources(recordings)},
        "mate4": four_groups(right, said),
        "answers": answers(np.where(known[:, None], mate4, False), results),
        "per_source": {
            name: _source(recordings, recordings.meta.source == name, known, score)
            for name in _sources(recordings)
        },
        "mate_networks": {k: {"accuracy": a, "macro_f1": f} for k, (a, f) in MATE_NETWORKS.items()},
    }
    found["mate4"]["accuracy_interval"] = list(wilson(int((right == said).sum()), len(right)))
    found["errors"] = [
        {
            "record": recordings.meta.record_ids[row],
            "source": str(recordings.meta.source[row]),
            "truth": MATE4[int(mate4[row].argmax())],
            "said": MATE4[int(score["mate4"][row].argmax())],
            "probability": round(float(score["mate4"][row].max()), 4),
            "called": results[row].get("call"),
            "reason": results[row].get("reason"),
            "rate_bpm": results[row].get("rate_bpm"),
        }
        for row in np.flatnonzero(known)
        if mate4[row].argmax() != score["mate4"][row].argmax()
    ]
    return found


def _source(
    recordings: Recordings, rows: NDArray[np.bool_], known: NDArray[np.bool_], score: ByGroup
) -> dict[str, Any]:
    both = rows & known
    found: dict[str, Any] = {
        "records": int(rows.sum()),
        "with_one_group": int(both.sum()),
        "auc": {},
    }
    if both.any():
        right, said = recordings.mate4[both].argmax(1), score["mate4"][both].argmax(1)
        found["mate4_accuracy"] = float((right == said).mean())
    for group, labels in LABELS_OF.items():
        if group not in score:
            continue
        truth, judged = getattr(recordings, group) > 0, recordings.judged(group)
        aucs = {}
        for i, label in enumerate(labels):
            use = rows & judged[:, i]
            if group == "mate4":
                use &= known
            positives = int(truth[use, i].sum())
            if positives >= FEWEST and positives < use.sum():
                aucs[label] = {
                    "auc": auc(truth[use, i], score[group][use, i]),
                    "positives": positives,
                    "records": int(use.sum()),
                }
        if aucs:
            found["auc"][group] = aucs
    return found


def _sources(recordings: Recordings) -> list[str]:
    return [str(name) for name in np.unique(recordings.meta.source)]
