"""What is measured while a bundle is made: the network alone, from logits that are there anyway."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from firmware.bundle import OutputGroup
from models.data.dataset import VALIDATION_FOLD
from models.evaluate.outputs import probabilities, truth
from models.evaluate.per_label import per_label
from models.evaluate.refusal import risk_coverage
from models.evaluate.system import measured
from models.groups import GROUPS
from models.metrics import sigmoid, softmax


def measure(
    groups: tuple[OutputGroup, ...], logits: NDArray[Any], y: NDArray[Any]
) -> dict[str, Any]:
    """Of the int8 network's logits and targets of fold 9, both [n, OUTPUTS].

    groups : of the bundle, calibrated. The keys are those of ``models.evaluate.whole.evaluate``.
    """
    p = probabilities(groups, logits)
    right = truth(y)
    known = right["mate4"].any(1)
    return {
        "records": len(y),
        "fold": VALIDATION_FOLD,
        "systems": {"int8": measured(right, p).figures},
        "labels": per_label(groups, right, p),
        "risk_coverage": risk_coverage(right["mate4"][known], p["mate4"][known]),
    }


def scores(logits: NDArray[Any], y: NDArray[Any]) -> dict[str, Any]:
    """A system's figures from logits and targets, both [n, OUTPUTS]."""
    p = {
        group.name: (softmax if group.activation == "softmax" else sigmoid)(
            logits[:, group.columns]
        )
        for group in GROUPS
    }
    return measured(truth(y), p).figures
