"""Files that somebody names: opened only if they are files, so that a pipe never makes us wait."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_plain(path: Path) -> BinaryIO:
    """For reading, links followed. Raises OSError, also for what is no regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return os.fdopen(fd, "rb")


def read_first(path: Path, most: int) -> bytes:
    """The first ``most`` bytes. Raises OSError as ``open_plain`` does."""
    with open_plain(path) as file:
        return file.read(most)
