"""Every label by itself: AUC, AUPRC, what its threshold gives, and whether its 0.3 means 30 %."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.bundle import OutputGroup
from models.evaluate.bootstrap import Weights, interval, resampled_auc
from models.evaluate.outputs import ByGroup
from models.metrics import at_threshold, auc, average_precision, calibration

ENOUGH = 20  # positives from which a statement counts as a main label

# Ford & Lan, Detection of multiple cardiac abnormalities ... (CNN-TE), tables 2 and 3: AUPRC, F1.
CNN_TE_PUBLISHED = {
    "NSR": (0.96, 0.90),
    "IAVB": (0.77, 0.71),
    "abQRS": (0.70, 0.67),
    "AF": (0.84, 0.84),
    "LAnFB": (0.78, 0.74),
    "LAD": (0.79, 0.74),
    "LBBB": (0.82, 0.81),
    "LVH": (0.69, 0.65),
    "MI": (0.80, 0.74),
    "MIs": (0.57, 0.59),
    "RBBB": (0.89, 0.82),
    "SB": (0.78, 0.73),
    "STach": (0.83, 0.80),
}


def per_label(
    groups: Sequence[OutputGroup], truth: ByGroup, p: ByGroup, weights: Weights | None = None
) -> dict[str, dict[str, Any]]:
    """{group: {label: figures}} for labels that some records carry and others do not."""
    table: dict[str, dict[str, Any]] = {}
    for group in groups:
        rows = _counted(group, truth[group.name])
        table[group.name] = {}
        for i, label in enumerate(group.labels):
            y, q = truth[group.name][rows, i] > 0, p[group.name][rows, i]
            if y.all() or not y.any():
                continue
            figures: dict[str, Any] = {
                "positives": int(y.sum()),
                "records": len(y),
                "auc": auc(y, q),
                "auprc": average_precision(y, q),
                "calibration": calibration(y, q),
            }
            if weights is not None:
                figures["auc_interval"] = interval(resampled_auc(y, q, weights[:, rows]))
            threshold = group.thresholds.get(label, 0.0)
            if threshold > 0:
                figures["threshold"] = threshold
                figures |= at_threshold(y, q, threshold)
            table[group.name][label] = figures
    return table


def calibration_errors(table: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """{group: {label: ECE}} of the main labels: of the statements those with ENOUGH positives."""
    return {
        name: {
            label: figures["calibration"]["ece"]
            for label, figures in labels.items()
            if name != "statements" or figures["positives"] >= ENOUGH
        }
        for name, labels in table.items()
    }


def _counted(group: OutputGroup, truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Exactly one label of a softmax group is true; records without any are not labelled."""
    return truth.any(1) if group.activation == "softmax" else np.ones(len(truth), bool)
