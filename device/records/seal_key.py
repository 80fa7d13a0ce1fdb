"""The key that records are sealed to, as people copy it into settings.

``lead12seal1`` and 58 letters and digits (base32, small): the X25519 public key (RFC 7748) and the
first four bytes of its SHA-256, so that a slip in copying is told and not sealed to nobody.
"""

from __future__ import annotations

import base64
from hashlib import sha256

PREFIX = "lead12seal1"
BYTES, CHECK = 32, 4
ID = 8  # bytes of the SHA-256 that tell keys apart


class SealKeyError(ValueError):
    """Not a key to seal to; the message says why."""


def printed(public: bytes) -> str:
    """As ``parse`` reads it."""
    text = base64.b32encode(public + _check(public)).decode("ascii")
    return PREFIX + text.rstrip("=").lower()


def parse(text: str) -> bytes:
    """The public key, 32 bytes. Raises SealKeyError."""
    if not text.startswith(PREFIX):
        raise SealKeyError(f"must begin with {PREFIX}")
    body = text.removeprefix(PREFIX).upper()
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError:
        data = b""
    public = data[:BYTES]
    if len(data) != BYTES + CHECK or data[BYTES:] != _check(public) or printed(public) != text:
        raise SealKeyError("has a slip in it; copy it again from lead12 records key new")
    return public


def key_id(public: bytes) -> str:
    """Tells keys apart, in sealed files too."""
    return sha256(public).hexdigest()[: 2 * ID]


def _check(public: bytes) -> bytes:
    return sha256(PREFIX.encode("ascii") + public).digest()[:CHECK]
