"""Defects: exceptions that nobody expected.

A person is told one line. The journal of a device, which a technician reads, gets the traceback,
too; a terminal never does.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

MOST = 300  # characters of one line
_ROOT = Path(__file__).parents[1]


def told(error: BaseException) -> str:
    """What and where: ``ZeroDivisionError: division by zero (firmware/rate.py:40)``."""
    what = " ".join(f"{type(error).__name__}: {error}".rstrip(": ").split())
    where = place(error)
    if len(what) > MOST:
        what = f"{what[: MOST - 1]}…"
    return f"{what} ({where})" if where else what


def place(error: BaseException) -> str:
    """File and line of ours from which it came, "" when there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and "site-packages" not in path.relative_to(_ROOT).parts:
            return f"{path.relative_to(_ROOT)}:{frame.lineno}"
    return ""


def to_journal(error: BaseException) -> None:
    """The traceback, where standard error is the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # there is none, or it is closed
        return
    if os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}":
        traceback.print_exception(error)
