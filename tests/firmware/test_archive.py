"""Whatever calls itself a bundle: refused in one line, in little memory, and nothing written."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.archive import (
    MANIFEST,
    MAX_BYTES,
    MAX_MEMBERS,
    MODEL,
    SIGNATURES,
    SUMS,
    BundleError,
    _zip,
    pack,
    unpack,
    with_signatures,
)
from firmware.bundle import Bundle

EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()
SMALL = pack({MANIFEST: b"{}", MODEL: b"12345678", "golden/a-1.counts": b"12"})
TIMES_READ = 4  # copies of a file in memory while it is read: itself, its members, its like, slack
LINE = 200  # characters

Writer = Callable[[zipfile.ZipFile], object]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test runs in an empty folder, and nothing appears there or beside it."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    before = sorted(tmp_path.rglob("*"))
    yield
    assert sorted(tmp_path.rglob("*")) == before


def refusal(data: bytes) -> str:
    """Why ``data`` is refused; held to one line and to memory of the order of the file."""
    tracemalloc.start()
    try:
        with pytest.raises(BundleError) as caught:
            unpack(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert text.isprintable(), text
    assert text.isascii(), text
    assert len(text) <= LINE, text
    assert peak <= TIMES_READ * len(data) + (64 << 10)
    return text


def zipped(write: Writer, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name that is there twice
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            write(archive)
    return buffer.getvalue()


def with_member(name: str, mode: int = 0o644) -> bytes:
    """A bundle with one member more, its hashes right and everything else as it should be."""
    files = {**unpack(SMALL), name: b"x"}
    del files[SUMS]
    data = pack(files)
    at = data.rindex(b"PK\1\2", 0, data.rindex(name.encode()))
    attributes = struct.pack("<L", mode << 16)
    return data[: at + 38] + attributes + data[at + 42 :]


def member(name: bytes, data: bytes, **claims: int) -> bytes:
    """A local header as zip has it, with any field claimed otherwise, and the data."""
    has = {"flags": 0, "method": 0, "packed": len(data), "size": len(data), "extra": 0, **claims}
    return (
        struct.pack("<4s3H2HL2L2H", b"PK\3\4", 20, has["flags"], has["method"], 0, 33, 0,
                    has["packed"], has["size"], len(name), has["extra"])
        + name + data
    )  # fmt: skip


def test_what_pack_writes_is_read_back() -> None:
    files = unpack(SMALL)
    assert sorted(files) == [SUMS, "golden/a-1.counts", MANIFEST, MODEL]
    signed = with_signatures(SMALL, b"{}")
    assert unpack(signed) == {**files, SIGNATURES: b"{}"}
    assert unpack(signed)[SUMS] == files[SUMS]  # what is signed does not change by signing
    assert with_signatures(with_signatures(SMALL, b"old"), b"{}") == signed


@pytest.mark.parametrize(
    "name",
    [
        "../x", "../../model.tflite", "golden/../../x.counts", "golden/../x.counts", "..",
        "/etc/passwd", "//server/share", "C:\\x", "c:/x", "golden\\a.counts", "..\\x",
        "./model.tflite", "golden//a.counts", "golden/", "golden/a/", "golden/.counts",
        "model.tflite/", "model.tflite\n", "model.tflite ", " model.tflite", "MODEL.TFLITE",
        "Model.tflite", "golden/A.counts", "golden/a.COUNTS", "model.tflite.exe", "~/x", "",
        "m\u043edel.tflite",  # a Cyrillic o
        "mode\u217c.tflite", "golden\u2215a.counts", "golden\uff0fa.counts", "..\u2044x",
        "mod\u202eel.tflite", "golden/\u0661.counts", "model\u200b.tflite",
        "golden/" + "a" * 65 + ".counts", "a" * 10_000, "golden/" + "../" * 3000 + "x.counts",
        "con", "nul", "-rf", "$(reboot)", "%s%n", "\x1b[2J", "SIGNATURES2", "SHA256SUMS.",
    ],
)  # fmt: skip
def test_a_name_no_bundle_has_is_refused(name: str) -> None:
    assert "which no bundle has" in refusal(_zip({**unpack(SMALL), name: b"x"}))


def test_a_name_with_nul_is_refused() -> None:
    """The zip library cuts such a name off when it writes and reads, so it is put in here."""
    for place in (b"model.tflit\0", b"\0odel.tflite", b"model.tf\0ite"):
        assert "which no bundle has" in refusal(SMALL.replace(b"model.tflite", place))


@pytest.mark.parametrize("kind", [0o120777, 0o040755, 0o020666, 0o010644, 0o060644, 0o4755])
def test_a_member_that_is_a_link_a_folder_a_device_or_a_program_is_refused(kind: int) -> None:
    assert unpack(with_member("card.md"))
    assert "not as lead12 writes it" in refusal(with_member("card.md", kind))


def test_a_name_that_is_there_twice_is_refused() -> None:
    def twice(archive: zipfile.ZipFile) -> None:
        archive.writestr(MODEL, b"good")
        archive.writestr(MODEL, b"evil")

    assert "in it twice" in refusal(zipped(twice))


# -- bombs


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_a_compressed_member_is_refused_unread(method: int) -> None:
    bomb = zipped(lambda archive: archive.writestr(MANIFEST, bytes(50 << 20)), method)
    assert len(bomb) < 100_000
    assert "it is compressed" in refusal(bomb)


def test_a_member_that_is_larger_than_the_file_is_refused_unread() -> None:
    for size in (31, 1 << 20, 1 << 31, (1 << 32) - 1):
        claimed = member(b"model.tflite", b"12345678", packed=size, size=size)
        assert "cut off" in refusal(claimed + SMALL[-22:])
    assert "sizes disagree" in refusal(member(b"model.tflite", b"12345678", size=1 << 31))
    assert "cut off" in refusal(member(b"model.tflite", b"12345678", extra=0xFFFF))


def test_members_that_overlap_are_refused() -> None:
    """As in Fifield's "A better zip bomb": each member's data is the next member's header."""
    inner = member(b"manifest.json", b"{}")
    outer = member(b"model.tflite", inner)
    directory = b""
    for name, at, size in ((b"model.tflite", 0, len(inner)), (b"manifest.json", 42, 2)):
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, size, size,
                                 len(name), 0, 0, 0, 0, 0, at) + name  # fmt: skip
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), len(outer), 0)
    overlapping = outer + directory + end
    with zipfile.ZipFile(io.BytesIO(overlapping)) as archive:  # which would take it
        assert archive.namelist() == ["model.tflite", "manifest.json"]
    assert "no SHA256SUMS" in refusal(overlapping)


