r"""The capture file: every transaction of an SPI front end, in order, with its time.

    header   8 bytes "\x89L12CAP\n", u16 version, u16 0
    block    u32 n, u32 CRC-32 of what follows, u64 base (ns), n bytes of xz: some events

All numbers are little-endian. A block holds about a second of signal and stands alone: a file cut
off anywhere is read up to its last whole block. An event begins with u8 kind and u32 ns since the
event before it (since ``base`` in the first of a block):

    1 PART      u32 n, n bytes of JSON: a front end was built; its name, bus, SPI mode and speed
    2 SETTINGS  u32 n, n bytes of JSON: what ``configure`` was asked for (FrontendConfig)
    3 TRANSFER  u32 ns it took, u16 n, n bytes sent, n bytes received: one low pulse of CS
    4 READ      the same with n zero bytes sent, which are left out
    5 EDGE      i64 ns of the data-ready edge since ``base``, i32 sequence since the edge before it
                (since 0 in the first of a block): what a wait for the line returned
    6 SILENCE   a wait ran out of time without an edge
    7 POLL      a look at the line, without waiting, found no edge
    8 RESTART   edges are numbered from 0 again
    9 PIN       u8: 0 PWDN, 2 RESET, 4 START, + 1 when asserted
    10 REFUSED  u32 n, n bytes of JSON: the call and the FrontendError it raised

A file may hold several parts: a run that builds its front end anew after a fault goes on in it.
"""

from __future__ import annotations

import json
import lzma
import struct
from collections.abc import Iterator
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias
from zlib import crc32

from hal.errors import FrontendError, Reason, RecordingError

SUFFIX = ".l12cap"
MAGIC = b"\x89L12CAP\n"
VERSION = 1
HEADER = struct.Struct("<8sHH")
BLOCK = struct.Struct("<IIQ")
CRC_FROM = 8  # of a block: base and payload
PAYLOAD_MAX, RAW_MAX = 1 << 24, 1 << 26  # bytes; no writer makes a block a hundredth as large
TIME_MAX = 1 << 61  # ns: sums of two are within 63 bits
READER_MEMORY = 1 << 26  # bytes the decompressor may take

HEAD = struct.Struct("<BI")
TEXT = struct.Struct("<BII")
TRANSFER = struct.Struct("<BIIH")
EDGE = struct.Struct("<BIqi")
PIN = struct.Struct("<BIB")


class Kind(IntEnum):
    """First byte of an event."""

    PART = 1
    SETTINGS = 2
    TRANSFER = 3
    READ = 4
    EDGE = 5
    SILENCE = 6
    POLL = 7
    RESTART = 8
    PIN = 9
    REFUSED = 10


class PinName(StrEnum):
    """The control pins, in the order of their codes."""

    POWER_DOWN = "PWDN"
    RESET = "RESET"
    START = "START"


PINS = tuple(PinName)


class Part(NamedTuple):
    """A front end was built: ``frontend``, ``bus``, ``mode`` and ``speed_hz``."""

    t_ns: int
    frontend: str
    bus: str
    mode: int
    speed_hz: int


class Settings(NamedTuple):
    """The fields of the FrontendConfig that ``configure`` was given."""

    t_ns: int
    fields: dict[str, Any]


class Transfer(NamedTuple):
    """Chip-select was low for these bytes; ``t_ns`` is the begin, ``took_ns`` as the host saw."""

    t_ns: int
    took_ns: int
    mosi: bytes
    miso: bytes


class Fell(NamedTuple):
    """A wait returned at ``t_ns`` with the edge of ``edge_ns``."""

    t_ns: int
    sequence: int
    edge_ns: int


class Quiet(NamedTuple):
    """No edge: ``waited`` until the time was up, or only looked."""

    t_ns: int
    waited: bool


class Restart(NamedTuple):
    """The next edge is sequence 0."""

    t_ns: int


class PinSet(NamedTuple):
    """A control pin was asserted or released."""

    t_ns: int
    pin: PinName
    asserted: bool


class Refused(NamedTuple):
    """``call`` ("wait", "restart", "transfer 11", "RESET 1") raised a FrontendError."""

    t_ns: int
    call: str
    error: dict[str, Any]

    def raised(self) -> FrontendError:
        """The error anew."""
        told = self.error
        return FrontendError(
            Reason(told["reason"]),
            told["message"],
            act=told["act"],
            register=told["register"],
            expected=told["expected"],
            got=told["got"],
        )


Event: TypeAlias = Part | Settings | Transfer | Fell | Quiet | Restart | PinSet | Refused


def call_of(mosi: bytes) -> str:
    """The name of a transfer in ``Refused.call``."""
    return f"transfer {mosi.hex()}"


def call_of_pin(pin: PinName, asserted: bool) -> str:
    """The name of a pin change in ``Refused.call``."""
    return f"{pin} {int(asserted)}"


def error_fields(error: FrontendError) -> dict[str, Any]:
    """What ``Refused`` keeps of ``error``."""
    return {
        "reason": error.reason.value,
        "message": str(error).removesuffix(f"; {error.act}") if error.act else str(error),
        "act": error.act,
        "register": error.register,
        "expected": error.expected,
        "got": error.got,
    }


