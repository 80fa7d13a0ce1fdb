"""The folder of the records: names that sort, what is deleted first, what a power cut left.

``continuous/`` holds the ring of segments, ``snapshots/`` the records somebody or something asked
for. A record is three files, ``.dat``, ``.atr`` and ``.hea``; the header comes last and goes first,
so a record that can be seen is whole; sealed it is one file. Names are UTC time, a number that only
grows (clocks jump, numbers do not) and why: ``20261121T112312Z_000125_alarm``. The name of a sealed
one says no more than whether it was asked for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from device.config import Config
from device.config_sections import MADE_UP
from device.flash import files
from device.flash.store import state_folder
from device.records.interface import ASKED
from device.records.record_files import SEALED, remove

CONTINUOUS, SNAPSHOTS = "continuous", "snapshots"
UNKNOWN_TIME = "00000000T000000Z"
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # a clock before this was never set
ASKED_FOR = "asked"  # why, of a sealed one
_NAME = re.compile(r"(?P<utc>\d{8}T\d{6}Z)_(?P<number>\d{6,})(?:_(?P<why>[a-z]+))?")


@dataclass(frozen=True, slots=True)
class RecordName:
    """One record of the folder. why : "" of a segment of the continuous record."""

    path: Path  # without suffix
    number: int
    why: str

    @property
    def asked_for(self) -> bool:
        """Whether a person wanted it."""
        return self.why in (*ASKED, ASKED_FOR)

    @property
    def utc(self) -> str | None:
        """When it began, by its name; ISO 8601."""
        text = self.path.name.partition("_")[0]
        if text == UNKNOWN_TIME:
            return None
        return datetime.strptime(text, "%Y%m%dT%H%M%S%z").isoformat()

    @property
    def sealed(self) -> bool:
        """Whether it can be read with the hospital's key only."""
        return self.path.with_suffix(SEALED).exists()


def new_name(number: int, began: datetime | None, why: str = "") -> str:
    """The name of the next record."""
    utc = UNKNOWN_TIME if began is None else f"{began.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{utc}_{number:06d}" + f"_{why}" * bool(why)


class RecordFolder:
    """All records below ``path``. Everything raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.continuous, self.snapshots = path / CONTINUOUS, path / SNAPSHOTS

    def prepare(self) -> None:
        """Make the folders, for nobody else to read; not where a link leads to."""
        if self.path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self.path))
        for folder in (self.continuous, self.snapshots):
            files.make_folder(folder, files.PRIVATE_FOLDER)

    def segments(self) -> list[RecordName]:
        """The continuous record, oldest first."""
        return _records(self.continuous, "hea", "sealed")

    def taken(self) -> list[RecordName]:
        """The snapshots, oldest first."""
        return _records(self.snapshots, "hea", "sealed")

    def headless(self) -> list[RecordName]:
        """Samples or annotations without a header, which no reader sees."""
        found = []
        for folder in (self.continuous, self.snapshots):
            found += _records(folder, "dat", "atr", without=".hea")
        return found

    def last_number(self) -> int:
        """The highest of any file there, 0 for none."""
        numbers = [0]
        for folder in (self.continuous, self.snapshots):
            names = os.listdir(folder) if folder.is_dir() else []
            numbers += [int(match["number"]) for n in names if (match := _NAME.match(n))]
        return max(numbers)

    def sweep(self) -> None:
        """Remove what a power cut left of records that never came to be."""
        for folder in (self.continuous, self.snapshots):
            names = set(os.listdir(folder))
            for name in sorted(names):
                stem, dot, suffix = name.partition(".")
                orphan = suffix in ("dat", "atr") and f"{stem}.hea" not in names
                if _NAME.fullmatch(stem) and dot and (orphan or suffix.endswith(".new")):
                    files.remove(folder / name)

    def make_room(self, most: int, min_free: int) -> None:
        """Delete the oldest segments beyond ``most`` bytes of samples, and while the disk is short.

        Raises OSError ENOSPC when ``min_free`` bytes are not free with none of them left.
        """
        there = [(one, _size(one.path)) for one in self.segments()]
        total = sum(size for _, size in there)
        while there and (total > most or files.free_bytes(self.path) < min_free):
            oldest, size = there.pop(0)
            remove(oldest.path)
            total -= size
        if files.free_bytes(self.path) < min_free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def forget_snapshots(self, most: int) -> None:
        """Delete the oldest beyond so many, those nobody asked for first."""
        taken = self.taken()
        first_to_go = sorted(taken, key=lambda one: (one.asked_for, one.number))
        for one in first_to_go[: max(0, len(taken) - most)]:
            remove(one.path)


def is_name(text: str) -> bool:
    """Whether a record of ours may be called so."""
    return _NAME.fullmatch(text) is not None


def _size(record: Path) -> int:
    """Bytes of its samples."""
    for suffix in (".dat", SEALED):
        with contextlib.suppress(FileNotFoundError):
            return record.with_suffix(suffix).stat().st_size
    return 0


def _records(folder: Path, *suffixes: str, without: str = "") -> list[RecordName]:
    """What has a file with one of ``suffixes`` and none with ``without``, by number."""
    names = set(os.listdir(folder)) if folder.is_dir() else set()
    parts = (name.partition(".") for name in names)
    stems = {stem for stem, _, suffix in parts if suffix in suffixes}
    found = [
        RecordName(folder / stem, int(match["number"]), match["why"] or "")
        for stem in stems
        if (match := _NAME.fullmatch(stem)) and not (without and stem + without in names)
    ]
    return sorted(found, key=lambda one: one.number)


def records_folder(config: Config) -> Path | None:
    """Where records are kept; None where they are not.

    A simulated patient leaves no records behind unless a folder is named for them.
    """
    if config.records.folder:
        return Path(config.records.folder)
    return state_folder() / "records" if config.frontend.backend not in MADE_UP else None
