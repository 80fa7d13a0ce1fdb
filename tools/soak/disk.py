"""A disk of its own for the instrument: small, in memory, to be filled or made read-only."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 96
MIN_FREE_MB = 4  # of [records]: so much the recorder keeps free, at the cost of its oldest
BALLAST = "ballast"
_NEWNS, _NEWUSER = 0x00020000, 0x10000000  # sched.h
_RDONLY, _REMOUNT, _REC, _PRIVATE = 1, 32, 1 << 14, 1 << 18  # sys/mount.h
_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def state_in(folder: Path) -> Iterator[None]:
    """What the instrument keeps lies in ``folder``, as systemd would tell its processes."""
    before = os.environ.get("STATE_DIRECTORY")
    os.environ["STATE_DIRECTORY"] = str(folder)
    try:
        yield
    finally:
        del os.environ["STATE_DIRECTORY"]
        if before is not None:
            os.environ["STATE_DIRECTORY"] = before


class Disk:
    """Mounted at ``folder`` where this process may mount, with mounts of its own; else ``real`` is
    False, the folder is an ordinary one, and no fault of the disk is planted.

    Call while this process has one thread, before the instrument's are forked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.real = _own_mounts() and not _mount("tmpfs", folder, "tmpfs", 0, f"size={SIZE_MB}m")

    def close(self) -> None:
        """Gone, with all that is on it."""
        if self.real:
            _libc.umount2(os.fsencode(self.folder), _DETACH)

    def fill(self) -> None:
        """Not a byte is left."""
        with (self.folder / BALLAST).open("wb", buffering=0) as file:
            piece = bytes(1 << 20)
            try:
                while True:
                    if file.write(piece) < len(piece):
                        piece = piece[: max(len(piece) // 2, 1)]
            except OSError:
                pass

    def empty(self) -> bool:
        """There is room again; whether the recorder had made some itself by then."""
        room = os.statvfs(self.folder)
        (self.folder / BALLAST).unlink(missing_ok=True)
        return room.f_bavail * room.f_frsize >= MIN_FREE_MB << 20

    def read_only(self, on: bool) -> str:
        """What went wrong, "" for nothing: a file open for writing keeps a disk writable."""
        code = _mount("", self.folder, "", _REMOUNT | (_RDONLY if on else 0), f"size={SIZE_MB}m")
        return os.strerror(code) if code else ""


def _own_mounts() -> bool:
    """Whether this process can mount where nobody else sees it."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_NEWNS) != 0:
        if _libc.unshare(_NEWNS | _NEWUSER) != 0:
            return False
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        except OSError:
            return False
    return not _mount("none", Path("/"), "", _REC | _PRIVATE, "")


def _mount(source: str, target: Path, kind: str, flags: int, options: str) -> int:
    """mount(2); 0 or the error number."""
    done = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    return ctypes.get_errno() if done else 0