def header() -> bytes:
    """The first bytes of a file."""
    return HEADER.pack(MAGIC, VERSION, 0)


def pack_block(base_ns: int, events: bytes) -> bytes:
    """A block of encoded ``events`` whose times count from ``base_ns`` >= 0."""
    payload = lzma.compress(events, preset=1, check=lzma.CHECK_NONE)
    counted = base_ns.to_bytes(8, "little") + payload
    return BLOCK.pack(len(payload), crc32(counted), base_ns) + payload


class CaptureReader:
    """The events of a file.

    damage : after the last event, what ended the file before its end; "" for a whole one
    whole_bytes : where the last whole block ends; raw_bytes : of its events, not compressed

    Raises RecordingError when it is not a capture, or one of a later version; OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""
        self.whole_bytes = HEADER.size
        self.raw_bytes = 0
        with path.open("rb") as file:
            head = file.read(HEADER.size)
        if len(head) < HEADER.size or not head.startswith(MAGIC):
            raise RecordingError(f"{path} is not a capture", act="make one: lead12 hil capture")
        _, version, _ = HEADER.unpack(head)
        if version != VERSION:
            raise RecordingError(
                f"{path} is a capture of version {version}, this firmware reads {VERSION}",
                act="update the firmware",
            )

    def __iter__(self) -> Iterator[Event]:
        with self.path.open("rb") as file:
            file.seek(HEADER.size)
            while (block := self._block(file)) is not None:
                yield from block
                self.whole_bytes = file.tell()

    def _block(self, file: BinaryIO) -> list[Event] | None:
        """The next block's events; None at the end of the file or of what can be read."""
        head = file.read(BLOCK.size)
        if not head:
            return None
        try:
            return self._events(head, file)
        except EOFError:
            self.damage = "cut off within its last block"
        except (struct.error, lzma.LZMAError, ValueError, LookupError, TypeError):
            self.damage = f"damaged from byte {self.whole_bytes} on"
        return None

    def _events(self, head: bytes, file: BinaryIO) -> list[Event]:
        if len(head) < BLOCK.size:
            raise EOFError
        n, expected, base_ns = BLOCK.unpack(head)
        if n > PAYLOAD_MAX or base_ns > TIME_MAX:
            raise ValueError("too large")
        payload = file.read(n)
        if len(payload) < n:
            raise EOFError
        if crc32(head[CRC_FROM:] + payload) != expected:
            raise ValueError("checksum")
        unpacker = lzma.LZMADecompressor(memlimit=READER_MEMORY)
        raw = unpacker.decompress(payload, RAW_MAX)
        if not unpacker.eof:
            raise ValueError("too large")
        events = list(_decode(raw, base_ns))
        self.raw_bytes += len(raw)
        return events


def _decode(raw: bytes, base_ns: int) -> Iterator[Event]:
    t_ns, sequence, at, end = base_ns, 0, 0, len(raw)
    while at < end:
        kind, delta = HEAD.unpack_from(raw, at)
        t_ns += delta
        if kind == Kind.READ:
            _, _, took_ns, n = TRANSFER.unpack_from(raw, at)
            at += TRANSFER.size + n
            yield Transfer(t_ns, took_ns, bytes(n), _exactly(raw[at - n : at], n))
        elif kind == Kind.EDGE:
            _, _, since_ns, step = EDGE.unpack_from(raw, at)
            at += EDGE.size
            if abs(since_ns) > TIME_MAX:
                raise ValueError("no time")
            sequence += step
            yield Fell(t_ns, sequence, base_ns + since_ns)
        elif kind in (Kind.POLL, Kind.SILENCE):
            at += HEAD.size
            yield Quiet(t_ns, kind == Kind.SILENCE)
        elif kind == Kind.TRANSFER:
            _, _, took_ns, n = TRANSFER.unpack_from(raw, at)
            at += TRANSFER.size + 2 * n
            both = _exactly(raw[at - 2 * n : at], 2 * n)
            yield Transfer(t_ns, took_ns, both[:n], both[n:])
        elif kind == Kind.RESTART:
            at += HEAD.size
            yield Restart(t_ns)
        elif kind == Kind.PIN:
            code = PIN.unpack_from(raw, at)[2]
            at += PIN.size
            yield PinSet(t_ns, PINS[code >> 1], bool(code & 1))
        else:
            name = Kind(kind)
            n = TEXT.unpack_from(raw, at)[2]
            at += TEXT.size + n
            yield _told(name, t_ns, json.loads(_exactly(raw[at - n : at], n)))


def _told(kind: Kind, t_ns: int, body: dict[str, Any]) -> Event:
    if kind is Kind.PART:
        return Part(t_ns, body["frontend"], body["bus"], body["mode"], body["speed_hz"])
    if kind is Kind.SETTINGS:
        return Settings(t_ns, body)
    refused = Refused(t_ns, body["call"], body["error"])
    refused.raised()  # a reason that is none is damage
    return refused


def _exactly(data: bytes, n: int) -> bytes:
    if len(data) != n:
        raise ValueError("event cut off")
    return data
