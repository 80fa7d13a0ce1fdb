"""The lock files: what is installed, at which version, where it applies, and its files' hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

LOCKS = Path(__file__).parents[1] / "locks"
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>.+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class LockError(ValueError):
    """A lock file with a line that pins nothing; one line."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One version of one package. marker : "" where it always applies; sha256 : of its files"""

    name: str
    version: str
    marker: str
    sha256: tuple[str, ...]

    def applies(self, environment: dict[str, str] | None = None) -> bool:
        """To this Python, with ``environment`` (PEP 508 names) in place of what it says."""
        return not self.marker or Marker(self.marker).evaluate(environment)


def read_lock(path: Path) -> list[Locked]:
    """All that a lock names. Raises LockError, OSError."""
    found = []
    text = path.read_text(encoding="ascii").replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        pin, *_ = line.split(" --hash", 1)
        if (match := _PIN.fullmatch(pin.strip())) is None:
            raise LockError(f"{path}: {line[:60]!r} is no pin; make lock writes it anew")
        name = canonicalize_name(match["name"])
        hashes = tuple(_HASH.findall(line))
        found.append(Locked(name, match["version"], match["marker"] or "", hashes))
    return found
