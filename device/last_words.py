"""Why the monitor ended: kept beside the ring for the screen that comes in its place.

``monitor.failed`` in ``$RUNTIME_DIRECTORY``, which systemd sets and a restart of the system clears.
A monitor that starts removes it, so that what is there is of the last one; one that was killed
leaves nothing, and systemd tells how (``device.degraded``).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from device.flash import files

FILE = "monitor.failed"
MOST = 2048  # bytes
MODE = 0o640


def _path() -> Path | None:
    folder = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(folder) / FILE if folder else None


def keep(line: str) -> None:
    """Leave them; where that is not possible the end goes on without."""
    if (path := _path()) is not None:
        with contextlib.suppress(OSError):
            files.save(path, line.encode(errors="replace")[:MOST], mode=MODE)


def forget() -> None:
    """A new monitor starts."""
    if (path := _path()) is not None:
        with contextlib.suppress(OSError):
            files.remove(path)


def found() -> str:
    """The last monitor's, in one line; "" where it left none."""
    path = _path()
    try:
        text = files.read(path, MOST).decode(errors="replace") if path is not None else ""
    except OSError:
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
