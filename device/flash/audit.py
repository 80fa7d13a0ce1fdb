"""The audit log: who did what to the models, and when; append-only, each line chained to the last.

A line is a JSON object; ``hash`` is the SHA-256 of the line without its last member, ``prev`` the
hash of the line before. The store keeps the last number and hash (``Head``) outside the log, so
that a cut tail is found, too. A line that a power cut left half written stays where it is: the next
entry carries the SHA-256 of what is there as ``torn``, which tells it from an edit.

The chain needs no key. Who may write to both the log and the state can forge both; a ``Head`` that
was noted elsewhere (every install tells it) still finds that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from device.flash import files
from device.flash.document import stamp

MAX_BYTES = 256 << 20
MAX_WHO, MAX_TEXT = 80, 500


class What(StrEnum):
    """What was done; ``LOST`` is what a power cut, a failing disk or a stranger did."""

    INSTALL = "install"
    REFUSE = "refuse"
    CONFIRM = "confirm"
    ROLLBACK = "rollback"
    REVERT = "revert"
    TRUST = "trust"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Head:
    """Number and hash of an entry; 0 and "" before the first."""

    n: int = 0
    hash: str = ""

    def __str__(self) -> str:
        return f"{self.n}:{self.hash[:16]}"


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be noted. utc : the system's clock, right or wrong."""

    what: What
    text: str
    who: str
    utc: datetime
    model: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log; hash is of the other members. The order is that of n, not of utc."""

    n: int
    utc: str
    who: str
    what: str
    model: str
    sha256: str
    text: str
    torn: str
    prev: str
    hash: str = ""

    @property
    def head(self) -> Head:
        """What the next entry goes on from."""
        return Head(self.n, self.hash)

    def to_dict(self) -> dict[str, Any]:
        """The members that ``hash`` is of."""
        torn = {"torn": self.torn} if self.torn else {}
        return {
            "n": self.n,
            "utc": self.utc,
            "who": self.who,
            "what": self.what,
            "model": self.model,
            "sha256": self.sha256,
            "text": self.text,
            **torn,
            "prev": self.prev,
        }

    def hashed(self) -> tuple[Entry, bytes]:
        """With its right hash, and as it stands in the file."""
        body = json.dumps(self.to_dict(), separators=(",", ":")).encode()
        entry = replace(self, hash=_sha256(body))
        return entry, body[:-1] + f',"hash":"{entry.hash}"}}\n'.encode()


def append(path: Path, head: Head, note: Note) -> Head:
    """Add one entry, on the disk when this returns. Raises OSError.

    head : the last entry known to be written; when the log does not reach it any more, the new
        entry goes on from there all the same, and the gap shows
    """
    new, line = following(path, head, note)
    files.append(path, line)
    return new


def following(path: Path, head: Head, note: Note) -> tuple[Head, bytes]:
    """The head there will be, and what ``append`` writes for it. Raises OSError."""
    log = _Log(_content(path))
    ahead = any(entry.head == head for entry in log.entries) or not head.n
    before = log.entries[-1].head if ahead and log.entries else head
    entry, line = Entry(
        n=before.n + 1,
        utc=stamp(note.utc),
        who=plain(note.who, MAX_WHO),
        what=note.what.value,
        model=plain(note.model, MAX_WHO),
        sha256=note.sha256,
        text=plain(note.text, MAX_TEXT),
        torn=_digest(log.tail) if log.tail and _is_half(log.tail, before) else "",
        prev=before.hash,
    ).hashed()
    return entry.head, (b"" if log.ended else b"\n") + line


def read(path: Path) -> list[Entry]:
    """The whole entries, in the order of the file; none where there is no log. Raises OSError."""
    return _Log(_content(path)).entries


def unnoted(path: Path, head: Head) -> Entry | None:
    """The last entry, when it follows ``head``: written, but the state that goes with it was not.

    Raises OSError.
    """
    entries = read(path)
    if entries and entries[-1].n > head.n:
        return entries[-1] if not head.n or any(one.head == head for one in entries) else None
    return None


def verify(path: Path, head: Head) -> list[str]:
    """What is wrong with the log, one line each; [] for none. Never raises.

    head : the last entry the device has written; one or more that follow it are in order, a power
        cut came before they were noted
    """
    try:
        log = _Log(_content(path))
    except OSError as error:
        return [f"{path.name} cannot be read ({error.strerror})"]
    findings: list[str] = []
    last = Head()
    for line, junk, entry in log.walk():
        first = line - len(junk)
        if junk and (entry.torn != _digest(junk) if entry else not _is_half(junk, last)):
            findings.append(f"line {first} was changed, or is no entry of the log")
        if entry is None:
            break
        if entry.torn and not junk:
            findings.append(f"the half line before line {line} was removed")
        if entry.n != last.n + 1:
            findings.append(f"line {line} is entry {entry.n}, after entry {last.n}: not in order")
        elif entry.prev != last.hash:
            findings.append(f"entry {last.n} was changed or replaced: {entry.n} does not follow it")
        if entry.n == head.n and entry.hash != head.hash:
            findings.append(f"entry {entry.n} is not the one this device wrote")
        last = entry.head
    if last.n < head.n:
        first = last.n + 1
        gone = f"entries {first} to {head.n} are" if first < head.n else f"entry {head.n} is"
        findings.append(f"the end was cut off: {gone} missing")
    return findings


class _Log:
    """entries : the whole ones; tail : the lines after them; ended : whether a line may start."""

    def __init__(self, data: bytes) -> None:
        self.ended = not data or data.endswith(b"\n")
        self._lines = data.split(b"\n")
        if self.ended:
            self._lines.pop()
        walked = list(self.walk())
        self.entries = [entry for _, _, entry in walked if entry]
        self.tail = next((junk for _, junk, entry in walked if entry is None), [])

    def walk(self) -> Iterator[tuple[int, list[bytes], Entry | None]]:
        """Of each entry its line, the lines before it that are none, itself; None at the end."""
        junk: list[bytes] = []
        for number, line in enumerate(self._lines, 1):
            if entry := _entry(line):
                yield number, junk, entry
                junk = []
            else:
                junk.append(line)
        if junk:
            yield len(self._lines) + 1, junk, None


def _content(path: Path) -> bytes:
    try:
        return files.read(path, MAX_BYTES)
    except FileNotFoundError:
        return b""


def _entry(line: bytes) -> Entry | None:
    """The entry that is written exactly so."""
    try:
        found = Entry(**{"torn": "", **json.loads(line)})
        entry, written = found.hashed()
        texts = [value for name, value in entry.to_dict().items() if name != "n"]
        plain = all(
            isinstance(text, str) and text.isprintable() and len(text) <= MAX_TEXT for text in texts
        )
        whole = type(entry.n) is int and plain and written == line + b"\n"
        return entry if whole else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _is_half(junk: list[bytes], last: Head) -> bool:
    """Whether these can be the first bytes of the entry after ``last``, each time it was tried."""
    start = f'{{"n":{last.n + 1},"utc":"'.encode()
    texts = [part.rstrip(b"\0") for part in junk]  # a file may grow before its bytes arrive
    return all(junk) and all(
        (text.startswith(start) or start.startswith(text)) and b"\0" not in text for text in texts
    )


def _digest(junk: list[bytes]) -> str:
    return _sha256(b"\n".join(junk))


def plain(text: str, most: int) -> str:
    """One line without control characters, at most so many."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= most else line[: most - 1] + "…"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
