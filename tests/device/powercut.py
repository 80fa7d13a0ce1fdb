"""A disk that forgets: what a power cut at any call may leave of what store and records wrote.

After MCUboot's simulator, CrashMonkey (OSDI 2018) and ALICE (OSDI 2014): the calls of
``device.flash.files`` are recorded once while they really run, then replayed up to every cut. What
is on the disk then is anything between what was synced and what was issued:

- names (made, renamed, removed) since the last sync of their folder arrived in any combination; a
  rename may have made the new name and not yet removed the old one, but never lost both;
- data since the last sync of their file arrived whole, not at all, as zeros of the full length, or
  torn, with zeros or nothing after the tear.
"""

from __future__ import annotations

import copy
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from device.flash import files

Disk = dict[str, bytes]  # path below the root -> content; folders are those of the paths
FOLDER, NONE = -1, -2  # in place of the number of a file
LARGE = 16 << 10  # bytes
MOST_PENDING = 6  # names; more would be too many combinations


@dataclass(frozen=True)
class Op:
    """One call. file : number of the file it is about; target : of a rename."""

    call: str
    path: str
    file: int = NONE
    data: bytes = b""
    offset: int = 0
    target: str = ""


class CallsOfOs:
    """``os`` as files.py sees it, every call shown to ``before`` first and to ``after``."""

    def __init__(self, before: Callable[..., Any] | None = None) -> None:
        self._before = before or (lambda *_: None)

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if not callable(real) or isinstance(real, type):
            return real

        def call(*args: Any, **how: Any) -> Any:
            self._before(name, args)
            return self.forward(name, real, args, how)

        return call

    def forward(self, name: str, real: Any, args: Any, how: Any) -> Any:
        """Make the call."""
        return real(*args, **how)


class Recorder(CallsOfOs):
    """Keeps what changes the disk below ``root``.

    start : what was there · numbers : of its files · ops : what was done since
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self._root = root
        self._count = itertools.count()
        self._inodes: dict[int, int] = {}  # of the real disk -> number here
        self._open: dict[int, tuple[str, int]] = {}  # descriptor -> path, file; FOLDER
        self.start = snapshot(root)
        self.numbers = {path: self._of(root / path) for path in self.start}

    def forward(self, name: str, real: Any, args: Any, how: Any) -> Any:
        """Make the call and keep it when it was done."""
        if name == "open":
            there = os.path.lexists(args[0])
            fd = real(*args, **how)
            info = os.fstat(fd)
            folder = stat.S_ISDIR(info.st_mode)
            if not there:
                self._inodes.pop(info.st_ino, None)  # the real disk uses numbers again
            file = FOLDER if folder else self._number(info.st_ino)
            path = self._below(args[0])
            self._open[fd] = path, file
            if not there:
                self.ops.append(Op("open", path, file))
            return fd
        if name in ("write", "pwrite"):
            path, file = self._open[args[0]]
            # files.py writes to the end, or where it says
            offset = os.fstat(args[0]).st_size if name == "write" else args[2]
            done = real(*args, **how)
            self.ops.append(Op("write", path, file, bytes(args[1][:done]), offset))
            return done
        done = real(*args, **how)
        if name == "fsync":
            path, file = self._open[args[0]]
            self.ops.append(Op("sync folder" if file == FOLDER else "fsync", path, file))
        elif name == "replace":
            self.ops.append(
                Op("rename", self._below(args[0]), self._of(args[1]), target=self._below(args[1]))
            )
        elif name in ("unlink", "mkdir"):
            self.ops.append(Op(name, self._below(args[0])))
        return done

    def _number(self, inode: int) -> int:
        return self._inodes.setdefault(inode, next(self._count))

    def _of(self, path: Any) -> int:
        return self._number(os.stat(path).st_ino)

    def _below(self, path: Any) -> str:
        return os.path.relpath(path, self._root)


@contextmanager
def seen_by(watcher: CallsOfOs) -> Iterator[None]:
    """``device.flash.files`` calls ``watcher`` in place of ``os``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "os", watcher)
        yield


@dataclass
class _File:
    issued: bytes
    synced: bytes


