"""What a technician wants to know of a bundle, short enough for one line of the serial port."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from firmware.bundle import Bundle
from firmware.inputs import Form, InputContract, Normal


def facts(bundle: Bundle) -> dict[str, Any]:
    """Identity, size, labels per group, input and measured accuracy; below 2 kB as JSON."""
    return {
        "model": bundle.id,
        "sha256": bundle.digest,
        "counter": bundle.counter,
        "bytes": len(bundle.model),
        "groups": {group.name: len(group.labels) for group in bundle.groups},
        "input": {
            "rate_hz": bundle.input.rate_hz,
            "samples": bundle.input.samples,
            "profile": f"{bundle.input.profile} v{bundle.input.profile_version}",
            **_measure(bundle.input),
        },
        "accuracy": accuracy(bundle),
    }


def _measure(of: InputContract) -> dict[str, Any]:
    """What the network reads, where that is not leads in microvolts, every second."""
    told: dict[str, Any] = {}
    if of.normal is Normal.FIXED and of.form is not Form.PAGE:
        told["step_uv"] = of.step_uv
    if of.form is not Form.WINDOW:
        told["form"] = of.form.value
    if of.normal is not Normal.FIXED:
        told["normal"] = of.normal.value
    if of.form is Form.PAGE:
        told["height"] = of.height
    if of.every_s != 1:
        told["every_s"] = of.every_s
    return told


def accuracy(bundle: Bundle) -> dict[str, Any]:
    """What the bundle says was measured of its int8 network, on records it was not trained on.

    records : of PTB-XL's ``fold``
    macro_auc : per group of labels, the mean of its labels' areas under the ROC
    call : accuracy and macro_f1 of the group that makes the call, on ``records``
    labels : of that group, sensitivity and positive predictivity of each

    What the manifest does not give, or not as a number, is left out.
    """
    measured = bundle.manifest["measured"]
    called = _table(_table(_table(measured, "systems"), "int8"), bundle.call_group)
    labels = next(group.labels for group in bundle.groups if group.name == bundle.call_group)
    areas = {}
    for name in (group.name for group in bundle.groups):
        of_labels = _table(_table(measured, "labels"), name)
        auc = [_number(figures, "auc") for figures in of_labels.values()]
        if known := [value for value in auc if value is not None]:
            areas[name] = round(statistics.fmean(known), 4)
    found = {
        "fold": _number(measured, "fold"),
        "records": _number(measured, "records"),
        "macro_auc": areas,
        "call": _numbers(called, "accuracy", "macro_f1", "records"),
        "labels": {
            label: of for i, label in enumerate(labels) if (of := _of_label(called, i, len(labels)))
        },
    }
    return {name: value for name, value in found.items() if value not in (None, {})}


def _of_label(called: Mapping[str, Any], i: int, labels: int) -> dict[str, Any]:
    columns = {}
    for name in ("sensitivity", "positive_predictivity"):
        column = called.get(name)
        if isinstance(column, list) and len(column) == labels:
            columns[name] = column[i]
    return _numbers(columns, *columns)


def _table(of: Any, name: str) -> Mapping[str, Any]:
    value = of.get(name) if isinstance(of, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _number(of: Any, name: str) -> float | int | None:
    value = of.get(name) if isinstance(of, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _numbers(of: Mapping[str, Any], *names: str) -> dict[str, float | int]:
    return {name: value for name in names if (value := _number(of, name)) is not None}
