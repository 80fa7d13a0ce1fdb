"""``lead12 model info``: what is in a bundle, and how good it is."""

from __future__ import annotations

from typing import Any

from device.bundles import read_bundle
from device.flash.facts import facts


def summary(path: str = "") -> dict[str, Any]:
    """What a bundle says of itself; "" is the embedded one. Raises BundleError."""
    return {"file": path or "embedded", **facts(read_bundle(path))}


def card(path: str = "") -> str:
    """The model card, as Markdown. Raises BundleError."""
    return read_bundle(path).card


def readable(about: dict[str, Any]) -> list[str]:
    """``device.flash.facts`` as lines for people."""
    given = about["input"]
    seconds = given["samples"] / given["rate_hz"]
    groups = ", ".join(f"{name} {labels}" for name, labels in about["groups"].items())
    lines = [
        f"{about['model']}: {about['bytes']} bytes of int8, security counter {about['counter']}",
        f"SHA-256 {about['sha256']}",
        f"input: {seconds:g} s at {given['rate_hz']} Hz, {given['step_uv']:g} µV a step, "
        f"filter {given['profile']}",
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


def how_good(accuracy: dict[str, Any]) -> str:
    """One line: how often the call was right, and on what; "" when the bundle does not say."""
    call = accuracy.get("call", {})
    if not {"accuracy", "macro_f1"} <= set(call):
        return ""
    of = f" on {call['records']} records" if "records" in call else ""
    fold = f" of fold {accuracy['fold']}" if "fold" in accuracy else ""
    return f"call: right {call['accuracy']:.1%}, macro-F1 {call['macro_f1']:.3f}{of}{fold}"
