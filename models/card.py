"""The model card: written from the manifest and the evaluation, never by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from firmware.inputs import STEPS, Form, Normal
from hal.frontend import SAMPLE_RATE_HZ
from models.data.dataset import RATE_HZ
from models.report import tables
from models.report.accuracy import (
    calibrated,
    danger,
    external,
    rhythm,
    seeds,
    size_and_speed,
    systems,
)
from models.report.blocks import Block, Heading, Items, Table, Text, markdown

LIMITS = (
    "The labels are one cardiologist's words about a resting ECG, and noisy. Sinus bradycardia "
    "is written by some hospitals below 60 /min and by PTB-XL's readers mostly near 50: read the "
    "rate beside the call.",
    "GSVT is nearly all sinus tachycardia; re-entrant and atrial tachycardias are rare in the "
    "training data. Flutter counts as AFIB and is rare, too.",
    "VF, VT and asystole are not in the training data: the beat detector and the trace's baseline "
    "suspect them, the network does not know them.",
    "Infarction statements are about old infarctions as well as acute ones.",
    "One data set: adults, mostly one country and a few makes of recorder.",
)
RHYTHM_READ = (  # of the firmware's own
    "Fifty calls on other hospitals' records were read against their traces, all wrong rhythms but "
    "bradycardias among them. The worst: pacing spikes are gone at 100 Hz, and the network calls "
    "paced hearts sinus rhythm with an infarction (the spikes are measured beside it, which finds "
    "LUDB 8, 34, 72 and 74, not 93); a run of ventricular tachycardia is called "
    "fibrillation (JS45543); sinus tachycardia with atrial extrasystoles "
    "(JS20011 under mains hum, JS20015) fibrillation; fibrillation (A0007) and flutter (JS09740) "
    "at 104-118 /min tachycardia. Sinus rhythms of 90-96 /min that their hospital calls "
    "tachycardia are called sinus rhythm (LUDB 70, 114; JS20001). First-degree AV block is missed "
    "where P sits on T (A1394, E06320). Infarction is suspected wrongly with repolarisation "
    "changes (E07507). Most of the nine CPSC2018 records labelled ST elevation look like early "
    "repolarisation; four of them are warned of."
)


def card(manifest: Mapping[str, Any], found: Mapping[str, Any] | None = None) -> str:
    """Markdown: what it is, what it was trained on, how good it is and where it fails.

    found : the JSON of ``lead12 evaluate``; without it the card tells what was measured while the
        bundle was made
    """
    by = "`lead12 quantize` and `lead12 evaluate`" if found else "`lead12 quantize`"
    return markdown(
        [
            Heading(f"{manifest['name']} {manifest['version']}", 1),
            Text(f"Written by {by} from what was measured. **Not a medical device.**"),
            *_says(manifest),
            *_input(manifest),
            *_training(manifest),
            *(_evaluated(found) if found else _made(manifest["measured"])),
            Heading("Known limits"),
            Items([*LIMITS, *([RHYTHM_READ] if manifest["name"] == "rhythm" else [])]),
        ]
    )


def _says(manifest: Mapping[str, Any]) -> list[Block]:
    call = next(group for group in manifest["groups"] if group["name"] == manifest["call_group"])
    others = ", ".join(
        f"`{group['name']}` ({len(group['labels'])} labels)"
        for group in manifest["groups"]
        if group is not call
    )
    blocks: list[Block] = [
        Heading("What it says"),
        Text("One of four rhythm groups for ten seconds of a 12-lead ECG (MATE's grouping):"),
        Table(
            ["label", "shown as", "means", "called from"],
            [
                [
                    label,
                    call["text"][label],
                    call["means"].get(label, ""),
                    f"{call['thresholds'].get(label, 0.0):.2f}",
                ]
                for label in call["labels"]
            ],
        ),
        Text(
            f"Below its threshold the monitor says *unsure*. Besides, as scores: {others}. Other "
            "rhythms (paced, ventricular, complete AV block) belong to no group."
        ),
    ]
    if manifest.get("fusion"):
        blocks.append(
            Text(
                "The measured rate and RR irregularity correct the network's "
                + ", ".join(f"`{group}`" for group in manifest["fusion"])
                + " scores, by weights fitted on the validation records."
            )
        )
    if manifest.get("findings"):
        blocks.append(Text("The short list, gravest first:"))
        blocks.append(_short_list(manifest["findings"]))
    return blocks


def _short_list(findings: list[Mapping[str, Any]]) -> Table:
    return Table(
        ["shown", "priority", "what to do", "from any of"],
        [
            [
                entry["text"],
                entry["priority"],
                entry["act"],
                ", ".join(f"{label} ≥ {least:.2f}" for _, label, least in entry["any"]),
            ]
            for entry in findings
        ],
    )


def _input(manifest: Mapping[str, Any]) -> list[Block]:
    of = manifest["input"]
    form, normal = Form(of.get("form", Form.WINDOW)), Normal(of.get("normal", Normal.FIXED))
    profile, version = of["filter"]["profile"], of["filter"]["version"]
    filtered = f"behind filter profile `{profile}` version {version}"
    if form is Form.PAGE:
        said = (
            f"A page of {of['samples']} x {of['height']} black and white pixels, ten seconds "
            f"{filtered}. Leads without a signal are not drawn."
        )
    else:
        size = f"{of['samples']} x {len(of['leads'])} int8 at {of['rate_hz']} Hz"
        step = (
            f"{of['step_uv']:g} µV per step, clipped at ±{127 * of['step_uv'] / 1000:g} mV"
            if normal is Normal.FIXED
            else f"measure `{normal}`, {1 / STEPS[normal][0]:g} steps per unit"
        )
        raw = "the median beat of ten unfiltered seconds"
        said = (
            f"{size}, {step}, {raw if form is Form.MEDIAN_BEAT else filtered}; counts x "
            f"{of['scale']['num']} / {of['scale']['den']}. Leads without a signal are zero."
        )
    if (every_s := of.get("every_s", 1)) > 1:
        said += f" Run every {every_s} s."
    return [Heading("Input"), Text(said)]


def _training(manifest: Mapping[str, Any]) -> list[Block]:
    run, data = manifest["training"]["run"], manifest["training"]["data"][0]
    return [
        Heading("Training"),
        Text(
            f"{data['name']} ({data['licence']}), folds {data['train_folds'][0]}-"
            f"{data['train_folds'][-1]}, at {RATE_HZ} Hz, through the chip at {SAMPLE_RATE_HZ} Hz "
            "and the device's fixed-point filters to the network's "
            f"{manifest['input']['rate_hz']} Hz. {data['citation']}."
        ),
        Text(
            f"Data SHA-256 `{data['sha256']}`. Architecture `{run['architecture']}`, seed "
            f"{run['seed']}, {_epochs(run)}, batch {run['batch']}; "
            f"{manifest['model_bytes']} bytes of int8."
        ),
        *_taught(run.get("teachers", [])),
    ]


def _epochs(run: Mapping[str, Any]) -> str:
    """How many there were, and of how many where it ended before."""
    planned, done = run["epochs"], run.get("epochs_done", run["epochs"])
    said = f"{planned} epochs" if done == planned else f"{done:g} of {planned} epochs"
    if published := run.get("brief_for"):
        said += f" (a brief form of its recipe, which has {published})"
    kept = run.get("kept_epoch", done)
    return said if kept == done else f"{said} (the weights of epoch {kept:g} were the best)"


def _taught(teachers: Sequence[Mapping[str, Any]]) -> list[Block]:
    if not teachers:
        return []
    names = ", ".join(
        f"`{one['architecture']}` (seed {one['seed']}, {one['epochs']} epochs)" for one in teachers
    )
    return [
        Text(
            f"Taught by {len(teachers)} larger networks: {names}. The recipe names the share of "
            "their opinion (docs/decisions/0006)."
        )
    ]


def _made(measured: Mapping[str, Any]) -> list[Block]:
    """From ``models.evaluate.quick.measure``."""
    labels = measured["labels"]
    return [
        Heading(f"Measured on fold {measured['fold']} while it was made"),
        Text(
            f"{measured['records']} records of patients it was not trained on; the network alone. "
            "Temperatures and thresholds were chosen on these records, so the figures are a "
            "little optimistic. `lead12 evaluate` measures the whole device, other hospitals' "
            "records and what is lost in noise: docs/accuracy.md. In brackets: 95 % intervals "
            "(Wilson)."
        ),
        tables.systems_table(measured),
        tables.mate4_table(measured["systems"]["int8"]["mate4"]),
        *([tables.cnn_te_table(labels["cnn_te"])] if labels.get("cnn_te") else []),
    ]


def _evaluated(found: Mapping[str, Any]) -> list[Block]:
    """From ``models.evaluate.whole.evaluate``, without pictures."""
    labels = found["labels"]
    return [
        Heading(f"Measured on fold {found['fold']}"),
        Text(
            f"{found['records']} records of {found['patients']} patients it was not trained on. "
            "All of it, with plots: docs/accuracy.md."
        ),
        *systems(found),
        *rhythm(found),
        *calibrated(found),
        *([tables.cnn_te_table(labels["cnn_te"])] if labels.get("cnn_te") else []),
        *external(found),
        *danger(found),
        *seeds(found),
        *size_and_speed(found),
    ]