@dataclass
class _Now:
    """A disk in the middle of things.

    synced : names that are on the disk · waiting : their changes that are not yet: "set" or "drop"
    made : folders that were not there at the start
    """

    files: dict[int, _File]
    synced: dict[str, int]
    waiting: list[tuple[str, str, int]] = field(default_factory=list)
    made: set[str] = field(default_factory=set)

    def do(self, op: Op) -> None:
        if op.call == "open":
            self.files[op.file] = _File(b"", b"")
            self.waiting.append(("set", op.path, op.file))
        elif op.call == "write":
            file = self.files[op.file]
            assert op.offset <= len(file.issued)
            end = op.offset + len(op.data)
            file.issued = file.issued[: op.offset] + op.data + file.issued[end:]
        elif op.call == "fsync":
            self.files[op.file].synced = self.files[op.file].issued
        elif op.call == "rename":
            self.waiting.append(("set", op.target, op.file))
            self.waiting.append(("drop", op.path, op.file))
        elif op.call == "unlink":
            self.waiting.append(("drop", op.path, NONE))
        elif op.call == "mkdir":
            self.waiting.append(("set", op.path, FOLDER))
            self.made.add(op.path)
        elif op.call == "sync folder":
            inside = [one for one in self.waiting if (os.path.dirname(one[1]) or ".") == op.path]
            self.waiting = [one for one in self.waiting if one not in inside]
            _apply(self.synced, inside)

    def disks(self) -> Iterator[Disk]:
        """All that may be left of it."""
        assert len(self.waiting) <= MOST_PENDING
        for kept in itertools.product((True, False), repeat=len(self.waiting)):
            if not self._may_be(kept):
                continue
            names = dict(self.synced)
            _apply(names, itertools.compress(self.waiting, kept))
            for variant in _VARIANTS:
                yield {
                    path: variant(self.files[number])
                    for path, number in names.items()
                    if number != FOLDER and self._is_reached(os.path.dirname(path), names)
                }

    def _is_reached(self, folder: str, names: dict[str, int]) -> bool:
        return folder not in self.made or folder in names

    def _may_be(self, kept: tuple[bool, ...]) -> bool:
        """A rename does not remove the old name before the new one is there."""
        for at, (what, _, number) in enumerate(self.waiting):
            if what == "drop" and number != NONE and kept[at] and not kept[at - 1]:
                return False
        return True


def _apply(names: dict[str, int], changes: Any) -> None:
    for what, path, number in changes:
        if what == "set":
            names[path] = number
        else:
            names.pop(path, None)


def _issued(file: _File) -> bytes:
    return file.issued


def _synced(file: _File) -> bytes:
    return file.synced


def _zeros(file: _File) -> bytes:
    return file.synced + bytes(len(file.issued) - len(file.synced))


def _torn(file: _File) -> bytes:
    return _short(file) + bytes(len(file.issued) - len(_short(file)))


def _short(file: _File) -> bytes:
    return file.issued[: (len(file.synced) + len(file.issued)) // 2]


_VARIANTS = (_issued, _synced, _zeros, _torn, _short)


@dataclass(frozen=True)
class Cut:
    """Before call ``at``; ``inside``: so many bytes of the write at ``at`` were issued."""

    at: int
    inside: int
    call: str


def cuts(recorded: Recorder) -> Iterator[tuple[Cut, Iterator[Disk]]]:
    """Every place to cut what was recorded, and what may be left; to be used up one by one."""
    now = _Now(
        {recorded.numbers[path]: _File(data, data) for path, data in recorded.start.items()},
        dict(recorded.numbers),
    )
    for at, op in enumerate(recorded.ops):
        yield Cut(at, 0, op.call), now.disks()
        if op.call == "write":
            for inside in sorted({1, len(op.data) // 2, len(op.data) - 1} - {0, len(op.data)}):
                torn = copy.deepcopy(now)
                torn.do(replace(op, data=op.data[:inside]))
                yield Cut(at, inside, op.call), torn.disks()
        now.do(op)
    yield Cut(len(recorded.ops), 0, "end"), now.disks()


def snapshot(root: Path) -> Disk:
    """All files below ``root``."""
    return {
        os.path.relpath(path, root): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


class Shelf:
    """Makes disks in memory-backed folders; contents that are large are there once, as links.

    The store never changes a file in place but the log, which is small.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._large: dict[bytes, Path] = {}
        self._root = folder / "disk"

    def make(self, disk: Disk) -> Path:
        """A root with these files and nothing else; the one made before is gone."""
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir()
        for path, data in disk.items():
            file = self._root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if len(data) < LARGE:
                file.write_bytes(data)
            else:
                os.link(self._kept(data), file)
        return self._root

    def _kept(self, data: bytes) -> Path:
        if data not in self._large:
            self._large[data] = self._folder / f"large-{len(self._large)}"
            self._large[data].write_bytes(data)
        return self._large[data]
