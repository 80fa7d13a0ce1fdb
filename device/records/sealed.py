"""A record that whoever wrote it cannot read back: one file that grows by sealed frames.

::

    MAGIC · length (u16) · JSON · ephemeral X25519 public key (32) · frames
    frame: length (u32) · number (u32) · samples (u32) · last (u32) · ciphertext and tag

All numbers are little-endian. The JSON says, for all to see, to whom it is sealed and where the
record is in its count of samples. Each file has a key of its own: HKDF-SHA-256 (RFC 5869) of the
X25519 secret (RFC 7748) of a new ephemeral key and ``seal_to``, with the SHA-256 of all before the
frames as salt. A frame is ChaCha20-Poly1305 (RFC 8439); its number is the nonce and is never used
again, not even when a write failed. Its head and the tag of the frame before it are authenticated
with it, so frames can be neither changed nor moved, left out or taken from another file. A file
whose newest frame is not the last was cut off, by the power or by somebody.

What a frame holds is what would have been written to the three WFDB files (``Put``), filled up with
zeros, or lengths would tell the heart rate.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from device.flash import files
from device.records.record_files import SEALED, SUFFIXES, Put, is_as_long
from device.records.seal_key import key_id
from hal.errors import RecordingError
from hal.plain_file import open_plain

MAGIC = b"lead12 sealed 1\n"
INFO = b"lead12 sealed record 1"  # of the key derivation
SIZE = struct.Struct("<H")
HEAD = struct.Struct("<IIII")
PUT = struct.Struct("<BQI")  # 1 + place in SUFFIXES, 0 for no more; offset; length
PUBLIC, TAG = 32, 16  # bytes
STEP, LAST_STEP = 1 << 10, 1 << 16  # frames are filled up to whole ones of these
MOST_FRAME = 1 << 26


@dataclass(frozen=True, slots=True)
class Head:
    """What begins a frame, in clear. samples : that the record holds with it"""

    length: int
    number: int
    samples: int
    last: bool

    def packed(self) -> bytes:
        """Its bytes."""
        return HEAD.pack(self.length, self.number, self.samples, self.last)


def file_key(shared: bytes, preamble: bytes, to: bytes) -> ChaCha20Poly1305:
    """What seals and opens the frames of one file."""
    salt = sha256(preamble).digest()
    derived = HKDF(SHA256(), length=32, salt=salt, info=INFO + to).derive(shared)
    return ChaCha20Poly1305(derived)


def nonce(number: int) -> bytes:
    """Of the frame with this number."""
    return number.to_bytes(12, "little")


class SealedFiles:
    """A new sealed record. record : path without suffix; to : public key; place : JSON in clear."""

    def __init__(self, record: Path, to: bytes, place: Mapping[str, Any]) -> None:
        self._path = record.with_suffix(SEALED)
        self._to = to
        self._place = {**place, "to": key_id(to)}
        self._key: ChaCha20Poly1305 | None = None
        self._number = 0
        self._tag = bytes(TAG)  # of the newest frame on the disk
        self._end = 0  # of what is on the disk for sure

    def begin(self, dat: bytes, atr: bytes, hea: bytes, samples: int, *, last: bool) -> None:
        """See RecordFiles."""
        one_time = X25519PrivateKey.generate()
        told = json.dumps(self._place, separators=(",", ":"), sort_keys=True).encode("ascii")
        preamble = MAGIC + SIZE.pack(len(told)) + told + one_time.public_key().public_bytes_raw()
        shared = one_time.exchange(X25519PublicKey.from_public_bytes(self._to))
        self._key, self._number = file_key(shared, preamble, self._to), 0
        puts = [Put(*one) for one in ((".dat", 0, dat), (".atr", 0, atr), (".hea", 0, hea))]
        frame = self._sealed(puts, samples, last=last)
        files.save(self._path, preamble + frame, mode=files.PRIVATE)
        self._end, self._tag = len(preamble) + len(frame), frame[-TAG:]

    def grow(self, puts: Sequence[Put], samples: int) -> None:
        """See RecordFiles."""
        self._append(self._sealed(puts, samples))

    def end(self, atr: bytes, hea: bytes, samples: int) -> None:
        """See RecordFiles."""
        torn = self._path.stat().st_size - self._end  # by a write that failed; to be covered
        puts = [Put(".atr", 0, atr), Put(".hea", 0, hea)]
        self._append(self._sealed(puts, samples, last=True, least=torn))

    def holds(self, dat_bytes: int) -> bool:
        """See RecordFiles."""
        return is_as_long(self._path, self._end)

    def remove(self) -> None:
        """See RecordFiles."""
        files.remove(self._path)

    def _append(self, frame: bytes) -> None:
        files.overwrite(self._path, frame, self._end)
        self._end, self._tag = self._end + len(frame), frame[-TAG:]

    def _sealed(
        self, puts: Sequence[Put], samples: int, *, last: bool = False, least: int = 0
    ) -> bytes:
        assert self._key is not None
        plain = b"".join(
            PUT.pack(1 + SUFFIXES.index(put.suffix), put.offset, len(put.data)) + put.data
            for put in puts
        )
        step = LAST_STEP if last else STEP
        plain += bytes(-len(plain) % step)
        plain += bytes(max(0, least - len(plain)))
        head = Head(len(plain) + TAG, self._number, samples, last).packed()
        sealed = self._key.encrypt(nonce(self._number), plain, head + self._tag)
        self._number += 1  # used, whatever becomes of the write
        return head + sealed


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sealed file says without a key, none of it checked by one.

    place : its JSON · samples : of the frames that are there · closed : the last one is there
    """

    place: dict[str, Any]
    samples: int
    closed: bool


def look(path: Path) -> Seen:
    """Read what is in clear. Raises RecordingError: not a sealed record; OSError."""
    with open_plain(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        place, _ = read_preamble(stream, path)
        samples, closed, at = 0, False, stream.tell()
        while not closed and (head := read_head(stream)) is not None:
            at += HEAD.size + head.length
            if at > size:
                break
            samples, closed = head.samples, head.last
            stream.seek(at)
    return Seen(place, samples, closed)


def read_preamble(stream: BinaryIO, path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON, and all bytes before the frames. Raises RecordingError."""
    data = stream.read(len(MAGIC) + SIZE.size)
    if data.startswith(MAGIC) and len(data) == len(MAGIC) + SIZE.size:
        (length,) = SIZE.unpack(data[len(MAGIC) :])
        data += stream.read(length + PUBLIC)
        told = data[len(MAGIC) + SIZE.size :][:length]
        if len(data) == len(MAGIC) + SIZE.size + length + PUBLIC:
            try:
                place = json.loads(told)
            except (ValueError, RecursionError):
                place = None
            if isinstance(place, dict):
                return place, data
    raise RecordingError(f"{path} is not a sealed record, or damaged at its beginning")


def read_head(stream: BinaryIO) -> Head | None:
    """Of the next frame; None at the end, where it is torn, or where no head can be."""
    data = stream.read(HEAD.size)
    if len(data) < HEAD.size:
        return None
    length, number, samples, last = HEAD.unpack(data)
    if not TAG < length <= MOST_FRAME or last > 1:
        return None
    return Head(length, number, samples, bool(last))
