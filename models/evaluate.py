"""Measure a bundle on fold 9: int8, behind the device's own filters, with leads lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.bundle import Bundle, BundleError, OutputGroup
from firmware.leads import leads_lost
from firmware.network import Network
from hal.frontend import Electrode, electrode_mask
from models.data import ptbxl
from models.data.chain import filtered_tensors
from models.groups import GROUPS, targets
from models.metrics import auc, macro_auc, rhythm_scores, softmax, wilson

Progress = Callable[[str, int, int], None]
BUNDLE = "rhythm.l12"
RHYTHM_STATEMENTS = ("SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "BIGU", "AFLT")

_CHEST = tuple(e for e in Electrode if e >= Electrode.V1)
LOSSES: dict[str, tuple[Electrode, ...]] = {
    "LA": (Electrode.LA,),
    "LL": (Electrode.LL,),
    **{e.name: (e,) for e in _CHEST},
    "V1-V6": _CHEST,
}


def evaluate(target: Path, data: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Figures of a bundle file, or of a run folder's bundle, on fold 9 of the data in ``data``.

    Raises BundleError or DataError in one line.
    """
    say = progress or (lambda *_: None)
    path = target / BUNDLE if target.is_dir() else target
    if not path.is_file():
        raise BundleError(f"{path} is missing; run lead12 quantize first")
    bundle = Bundle.from_bytes(path.read_bytes())
    dataset = ptbxl.load(data)
    tensors = filtered_tensors(dataset, say)
    val = dataset.fold == ptbxl.VALIDATION_FOLD
    y = targets(dataset)[val]
    return measure(bundle, bundle.groups, tensors[val], y, say)


def measure(
    bundle: Bundle,
    groups: tuple[OutputGroup, ...],
    tensors: NDArray[np.int8],
    y: NDArray[Any],
    say: Progress,
) -> dict[str, Any]:
    """Everything the card prints, from int8 tensors [n, 1000, 12] and targets [n, OUTPUTS]."""
    network = Network(bundle)
    logits = int8_logits(network, tensors, say, "all leads")
    metrics: dict[str, Any] = {
        "records": len(tensors),
        "fold": ptbxl.VALIDATION_FOLD,
        "int8": scores(logits, y),
        "calls": _calls(groups[0], logits, y),
        "leads_lost": {},
    }
    for name, electrodes in LOSSES.items():
        cut = tensors.copy()
        cut[:, :, leads_lost(electrode_mask(electrodes))] = 0
        lost = scores(int8_logits(network, cut, say, f"without {name}"), y)
        metrics["leads_lost"][name] = {
            key: lost[key] for key in ("macro_f1", "accuracy", "superclass_auc", "statement_auc")
        }
    return metrics


def int8_logits(
    network: Network, tensors: NDArray[np.int8], say: Progress, what: str
) -> NDArray[np.float64]:
    """De-quantised logits [n, outputs] of the int8 network."""
    out = []
    for row, tensor in enumerate(tensors):
        out.append(network.logits(tensor))
        if row % 200 == 199 or row + 1 == len(tensors):
            say(what, row + 1, len(tensors))
    return network.dequantised(np.stack(out))


def scores(logits: NDArray[Any], y: NDArray[Any]) -> dict[str, Any]:
    """Rhythm by argmax over the labelled records; AUCs over all of them."""
    mate4, superclasses, statements = (group.columns for group in GROUPS)
    known = y[:, mate4].any(1)
    truth = y[known, mate4].argmax(1)
    said = logits[known, mate4].argmax(1)
    p = softmax(logits[known, mate4])
    rhythm = rhythm_scores(truth, said)
    rhythm["sensitivity_95"] = [_wilson(said[truth == i] == i) for i in range(4)]
    rhythm["positive_predictivity_95"] = [_wilson(truth[said == i] == i) for i in range(4)]
    rhythm["auc"] = [auc(truth == i, p[:, i]) for i in range(4)]
    labels = GROUPS[2].labels
    columns = [GROUPS[2].first + labels.index(code) for code in RHYTHM_STATEMENTS]
    return {
        **rhythm,
        "superclass_auc": macro_auc(y[:, superclasses], logits[:, superclasses]),
        "superclass_aucs": {
            label: auc(y[:, superclasses][:, i], logits[:, superclasses][:, i])
            for i, label in enumerate(GROUPS[1].labels)
        },
        "statement_auc": macro_auc(y[:, statements], logits[:, statements]),
        "rhythm_statement_auc": macro_auc(y[:, columns], logits[:, columns]),
    }


def _calls(group: OutputGroup, logits: NDArray[Any], y: NDArray[Any]) -> dict[str, Any]:
    """With the bundle's thresholds: how often it answers, and how right it then is."""
    columns = slice(group.first, group.first + len(group.labels))
    p = softmax(logits[:, columns] / group.temperature)
    least = np.array([group.thresholds[label] for label in group.labels])
    known = y[:, columns].any(1)
    called = p.max(1) >= least[p.argmax(1)]
    truth, said = y[:, columns].argmax(1), p.argmax(1)
    answered = known & called
    found = rhythm_scores(truth[answered], said[answered])
    return {
        "unsure": int((known & ~called).sum()),
        "unsure_where_no_group_fits": int((~known & ~called).sum()),
        "no_group_fits": int((~known).sum()),
        "accuracy": found["accuracy"],
        "macro_f1": found["macro_f1"],
        "confusion": found["confusion"],
        "calibration_error": _calibration_error(p[known], truth[known]),
    }


def _calibration_error(p: NDArray[np.float64], truth: NDArray[Any], bins: int = 10) -> float:
    """Expected calibration error of the best label (Guo et al. 2017), equal-width bins."""
    best, right = p.max(1), p.argmax(1) == truth
    where = np.minimum((best * bins).astype(int), bins - 1)
    gaps = [abs(best[where == b].sum() - right[where == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(truth))


def _wilson(right: NDArray[np.bool_]) -> list[float]:
    return list(wilson(int(right.sum()), len(right)))
