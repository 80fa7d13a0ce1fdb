"""Parts of the evaluation as tables; the accuracy page and the model card share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.data.labels import MATE4
from models.evaluate.per_label import CNN_TE_PUBLISHED
from models.evaluate.tasks import PUBLISHED
from models.report.blocks import Table
from models.report.goals import Goal
from models.report.plots import SYSTEMS

HEAD = {
    "all": "all statements",
    "diagnostic": "diagnostic",
    "subdiagnostic": "sub-diagnostic",
    "superdiagnostic": "super-diagnostic",
    "form": "form",
    "rhythm": "rhythm",
    "mate4_accuracy": "MATE-4 accuracy",
    "mate4_macro_f1": "MATE-4 macro-F1",
}
_MATE4 = ("accuracy", "macro_f1")


def thousands(n: int) -> str:
    """As 1 234 567."""
    return f"{n:,}".replace(",", " ")


def number(value: float | None, digits: int = 3) -> str:
    """``value``, or a dash where it was not measured."""
    return "-" if value is None or value != value else f"{round(value, digits) + 0.0:.{digits}f}"


def spanned(value: float | None, bounds: Sequence[float] | None, digits: int = 3) -> str:
    """A value with its interval: 0.932 (0.921-0.941)."""
    if not bounds:
        return number(value, digits)
    return f"{number(value, digits)} ({number(bounds[0], digits)}-{number(bounds[1], digits)})"


def goals_table(goals: Sequence[Goal]) -> Table:
    """Each goal beside its figure."""
    word = {True: "yes", False: "**no**", None: "not measured"}
    rows = [
        [
            goal.text,
            f"{goal.value:g}" if isinstance(goal.value, int) else number(goal.value, 4),
            f"{'≥' if goal.at_least else '≤'} {goal.limit:g}",
            word[goal.met],
        ]
        for goal in goals
    ]
    return Table(["", "measured", "wanted", "met"], rows)


def systems_table(found: Mapping[str, Any]) -> Table:
    """Float, int8 and device side by side, and the benchmark's best published single network."""
    systems = found["systems"]
    shown = [name for name in SYSTEMS if name in systems]
    tasks = systems[shown[0]]["tasks"]
    rows = []
    for name, row in tasks.items():
        of = [systems[system]["tasks"][name] for system in shown]
        rows.append(
            [
                HEAD[name],
                f"{row['labels']} of {row['of_labels']}",
                str(row["records"]),
                *(spanned(one["auc"], one.get("interval")) for one in of),
                number(PUBLISHED.get(name)),
            ]
        )
    for key in _MATE4:
        of = [systems[s].get("mate4", {}) for s in shown]
        rows.append(
            [
                HEAD[f"mate4_{key}"],
                "4",
                str(of[0].get("records", "-")),
                *(spanned(one.get(key), one.get(f"{key}_interval")) for one in of),
                "-",
            ]
        )
    return Table(
        ["macro AUC", "labels", "records", *shown, "xresnet1d101, fold 10"],
        rows,
    )


def differences_table(differences: Mapping[str, Any]) -> Table:
    """Paired differences between the systems."""
    names = list(differences)
    keys = [key for key in HEAD if any(key in differences[name] for name in names)]
    rows = [
        [
            HEAD[key],
            *(
                spanned(differences[n][key]["difference"], differences[n][key]["interval"], 4)
                if key in differences[n]
                else "-"
                for n in names
            ),
        ]
        for key in keys
    ]
    return Table(["", *names], rows)


def mate4_table(figures: Mapping[str, Any]) -> Table:
    """The confusion of the four rhythm groups."""
    rows = []
    for i, label in enumerate(MATE4):
        counts = figures["confusion"][i]
        aucs = [number(figures["auc"][i])] if "auc" in figures else []
        rows.append(
            [
                f"**{label}** ({sum(counts)})",
                *map(str, counts),
                spanned(figures["sensitivity"][i], figures["sensitivity_95"][i], 2),
                spanned(
                    figures["positive_predictivity"][i], figures["positive_predictivity_95"][i], 2
                ),
                number(figures["f1"][i]),
                *aucs,
            ]
        )
    said = [f"said {label}" for label in MATE4]
    auc = ["AUC"] if "auc" in figures else []
    return Table(["truth (records)", *said, "Se", "+P", "F1", *auc], rows)


