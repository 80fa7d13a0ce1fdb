"""docs/accuracy.md and the HTML page: what ``lead12 evaluate`` found, in the order of interest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from models.report import tables
from models.report.blocks import Block, Heading, Items, Picture, Table, Text
from models.report.goals import goals
from models.report.tables import number

COMMAND = "lead12 evaluate"


def accuracy(found: Mapping[str, Any]) -> list[Block]:
    """The whole page, from the JSON of the evaluation."""
    return [
        Heading(f"Accuracy of {found['bundle']['id']}", 1),
        Text(
            f"Written by `{COMMAND}`. Not a medical device. {found['data']['name']}, fold "
            f"{found['fold']}: {found['records']} records of {found['patients']} patients that the "
            "network was not trained on. Temperatures, thresholds, weights of the measured rate "
            "and the recipe were chosen on this same fold, so its figures are a little "
            "optimistic. In brackets: 95 % intervals, from "
            f"{found['resamples']} resamples of patients for AUC, accuracy and macro-F1, Wilson's "
            "for shares."
        ),
        Heading("Against what was wanted"),
        tables.goals_table(goals(found)),
        *systems(found),
        Picture("tasks", "Macro AUC of each task: float, int8 and device"),
        *rhythm(found),
        Picture("risk-coverage", "Error of the calls over the share of records called"),
        *calibrated(found),
        Picture("reliability", "Share true over predicted probability, per label"),
        *external(found),
        *bradycardia(found),
        *danger(found),
        *robustness(found),
        *parts(found),
        *seeds(found),
        *size_and_speed(found),
        *per_label(found),
    ]


def summary(found: Mapping[str, Any]) -> list[Block]:
    """What a terminal shows: goals, systems, rhythm."""
    return [
        tables.goals_table(goals(found)),
        tables.systems_table(found),
        tables.mate4_table(found["systems"]["device"]["mate4"]),
    ]


def systems(found: Mapping[str, Any]) -> list[Block]:
    """Float, int8 and device on the benchmark's tasks."""
    return [
        Heading("Float, int8, device"),
        Text(
            "*float*: the Keras network; *int8*: the bundle's network on the same tensors; "
            "*device*: recordings through the simulated chip, the pipeline, the int8 network and "
            "the measured rate, as `lead12 classify` gives them, refused ones included. The tasks "
            "are those of the PTB-XL benchmark (Strodthoff et al. 2021), each on the records that "
            "carry one of its labels; labels that no record carries are left out; a subclass "
            "scores as the highest of its statements."
        ),
        tables.systems_table(found),
        *_differences(found),
    ]


def _differences(found: Mapping[str, Any]) -> list[Block]:
    kept = {name: rows for name, rows in found.get("differences", {}).items() if rows}
    return [tables.differences_table(kept)] if kept else []


def rhythm(found: Mapping[str, Any]) -> list[Block]:
    """MATE-4 by the highest score, and the calls."""
    answers = found["answers"]
    one = answers["with_one_group"]
    none = answers["no_group_fits"]
    reasons = ", ".join(f"{reason} {n}" for reason, n in one["reasons"].items()) or "none"
    called = ", ".join(f"{group} {n}" for group, n in sorted(none["called"].items())) or "none"
    return [
        Heading("Rhythm: the four MATE groups"),
        Text("The device's highest score, on the records whose labels fit exactly one group:"),
        tables.mate4_table(found["systems"]["device"]["mate4"]),
        Text(
            f"Calls: of these {one['records']} records {one['refused']} get none "
            f"({reasons}); where it calls, {_share(one['error'])} are wrong (macro-F1 "
            f"{number(one['macro_f1'])}). Refusals counted as errors: accuracy "
            f"{number(one['accuracy_if_refusals_are_wrong'])}. Of {none['records']} records whose "
            f"labels fit no group, {none['refused']} get no call; the others: {called}."
        ),
    ]


