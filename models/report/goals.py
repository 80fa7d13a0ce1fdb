"""The figures this project set itself, beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.data.labels import MATE4


@dataclass(frozen=True)
class Goal:
    """``value`` is None where it was not measured; ``at_least`` says which way is good."""

    text: str
    value: float | None
    limit: float
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the value, not as rounded for print, keeps the limit."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """From the JSON of the evaluation."""
    out = []
    seeds = _at(found, "seeds", "spread", "device")
    for key, limit in (("all", 0.936), ("rhythm", 0.975), ("superdiagnostic", 0.938)):
        value = _at(found, "systems", "device", "tasks", key, "auc")
        mean = _at(seeds or {}, key, "mean")
        text = f"macro AUC {key}, device" + (", mean of the seeds" if mean is not None else "")
        out.append(Goal(text, value if mean is None else mean, limit))
    for key, what, limit in (("accuracy", "accuracy", 0.97), ("macro_f1", "macro-F1", 0.90)):
        value = _at(found, "systems", "device", "mate4", key)
        out.append(Goal(f"MATE-4 {what}, device", value, limit))
    out += _external(found)
    for key in ("all", "rhythm"):
        value = _at(found, "differences", "int8 - float", key, "difference")
        out.append(Goal(f"int8 minus float, macro AUC {key}", value, -0.002))
    out += _losses(found)
    out += _calibration(found)
    out += _answers(found)
    for what, key in (("kB of int8", "model_bytes"), ("thousand parameters", "parameters")):
        value = _at(found, "speed", key)
        out.append(Goal(what, None if value is None else value / 1000, 500, at_least=False))
    latency = _at(found, "speed", "runtimes", "ai_edge_litert", "median_ms")
    out.append(Goal("ms a window, LiteRT, one thread", latency, 1.0, False))
    return out


def _external(found: Mapping[str, Any]) -> list[Goal]:
    mate4 = _at(found, "external", "mate4") or {}
    out = [
        Goal("external MATE-4 accuracy", mate4.get("accuracy"), 0.94),
        Goal("external MATE-4 macro-F1", mate4.get("macro_f1"), 0.93),
    ]
    for key, name in (("sensitivity", "recall"), ("positive_predictivity", "precision")):
        values = mate4.get(key)
        worst = min(range(4), key=lambda i: values[i]) if values else None
        label = f" ({MATE4[worst]})" if worst is not None else ""
        value = values[worst] if values and worst is not None else None
        out.append(Goal(f"external, least {name} of a group{label}", value, 0.85))
    return out


def _losses(found: Mapping[str, Any]) -> list[Goal]:
    rows = _at(found, "robustness", "rows") or {}
    single = [f"{name} off" for name in ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")]
    railed = [name for name in rows if name.endswith("railed at +5 mV")]
    called = [name for name in single if name in rows and not rows[name]["no_call"]]
    out = []
    for names, what, key, limit in (
        (called, "one electrode lost, worst that is called", "rhythm", 0.005),
        (called, "one electrode lost, worst that is called", "all", 0.010),
        (railed, "one input railed at +5 mV, worst", "rhythm", 0.005),
    ):
        losses = [rows[name][key]["loss"] for name in names if key in rows[name]]
        value = max(losses, default=None)
        out.append(Goal(f"{what}: loss of macro AUC {key}", value, limit, at_least=False))
    for key, limit in (("all", 0.90), ("rhythm", 0.965)):
        value = _at(rows, "V1-V6 off", key, "value")
        out.append(Goal(f"V1-V6 lost: macro AUC {key}, network alone", value, limit))
    return out


def _calibration(found: Mapping[str, Any]) -> list[Goal]:
    errors = {
        f"{label} of {group}": error
        for group, labels in (found.get("calibration") or {}).items()
        for label, error in labels.items()
    }
    if not errors:
        return [Goal("worst calibration error of a main label", None, 0.03, at_least=False)]
    worst = max(errors, key=lambda name: errors[name])
    return [Goal(f"worst calibration error ({worst})", errors[worst], 0.03, at_least=False)]


def _answers(found: Mapping[str, Any]) -> list[Goal]:
    refused, records = _at(found, "answers", "refused"), _at(found, "answers", "records")
    share = refused / records if records else None
    plain = [
        len(row["plain_sinus"])
        for kinds in (found.get("danger") or {}).values()
        for row in kinds.values()
    ]
    return [
        Goal("share of fold-9 records without a call", share, 0.03, at_least=False),
        Goal("dangerous ones called plain sinus", sum(plain) if plain else None, 0, at_least=False),
    ]


def _at(tree: Any, *keys: str) -> Any:
    """The entry at the end of ``keys``, None where any is missing."""
    for key in keys:
        if not isinstance(tree, Mapping) or key not in tree:
            return None
        tree = tree[key]
    return tree
