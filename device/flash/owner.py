"""Whose a folder is that this user cannot use; the usual cause is something done as root."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path


def owner_fault(folder: Path) -> tuple[str, str]:
    """What of ``folder`` belongs to another who keeps this user out, and what to type.

    "" where that is not the trouble. Of a folder that is not there, what is above it is judged.
    """
    for path in (*reversed(folder.parents), folder):
        try:
            owner = path.stat().st_uid
        except OSError:
            break
        if owner != os.geteuid() and not os.access(path, os.X_OK):
            return _told(path, owner)
        there = path
    owner = there.stat().st_uid
    if owner != os.geteuid() and not os.access(there, os.W_OK | os.X_OK):
        return _told(there, owner)
    return "", ""


def _told(path: Path, owner: int) -> tuple[str, str]:
    user, group = _user(os.geteuid()), _group(os.getegid())
    return f"{path} belongs to {_user(owner)}", f"sudo chown -R {user}:{group} {path}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