def calibrated(found: Mapping[str, Any]) -> list[Block]:
    """Calibration errors."""
    rows = []
    for group, errors in found["calibration"].items():
        if errors:
            worst = max(errors, key=lambda label: errors[label])
            mean = sum(errors.values()) / len(errors)
            last = f"{number(errors[worst])} ({worst})"
            rows.append([group, str(len(errors)), number(mean), last])
    return [
        Heading("Calibration"),
        Text(
            "Expected calibration error of each label, ten bins, device; of the statements those "
            "with 20 positives or more. Fitted on the same records."
        ),
        Table(["group", "labels", "mean ECE", "worst ECE"], rows),
    ]


def external(found: Mapping[str, Any]) -> list[Block]:
    """Other hospitals' records."""
    if "external" not in found:
        return []
    ext = found["external"]
    mate4, answers = ext["mate4"], ext["answers"]["with_one_group"]
    sources = ", ".join(f"{name} {n}" for name, n in ext["sources"].items())
    rows = [
        ["**this device**", number(mate4["accuracy"]), number(mate4["macro_f1"])],
        *(
            [name, number(row["accuracy"]), number(row["macro_f1"])]
            for name, row in ext["mate_networks"].items()
        ),
    ]
    aucs = [
        [source, group, label, str(row["positives"]), str(row["records"]), number(row["auc"])]
        for source, of in ext["per_source"].items()
        for group, labels in of["auc"].items()
        for label, row in labels.items()
    ]
    per_source = [
        [name, str(row["records"]), str(row["with_one_group"]), number(row.get("mate4_accuracy"))]
        for name, row in ext["per_source"].items()
    ]
    return [
        Heading("Other hospitals: evaluation only"),
        Text(
            f"{ext['records']} records ({sources}). Never used for training, thresholds or "
            f"choices. Rhythm groups on the {mate4['records']} records that fit exactly one:"
        ),
        tables.mate4_table(mate4),
        Table(["", "accuracy", "macro-F1"], rows),
        Text(
            f"Calls: {answers['refused']} of {answers['records']} get none; where it calls, "
            f"{_share(answers['error'])} are wrong."
        ),
        Table(["source", "records", "with one group", "MATE-4 accuracy"], per_source),
        Text(
            "AUC of the labels that a source uses, where it has three or more positives and as "
            "its label table maps them:"
        ),
        Table(["source", "group", "label", "positives", "records", "AUC"], aucs),
        Heading("The wrong ones", 3),
        Table(
            ["record", "source", "truth", "highest score", "call", "rate /min"],
            [
                [
                    row["record"],
                    row["source"],
                    row["truth"],
                    f"{row['said']} {row['probability']:.2f}",
                    row["called"] or f"no call ({row['reason']})",
                    number(row["rate_bpm"], 0),
                ]
                for row in ext["errors"]
            ],
        ),
    ]


def bradycardia(found: Mapping[str, Any]) -> list[Block]:
    """MATE-4 over the limit of bradycardia."""
    if "bradycardia" not in found:
        return []
    rows = []
    for where, curve in found["bradycardia"].items():
        best = max(curve["points"], key=lambda point: point["macro_f1"])
        at60 = next(point for point in curve["points"] if point["limit_bpm"] == 60)
        quartiles = curve["labelled_sb_rate_bpm"]
        rows.append(
            [
                where,
                str(curve["records"]),
                " / ".join(f"{q:.0f}" for q in quartiles) or "-",
                f"{curve['sr_below_60']} of {curve['sr']}",
                f"{best['limit_bpm']} /min: {number(best['macro_f1'])}",
                number(at60["macro_f1"]),
            ]
        )
    return [
        Heading("Where a bradycardia begins"),
        Text(
            "What MATE-4 would score if the network's sinus rhythm (SB + SR) were split at each "
            "measured rate. PTB-XL's readers wrote SBRAD mostly near and below 50 /min, other "
            "hospitals below 60: no single limit is right for both."
        ),
        Table(
            [
                "",
                "records",
                "rate of labelled SB (quartiles)",
                "labelled SR below 60",
                "best macro-F1",
                "at 60",
            ],
            rows,
        ),
        Picture("bradycardia", "MATE-4 accuracy and macro-F1 over the bradycardia limit"),
    ]


