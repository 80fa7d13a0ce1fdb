"""Who may sign a model for this device, and whether a bundle is signed so. Public keys only.

A keyring names the signing keys and is signed by the root key it names, as the root metadata of The
Update Framework (TUF 1.0, sections 4.3 and 5.3). The device is given one keyring by hand
(``lead12 model keys trust``); from then on a bundle may bring a newer one, which is taken when the
root of the present one signed it, so that a root is replaced by a keyring that both roots signed.

Signatures are Ed25519 (RFC 8032) by ``cryptography``. That library takes public keys of small
order, for which anyone can make signatures; no such key gets here unless a trusted root signs it
in, or it is the root of a keyring that a technician trusts by hand.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from device.flash.document import (
    as_fields,
    as_id,
    as_list,
    as_number,
    as_public,
    as_signature,
    as_text,
    canonical,
    parse_stamp,
    read_json,
    stamp,
)
from firmware.bundle import Bundle

FORMAT = 1
MAX_KEYS, MAX_REVOKED, MAX_SIGNATURES = 32, 256, 8
MAX_NAME, MAX_REASON = 64, 120

# What is signed begins with what it is, so that no signature can be taken for the other kind
_KEYRING_DOMAIN, _BUNDLE_DOMAIN = b"lead12 keyring 1\n", b"lead12 bundle 1\n"


class Reason(StrEnum):
    """Why a bundle or a keyring is not trusted; from the least to the most telling one."""

    NO_KEYRING = "no_keyring"
    UNSIGNED = "unsigned"
    KEYRING = "keyring"
    UNTRUSTED = "untrusted"
    BAD_SIGNATURE = "bad_signature"
    DEVELOPMENT = "development"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class TrustError(ValueError):
    """Not trusted; the message is one line: what is wrong and what to do."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Role(StrEnum):
    """What a key signs for; devices in production refuse development keys."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key: ``public`` is raw (32 bytes); valid from not_before until before expires."""

    public: bytes
    name: str
    role: Role
    not_before: datetime
    expires: datetime

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""
        return key_id(self.public)

    def __str__(self) -> str:
        return f"{self.id} ({self.name})"


