"""The line codec: one JSON object per line, with version, sequence number and CRC-32.

``{"v":1,"seq":41,"type":"result",...,"crc":"0a1b2c3d"}`` and a newline. The CRC is zlib's CRC-32,
in eight lower-case hex digits, of the bytes of the line before ``,"crc":``; it is always the last
member, so those are all but the last 18 bytes and the newline.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

VERSION = 1
MAX_LINE = 4096  # bytes the device sends in one line, newline included
AROUND = 80  # at most, of these, beside what ``pack`` returned
_CRC_MARK = b',"crc":"'
_CRC_BYTES = len(_CRC_MARK) + 8 + len(b'"}')
_DIGITS = 300  # of a whole number: a float holds it
MAC_DIGITS = 32  # hexadecimal
_MAC_MARK = b',"mac":"'
_MAC_BYTES = len(_MAC_MARK) + MAC_DIGITS + len(b'"')


class Wrong(StrEnum):
    """Why a line is refused; on the wire as ``reason``."""

    TOO_LONG = "too_long"
    NOT_JSON = "not_json"
    BAD_CRC = "bad_crc"
    BAD_VERSION = "bad_version"
    BAD_COMMAND = "bad_command"
    BAD_VALUE = "bad_value"
    BUSY = "busy"
    TOO_FAST = "too_fast"
    NO_UPLOAD = "no_upload"
    FAILED = "failed"
    NO_SESSION = "no_session"
    BAD_KEY = "bad_key"
    LOCKED = "locked"
    READ_ONLY = "read_only"


class ProtocolError(ValueError):
    """A line or command that is refused; ``seq`` is the sender's, when it could be read."""

    def __init__(self, wrong: Wrong, message: str, seq: int | None = None) -> None:
        super().__init__(message)
        self.wrong = wrong
        self.seq = seq


def pack(body: Mapping[str, Any]) -> str:
    """The members of a message without braces; ready for ``encode``."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False)[1:-1]


def encode(seq: int, kind: str, members: str, sign: Callable[[bytes], str] | None = None) -> bytes:
    """One line, newline included. ``members`` is what ``pack`` returned.

    sign : gives the code of the line's bytes so far, which becomes ``mac``; None: the line has none
    """
    comma = "," if members else ""
    line = f'{{"v":{VERSION},"seq":{seq},"type":"{kind}"{comma}{members}'.encode()
    if sign is not None:
        line += b'%s%s"' % (_MAC_MARK, sign(line).encode())
    return b'%s,"crc":"%08x"}\n' % (line, zlib.crc32(line))


def decode(line: bytes, *, crc_required: bool) -> dict[str, Any]:
    """Check and read one line without its newline.

    From a device the CRC is required; a person at a terminal may leave it out, but one that is
    there must be right: a message that has a ``crc`` was checked. Raises ProtocolError.
    """
    line = line.strip(b"\r ")
    marked = line[-_CRC_BYTES:].startswith(_CRC_MARK)
    if marked:
        rest, said = line[:-_CRC_BYTES], line[-10:-2]
        if said != b"%08x" % zlib.crc32(rest):
            raise ProtocolError(Wrong.BAD_CRC, "the CRC does not match the line")
    elif crc_required or b'"crc"' in line:
        raise ProtocolError(Wrong.BAD_CRC, "the line does not end with a CRC")
    try:
        message = json.loads(line, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    except (ValueError, RecursionError):
        raise ProtocolError(Wrong.NOT_JSON, "the line is not JSON") from None
    if not isinstance(message, dict):
        raise ProtocolError(Wrong.NOT_JSON, "the line is not a JSON object")
    if "crc" in message and not marked:  # spelt with an escape: nobody checked it
        raise ProtocolError(Wrong.BAD_CRC, "the line does not end with a CRC")
    seq = message.get("seq")
    if message.get("v", None if crc_required else VERSION) != VERSION:
        raise ProtocolError(
            Wrong.BAD_VERSION,
            f"protocol version {VERSION} is spoken here",
            seq if type(seq) is int else None,
        )
    return message


def split_mac(line: bytes) -> tuple[bytes, str]:
    """The bytes that ``mac`` is of, and ``mac``, where it stands right before the CRC; else "".

    line : as ``decode`` took it
    """
    line = line.strip(b"\r ")
    signed, mac = line[: -_CRC_BYTES - _MAC_BYTES], line[-_CRC_BYTES - _MAC_BYTES : -_CRC_BYTES]
    if not mac.startswith(_MAC_MARK):
        return b"", ""
    return signed, mac[len(_MAC_MARK) : -1].decode("ascii", "replace")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # NaN and 1e999 pass Python's parser
        raise ValueError(text)
    return value


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(text)
    return int(text)


class LineSplitter:
    """Bytes in any portions to lines; holds ``max_bytes`` at most, whatever comes in."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._held = b""
        self._skipping = False  # inside a line that was too long

    def push(self, data: bytes) -> Iterator[bytes | None]:
        """Lines completed by ``data``, without newlines; None for each that was too long."""
        *complete, rest = (self._held + data).split(b"\n")
        for line in complete:
            if self._skipping or len(line) > self._max:
                self._skipping = False
                yield None
            elif line.strip():
                yield line
        if len(rest) > self._max:
            self._skipping = True
        self._held = b"" if self._skipping else rest

    def forget(self) -> None:
        """Drop half a line: the connection it came over is gone."""
        self._held, self._skipping = b"", False