def danger(found: Mapping[str, Any]) -> list[Block]:
    """Dangerous records that came out as plain sinus rhythm."""
    if "danger" not in found:
        return []
    wrong = [
        f"{where}, {name}: " + _listed(row["plain_sinus"])
        for where, kinds in found["danger"].items()
        for name, row in kinds.items()
        if row["plain_sinus"]
    ]
    return [
        Heading("What must never be called plain sinus rhythm"),
        Text(
            "Records whose labels say so (acute infarction in PTB-XL: an injury statement, or ST "
            "elevation beside an infarction), and every call of ten simulated persons per preset. "
            "*Plain*: called sinus rhythm of any rate, without a finding of high or medium "
            "priority."
        ),
        tables.danger_table(found["danger"]),
        Text("The plain ones:" if wrong else "None came out plain."),
        *([Items(wrong)] if wrong else []),
    ]


def robustness(found: Mapping[str, Any]) -> list[Block]:
    """Losses under disturbance."""
    if "robustness" not in found:
        return []
    table = found["robustness"]
    return [
        Heading("Robustness"),
        Text(
            "The int8 network alone, on records spoiled before the chip; in brackets the change "
            f"against the same records clean. Electrodes off: all records; the rest: a fixed "
            f"sub-sample of {table['sub_sample']}, on which rare labels are missing. *Refused by "
            "rule*: the monitor makes no call then, whatever the network would say. SNR as in the "
            "MIT-BIH noise stress test."
        ),
        tables.robustness_table(table),
        Picture("robustness", "Loss of macro AUC per disturbance"),
    ]


def parts(found: Mapping[str, Any]) -> list[Block]:
    """By sex, age and origin."""
    if not found.get("parts"):
        return []
    return [
        Heading("By sex, age and origin"),
        Text("The device, on fold 9. Rare labels drop out of small parts: compare with care."),
        tables.parts_table(found["parts"]),
    ]


def seeds(found: Mapping[str, Any]) -> list[Block]:
    """Other seeds of the recipe."""
    if "seeds" not in found:
        return []
    return [
        Heading("Seeds"),
        Text("The same recipe with other seeds; the seed is not chosen by its score."),
        tables.seeds_table(found["seeds"]),
    ]


def size_and_speed(found: Mapping[str, Any]) -> list[Block]:
    """Size, latency, memory."""
    if "speed" not in found:
        return []
    speed = found["speed"]
    return [
        Heading("Size and speed"),
        Text(
            f"{speed['parameters']} parameters, {speed['model_bytes']} bytes of network, "
            f"{speed['bundle_bytes']} of bundle. Latency of a ten-second window, one thread, on "
            "the machine that wrote this page:"
        ),
        tables.speed_table(speed),
    ]


def per_label(found: Mapping[str, Any]) -> list[Block]:
    """Every label."""
    blocks: list[Block] = []
    for group, labels in found["labels"].items():
        if not labels:
            continue
        blocks.append(Heading(f"Labels: {group}"))
        if group == "cnn_te":
            blocks.append(
                Text(
                    "Beside the figures of CNN-TE (Ford & Lan), which were measured on a random "
                    "tenth of 42 511 records of three sources, not on these records."
                )
            )
            blocks.append(tables.cnn_te_table(labels))
        blocks.append(tables.labels_table(labels))
    return blocks


def _listed(names: Sequence[str]) -> str:
    """Each name once, with how often it comes."""
    times = Counter(names)
    return ", ".join(name if n == 1 else f"{name} ({n} times)" for name, n in times.items())


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