def cnn_te_table(labels: Mapping[str, Any]) -> Table:
    """CNN-TE's thirteen labels beside the paper's figures."""
    rows = [
        [
            label,
            str(row["positives"]),
            number(row["auc"]),
            number(row["auprc"]),
            number(CNN_TE_PUBLISHED[label][0], 2),
            number(row.get("f1")),
            number(CNN_TE_PUBLISHED[label][1], 2),
            number(row["calibration"]["ece"]),
        ]
        for label, row in labels.items()
    ]
    if rows:
        means = [sum(float(r[i]) for r in rows) / len(rows) for i in (3, 4)]
        rows.append(["**mean**", "", "", number(means[0]), number(means[1]), "", "", ""])
    head = ["label", "positives", "AUC", "AUPRC", "paper's", "F1", "paper's", "ECE"]
    return Table(head, rows)


def labels_table(labels: Mapping[str, Any]) -> Table:
    """Every label of a group."""
    rows = [
        [
            label,
            str(row["positives"]),
            spanned(row["auc"], row.get("auc_interval")),
            number(row["auprc"]),
            number(row.get("threshold")),
            number(row.get("precision")),
            number(row.get("recall")),
            number(row.get("f1")),
            number(row.get("g_mean")),
            number(row["calibration"]["ece"]),
        ]
        for label, row in labels.items()
    ]
    return Table(
        ["label", "positives", "AUC", "AUPRC", "called from", "+P", "Se", "F1", "G-mean", "ECE"],
        rows,
    )


def parts_table(parts: Mapping[str, Any]) -> Table:
    """The device by sex, age and what else is known."""
    every = [row["tasks"] for values in parts.values() for row in values.values()]
    shown = [key for key in ("all", "rhythm", "superdiagnostic") if any(key in t for t in every)]
    rows = []
    for kind, values in parts.items():
        for name, row in values.items():
            of, mate4 = row["tasks"], row.get("mate4", {})
            aucs = (spanned(of[key]["auc"], of[key].get("interval")) for key in shown)
            shares = (spanned(mate4.get(key), mate4.get(f"{key}_interval")) for key in _MATE4)
            rows.append([kind, name, str(row["records"]), *aucs, *shares])
    head = ["", "", "records", *(f"AUC {HEAD[key]}" for key in shown)]
    return Table([*head, "MATE-4 accuracy", "macro-F1"], rows)


def robustness_table(table: Mapping[str, Any]) -> Table:
    """Loss against the same records clean."""
    keys = [key for key in HEAD if key in table["clean"]]
    rows = [
        [
            name,
            str(row["records"]),
            "refused" if row["no_call"] else "",
            *(
                f"{row[key]['value']:.3f} ({0 - row[key]['loss']:+.3f})" if key in row else "-"
                for key in keys
            ),
        ]
        for name, row in table["rows"].items()
    ]
    return Table(["", "records", "by rule", *(HEAD[key] for key in keys)], rows)


def seeds_table(seeds: Mapping[str, Any]) -> Table:
    """Every seed, and mean ± standard deviation."""
    keys = list(next(iter(next(iter(seeds["per_seed"].values())).values())))
    rows = []
    for seed, systems in seeds["per_seed"].items():
        mark = " (this bundle)" if seed == seeds["chosen"] else ""
        rows += [
            [f"{seed}{mark}", name, *(number(figures[key]) for key in keys)]
            for name, figures in systems.items()
        ]
    for name, figures in seeds["spread"].items():
        cells = [f"{number(figures[k]['mean'], 4)} ± {number(figures[k]['sd'], 4)}" for k in keys]
        rows.append(["**mean ± SD**", name, *cells])
    return Table(["seed", "", *(HEAD[key] for key in keys)], rows)


def danger_table(danger: Mapping[str, Any]) -> Table:
    """How many dangerous records were called sinus rhythm without a warning."""
    rows = [
        [
            where,
            name,
            str(row["records"]),
            str(row["no_call"]),
            str(row["sinus_with_warning"]),
            f"**{len(row['plain_sinus'])}**" if row["plain_sinus"] else "0",
        ]
        for where, kinds in danger.items()
        for name, row in kinds.items()
    ]
    head = ["records of", "what", "calls", "no call", "sinus with a warning", "plain sinus"]
    return Table(head, rows)


def speed_table(speed: Mapping[str, Any]) -> Table:
    """Latency and memory per interpreter."""
    rows = [
        [name, row["error"], "", "", ""]
        if "error" in row
        else [
            name,
            number(row["median_ms"], 2),
            number(row["p99_ms"], 2),
            number(row["peak_rss_mib"], 0),
            number(row["python_rss_mib"], 0),
        ]
        for name, row in speed["runtimes"].items()
    ]
    head = ["interpreter, one thread", "median ms", "p99 ms", "peak RSS MiB", "before loading it"]
    return Table(head, rows)
