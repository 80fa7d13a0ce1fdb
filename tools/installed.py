"""What ``lead12 model`` shows of a device: the list of models, the audit log, the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from device.flash.audit import Entry
from device.flash.facts import accuracy
from device.flash.store import MAX_STARTS
from firmware.archive import BundleError
from firmware.bundle import Bundle
from tools.model import how_good

SHOWN = 16  # digits of a hash


def table(listed: Mapping[str, Any]) -> list[str]:
    """``Flasher.list`` as lines: the models, what the device goes by, what went wrong last."""
    rows = [("slot", "model", "what it is", "counter", "signed by", "since")]
    rows += [
        (
            model["slot"],
            model["model"],
            _role(model["slot"], listed),
            str(model["counter"]),
            model["key"] or "-",
            _time(model["since"]) or "-",
        )
        for model in listed["models"]
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.append(f"takes {_takes(listed)}")
    if listed["running"] in ("file", "none"):
        lines.append("none of these is in use: [model] path in the settings says otherwise")
    if failed := listed["failed"]:
        lines.append(f"last taken back: {failed['model']}, {_time(failed['utc'])}: {failed['why']}")
    return [*lines, *listed["notes"]]


def _role(slot: str, listed: Mapping[str, Any]) -> str:
    trial = listed["trial"]
    if trial and trial["slot"] == slot:
        return f"on trial, start {trial['starts']} of {MAX_STARTS}"
    if slot == "memory":
        return "active until the monitor ends"
    if slot == listed["running"]:
        return "active"
    if slot == "embedded":
        return "the firmware's own"
    return "kept" if listed["running"] == "embedded" else "previous"


def _takes(listed: Mapping[str, Any]) -> str:
    if listed["keyring"] is None:
        return "no models: it has no keyring (lead12 model keys trust FILE)"
    keys = "production and development" if listed["trust"] == "development" else "production"
    return (
        f"models of {keys} keys, security counter {listed['counter']} or higher; "
        f"keyring version {listed['keyring']}"
    )


def entry(of: Mapping[str, Any]) -> str:
    """One entry of the audit log as a line."""
    model = f" {of['model']}" if of["model"] else ""
    text = f": {of['text']}" if of["text"] else ""
    return f"{of['n']:>5}  {_time(of['utc'])}  {of['who']}  {of['what']}{model}{text}"


def chain(entries: Sequence[Mapping[str, Any]], head: Mapping[str, Any]) -> list[str]:
    """What is wrong with entries that came over the line, oldest first; [] for nothing.

    They may begin anywhere in the log, so the first is taken as it is.

    head : number and hash of the last entry the device knew of before they were sent
    """
    findings: list[str] = []
    before: Entry | None = None
    for given in entries:
        try:
            now = Entry(**{"torn": "", **given})
        except TypeError:
            return [*findings, "an entry has other members than entries have"]
        if now.hashed()[0].hash != now.hash:
            findings.append(f"entry {now.n} was changed: its hash is another one")
        elif before and now.n != before.n + 1:
            findings.append(f"entry {now.n} follows entry {before.n}: not in order")
        elif before and now.prev != before.hash:
            findings.append(f"entry {before.n} was changed or replaced: {now.n} does not follow it")
        before = now
    if head["n"] and not any((e["n"], e["hash"]) == (head["n"], head["hash"]) for e in entries):
        findings.append(
            f"entry {head['n']}, which the device wrote, is missing: the end is cut off"
        )
    return findings


def missing(noted: str, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The finding that no entry has the hash ``noted`` before, of which 16 digits will do."""
    if any(one["hash"].startswith(noted) for one in entries):
        return []
    return [
        f"no entry has the hash {noted[:SHOWN]}… that was noted: the log was written anew, or put "
        "back from an older copy"
    ]


def extent(entries: Sequence[Mapping[str, Any]]) -> str:
    """How many entries these are, and where they end; the first may have been left out."""
    if not entries:
        return "it has no entries yet"
    last, count = entries[-1], len(entries)
    some = f"{count} {'entry' if count == 1 else 'entries'}"
    if last["n"] > count:
        some = f"the last {some} of {last['n']}"
    return f"{some}, the last is {last['hash'][:SHOWN]}"


def examine(
    listed: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """What a device at the end of a line tells of itself: (what, what is wrong or "")."""
    running = next((m["model"] for m in listed["models"] if m["slot"] == listed["running"]), "")
    return [
        ("state", "; ".join(listed["notes"])),
        (f"in use: {running or listed['running']} ({listed['state']})", ""),
        (f"log, {len(entries)} entries that were sent", "; ".join(chain(entries, listed["log"]))),
    ]


def advertised(data: bytes) -> str:
    """One line on what is about to be installed; "" for what cannot be read."""
    try:
        bundle = Bundle.from_bytes(data)
    except BundleError:
        return ""  # the installer says why
    good = how_good(accuracy(bundle))
    return f"{bundle.id}, {len(bundle.model)} bytes of network" + (f"; {good}" if good else "")


def _time(stamp: str) -> str:
    """2026-11-21T08:00:00Z for people."""
    return stamp.replace("T", " ").removesuffix("Z")[:16]
