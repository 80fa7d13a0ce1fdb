"""A reader of flatbuffers that believes nothing: every offset and length is checked before use.

Only what the caller asks for is read, to a depth the caller's schema sets, so offsets that point in
circles end; and what is read may not add up to more than ``SHARING`` times the file, so neither
do vectors that all hold the same table. Source: flatbuffers' "Binary Format" and its C++ verifier.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from firmware.archive import BundleError

SHARING = 4  # some writers store equal parts once
_SIZES = {"b": 1, "?": 1, "B": 1, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8, "*": 4, "-": 0}


class DamagedError(BundleError):
    """The bytes are no sound flatbuffer; one line."""


@dataclass(slots=True)
class Buffer:
    """The bytes of a file; ``left`` is how many more may be read."""

    data: bytes
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = SHARING * len(self.data)

    def root(self, slots: str) -> Table:
        """The table the file is about."""
        return Table(self, self.offset(0), slots)

    def at(self, position: int, code: str) -> int:
        """The integer at ``position``; ``code`` is struct's."""
        self.inside(position, struct.calcsize(code))
        (value,) = struct.unpack_from("<" + code, self.data, position)
        return int(value)

    def inside(self, position: int, length: int) -> None:
        """Raises DamagedError unless ``length`` bytes at ``position`` are in the file."""
        if not 0 <= position <= len(self.data) - length:
            raise DamagedError("it points outside itself")

    def offset(self, position: int) -> int:
        """Where the offset at ``position`` leads to; always forward."""
        target = position + self.at(position, "I")
        if target == position or target % 4:
            raise DamagedError("it holds an offset to nowhere")
        return target

    def spend(self, length: int) -> None:
        """Count ``length`` bytes as read."""
        self.left -= length
        if self.left < 0:
            raise DamagedError("its parts overlap")


class Table:
    """One table, its fields checked to lie within it.

    slots : a letter per field of its schema: struct's code of a number, ``*`` for an offset, ``-``
        for a field that must be absent; fields beyond them must be absent as well
    """

    __slots__ = ("_at", "_fields", "_in", "_slots")

    def __init__(self, within: Buffer, at: int, slots: str) -> None:
        self._in, self._at, self._slots = within, at, slots
        vtable = at - within.at(at, "i")
        vtable_bytes, table_bytes = within.at(vtable, "H"), within.at(vtable + 2, "H")
        if vtable % 2 or vtable_bytes % 2 or vtable_bytes < 4 or table_bytes < 4:
            raise DamagedError("a table of it is malformed")
        within.inside(vtable, vtable_bytes)
        within.inside(at, table_bytes)
        within.spend(vtable_bytes + table_bytes)
        self._fields = struct.unpack_from(f"<{vtable_bytes // 2 - 2}H", within.data, vtable + 4)
        for slot, offset in enumerate(self._fields):
            size = _SIZES[slots[slot]] if slot < len(slots) else 0
            if offset and not size:
                raise DamagedError("it uses a feature this firmware does not know")
            if offset and (offset < 4 or offset + size > table_bytes or (at + offset) % size):
                raise DamagedError("a table of it is malformed")

    def has(self, slot: int) -> bool:
        """Whether the field is there."""
        return slot < len(self._fields) and self._fields[slot] != 0

    def number(self, slot: int, default: int = 0) -> int:
        """An integer field."""
        if not self.has(slot):
            return default
        return self._in.at(self._at + self._fields[slot], self._slots[slot])

    def table(self, slot: int, slots: str) -> Table | None:
        """The table a field leads to."""
        return Table(self._in, self._target(slot), slots) if self.has(slot) else None

    def tables(self, slot: int, slots: str, most: int) -> list[Table]:
        """The tables of a vector; more than ``most`` of them are refused."""
        if not self.has(slot):
            return []
        start, count = self._vector(slot, 4, most)
        return [Table(self._in, self._in.offset(start + 4 * i), slots) for i in range(count)]

    def numbers(self, slot: int, code: str, most: int) -> tuple[int, ...]:
        """The numbers of a vector; () where there is none."""
        if not self.has(slot):
            return ()
        start, count = self._vector(slot, _SIZES[code], most)
        return struct.unpack_from(f"<{count}{code}", self._in.data, start)

    def length(self, slot: int) -> int:
        """Bytes of a vector of bytes, which is not looked at."""
        return self._vector(slot, 1, len(self._in.data))[1] if self.has(slot) else 0

    def text(self, slot: int) -> str:
        """A string, "" where there is none."""
        if not self.has(slot):
            return ""
        start, count = self._vector(slot, 1, len(self._in.data) - 1)
        if self._in.at(start + count, "B"):
            raise DamagedError("a name in it does not end")
        return self._in.data[start : start + count].decode("utf-8", "replace")

    def _target(self, slot: int) -> int:
        return self._in.offset(self._at + self._fields[slot])

    def _vector(self, slot: int, size: int, most: int) -> tuple[int, int]:
        """Position of the first element, and how many there are."""
        start = self._target(slot) + 4
        count = self._in.at(start - 4, "I")
        if count > most:
            raise DamagedError(f"a list in it has {count} entries")
        self._in.inside(start, count * size)
        if count and start % size:
            raise DamagedError("a list in it is malformed")
        self._in.spend(4 + count * size)
        return start, count
