"""A bundle on its way in: chunks in order into ``upload.part``, which a cut cable does not lose.

How far it came is the length of that file, so a monitor that was killed goes on where it was.
Nothing here waits for the disk: the installer reads the file, checks its SHA-256 and syncs.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

from device.flash import files
from device.link.protocol import ProtocolError, Wrong

CHUNK_BYTES = 8192  # of the bundle in one line, at most
PART, ABOUT = "upload.part", "upload.json"
MAX_ABOUT = 200  # bytes
MARGIN_BYTES = 1 << 20  # of room on the disk beside the upload and its installed copy

# The digits of RFC 1924, as Python's base64.b85encode writes them; 85 marks what is none
_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_DIGITS = np.full(256, 85, np.uint8)
_DIGITS[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(85)
_PLACES = 85 ** np.arange(4, -1, -1, dtype=np.uint64)


class Upload:
    """At most one upload, in ``folder``. All refusals are ProtocolError with a sentence."""

    def __init__(self, folder: Path) -> None:
        self._part, self._about = folder / PART, folder / ABOUT
        self._size = 0  # of the whole; 0 before a begin

    def begin(self, size: int, sha256: str, *, keep: bool = True) -> tuple[int, int]:
        """Begin, or go on with the same: bytes that are there, and their CRC-32.

        keep : False to begin anew, where these are not what was sent
        """
        try:
            kept = self._kept(size, sha256) if keep else b""
            if len(kept) < size:
                self._find_room(2 * size - len(kept))  # the rest, and the installed copy
            if not kept:
                self._start(size, sha256)
        except OSError as error:
            raise self._failed(error) from None
        self._size = size
        return len(kept), zlib.crc32(kept)

    def chunk(self, offset: int, size: int, data: str) -> int:
        """Take the next ``size`` bytes; ones that do not come next are passed over.

        Returns the offset wanted next.
        """
        have = self._have()
        if not self._size or have > self._size:
            raise ProtocolError(Wrong.NO_UPLOAD, "no upload was begun; begin one")
        if offset != have:
            return have
        if have + size > self._size:
            raise ProtocolError(Wrong.BAD_VALUE, f"the upload has {self._size} bytes, not more")
        raw = unpack(data, size)
        try:
            files.append(self._part, raw, sync=False)
        except OSError as error:
            raise self._failed(error) from None
        return have + size

    def whole(self, sha256: str) -> Path:
        """The file, when all of it is there. Its digest is for the installer to check."""
        if not self._have() or self._read_about() != {"bytes": self._have(), "sha256": sha256}:
            raise ProtocolError(Wrong.NO_UPLOAD, "that bundle was not uploaded whole; upload it")
        return self._part

    def _have(self) -> int:
        try:
            return self._part.lstat().st_size
        except OSError:
            return 0

    def _kept(self, size: int, sha256: str) -> bytes:
        """What an earlier upload of the same bundle left."""
        if self._read_about() != {"bytes": size, "sha256": sha256}:
            return b""
        try:
            return files.read(self._part, size)
        except OSError:
            return b""

    def _start(self, size: int, sha256: str) -> None:
        files.make_folder(self._part.parent)
        files.write(self._part, b"", sync=False)  # first: old bytes must not get a new name
        about = json.dumps({"bytes": size, "sha256": sha256}).encode()
        files.write(self._about, about, sync=False)

    def _read_about(self) -> object:
        try:
            return json.loads(files.read(self._about, MAX_ABOUT))
        except (OSError, ValueError, RecursionError):
            return None

    def _find_room(self, needed: int) -> None:
        folder = self._part.parent
        there = next(one for one in (folder, *folder.parents) if one.exists())
        needed += MARGIN_BYTES
        free = files.free_bytes(there)
        if free < needed:
            said = (
                f"the upload needs {needed >> 10} KiB on the device's disk, "
                f"{free >> 10} KiB are free; make room there"
            )
            raise ProtocolError(Wrong.FAILED, said)

    def _failed(self, error: OSError) -> ProtocolError:
        why = error.strerror or str(error)
        said = f"the device cannot write to {self._part.parent}: {why}; what was uploaded is kept"
        return ProtocolError(Wrong.FAILED, said)


def unpack(data: str, size: int) -> bytes:
    """``size`` bytes out of base 85 of zlib. Raises ProtocolError for anything else."""
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(from_base85(data.encode("ascii")), size + 1)
    except (ValueError, zlib.error) as error:
        raise ProtocolError(Wrong.BAD_VALUE, f"the chunk does not unpack ({error})") from None
    if len(raw) != size or not inflate.eof or inflate.unused_data:
        raise ProtocolError(Wrong.BAD_VALUE, f"the chunk does not unpack to {size} bytes")
    return raw


def from_base85(text: bytes) -> bytes:
    """What ``base64.b85decode`` gives, sixty times faster. Raises ValueError."""
    digits = _DIGITS[np.frombuffer(text, np.uint8)]
    if (digits > 84).any():
        raise ValueError("not base 85")
    padding = -len(text) % 5
    digits = np.pad(digits, (0, padding), constant_values=84)
    words = digits.reshape(-1, 5).astype(np.uint64) @ _PLACES
    if (words >> np.uint64(32)).any():
        raise ValueError("not base 85")
    return words.astype(">u4").tobytes()[: len(digits) // 5 * 4 - padding]
