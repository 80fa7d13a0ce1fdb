"""Changes to bytes, to words of a flatbuffer, to JSON and to text; several files as one input."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
from collections.abc import Sequence
from typing import Any

_WORDS = (0, 1, 2, 3, 4, 8, 127, 255, 256, 65535, 65536, 1 << 31, (1 << 31) - 1, (1 << 32) - 1)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, 1e308, -0.0, 1 << 31, 1 << 63, 1 << 70, -(1 << 63),
    10**400, float("nan"), float("inf"), "", "a", "x" * 300, "y" * 5000, "\0", "\n", "\x1b[2J",
    "\u202e", "é", "\ud800", "../x", "1e999", [], {}, [[]], [None], {"": None}, [1] * 300,
)  # fmt: skip

NUMBERS = (b"0", b"-1", b"1", b"2", b"9", b"255", b"65536", b"1e999", b"-1e308", b"1e-320", b"nan",
           b"inf", b"0.5", b"500", b"2147483648", b"9223372036854775808", b"9" * 30, b"7" * 5000,
           b"0x10", b"1_000", "\u0663".encode())  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TOKEN = re.compile(rb"[^\s,;=()/]+")


def change_bytes(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A bit, a byte, a word, a piece less, twice, or from elsewhere."""
    if not data:
        return other[: rng.randrange(1, 100)]
    at = rng.randrange(len(data))
    to = min(len(data), at + rng.choice((1, 2, 4, 8, 64, 1024)))
    match rng.randrange(7):
        case 0:
            middle = bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 : to]
        case 1:
            middle = bytes([rng.randrange(256)]) + data[at + 1 : to]
        case 2:
            middle = b""
        case 3:
            middle = data[at:to] * 2
        case 4:
            middle = rng.randbytes(to - at)
        case 5:
            start = rng.randrange(len(other) + 1)
            middle = other[start : start + to - at]
        case _:
            return data[:at]
    return data[:at] + middle + data[to:]


def change_words(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """One to three 32-bit words: another number, another place of the file, a little more."""
    if len(data) < 16:
        return change_bytes(rng, data, other)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = 4 * rng.randrange(len(data) // 4)
        (word,) = struct.unpack_from("<I", data, at)
        word = rng.choice(
            (rng.choice(_WORDS), word + rng.choice((-4, -1, 1, 4)), rng.randrange(len(data)),
             4 * rng.randrange(len(data) // 4) - at, word ^ 1 << rng.randrange(32))
        )  # fmt: skip
        struct.pack_into("<I", changed, at, word % (1 << 32))
    return bytes(changed)


def change_json(rng: random.Random, value: Any) -> Any:
    """Somewhere in it: another value, one less, one more, one from another place."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return rng.choice(_VALUES)
    held, key = rng.choice(places)
    match rng.randrange(6):
        case 0 | 1:
            held[key] = rng.choice(_VALUES)
        case 2:
            del held[key]
        case 3:
            source, name = rng.choice(places)
            held[key] = copy.deepcopy(source.get(name) if isinstance(source, dict) else
                                      source[name] if name < len(source) else None)  # fmt: skip
        case 4 if isinstance(held, dict):
            held[rng.choice(("extra", "", key + " ", key.upper()))] = held[key]
        case 4:
            held.insert(key, copy.deepcopy(held[key]))
        case _ if isinstance(held[key], int | float) and abs(held[key]) < 1e30:
            held[key] += rng.choice((-1, 1, 0.5, 1 << 31))
        case _ if isinstance(held[key], str):
            text = held[key].encode("utf-8", "surrogatepass")
            held[key] = change_bytes(rng, text, text).decode("latin-1")
        case _:
            held[key] = [held[key]]
    return value


def dump(rng: random.Random, value: Any) -> bytes:
    """As JSON; now and then a name twice, or deeper than any parser goes."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=rng.random() < 0.5)
    match rng.randrange(40):
        case 0 if isinstance(value, dict) and value:
            name = rng.choice(list(value))
            text = f"{text[:-1]},{json.dumps(name)}:{json.dumps(rng.choice(_VALUES))}}}"
        case 1:
            text = f'{text[:-1]},"deep":{"[" * rng.choice((200, 9000, 100_000))}'
        case 2:
            text = f"\ufeff{text}"
    return text.encode("utf-8", "surrogatepass")


def _places(value: Any) -> Any:
    """Every (container, key) in a JSON value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


# -- inputs of several files


SEP = b"\n%%%%\n"  # between them


def join(*parts: bytes) -> bytes:
    """Several files as one input."""
    return SEP.join(parts)


def split(data: bytes, most: int) -> list[bytes]:
    """At most so many files of an input; "" for those it has not."""
    parts = data.split(SEP)[:most]
    return parts + [b""] * (most - len(parts))


def change_text(rng: random.Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """A number, a word or a line of a text: another one, less or more of it."""
    match rng.randrange(6):
        case 0 | 1 if numbers := list(_NUMBER.finditer(data)):
            at = rng.choice(numbers)
            return data[: at.start()] + rng.choice(NUMBERS) + data[at.end() :]
        case 2 | 3 if tokens := list(_TOKEN.finditer(data)):
            at = rng.choice(tokens)
            return data[: at.start()] + rng.choice(words) + data[at.end() :]
        case 4:
            lines = data.splitlines(keepends=True) or [b""]
            at = rng.randrange(len(lines))
            line = lines.pop(at)
            return b"".join([*lines[:at], *[line] * rng.choice((0, 0, 2, 3, 300)), *lines[at:]])
        case _:
            at = rng.randrange(len(data) + 1)
            return data[:at] + rng.choice(words) + data[at:]
