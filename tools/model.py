"""``lead12 model info``: what is in a bundle, and how good it is."""

from __future__ import annotations

from typing import Any

from device.bundles import read_bundle
from device.flash.facts import facts
from firmware.inputs import Form

HARDLY = 0.5  # macro-F1 of the four rhythm groups; always saying SR has 0.23
APART = ": it does not tell the rhythm groups apart"


def summary(path: str = "") -> dict[str, Any]:
    """What a bundle says of itself; "" is the embedded one. Raises BundleError."""
    return {"file": path or "embedded", **facts(read_bundle(path))}


def card(path: str = "") -> str:
    """The model card, as Markdown. Raises BundleError."""
    return read_bundle(path).card


def readable(about: dict[str, Any]) -> list[str]:
    """``device.flash.facts`` as lines for people."""
    groups = ", ".join(f"{name} {labels}" for name, labels in about["groups"].items())
    lines = [
        f"{about['model']}: {about['bytes']} bytes of int8, security counter {about['counter']}",
        f"SHA-256 {about['sha256']}",
        f"input: {_reads(about['input'])}",
        f"labels: {groups}",
    ]
    if good := how_good(about["accuracy"]):
        lines.append(good)
    for label, figures in about["accuracy"].get("labels", {}).items():
        told = ", ".join(f"{name.replace('_', ' ')} {of:.1%}" for name, of in figures.items())
        lines.append(f"  {label}: {told}")
    if areas := about["accuracy"].get("macro_auc"):
        told = ", ".join(f"{name} {of:.3f}" for name, of in areas.items())
        lines.append(f"macro AUC: {told}")
    return lines


def _reads(given: dict[str, Any]) -> str:
    """What the network is shown."""
    every = f", every {given['every_s']} s" if "every_s" in given else ""
    filtered = f", filter {given['profile']}{every}"
    if given.get("form") == Form.PAGE:
        return f"page of {given['samples']} x {given['height']} pixels{filtered}"
    measure = f"{given['step_uv']:g} µV a step" if "step_uv" in given else given["normal"]
    said = f"{given['samples'] / given['rate_hz']:g} s at {given['rate_hz']} Hz, {measure}"
    if given.get("form") == Form.MEDIAN_BEAT:
        return f"median beat, {said}{every}"
    return said + filtered


def how_good(accuracy: dict[str, Any]) -> str:
    """One line: how often the call was right, and on what; "" when the bundle does not say."""
    call = accuracy.get("call", {})
    if not {"accuracy", "macro_f1"} <= set(call):
        return ""
    of = f" on {call['records']} records" if "records" in call else ""
    fold = f" of fold {accuracy['fold']}" if "fold" in accuracy else ""
    said = f"call: right {call['accuracy']:.1%}, macro-F1 {call['macro_f1']:.3f}{of}{fold}"
    return said + (APART if call["macro_f1"] < HARDLY else "")