def test_a_bundle_that_holds_itself_is_refused() -> None:
    """A quine's members are bundles again; nothing here ever looks into a member."""
    nested = SMALL
    for _ in range(100):
        nested = pack({MODEL: nested, MANIFEST: b"{}"})
    assert unpack(nested)[MODEL].startswith(b"PK")
    with pytest.raises(BundleError, match="has no card"):
        Bundle.from_bytes(nested)


def test_many_members_are_refused_before_they_are_read() -> None:
    names = [f"golden/{i}.counts" for i in range(65_535)]
    many = zipped(lambda archive: [archive.writestr(name, b"") for name in names])
    assert f"more than {MAX_MEMBERS} members" in refusal(many)
    assert f"more than {MAX_MEMBERS} members" in refusal(many[: many.index(b"PK\1\2")])
    only = many[many.index(b"PK\1\2") :]  # a directory of members that are not there
    assert "no zip" in refusal(only)
    assert refusal(SMALL[: SMALL.index(b"PK\1\2")] + only)  # and one that came from elsewhere


def test_a_file_larger_than_any_bundle_is_refused_unread() -> None:
    assert f"at most {MAX_BYTES} are accepted" in refusal(bytes(MAX_BYTES + 1))
    largest = member(b"model.tflite", bytes(MAX_BYTES - 42))
    assert len(largest) == MAX_BYTES
    assert "no SHA256SUMS" in refusal(largest)


# -- features of zip that pack does not use


def test_an_encrypted_member_is_refused() -> None:
    assert "it is encrypted" in refusal(member(b"model.tflite", b"x", flags=1))


