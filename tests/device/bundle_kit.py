"""Signed test bundles: the embedded one under another version, with keys that never change."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.flash.document import canonical, stamp
from device.flash.keyring import (
    Key,
    Keyring,
    Revoked,
    Role,
    Verified,
    bundle_message,
    key_id,
    verify,
)
from device.flash.store import Store
from firmware.archive import MANIFEST, SUMS, pack, sha256, unpack, with_signatures
from firmware.bundle import Bundle

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()
EXPIRES = datetime(2400, 1, 1, tzinfo=UTC)

Change = Callable[[dict[str, Any], dict[str, bytes]], object]  # manifest, members


def private_key(seed: int) -> Ed25519PrivateKey:
    """The same key for the same seed; only for tests."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))


def signing_key(seed: int = 1, role: Role = Role.PRODUCTION) -> Key:
    """The public half of ``private_key(seed)``, valid at ``NOW`` and whenever the tests run."""
    public = private_key(seed).public_key().public_bytes_raw()
    return Key(public, f"maker {seed}", role, NOW - timedelta(days=182), EXPIRES)


def keyring(
    version: int = 1,
    seeds: Sequence[int] = (1, 2),
    revoked: Sequence[int] = (),
    root: int = 99,
    expires: datetime = EXPIRES,
) -> Keyring:
    """With a key of each seed, signed by the root of seed ``root``; each version issued later."""
    secret = private_key(root)
    bare = Keyring(
        version=version,
        issued=NOW - timedelta(days=30) + timedelta(hours=version),
        root=secret.public_key().public_bytes_raw(),
        keys=tuple(replace(signing_key(seed), expires=expires) for seed in seeds),
        revoked=tuple(Revoked(signing_key(seed).id, NOW, "stolen") for seed in revoked),
    )
    return replace(bare, signatures=((key_id(bare.root), secret.sign(bare.message())),))


KEYRING = keyring()


def unsigned_bundle(
    version: str = "2.1-test", counter: int | None = None, change: Change | None = None
) -> bytes:
    """The embedded bundle under this version, with one golden vector and hashes that are right."""
    members = unpack(EMBEDDED)
    manifest = json.loads(members[MANIFEST])
    manifest.update(version=version, id=f"{manifest['name']}-{version}")
    manifest["golden"] = manifest["golden"][:1]
    if counter is not None:
        manifest["security_counter"] = counter
    kept = f"golden/{manifest['golden'][0]}."
    members = {n: of for n, of in members.items() if n.startswith(kept) or "/" not in n}
    if change:
        change(manifest, members)
    return pack({**members, MANIFEST: json.dumps(manifest).encode()})


def signed(data: bytes, seed: int = 1, ring: Keyring = KEYRING, at: datetime = NOW) -> bytes:
    """The same bundle, signed at ``at`` with the key of ``seed``, bringing ``ring``."""
    content = sha256(unpack(data)[SUMS])
    signature = private_key(seed).sign(bundle_message(content, at))
    entry = {
        "key": signing_key(seed).id,
        "at": stamp(at),
        "signature": base64.b64encode(signature).decode(),
    }
    member = canonical({"keyring": ring.envelope(), "signatures": [entry]})
    return with_signatures(data, member)


def signed_bundle(
    version: str = "2.1-test",
    counter: int | None = None,
    change: Change | None = None,
    *,
    seed: int = 1,
    ring: Keyring = KEYRING,
) -> bytes:
    """``unsigned_bundle``, signed."""
    return signed(unsigned_bundle(version, counter, change), seed, ring)


def verified(bundle: Bundle, trusted: Keyring = KEYRING) -> Verified:
    """As an installer finds it."""
    return verify(bundle, trusted, now=NOW, production=True)


def put(store: Store, version: str) -> str:
    """Install the embedded network under another version; its id."""
    data = signed_bundle(version)
    bundle = Bundle.from_bytes(data)
    store.put(data, verified(bundle), bundle, who="anna", clock_now=NOW)
    return bundle.id
