"""Installs in tests: bundles that are wrong in one way, and what a refusal must leave as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from device.bundles import read_bundle
from device.flash import audit
from device.flash.audit import Head
from device.flash.install import MAX_TEXT, Outcome, install
from device.flash.keyring import Key, Keyring, key_id
from device.flash.selftest import Budget
from device.flash.state import State
from device.flash.store import Store
from firmware.archive import sha256
from firmware.bundle import Bundle
from tests.device import bundle_kit as kit
from tests.device.bundle_kit import KEYRING, NOW, signed_bundle, signing_key

EMBEDDED = read_bundle()
GOOD = signed_bundle()
NAME = Bundle.from_bytes(GOOD).id
KEY = signing_key(1)
PATIENT = Budget(latency_ms=5_000, memory_mb=500)  # a test machine may be busy
LOST_CLOCK = datetime(1970, 1, 1, tzinfo=UTC)
ASK = "ask whoever made the model for a correct one"


def changed(**manifest: Any) -> bytes:
    """Signed, with these members in its manifest."""
    return signed_bundle(change=lambda m, _: m.update(manifest))


def with_input(**contract: Any) -> bytes:
    """Signed, with these members in the manifest's input."""
    return signed_bundle(change=lambda m, _: m["input"].update(contract))


def with_member(name: str, content: bytes) -> bytes:
    """Signed, with this instead of one member."""
    return signed_bundle(change=lambda _, members: members.update({name: content}))


def ring_of(*keys: Key) -> Keyring:
    """A keyring of just these, signed by the kit's root."""
    bare = replace(KEYRING, keys=keys, signatures=())
    return replace(
        bare, signatures=((key_id(bare.root), kit.private_key(99).sign(bare.message())),)
    )


def attempt(store: Store, data: bytes, **changes: Any) -> Outcome:
    how: dict[str, Any] = {
        "who": "tester", "clock_now": NOW, "production": True, "budget": PATIENT, **changes,
    }  # fmt: skip
    return install(store, data, **how)


def contents(store: Store) -> tuple[dict[str, bytes], State]:
    """All of the folder but the audit log, and the state but where that log ends."""
    kept = {
        path.name: path.read_bytes()
        for path in store.folder.glob("*")
        if path.is_file() and path.name not in ("audit.log", "state.json", "lock")
    }
    return kept, replace(store.state(), log=Head())


def refused(store: Store, data: bytes, reason: str, says: str, **changes: Any) -> Outcome:
    """Tried, and refused with a sentence that begins so; then all is as before, and logged."""
    before, entries = contents(store), len(audit.read(store.log_path))
    outcome = attempt(store, data, **changes)
    print(f"{outcome.reason:14} {outcome.text}")  # pytest -rP: to be read aloud
    assert (outcome.ok, outcome.reason) == (False, reason)
    assert outcome.text[: len(says)] == says
    assert len(outcome.text) <= MAX_TEXT
    assert outcome.text.isprintable()
    assert contents(store) == before
    written = audit.read(store.log_path)
    assert len(written) == entries + 1
    entry = written[-1]
    assert (entry.what, entry.text, entry.sha256) == ("refuse", outcome.text, sha256(data))
    assert (entry.who, entry.hash) == ("tester", outcome.head)
    assert store.findings() == []
    return outcome