def test_a_member_whose_size_follows_it_is_refused() -> None:
    class Pipe(io.RawIOBase):
        """A file that cannot seek, for which zipfile writes data descriptors."""

        def __init__(self) -> None:
            self.held = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.held += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:  # type: ignore[type-var]
        for name, data in unpack(SMALL).items():
            archive.writestr(name, data)
    assert refusal(pipe.held)


def test_zip64_is_refused() -> None:
    def large(archive: zipfile.ZipFile) -> None:
        with archive.open(MODEL, "w", force_zip64=True) as out:
            out.write(b"12345678")

    assert refusal(zipped(large))
    claims = member(b"model.tflite", b"", packed=0xFFFFFFFF, size=0xFFFFFFFF, extra=20)
    assert "cut off" in refusal(claims + struct.pack("<2H2Q", 1, 16, 1 << 62, 1 << 62))
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    assert "not as lead12 writes it" in refusal(SMALL[:-22] + locator + SMALL[-22:])


def test_bytes_that_no_member_holds_are_refused() -> None:
    end = SMALL.rindex(b"PK\5\6")
    directory = SMALL.index(b"PK\1\2")
    comment = SMALL[:-2] + struct.pack("<H", 5) + b"hello"
    assert "not as lead12 writes it" in refusal(comment)
    assert "no zip" in refusal(b"#!/bin/sh\n" + SMALL)
    for at in (directory, end, len(SMALL)):
        assert "not as lead12 writes it" in refusal(SMALL[:at] + b"\0" + SMALL[at:])
    # a second directory, a second bundle
    assert "not as lead12 writes it" in refusal(SMALL + SMALL[directory:])
    assert "not as lead12 writes it" in refusal(SMALL[:end] + SMALL[directory:])
    assert "not as lead12 writes it" in refusal(SMALL + SMALL)


@pytest.mark.parametrize("empty", [b"", b"PK", b"PK\3\4", b"PK\5\6" + bytes(18), bytes(1000)])
def test_what_is_no_zip_is_refused(empty: bytes) -> None:
    assert "copy it again" in refusal(empty)


# -- damage


def test_a_flipped_bit_in_every_section_is_refused() -> None:
    """Every bit of headers, directory and members of a small bundle, SIGNATURES apart."""
    for at in range(len(SMALL)):
        for bit in range(8):
            damaged = bytearray(SMALL)
            damaged[at] ^= 1 << bit
            with pytest.raises(BundleError):
                unpack(bytes(damaged))


@pytest.mark.parametrize("name", sorted(unpack(EMBEDDED)))
def test_a_flipped_bit_in_each_member_of_the_real_bundle_is_refused(name: str) -> None:
    data = unpack(EMBEDDED)[name]
    header = EMBEDDED.index(struct.pack("<H", len(name)) + b"\0\0" + name.encode()) + 4
    start = header + len(name)
    assert EMBEDDED[start : start + len(data)] == data
    for at in (header, start, start + len(data) // 2, start + len(data) - 1):
        damaged = bytearray(EMBEDDED)
        damaged[at] ^= 16
        if name == SIGNATURES and at != header:  # its own signature is the keyring's to judge
            continue
        with pytest.raises(BundleError):
            unpack(bytes(damaged))


def test_a_bundle_cut_anywhere_is_refused() -> None:
    for size in range(len(SMALL)):
        assert "copy it again" in refusal(SMALL[:size])


def test_sums_that_list_more_or_otherwise_are_refused() -> None:
    files = unpack(SMALL)
    sums = files[SUMS]
    lines = sums.splitlines(keepends=True)
    for other in (
        sums + lines[0],
        b"".join(reversed(lines)),
        sums.replace(b"\n", b"\r\n"),
        sums + b"0" * 64 + b"  ../x\n",
        sums + b"\n",
        sums.upper(),
        b"",
        b"\xff" * 100,
    ):
        assert "SHA256SUMS" in refusal(_zip({**files, SUMS: other}))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(SMALL)), st.integers(0, 60))
def test_anything_put_into_a_bundle_is_refused(junk: bytes, at: int, over: int) -> None:
    changed = SMALL[:at] + junk + SMALL[at + over :]
    if changed != SMALL:
        with pytest.raises(BundleError):
            unpack(changed)
