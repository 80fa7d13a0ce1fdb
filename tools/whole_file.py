"""A file that is written whole or not at all; with somebody's ECG in it, for its owner only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

PRIVATE, PUBLIC = 0o600, 0o644  # modes


def write_whole(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write ``data``; what was there before is replaced once all of it is on the disk.

    Raises OSError naming ``path``, also where that is no plain file; nothing has changed then.
    """
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():
        raise OSError(None, "is no plain file", str(path))
    name = ""
    try:
        handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")  # PRIVATE
        with os.fdopen(handle, "wb") as file:
            if mode != PRIVATE:
                with suppress(PermissionError):  # a stick's file system knows no modes
                    os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with suppress(OSError):
            os.unlink(name)
