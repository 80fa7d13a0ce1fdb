"""``lead12 model keys`` and ``sign``: the private side of a keyring, kept in one folder.

``root.key`` : signs keyrings; needed only to rotate and revoke, so it may live on another disk
``signing.key`` : signs bundles
``keyring.json`` : public; what a device is given, and what every signed bundle carries along
``root-ID.key``, ``signing-ID.key`` : the ones before, by key id

What is replaced is written beside, synced and renamed, in an order in which a power cut leaves
every private key that the keyring names under one of its two names.

Functions raise KeysError, TrustError (a keyring) or BundleError (a bundle), in one line.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.flash.document import MAX_BYTES, as_text, canonical, stamp
from device.flash.keyring import (
    MAX_KEYS,
    MAX_NAME,
    MAX_REASON,
    MAX_SIGNATURES,
    Key,
    Keyring,
    Revoked,
    Role,
    bundle_message,
    key_id,
    verify,
)
from firmware.archive import CARD, MANIFEST, pack, unpack, with_signatures
from firmware.bundle import Bundle, check_schema
from tools.key_files import KeysError, create, new_in, plainly, public, read, sync

ROOT, SIGNING, KEYRING = "root", "signing", "keyring.json"
VALID = "valid"
MAX_DAYS = 3650
VERSION = r"[0-9]+(\.[0-9]+){1,3}(-[a-z0-9.]{1,16})?"  # as the manifest's schema has it


def new(
    folder: Path,
    *,
    name: str,
    development: bool,
    days: int,
    passphrase: bytes | None,
    now: datetime,
) -> Path:
    """Make a root key, a signing key valid for ``days`` and their keyring; returns its path.

    name : who signs, as refusals will say it; development : devices in production refuse the key
    """
    root, signing = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    role = Role.DEVELOPMENT if development else Role.PRODUCTION
    key = _key(signing, name, role, days, now)
    keyring = _signed(Keyring(1, _second(now), public(root), (key,)), [root])
    made: list[Path] = []
    with new_in(folder):
        for file in (_private(ROOT), _private(SIGNING), KEYRING):
            if (folder / file).exists():
                raise KeysError(f"{folder} holds {file} already; nothing is changed, use another")
        try:
            for stem, private in ((ROOT, root), (SIGNING, signing)):
                path = folder / _private(stem)
                create(path, private, passphrase)
                made.append(path)
            made.append(folder / KEYRING)
            _write_keyring(folder, keyring)
        except OSError:
            for path in made:
                path.unlink(missing_ok=True)
            raise
    return folder / KEYRING


def rotate(folder: Path, *, days: int, passphrase: bytes | None, now: datetime) -> str:
    """A new signing key, named and for the same devices as the last; returns its id.

    The keys before stay valid until they expire.
    """
    keyring = _keyring(folder)
    if len(keyring.keys) >= MAX_KEYS:
        raise KeysError(f"the keyring holds {MAX_KEYS} keys, which is its most; start a new one")
    signing = Ed25519PrivateKey.generate()
    last = keyring.keys[-1]
    key = _key(signing, last.name, last.role, days, now)
    roots = _roots(folder, keyring, passphrase)
    offered = _next(keyring, roots, now, keys=(*keyring.keys, key))
    _replace(folder, SIGNING, signing, offered, passphrase)
    return key.id


def rotate_root(folder: Path, *, passphrase: bytes | None, now: datetime) -> str:
    """A new root key, vouched for by the old one; returns its id.

    As long as the old private key lies in the folder it signs later keyrings too, so that a device
    which saw none of those between can follow. Delete it when all have.
    """
    keyring = _keyring(folder)
    root = Ed25519PrivateKey.generate()
    roots = [root, *_roots(folder, keyring, passphrase)]
    offered = _next(keyring, roots, now, root=public(root))
    _replace(folder, ROOT, root, offered, passphrase)
    return key_id(public(root))


def revoke(folder: Path, one: str, *, reason: str, passphrase: bytes | None, now: datetime) -> None:
    """Make a signing key worthless on every device that sees the new keyring."""
    keyring = _keyring(folder)
    if one == key_id(keyring.root):
        raise KeysError(f"{one} is the root key; replace it (lead12 model keys rotate --root)")
    if one not in {key.id for key in keyring.keys}:
        raise KeysError(f"the keyring has no key {one}; see lead12 model keys show")
    if one in {gone.id for gone in keyring.revoked}:
        raise KeysError(f"key {one} is revoked already")
    entry = Revoked(one, _second(now), _text(reason, MAX_REASON, "reason"))
    roots = _roots(folder, keyring, passphrase)
    offered = _next(keyring, roots, now, revoked=(*keyring.revoked, entry))
    with plainly(folder):
        _write_keyring(folder, offered)


def show(path: Path, *, now: datetime) -> list[dict[str, Any]]:
    """One entry per key of a folder's keyring or of a keyring file; the root first.

    state : "valid" at ``now``, or what it is instead
    """
    keyring = _keyring(path)
    entries: list[dict[str, Any]] = [
        {
            "id": key_id(keyring.root),
            "role": "root",
            "name": f"keyring version {keyring.version}",
            "not_before": stamp(keyring.issued),
            "expires": None,
            "state": VALID,
        }
    ]
    for key in keyring.keys:
        entries.append(
            {
                "id": key.id,
                "role": key.role.value,
                "name": key.name,
                "not_before": stamp(key.not_before),
                "expires": stamp(key.expires),
                "state": _state(key, keyring, now),
            }
        )
    return entries


def sign(
    data: bytes,
    folder: Path,
    *,
    now: datetime,
    passphrase: bytes | None = None,
    version: str | None = None,
    counter: int | None = None,
) -> bytes:
    """The bundle ``data`` signed with the folder's newest key, its keyring with it.

    version, counter : release it as this version, with this security counter. Signatures it had are
        replaced. Refuses a bundle or a key that a device would refuse.
    """
    Bundle.from_bytes(data)
    if version is not None or counter is not None:
        data = released(data, version, counter)
    keyring = _keyring(folder)
    key = _present(keyring, now)
    private = _load(folder, SIGNING, key.id, passphrase)
    signed = with_signature(data, keyring, key, private, now)
    production = key.role is Role.PRODUCTION
    verify(Bundle.from_bytes(signed), keyring, now=now, production=production)
    return signed


def with_signature(
    data: bytes, keyring: Keyring, key: Key, private: Ed25519PrivateKey, now: datetime
) -> bytes:
    """The bundle ``data`` signed with ``private``, of ``key``, bringing ``keyring``; no checks."""
    at = _second(now)
    bundle = Bundle.from_bytes(data)
    signature = private.sign(bundle_message(bundle.content, at))
    entry = {
        "key": key.id,
        "at": stamp(at),
        "signature": base64.b64encode(signature).decode(),
    }
    member = canonical({"keyring": keyring.envelope(), "signatures": [entry]}) + b"\n"
    return with_signatures(data, member)


def released(data: bytes, version: str | None, counter: int | None) -> bytes:
    """The bundle ``data`` as another version, with another security counter; None: as it is."""
    if version is not None and not re.fullmatch(VERSION, version):
        raise KeysError(f"{version!r} is no version; a version looks like 2.1.1")
    files = unpack(data)
    manifest = json.loads(files[MANIFEST])
    name, before = manifest["name"], manifest["version"]
    if version is not None:
        manifest |= {"version": version, "id": f"{name}-{version}"}
        first, newline, rest = files[CARD].decode().partition("\n")
        if first == f"# {name} {before}":
            files[CARD] = f"# {name} {version}{newline}{rest}".encode()
    if counter is not None:
        manifest["security_counter"] = counter
    check_schema(manifest)
    files[MANIFEST] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    return pack(files)


def _present(keyring: Keyring, now: datetime) -> Key:
    """The newest key that may sign now."""
    states = [(key, _state(key, keyring, now)) for key in reversed(keyring.keys)]
    for key, state in states:
        if state == VALID:
            return key
    flaw = " is ".join(map(str, states[0])) if states else "there is none"
    raise KeysError(f"no signing key is valid: {flaw}; make one (lead12 model keys rotate)")


def _state(key: Key, keyring: Keyring, now: datetime) -> str:
    for gone in keyring.revoked:
        if gone.id == key.id:
            return f"revoked since {gone.at:%Y-%m-%d}: {gone.reason}"
    if now >= key.expires:
        return f"expired since {key.expires:%Y-%m-%d}"
    return VALID if now >= key.not_before else f"not valid before {key.not_before:%Y-%m-%d}"


def _key(private: Ed25519PrivateKey, name: str, role: Role, days: int, now: datetime) -> Key:
    if not 1 <= days <= MAX_DAYS:
        raise KeysError(f"a key is valid for 1 to {MAX_DAYS} days, not {days}")
    start = _second(now)
    end = start + timedelta(days=days)
    return Key(public(private), _text(name, MAX_NAME, "name"), role, start, end)


def _text(value: str, most: int, what: str) -> str:
    try:
        return as_text(value, most)
    except ValueError as error:
        raise KeysError(f"the {what} {error}") from None


def _second(now: datetime) -> datetime:
    return now.replace(microsecond=0)


def _next(
    keyring: Keyring, roots: Sequence[Ed25519PrivateKey], now: datetime, **changes: Any
) -> Keyring:
    issued = _second(now)
    if issued < keyring.issued:
        raise KeysError(
            f"the clock says {stamp(now)}, but the keyring was made on {stamp(keyring.issued)}; "
            "set the clock"
        )
    return _signed(replace(keyring, version=keyring.version + 1, issued=issued, **changes), roots)


def _signed(keyring: Keyring, roots: Sequence[Ed25519PrivateKey]) -> Keyring:
    message = keyring.message()
    pairs = tuple((key_id(public(root)), root.sign(message)) for root in roots)
    return replace(keyring, signatures=pairs[:MAX_SIGNATURES])


def _roots(folder: Path, keyring: Keyring, passphrase: bytes | None) -> list[Ed25519PrivateKey]:
    """The root, and those before it that signed the keyring and are still here."""
    root = key_id(keyring.root)
    before = [_find(folder, ROOT, one, passphrase) for one, _ in keyring.signatures if one != root]
    return [_load(folder, ROOT, root, passphrase), *(one for one in before if one)]


def _keyring(path: Path) -> Keyring:
    file = path / KEYRING if path.is_dir() else path
    with plainly(file), file.open("rb") as stream:
        return Keyring.from_json(stream.read(MAX_BYTES + 1))


def _private(stem: str, one: str = "") -> str:
    return f"{stem}-{one}.key" if one else f"{stem}.key"


def _load(folder: Path, stem: str, one: str, passphrase: bytes | None) -> Ed25519PrivateKey:
    private = _find(folder, stem, one, passphrase)
    if private is None:
        raise KeysError(f"{folder / _private(stem)} is not the private key of {one}, or missing")
    return private


def _find(folder: Path, stem: str, one: str, passphrase: bytes | None) -> Ed25519PrivateKey | None:
    """The private key of id ``one``; a power cut may leave it under either name."""
    for path in (folder / _private(stem, one), folder / _private(stem)):
        if path.exists():
            private = read(path, passphrase, Ed25519PrivateKey)
            if key_id(public(private)) == one:
                return private
    return None


def _replace(
    folder: Path,
    stem: str,
    private: Ed25519PrivateKey,
    keyring: Keyring,
    passphrase: bytes | None,
) -> None:
    """Key and keyring to disk, the key before moved aside; whole at every step."""
    current = folder / _private(stem)
    before = (
        key_id(public(read(current, passphrase, Ed25519PrivateKey))) if current.exists() else None
    )
    fresh = folder / _private(stem, key_id(public(private)))
    with plainly(folder):
        create(fresh, private, passphrase)
        _write_keyring(folder, keyring)
        if before is not None:
            current.rename(folder / _private(stem, before))
        fresh.rename(current)
        sync(folder)


def _write_keyring(folder: Path, keyring: Keyring) -> None:
    beside = folder / f"{KEYRING}.new"
    try:
        with beside.open("wb") as stream:
            stream.write(keyring.to_json())
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(folder / KEYRING)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync(folder)
