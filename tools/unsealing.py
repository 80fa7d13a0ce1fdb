"""Sealed records with the hospital's key: back to the WFDB files they would have been."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from device.flash import files
from device.records.folder import is_name
from device.records.reading import GIVE_UP, fault
from device.records.record_files import SEALED, SUFFIXES, PlainFiles
from device.records.seal_key import key_id
from device.records.sealed import (
    HEAD,
    PUBLIC,
    PUT,
    STEP,
    TAG,
    file_key,
    nonce,
    read_head,
    read_preamble,
)
from device.records.segment import repair
from hal.errors import RecordingError
from hal.frontend import SAMPLE_RATE_HZ
from hal.plain_file import open_plain

_FEW = 1 << 16  # frames that one segment may lose in writes that failed


class SealedError(RecordingError):
    """A sealed record that cannot be opened, or not all of it; one line."""


class AlreadyThereError(SealedError):
    """Nothing is wrong with it, but a file of that name is there and is not written over."""


class OtherKeyError(SealedError):
    """Nothing is known to be wrong with it: it is sealed to another key."""


@dataclass
class Opened:
    """What a sealed file holds.

    closed : nothing is missing at its end · damage : what is wrong with what follows, "" if nothing
    """

    parts: dict[str, bytearray] = field(default_factory=lambda: {s: bytearray() for s in SUFFIXES})
    closed: bool = False
    damage: str = ""

    @property
    def name(self) -> str:
        """Of the record, as its header has it."""
        return self.parts[".hea"].split(b" ", 1)[0].decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class Unsealed:
    """One sealed file and what became of it.

    record : without suffix; None where nothing could be read · note : "" if it is all there
    """

    source: Path
    record: Path | None
    note: str
    damaged: bool


def unseal(source: Path, private: X25519PrivateKey, out: Path) -> Iterator[Unsealed]:
    """Every sealed record at or below ``source`` as WFDB below ``out``, one after the other.

    Raises OSError; FileNotFoundError where nothing is sealed.
    """
    base = source if source.is_dir() else source.parent
    found = sorted(base.rglob(f"*{SEALED}")) if source.is_dir() else [source]
    if not found:
        raise FileNotFoundError(2, "holds no sealed records; name another folder", source)
    files.make_folder(out, files.PRIVATE_FOLDER)
    for path in found:
        folder = out / path.parent.relative_to(base)
        try:
            yield _unseal(path, private, folder)
        except (AlreadyThereError, OtherKeyError) as error:
            yield Unsealed(path, None, str(error), damaged=False)
        except RecordingError as error:
            yield Unsealed(path, None, str(error), damaged=True)


def _unseal(path: Path, private: X25519PrivateKey, folder: Path) -> Unsealed:
    try:
        opened = open_sealed(path, private)
    except OSError as error:  # of this one; the others may be well
        raise SealedError(f"it cannot be read ({error.strerror})") from None
    if not is_name(opened.name):
        raise SealedError(opened.damage or f"it is not of this instrument; {GIVE_UP}")
    record = folder / opened.name
    if record.with_suffix(".hea").exists():
        raise AlreadyThereError(f"{record} is there already; name an empty folder")
    files.make_folder(folder, files.PRIVATE_FOLDER)
    dat, atr, hea = (bytes(opened.parts[suffix]) for suffix in SUFFIXES)
    PlainFiles(record).begin(dat, atr, hea, 0, last=True)
    if opened.closed:
        wrong = fault(record.with_suffix(".hea")) or opened.damage
        return Unsealed(path, record, wrong, damaged=bool(wrong))
    length = repair(record)
    until = f"it ends after {length / SAMPLE_RATE_HZ:.1f} s"
    if opened.damage:
        note = f"{opened.damage}; what is before that is given out: {until}"
        return Unsealed(path, record, note, damaged=True)
    return Unsealed(path, record, f"the device did not close it: {until}", damaged=False)


def open_sealed(path: Path, private: X25519PrivateKey) -> Opened:
    """What can be read of it. Raises OSError; SealedError: nothing, or sealed to another key."""
    with open_plain(path) as stream:
        place, preamble = read_preamble(stream, path)
        to = private.public_key().public_bytes_raw()
        if place.get("to") != key_id(to):
            raise OtherKeyError(
                f"sealed to the key {place.get('to')}, this one is {key_id(to)}; take that one"
            )
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(preamble[-PUBLIC:]))
        except ValueError:
            raise SealedError(f"damaged at its beginning; {GIVE_UP}") from None
        return _read_frames(stream, shared, preamble, to)


def _read_frames(stream: BinaryIO, shared: bytes, preamble: bytes, to: bytes) -> Opened:
    key = file_key(shared, preamble, to)
    size = os.fstat(stream.fileno()).st_size
    opened, tag, next_number = Opened(), bytes(TAG), 0
    while (at := stream.tell()) < size and not opened.closed:
        head = read_head(stream)
        data = stream.read(head.length) if head else b""
        try:
            if head is None or head.number < next_number:
                raise InvalidTag
            plain = key.decrypt(nonce(head.number), data, head.packed() + tag)
        except InvalidTag:
            stream.seek(at)
            if not _is_cut(stream.read(), next_number):
                opened.damage = f"damaged at byte {at} of {size}"
            return opened
        _put(opened, plain)
        tag, next_number, opened.closed = data[-TAG:], head.number + 1, head.last
    if at < size and stream.tell() < size:
        opened.damage = f"{size - stream.tell()} bytes follow its end"
    return opened


def _is_cut(rest: bytes, next_number: int) -> bool:
    """Whether a power cut leaves this: one frame that is too short, or zeros for its end.

    Where its head, which may be what was changed, says that it is too short, no other may follow:
    frames before the last are filled up, so there are few places for a head.
    """
    for at in range(HEAD.size + TAG + STEP, len(rest) - HEAD.size + 1, STEP):
        behind = read_head(BytesIO(rest[at : at + HEAD.size]))
        if behind and next_number < behind.number < next_number + _FEW:
            return False
    if not any(rest[-TAG:]):
        return True
    head = read_head(BytesIO(rest))
    if head is None:
        return len(rest) < HEAD.size
    padded = head.last or (head.length - TAG) % STEP == 0
    return padded and len(rest) < HEAD.size + head.length


def _put(opened: Opened, plain: bytes) -> None:
    """Do what a frame says."""
    at = 0
    while at + PUT.size <= len(plain):
        place, offset, length = PUT.unpack_from(plain, at)
        if not place:
            return
        at += PUT.size
        data = plain[at : at + length]
        if place > len(SUFFIXES) or len(data) < length:
            raise SealedError(f"it was written by another version; {GIVE_UP}")
        part = opened.parts[SUFFIXES[place - 1]]
        if offset > len(part):
            raise SealedError(f"it was written by another version; {GIVE_UP}")
        part[offset:] = data
        at += length
