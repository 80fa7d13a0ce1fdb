"""Keyrings and signatures of keys that follow from a name."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.flash.document import stamp
from device.flash.keyring import (
    Key,
    Keyring,
    Reason,
    Revoked,
    Role,
    TrustError,
    Verified,
    bundle_message,
    key_id,
    verify,
)
from firmware.archive import with_signatures
from firmware.bundle import Bundle

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
DAY = timedelta(days=1)
EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()
BUNDLE = Bundle.from_bytes(with_signatures(EMBEDDED, b""))


def private(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public(name: str) -> bytes:
    return private(name).public_key().public_bytes_raw()


def key(
    name: str, role: Role = Role.PRODUCTION, start: datetime = NOW - DAY, days: int = 90
) -> Key:
    return Key(public(name), name, role, start, start + days * DAY)


def keyring(*keys: Key, version: int = 1, root: str = "root", **changes: Any) -> Keyring:
    """Signed by ``by``, by its own root unless told."""
    by = changes.pop("by", (root,))
    issued = changes.pop("issued", NOW - DAY)
    bare = Keyring(version, issued, public(root), keys or (key("anna"),), **changes)
    pairs = tuple((key_id(public(name)), private(name).sign(bare.message())) for name in by)
    return replace(bare, signatures=pairs)


def entry(
    by: str, *, at: datetime = NOW, content: str = BUNDLE.content, called: str = ""
) -> dict[str, str]:
    return {
        "key": key_id(public(called or by)),
        "at": stamp(at),
        "signature": base64.b64encode(private(by).sign(bundle_message(content, at))).decode(),
    }


def member(ring: Keyring, *entries: dict[str, str]) -> bytes:
    return json.dumps({"keyring": ring.envelope(), "signatures": entries}).encode()


def signed(ring: Keyring, *entries: dict[str, str]) -> Bundle:
    return replace(BUNDLE, signatures=member(ring, *(entries or (entry("anna"),))))


def check(
    bundle: Bundle, trusted: Keyring | None, now: datetime = NOW, *, production: bool = True
) -> Verified:
    return verify(bundle, trusted, now=now, production=production)


def refused(
    reason: Reason, bundle: Bundle, trusted: Keyring | None, now: datetime = NOW, **how: bool
) -> str:
    with pytest.raises(TrustError) as caught:
        check(bundle, trusted, now, **how)
    assert caught.value.reason is reason, caught.value
    return one_line(caught.value)


def one_line(error: TrustError) -> str:
    text = str(error)
    assert text
    assert text.isprintable()
    assert len(text) < 300
    return text


RING = keyring()
GONE = (Revoked(key_id(public("anna")), NOW, "laptop stolen"),)
