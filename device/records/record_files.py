"""The files of a record as they come onto the disk: three of WFDB, or one that is sealed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from device.flash import files

SUFFIXES = (".dat", ".atr", ".hea")
SEALED = ".sealed"


class Put(NamedTuple):
    """From byte ``offset`` on, the file of this suffix holds ``data`` and then ends."""

    suffix: str
    offset: int
    data: bytes


class RecordFiles(Protocol):
    """What a record is written to. samples : that it holds then; everything raises OSError."""

    def begin(self, dat: bytes, atr: bytes, hea: bytes, samples: int, *, last: bool) -> None:
        """A record that is there whole or not at all; ``last``: nothing follows."""
        ...

    def grow(self, puts: Sequence[Put], samples: int) -> None:
        """Add to it, and bring that to the disk; after a failure only ``end`` may follow."""
        ...

    def end(self, atr: bytes, hea: bytes, samples: int) -> None:
        """Its annotations and header for good; may be tried again after a failure."""
        ...

    def holds(self, dat_bytes: int) -> bool:
        """Whether what was written is still there, so many bytes of samples."""
        ...

    def remove(self) -> None:
        """All of it."""
        ...


class PlainFiles:
    """WFDB for every reader. record : path without suffix."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def begin(self, dat: bytes, atr: bytes, hea: bytes, samples: int, *, last: bool) -> None:
        """See RecordFiles."""
        files.write(self._file(".dat"), dat, mode=files.PRIVATE)
        files.write(self._file(".atr"), atr, mode=files.PRIVATE)
        files.sync_folder(self._record.parent)  # before there is a header that speaks of them
        files.save(self._file(".hea"), hea, mode=files.PRIVATE)

    def grow(self, puts: Sequence[Put], samples: int) -> None:
        """See RecordFiles."""
        for put in puts:
            files.overwrite(self._file(put.suffix), put.data, put.offset)

    def end(self, atr: bytes, hea: bytes, samples: int) -> None:
        """See RecordFiles."""
        files.save(self._file(".atr"), atr, mode=files.PRIVATE)
        files.save(self._file(".hea"), hea, mode=files.PRIVATE)

    def holds(self, dat_bytes: int) -> bool:
        """See RecordFiles."""
        return is_as_long(self._file(".dat"), dat_bytes)

    def remove(self) -> None:
        """See RecordFiles."""
        remove(self._record)

    def _file(self, suffix: str) -> Path:
        return self._record.with_suffix(suffix)


def remove(record: Path) -> None:
    """Delete the files of one record, its header first."""
    for suffix in (SEALED, *reversed(SUFFIXES)):
        files.remove(record.with_suffix(suffix))


def is_as_long(path: Path, least: int) -> bool:
    """Whether the file is there and has so many bytes."""
    try:
        return path.stat().st_size >= least
    except FileNotFoundError:
        return False
