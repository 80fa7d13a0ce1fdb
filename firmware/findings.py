"""The paramedic's short list: what in the scores is worth a word, the gravest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Priority(StrEnum):
    """How soon it must be seen."""

    HIGH = "high"  # now: takes the place of the rhythm on the screen
    MEDIUM = "medium"  # before the drive: a rhythm is not called without it
    LOW = "low"  # for the record


MOST = 8  # of the gravest: longer is no short list, and lines of the serial protocol are bounded
SWAP = "swap"  # code of the finding that electrodes are on each other's places
_RANK = {priority: rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True)
class FindingRule:
    """When a finding is present: any of the scores named reaches its threshold.

    any : (group, label, threshold)
    instead : it is a rhythm that no group of the call fits, and stands in place of the call
    """

    code: str
    text: str
    act: str
    priority: Priority
    any: tuple[tuple[str, str, float], ...]
    instead: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry of the list.

    code : for programs; text : for the screen, 21 characters; act : what to do about it, or ""
    probability : calibrated, of the score that is furthest above its threshold; None if measured
    """

    code: str
    text: str
    act: str
    priority: Priority
    probability: float | None


def find(
    scores: Mapping[str, Mapping[str, float]], rules: Iterable[FindingRule]
) -> list[tuple[Finding, FindingRule]]:
    """The findings present in ``scores`` with their rules, in the order of ``rules``.

    Of rules with the same code the first that fits speaks ("possible" before "not excluded").
    """
    found: list[tuple[Finding, FindingRule]] = []
    for rule in rules:
        if any(rule.code == finding.code for finding, _ in found):
            continue
        over = [
            (p - threshold, p)
            for group, label, threshold in rule.any
            if (p := scores.get(group, {}).get(label, -1.0)) >= threshold
        ]
        if over:
            _, p = max(over)
            found.append((Finding(rule.code, rule.text, rule.act, rule.priority, p), rule))
    return found


def by_priority(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The ``MOST`` gravest: high before medium before low; within each as they come."""
    return tuple(sorted(findings, key=lambda finding: _RANK[finding.priority])[:MOST])
