"""What is installed, as ``lead12 model list`` and the serial line tell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from device.bundles import read_bundle
from device.flash.document import stamp
from device.flash.state import SLOTS
from device.flash.store import Store
from firmware.bundle import Bundle


def listed(
    store: Store,
    *,
    running: str,
    state: str,
    trust: str,
    notes: Sequence[str],
    in_memory: Bundle | None = None,
) -> dict[str, Any]:
    """The slots and what the device goes by, as JSON.

    running : slot of the model in use, "embedded", "a" or "b"; "file" or "none" when the settings
        say so; "memory" when no slot holds it any more; state : of that model
    trust : whose keys are accepted; notes : what is wrong with the store, one line each
    in_memory : the model of that slot
    """
    found, keyring, embedded = store.state(), store.keyring(), read_bundle()
    names = {key.id: key.name for key in keyring.keys} if keyring else {}
    models: list[dict[str, Any]] = [_own("embedded", embedded)]
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
    if in_memory:
        models.append(_own("memory", in_memory))
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
        "notes": [*notes],
    }


def _own(slot: str, bundle: Bundle) -> dict[str, Any]:
    """One of which nobody says who installed it."""
    return {
        "slot": slot,
        "model": bundle.id,
        "sha256": bundle.digest,
        "counter": bundle.counter,
        "key": "",
        "since": "",
    }
