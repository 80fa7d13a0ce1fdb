"""The model card: written from the manifest, never by hand."""

from __future__ import annotations

from typing import Any

from models.data.labels import MATE4


def card(manifest: dict[str, Any]) -> str:
    """Markdown: what it is, what it was trained on, how good it is and where it fails."""
    measured, run = manifest["measured"], manifest["training"]["run"]
    call = next(group for group in manifest["groups"] if group["name"] == manifest["call_group"])
    data = manifest["training"]["data"][0]
    contract = manifest["input"]
    lines = [
        f"# {manifest['name']} {manifest['version']}",
        "",
        "Written by `lead12 quantize` from the run's measurements. Not a medical device.",
        "",
        "## What it says",
        "One of four rhythm groups for ten seconds of a 12-lead ECG (MATE grouping):",
        "",
        *_table(
            ["label", "shown as", "means", "called from"],
            [
                [x, call["text"][x], call["means"].get(x, ""), f"{call['thresholds'][x]:.2f}"]
                for x in call["labels"]
            ],
        ),
        "",
        "Below its threshold the monitor says *unsure*. Other rhythms (paced, ventricular, "
        "complete AV block) belong to no group and are **not recognised**: the network was never "
        "taught to refuse them. PTB-XL's five superclasses and 71 statements come out as scores "
        "too; the monitor makes no call of them.",
        "",
        "## Input",
        f"{contract['samples']} x {len(contract['leads'])} int8 at {contract['rate_hz']} Hz, "
        f"{contract['step_uv']:g} µV per step, clipped at ±{127 * contract['step_uv'] / 1000:g}"
        f" mV, behind filter profile `{contract['filter']['profile']}` version "
        f"{contract['filter']['version']}; counts x {contract['scale']['num']} / "
        f"{contract['scale']['den']}. Leads without a signal are zero.",
        "",
        "## Training",
        f"{data['name']} ({data['licence']}), folds {data['train_folds'][0]}-"
        f"{data['train_folds'][-1]}, at 100 Hz, through the device's fixed-point chain. "
        f"{data['citation']}.",
        f"Packed data SHA-256 `{data['sha256']}`. Architecture `{run['architecture']}`, seed "
        f"{run['seed']}, {run['epochs']} epochs, batch {run['batch']}; "
        f"{manifest['model_bytes']} bytes of int8.",
        "",
        *results(measured),
        "",
        "## Known limits",
        "- Labels are noisy: half of PTB-XL's sinus bradycardias have a measured rate of "
        "50-60 /min, and many normal records lie below 60, so no network can separate SB "
        "from SR there. Hospitals that call every sinus rhythm below 60 /min a bradycardia "
        "will find most of theirs called SR: read the rate.",
        "- GSVT is nearly all sinus tachycardia; re-entrant and atrial tachycardias are rare.",
        "- Flutter counts as AFIB; PTB-XL has 66 records of it in folds 1-9.",
        "- One data set: adults, mostly one country and one make of recorder.",
        "",
    ]
    return "\n".join(lines)


def results(measured: dict[str, Any]) -> list[str]:
    """The figures of ``models.evaluate.measure``, as Markdown."""
    int8, float_ = measured["int8"], measured.get("float")
    beside = f" (float {float_['macro_f1']:.3f}, {float_['accuracy']:.3f})" if float_ else ""
    return [
        f"## Measured on fold {measured['fold']}",
        f"{measured['records']} records of patients it was not trained on, int8, device chain. "
        "Temperatures, thresholds and the choice of the network were made on this same fold, "
        "so these figures are a little optimistic; no other hospital was looked at. "
        "In brackets: 95 % Wilson intervals.",
        "",
        *_confusion(int8),
        "",
        f"Macro-F1 **{int8['macro_f1']:.3f}**, accuracy **{int8['accuracy']:.3f}**{beside}.",
        "",
        *_calls(measured["calls"], measured["records"]),
        "",
        *_aucs(int8, float_),
        "",
        "### With leads lost",
        "LA off leaves lead II alone, LL off leaves I, RA off leaves none. The monitor makes no "
        "call with a limb electrode or more than two chest electrodes off; these rows say what "
        "the network alone would do.",
        "",
        *_table(
            ["electrodes off", "macro-F1", "accuracy", "superclasses AUC", "statements AUC"],
            [
                [name, *(f"{row[key]:.3f}" for key in _LOST)]
                for name, row in measured["leads_lost"].items()
            ],
        ),
    ]


_LOST = ("macro_f1", "accuracy", "superclass_auc", "statement_auc")


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _confusion(figures: dict[str, Any]) -> list[str]:
    rows = []
    for i, label in enumerate(MATE4):
        counts = figures["confusion"][i]
        rows.append(
            [
                f"**{label}** ({sum(counts)})",
                *map(str, counts),
                _interval(figures["sensitivity"][i], figures["sensitivity_95"][i]),
                _interval(
                    figures["positive_predictivity"][i], figures["positive_predictivity_95"][i]
                ),
                f"{figures['f1'][i]:.3f}",
                f"{figures['auc'][i]:.3f}",
            ]
        )
    said = [f"said {label}" for label in MATE4]
    return _table(["truth (records)", *said, "Se", "+P", "F1", "AUC"], rows)


def _interval(value: float, bounds: list[float]) -> str:
    return f"{value:.3f} ({bounds[0]:.2f}-{bounds[1]:.2f})"


def _calls(calls: dict[str, Any], records: int) -> list[str]:
    known = records - calls["no_group_fits"]
    return [
        f"With the thresholds it is unsure of {calls['unsure']} of {known} records "
        f"({calls['unsure'] / max(known, 1):.1%}) and, where it answers, right in "
        f"{calls['accuracy']:.1%} (macro-F1 {calls['macro_f1']:.3f}). Of "
        f"{calls['no_group_fits']} records without a rhythm of the four in their labels, paced "
        f"ones among them, it is unsure of {calls['unsure_where_no_group_fits']} only. Expected "
        f"calibration error {calls['calibration_error']:.3f}."
    ]


def _aucs(int8: dict[str, Any], float_: dict[str, Any] | None) -> list[str]:
    names = {
        "superclass_auc": "superclasses",
        "statement_auc": "all statements",
        "rhythm_statement_auc": "rhythm statements",
    }
    rows = [
        [name, f"{int8[key]:.3f}", f"{float_[key]:.3f}" if float_ else "-"]
        for key, name in names.items()
    ]
    return _table(["macro AUC", "int8", "float"], rows)
