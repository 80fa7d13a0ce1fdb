"""Every change that model store and records make on a disk, so that tests can cut each one.

Links are never followed and nothing but a plain file is opened, so that whoever may write into the
folder cannot point the store elsewhere. All functions raise OSError.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

MODE = 0o644  # readable for all: nothing in the store is secret
PRIVATE, PRIVATE_FOLDER = 0o600, 0o700
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a planted pipe must not hang
_POLL_S = 0.02


def read(path: Path, most: int) -> bytes:
    """The whole file, of at most ``most`` bytes."""
    fd = os.open(path, os.O_RDONLY | _SAFE)
    try:
        _expect_plain(fd, path)
        parts, left = [], most + 1
        while left and (part := os.read(fd, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(fd)
    if not left:
        raise OSError(errno.EFBIG, f"more than {most} bytes", str(path))
    return b"".join(parts)


def write(path: Path, data: bytes, *, sync: bool = True, mode: int = MODE) -> None:
    """A new file in place of any of that name; on failure none. Its name is not yet on the disk."""
    remove(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, mode)
    try:
        try:
            _write_all(fd, data)
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
    except OSError:
        with contextlib.suppress(OSError):
            remove(path)
        raise


def save(path: Path, data: bytes, *, mode: int = MODE) -> None:
    """Replace the file's content at once and for good: a reader, or a power cut, sees old or new.

    What the call leaves behind when it fails is the old content.
    """
    write(new_of(path), data, mode=mode)
    replace(new_of(path), path)


def new_of(path: Path) -> Path:
    """Where what is to replace a file is written first."""
    return path.with_name(path.name + ".new")


def append(path: Path, data: bytes, *, sync: bool = True, mode: int = MODE) -> None:
    """Add to the end of a file, in one write when the disk takes it; makes the file."""
    flags = os.O_WRONLY | os.O_APPEND | _SAFE
    try:
        fd = os.open(path, flags)
        made = False
    except FileNotFoundError:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, mode)
        made = True
    try:
        _expect_plain(fd, path)
        _write_all(fd, data)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    if made and sync:
        sync_folder(path.parent)


def overwrite(path: Path, data: bytes, offset: int) -> None:
    """Put ``data`` over what a file holds from ``offset`` on, which may be its last bytes."""
    fd = os.open(path, os.O_WRONLY | _SAFE)
    try:
        _expect_plain(fd, path)
        view = memoryview(data)
        while view:
            done = os.pwrite(fd, view, offset)
            view, offset = view[done:], offset + done
        os.fsync(fd)
    finally:
        os.close(fd)


def replace(source: Path, target: Path) -> None:
    """Rename within a folder, for good."""
    os.replace(source, target)
    sync_folder(target.parent)


def remove(path: Path) -> None:
    """Remove a file that may be absent."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """The folder and those above it, for good; they may be there."""
    if is_there(folder):
        return
    make_folder(folder.parent, mode)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, mode)
    sync_folder(folder.parent)


def is_there(path: Path) -> bool:
    """Whether there is something of that name."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def nearest(folder: Path) -> Path:
    """The folder, or what of its path exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def sync_folder(folder: Path) -> None:
    """Bring the folder's names to the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def forget(path: Path) -> None:
    """Let go of the system's copy of a synced file: what is read next comes from the disk.

    Does nothing on a system that cannot be asked for it.
    """
    if hasattr(os, "posix_fadvise"):
        fd = os.open(path, os.O_RDONLY | _SAFE)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write there."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@contextlib.contextmanager
def lock(path: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a file or a folder against other processes; the kernel lets go when this one dies.

    A file that is absent is made. Raises BlockingIOError when another one holds it for ``wait_s``.
    """
    fd = _open_lock(path)
    try:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(fd)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | _SAFE)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | _SAFE, MODE)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _expect_plain(fd: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "not a plain file", str(path))