@dataclass(frozen=True, slots=True)
class Revoked:
    """A key that is worth nothing any more, whenever it signed: a thief dates as he likes."""

    id: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that may sign, of one version; signatures are (key id, 64 bytes)."""

    version: int
    issued: datetime
    root: bytes
    keys: tuple[Key, ...]
    revoked: tuple[Revoked, ...] = ()
    signatures: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def from_json(cls, data: bytes) -> Keyring:
        """Read a keyring that its own root signed. Raises TrustError for anything else."""
        try:
            return _keyring(read_json(data))
        except ValueError as error:
            raise TrustError(
                Reason.KEYRING, f"not a whole keyring ({error}); copy it again"
            ) from None

    def to_json(self) -> bytes:
        """The canonical envelope, which ``from_json`` reads back."""
        return canonical(self.envelope()) + b"\n"

    def envelope(self) -> dict[str, Any]:
        """As it stands in a keyring file and in a bundle's SIGNATURES."""
        return {
            "signed": self._signed(),
            "signatures": [
                {"key": key, "signature": base64.b64encode(value).decode()}
                for key, value in self.signatures
            ],
        }

    def message(self) -> bytes:
        """The bytes a root signs."""
        return _KEYRING_DOMAIN + canonical(self._signed())

    def signed_by(self, root: bytes) -> bool:
        """Whether one of its signatures is of this public key."""
        return any(
            key == key_id(root) and is_signed(root, value, self.message())
            for key, value in self.signatures
        )

    def _signed(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": self.version,
            "issued": stamp(self.issued),
            "root": self.root.hex(),
            "keys": [
                {
                    "id": key.id,
                    "public": key.public.hex(),
                    "name": key.name,
                    "role": key.role.value,
                    "not_before": stamp(key.not_before),
                    "expires": stamp(key.expires),
                }
                for key in self.keys
            ],
            "revoked": [
                {"id": one.id, "at": stamp(one.at), "reason": one.reason} for one in self.revoked
            ],
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """Who signed a bundle, when by his own account, and the newest keyring, for the device."""

    key: Key
    at: datetime
    keyring: Keyring


def vouched(current: Keyring, offered: Keyring) -> None:
    """Raises TrustError when the root of ``current`` did not sign ``offered``."""
    if not offered.signed_by(current.root):
        raise TrustError(
            Reason.UNTRUSTED,
            f"the keyring of root key {key_id(offered.root)} is not signed by this device's root "
            f"key {key_id(current.root)}; get the model from who looks after this device",
        )


def successor(current: Keyring, offered: Keyring) -> Keyring:
    """The keyring to go on with: ``offered`` when it is newer, else ``current``.

    Raises TrustError when the root of ``current`` did not sign ``offered``, or when the two are of
    one version and differ. An older one is passed over, whoever signed it.
    """
    if offered.version < current.version:
        return current
    vouched(current, offered)
    if offered.version == current.version:
        if offered.message() != current.message():
            raise TrustError(
                Reason.KEYRING,
                f"there are two keyrings of version {current.version} that differ, here and on the "
                "device; make a newer one (lead12 model keys rotate) and sign again",
            )
        return current
    return offered


def verify(bundle: Bundle, trusted: Keyring | None, *, now: datetime, production: bool) -> Verified:
    """Whether ``bundle`` may be installed: one good signature of a key that is valid now.

    now : at least what is proven (``Store.now``); a keyring's date of issue counts as well, so that
        a clock set back revives no key that had expired by then
    production : refuse development keys

    Raises TrustError.
    """

    def judge(key: Key, at: datetime, keyring: Keyring) -> None:
        if production and key.role is not Role.PRODUCTION:
            raise TrustError(
                Reason.DEVELOPMENT,
                f"{bundle.id} is signed with development key {key} and this device takes production"
                " keys only; have it signed with one",
            )
        for moment in (at, max(now, keyring.issued)):
            _in_time(bundle, key, moment)

    return _signature(bundle, trusted, judge)


def verify_stored(bundle: Bundle, trusted: Keyring | None) -> Key:
    """Whether an installed ``bundle`` may go on running: as ``verify``, whatever the time and role.

    A model must not die of old age in the field; a revoked key ends it. Raises TrustError.
    """
    return _signature(bundle, trusted, lambda _key, _at, _keyring: None).key


def bundle_message(content: str, at: datetime) -> bytes:
    """The bytes a signing key signs: ``Bundle.content`` and the time of signing."""
    return _BUNDLE_DOMAIN + f"{content}\n{stamp(at)}".encode()


def key_id(public: bytes) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a raw public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Ed25519 (RFC 8032): raw public key, 64-byte signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _signature(
    bundle: Bundle,
    trusted: Keyring | None,
    judge: Callable[[Key, datetime, Keyring], None],
) -> Verified:
    """The first signature that is good and that ``judge`` lets pass."""
    if trusted is None:
        raise TrustError(
            Reason.NO_KEYRING,
            "this device does not know yet whose models it may take; give it a keyring "
            "(lead12 model keys trust FILE)",
        )
    if not bundle.signatures:
        raise TrustError(
            Reason.UNSIGNED, f"{bundle.id} is not signed; have it signed (lead12 model sign)"
        )
    try:
        offered, signatures = _signatures(read_json(bundle.signatures))
    except TrustError:
        raise
    except ValueError as error:
        raise TrustError(
            Reason.BAD_SIGNATURE,
            f"SIGNATURES of {bundle.id} cannot be read ({error}); copy it again",
        ) from None
    keyring = successor(trusted, offered)
    refusals = []
    for one, at, value in signatures:
        try:
            key = _signer(bundle, keyring, one, at, value)
            judge(key, at, keyring)
            return Verified(key, at, keyring)
        except TrustError as error:
            refusals.append(error)
    telling = list(Reason)
    raise max(refusals, key=lambda error: telling.index(error.reason))


def _signer(bundle: Bundle, keyring: Keyring, one: str, at: datetime, value: bytes) -> Key:
    for gone in keyring.revoked:
        if gone.id == one:
            raise TrustError(
                Reason.REVOKED,
                f"{bundle.id} is signed with key {one}, which was revoked on {gone.at:%Y-%m-%d} "
                f"({gone.reason}); have it signed with the present key",
            )
    key = next((key for key in keyring.keys if key.id == one), None)
    if key is None:
        raise TrustError(
            Reason.UNTRUSTED,
            f"{bundle.id} is signed with key {one}, which this device does not know; get the model "
            "from who looks after this device",
        )
    if not is_signed(key.public, value, bundle_message(bundle.content, at)):
        raise TrustError(
            Reason.BAD_SIGNATURE,
            f"the signature of {bundle.id} by key {key} is wrong: the model was changed after it "
            "was signed; copy it again from where it was signed",
        )
    return key


def _in_time(bundle: Bundle, key: Key, moment: datetime) -> None:
    if moment >= key.expires:
        raise TrustError(
            Reason.EXPIRED,
            f"{bundle.id} is signed with key {key}, which expired on {key.expires:%Y-%m-%d}; have "
            "it signed with the present key",
        )
    if moment < key.not_before:
        raise TrustError(
            Reason.NOT_YET_VALID,
            f"{bundle.id} is signed with key {key}, which is valid from {key.not_before:%Y-%m-%d} "
            f"on, not on {moment:%Y-%m-%d}; set the clock where it was signed and here, or wait",
        )


def _keyring(value: Any) -> Keyring:
    signed, signatures = as_fields(value, "signed", "signatures")
    form, version, issued, root, keys, revoked = as_fields(
        signed, "format", "version", "issued", "root", "keys", "revoked"
    )
    if as_number(form, 1) != FORMAT:
        raise ValueError(f"format {form}; this firmware reads {FORMAT}")
    keyring = Keyring(
        version=as_number(version, 1),
        issued=parse_stamp(issued),
        root=as_public(root),
        keys=tuple(map(_key, as_list(keys, MAX_KEYS))),
        revoked=tuple(map(_revoked, as_list(revoked, MAX_REVOKED))),
        signatures=tuple(map(_root_signature, as_list(signatures, MAX_SIGNATURES))),
    )
    ids = [key_id(keyring.root), *(key.id for key in keyring.keys)]
    if len(set(ids)) != len(ids):
        raise ValueError("a key stands in it twice")
    if not keyring.signed_by(keyring.root):
        raise ValueError(f"it is not signed by its root key {ids[0]}")
    return keyring


def _key(value: Any) -> Key:
    names = ("id", "public", "name", "role", "not_before", "expires")
    one, public, name, role, not_before, expires = as_fields(value, *names)
    key = Key(
        public=as_public(public),
        name=as_text(name, MAX_NAME),
        role=Role(as_text(role, MAX_NAME)),
        not_before=parse_stamp(not_before),
        expires=parse_stamp(expires),
    )
    if key.id != as_id(one):
        raise ValueError(f"key {key.id} is called {one}")
    if key.not_before >= key.expires:
        raise ValueError(f"key {key.id} expires before it is valid")
    return key


def _revoked(value: Any) -> Revoked:
    one, at, reason = as_fields(value, "id", "at", "reason")
    return Revoked(as_id(one), parse_stamp(at), as_text(reason, MAX_REASON))


def _root_signature(value: Any) -> tuple[str, bytes]:
    one, signature = as_fields(value, "key", "signature")
    return as_id(one), as_signature(signature)


def _signatures(value: Any) -> tuple[Keyring, list[tuple[str, datetime, bytes]]]:
    envelope, signatures = as_fields(value, "keyring", "signatures")
    entries = []
    for entry in as_list(signatures, MAX_SIGNATURES):
        one, at, signature = as_fields(entry, "key", "at", "signature")
        entries.append((as_id(one), parse_stamp(at), as_signature(signature)))
    if not entries:
        raise ValueError("it holds no signature")
    try:
        return _keyring(envelope), entries
    except ValueError as error:
        raise TrustError(
            Reason.KEYRING, f"the keyring in SIGNATURES is not whole ({error}); copy it again"
        ) from None
