"""The reader of flatbuffers against files written byte by byte."""

from __future__ import annotations

import struct

import pytest

from firmware.flatbuffer import Buffer, DamagedError, Table


def table_of(
    fields: list[int], body: bytes, slots: str, *, table_bytes: int | None = None
) -> Table:
    """The root table of a file: its vtable, then 4 bytes of its own and ``body``."""
    vtable = struct.pack(
        f"<2H{len(fields)}H", 4 + 2 * len(fields), table_bytes or 4 + len(body), *fields
    )
    vtable += b"\0" * (-len(vtable) % 4)
    at = 4 + len(vtable)
    return Buffer(struct.pack("<I", at) + vtable + struct.pack("<i", len(vtable)) + body).root(
        slots
    )


def offset_to(tail: bytes) -> bytes:
    """An offset field and what it leads to."""
    return struct.pack("<I", 4) + tail


def test_numbers_are_read_and_left_out_ones_are_their_default() -> None:
    table = table_of([8, 0, 4], struct.pack("<b3xi", -3, 1 << 30), "iib")
    assert (table.number(0), table.number(2)) == (1 << 30, -3)
    assert (table.number(1), table.number(1, 7), table.number(9, 7)) == (0, 7, 7)


def test_vectors_and_texts_are_read() -> None:
    numbers = table_of([4], offset_to(struct.pack("<I3i", 3, 1, -2, 3)), "*", table_bytes=8)
    assert numbers.numbers(0, "i", 3) == (1, -2, 3)
    with pytest.raises(DamagedError, match="3 entries"):
        numbers.numbers(0, "i", 2)
    text = table_of([4], offset_to(struct.pack("<I4s", 3, b"abc\0")), "*", table_bytes=8)
    assert text.text(0) == "abc"
    assert text.length(0) == 3
    nothing = table_of([0], b"", "*")
    assert (nothing.numbers(0, "i", 9), nothing.text(0), nothing.length(0)) == ((), "", 0)
    assert (nothing.table(0, ""), nothing.tables(0, "", 9)) == (None, [])


def test_a_text_that_does_not_end_is_refused() -> None:
    text = table_of([4], offset_to(struct.pack("<I4s", 3, b"abcd")), "*", table_bytes=8)
    with pytest.raises(DamagedError, match="does not end"):
        text.text(0)
    text = table_of([4], offset_to(struct.pack("<I4s", 4, b"abcd")), "*", table_bytes=8)
    with pytest.raises(DamagedError, match="outside"):
        text.text(0)


@pytest.mark.parametrize("to", [0, 2, 5, 400, (1 << 32) - 4])
def test_an_offset_to_nowhere_is_refused(to: int) -> None:
    table = table_of([4], struct.pack("<I", to) + bytes(16), "*", table_bytes=8)
    with pytest.raises(DamagedError):
        table.numbers(0, "i", 9)


def test_a_list_of_large_numbers_must_be_aligned() -> None:
    for before in (0, 4):  # eight bytes each, in one of two places
        body = struct.pack("<I", 4 + before) + bytes(before) + struct.pack("<I2q", 2, 5, 6)
        table = table_of([4], body, "*", table_bytes=8)
        if not before:
            assert table.numbers(0, "q", 2) == (5, 6)
        else:
            with pytest.raises(DamagedError, match="malformed"):
                table.numbers(0, "q", 2)


@pytest.mark.parametrize(
    ("field", "slots"),
    [(1, "i"), (2, "i"), (3, "b"), (5, "i"), (6, "f"), (8, "q"), (12, "b"), (10, "i"), (4, "")],
)
def test_a_field_that_is_not_whole_in_its_table_is_refused(field: int, slots: str) -> None:
    with pytest.raises(DamagedError):
        table_of([field], bytes(8) + bytes(50), slots, table_bytes=12)


@pytest.mark.parametrize(
    "head", [b"", b"\4\0\0", struct.pack("<Ii", 4, 1 << 30), struct.pack("<Ii", 4, -(1 << 30)),
             struct.pack("<Ii2H", 4, -4, 3, 4), struct.pack("<Ii2H", 4, -4, 5, 4),
             struct.pack("<Ii2H", 4, -4, 4, 3), struct.pack("<Ii2H", 4, -4, 4, 99),
             struct.pack("<Ii2H", 4, -4, 99, 4), struct.pack("<Ii2H", 4, -3, 4, 4)],
)  # fmt: skip
def test_a_root_that_is_no_table_is_refused(head: bytes) -> None:
    with pytest.raises(DamagedError):
        Buffer(head).root("")


def test_the_smallest_table_is_one() -> None:
    Buffer(struct.pack("<Ii2H", 4, -4, 4, 4)).root("")
