"""What is installed, as ``lead12 model list`` and the serial line tell it."""

from __future__ import annotations

from typing import Any

from device.bundles import read_bundle
from device.flash.document import stamp
from device.flash.state import SLOTS
from device.flash.store import Store


def listed(store: Store, *, running: str, state: str, trust: str) -> dict[str, Any]:
    """The slots and what the device goes by, as JSON.

    running : slot of the model in use, "embedded", "a" or "b"; "file" or "none" when the settings
        say so; state : of that model; trust : whose keys are accepted
    """
    found, keyring, embedded = store.state(), store.keyring(), read_bundle()
    names = {key.id: key.name for key in keyring.keys} if keyring else {}
    models: list[dict[str, Any]] = [
        {
            "slot": "embedded",
            "model": embedded.id,
            "sha256": embedded.digest,
            "counter": embedded.counter,
            "key": "",
            "since": "",
        }
    ]
    models += (
        {
            "slot": name,
            "model": slot.model,
            "sha256": slot.sha256,
            "counter": slot.counter,
            "key": names.get(slot.key, slot.key),
            "since": stamp(slot.since),
        }
        for name in SLOTS
        if (slot := found.slots[name])
    )
    trial, failed = found.trial, found.failed
    return {
        "running": running,
        "state": state,
        "counter": found.counter,
        "trust": trust,
        "models": models,
        "failed": failed and {"model": failed.model, "why": failed.why, "utc": stamp(failed.utc)},
        "keyring": keyring.version if keyring else None,
        "trial": trial and {"slot": trial.slot, "starts": trial.starts, "by": trial.by},
        "log": {"n": found.log.n, "hash": found.log.hash},
        "notes": [found.lost] if found.lost else [],
    }
