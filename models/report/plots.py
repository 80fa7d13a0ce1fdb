"""The plots of the evaluation, as small PNG files in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

SYSTEMS = ("float", "int8", "device")


def plots(found: Mapping[str, Any]) -> dict[str, bytes]:
    """PNG by name, of those that ``found`` (the JSON of the evaluation) has the figures for."""
    drawn = {"tasks": png(lambda plt: _tasks(plt, found["systems"]))}
    if "risk_coverage" in found:
        drawn["risk-coverage"] = png(lambda plt: _risk(plt, found))
    if "labels" in found:
        drawn["reliability"] = png(lambda plt: _reliability(plt, found["labels"]))
    if "bradycardia" in found:
        drawn["bradycardia"] = png(lambda plt: _bradycardia(plt, found["bradycardia"]))
    if "robustness" in found:
        drawn["robustness"] = png(lambda plt: _robustness(plt, found["robustness"]))
    return drawn


def png(draw: Callable[[Any], Any]) -> bytes:
    """The figure that ``draw`` makes with pyplot, the same bytes every time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = draw(plt)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80, metadata={"Software": None})
    plt.close(figure)
    return file.getvalue()


def _tasks(plt: Any, systems: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    shown = [name for name in SYSTEMS if name in systems]
    for offset, name in enumerate(shown):
        table = systems[name]["tasks"]
        at = [i + 0.15 * (offset - (len(shown) - 1) / 2) for i in range(len(table))]
        values = [row["auc"] for row in table.values()]
        spans = [row.get("interval") or [row["auc"]] * 2 for row in table.values()]
        error = [
            [max(0.0, v - s[0]) for v, s in zip(values, spans, strict=True)],
            [max(0.0, s[1] - v) for v, s in zip(values, spans, strict=True)],
        ]
        axes.errorbar(at, values, error, fmt="o", capsize=3, label=name)
        axes.set_xticks(range(len(table)), list(table))
    axes.set(ylabel="macro AUC, 95 %")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="lower left")
    return figure


def _risk(plt: Any, found: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    points = found["risk_coverage"]
    axes.plot([p["coverage"] for p in points], [p["error"] for p in points], "o-", ms=3)
    if "answers" in found and found["answers"]["with_one_group"]["error"] is not None:
        at = found["answers"]["with_one_group"]
        axes.plot(at["coverage"], at["error"], "r*", ms=12, label="the device as it is")
        axes.legend()
    axes.set(xlabel="coverage", ylabel="error of the rest", ylim=(0, None))
    axes.grid(alpha=0.3)
    return figure


def _reliability(plt: Any, labels: Mapping[str, Any]) -> Any:
    groups = [name for name in ("mate4", "superclasses", "cnn_te") if labels.get(name)]
    figure, axes = plt.subplots(
        1, len(groups), figsize=(3.2 * len(groups), 3.2), layout="constrained", squeeze=False
    )
    for axis, name in zip(axes[0], groups, strict=True):
        axis.plot([0, 1], [0, 1], "k:", lw=1)
        for label, row in labels[name].items():
            bins = [entry for entry in row["calibration"]["bins"] if entry[2] >= 10]
            axis.plot([b[0] for b in bins], [b[1] for b in bins], "o-", ms=3, lw=1, label=label)
        axis.set(title=name, xlabel="probability", ylabel="share true", xlim=(0, 1), ylim=(0, 1))
        axis.legend(fontsize=6)
    return figure


def _bradycardia(plt: Any, curves: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for colour, (name, curve) in zip(("C0", "C1"), curves.items(), strict=False):
        at = [point["limit_bpm"] for point in curve["points"]]
        for key, style, what in (("accuracy", "-", "accuracy"), ("macro_f1", "--", "macro-F1")):
            values = [point[key] for point in curve["points"]]
            axes.plot(at, values, style, color=colour, label=f"{name}, {what}")
    axes.set(xlabel="sinus below this rate is SB, /min", ylabel="MATE-4")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def _robustness(plt: Any, table: Mapping[str, Any]) -> Any:
    rows = {name: row for name, row in table["rows"].items() if not row["no_call"]}
    figure, axes = plt.subplots(figsize=(8, 0.17 * len(rows) + 1), layout="constrained")
    for offset, key in enumerate(("rhythm", "all")):
        losses = [row[key]["loss"] if key in row else 0.0 for row in rows.values()]
        at = [i + 0.4 * offset for i in range(len(rows))]
        axes.barh(at, losses, 0.4, label=key)
    axes.set_yticks([i + 0.2 for i in range(len(rows))], list(rows), fontsize=6)
    axes.invert_yaxis()
    axes.set(xlabel="loss of macro AUC against the same records clean")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    return figure
