"""How often the device answers, and how right it then is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.labels import MATE4
from models.evaluate.system import four_groups

COVERAGES = np.round(np.arange(1.0, 0.29, -0.05), 2)


def risk_coverage(truth: NDArray[Any], p: NDArray[Any]) -> list[dict[str, float]]:
    """Error among the records that are left when the least certain are refused first.

    truth, p : [n, 4] of the records with one rhythm group; certainty is the highest probability
    (Geifman & El-Yaniv, Selective classification, NeurIPS 2017)
    """
    wrong = p.argmax(1) != truth.argmax(1)
    order = np.argsort(-p.max(1), kind="stable")
    errors = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    points = []
    for coverage in COVERAGES:
        kept = max(1, round(coverage * len(order)))
        points.append(
            {
                "coverage": kept / len(order),
                "error": float(errors[kept - 1]),
                "least_probability": float(p.max(1)[order[kept - 1]]),
            }
        )
    return points


def answers(truth: NDArray[Any], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the device says of records with labels mate4 [n, 4] (all zero: no group fits)."""
    known = truth.any(1)
    called = np.array([result.get("call") is not None for result in results], bool)
    said = np.array([_group(result) for result in results], int)
    right = truth.argmax(1)
    both = known & called
    found = four_groups(right[both], said[both])
    unlabelled = [result for result, k in zip(results, known, strict=True) if not k]
    correct = int((said[both] == right[both]).sum())
    return {
        "records": len(results),
        "refused": int((~called).sum()),
        "reasons": _counted(results),
        "with_one_group": {
            **found,  # of those that are called
            "records": int(known.sum()),
            "refused": int((known & ~called).sum()),
            "reasons": _counted([r for r, k in zip(results, known, strict=True) if k]),
            "coverage": float(both.sum() / max(known.sum(), 1)),
            "error": 1 - found["accuracy"] if both.any() else None,
            "accuracy_if_refusals_are_wrong": correct / max(int(known.sum()), 1),
        },
        "no_group_fits": {
            "records": int((~known).sum()),
            "refused": int((~known & ~called).sum()),
            "called": _called(unlabelled),
        },
    }


def _counted(results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How often each reason for no call was given, commonest first."""
    reasons = Counter(
        str(result.get("reason") or "unreadable") for result in results if not result.get("call")
    )
    return dict(reasons.most_common())


def _called(results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How often each group was called."""
    return dict(Counter(str(result["call"]) for result in results if result.get("call")))


def _group(result: Mapping[str, Any]) -> int:
    call = result.get("call")
    return MATE4.index(call) if call in MATE4 else 0
