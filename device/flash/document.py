"""Signed documents: JSON of one spelling, read so that nothing but what is meant gets through.

Every reader raises ValueError in one line and no other exception, whatever it is given.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

MAX_BYTES = 64 << 10
_PUBLIC_BYTES, _SIGNATURE_BYTES = 32, 64
_ID = re.compile(r"[0-9a-f]{16}")


def canonical(value: Any) -> bytes:
    """JSON of one spelling: sorted, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def read_json(data: bytes) -> Any:
    """At most ``MAX_BYTES`` of JSON in which no name stands twice."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        return json.loads(data.decode(), object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return dict(pairs)


def stamp(moment: datetime) -> str:
    """UTC to the second, as 2026-11-21T08:00:00Z."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_stamp(text: Any) -> datetime:
    """What ``stamp`` writes and nothing else. Raises ValueError."""
    if isinstance(text, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(text)
            if stamp(moment) == text:
                return moment
    raise ValueError(f"{_shown(text)} is not a time like 2026-11-21T08:00:00Z")


def as_fields(value: Any, *names: str) -> list[Any]:
    """The members of an object that has these and no others."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise ValueError(f"expected an object of {', '.join(names)}")
    return [value[name] for name in names]


def as_list(value: Any, most: int) -> list[Any]:
    """A list of at most ``most``."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"expected a list of at most {most}")
    return value


def as_number(value: Any, least: int) -> int:
    """A whole number from ``least``, below 2**31."""
    if type(value) is not int or not least <= value < 1 << 31:
        raise ValueError(f"{_shown(value)} is not a whole number from {least}")
    return value


def as_text(value: Any, most: int) -> str:
    """A text to be shown: one line, no control characters."""
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        raise ValueError(f"{_shown(value)} is not a printable text of at most {most} characters")
    return value


def as_id(value: Any) -> str:
    """A key id: 16 hexadecimal digits."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{_shown(value)} is not a key id")
    return value


def as_public(value: Any) -> bytes:
    """A raw Ed25519 public key (32 bytes) from hexadecimal."""
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * _PUBLIC_BYTES}}}", value):
        raise ValueError(f"{_shown(value)} is not a public key")
    return bytes.fromhex(value)


def as_signature(value: Any) -> bytes:
    """An Ed25519 signature (64 bytes) from base64."""
    try:
        decoded = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except binascii.Error:
        decoded = b""
    if len(decoded) != _SIGNATURE_BYTES or base64.b64encode(decoded).decode() != value:
        raise ValueError(f"{_shown(value)} is not a signature")
    return decoded


def _shown(value: Any) -> str:
    return ascii(value)[:40] if isinstance(value, str | int) else f"a {type(value).__name__}"
