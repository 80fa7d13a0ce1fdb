"""Two results of ``compute``: what differs between the machines, by how much, and may it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]
# Members of a message that carry what the network said in numbers; all others are decisions or
# measurements, in which nothing may differ
NUMBERS = ("scores", "probability")


@dataclass
class Row:
    """One kind of result.

    things : compared: numbers, bytes or messages; differing : of these
    most : the greatest difference, in steps (integers), or in probability (messages)
    allowed : of ``most``; None where no bound is stated
    where : of what must not differ, which does
    """

    kind: str
    things: int = 0
    differing: int = 0
    most: float = 0
    allowed: float | None = 0
    where: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything is there and within what is allowed."""
        within = self.allowed is None or self.most <= self.allowed
        return self.things > 0 and not self.where and within


def compare(here: Arrays, there: Arrays) -> list[Row]:
    """Rows in the order of the results. What only one side has fails."""
    rows: dict[str, Row] = {}
    for name in sorted(here.keys() ^ there.keys()):
        row = rows.setdefault("missing", Row("on one side only"))
        row.where.append(name)
    tolerance = int(here["tolerance"])
    for name in here:
        if name == "tolerance" or name not in there:
            continue
        kind, _, rest = name.partition("/")
        if kind == "logits":
            row = rows[name] = Row(f"int8 outputs, {rest.replace('/', ', ')} kernels")
            row.allowed = 0 if name.endswith("/reference") else tolerance
            _arrays(row, name, here[name], there[name])
        elif name.startswith("messages/optimised"):
            row = rows.setdefault("optimised", Row("messages, optimised kernels", allowed=None))
            for number, found in enumerate(
                differences(here[name].tobytes(), there[name].tobytes())
            ):
                _said(row, f"{name}, message {number}", found)
        else:
            titles = {
                "filter": "filters",
                "counts": "simulated patients: counts",
                "tensors": "windows: int8 tensors",
                "messages": "messages, reference kernels",
            }
            row = rows.setdefault(kind, Row(titles[kind]))
            _arrays(row, name, here[name], there[name])
    return list(rows.values())


@dataclass(frozen=True)
class Difference:
    """Of one member of a message. path : its names, with dots; "" for the message as a whole"""

    path: str
    here: Any
    there: Any

    @property
    def by(self) -> float | None:
        """How far the network's numbers are apart; None for what must not differ."""
        told = all(isinstance(value, int | float) for value in (self.here, self.there))
        if told and any(part in NUMBERS for part in self.path.split(".")):
            return abs(self.here - self.there)
        return None


def differences(here: bytes, there: bytes) -> Iterator[list[Difference]]:
    """For each message in turn, what differs; a message of one side only differs as a whole."""
    for one, other in zip_longest(here.splitlines(), there.splitlines()):
        if one is None or other is None:
            yield [Difference("", one, other)]
        elif one == other:
            yield []
        else:
            yield [Difference(*found) for found in _members("", _message(one), _message(other))]


def _message(line: bytes) -> Any:
    """The JSON object without its checksum, which follows from the rest."""
    body = json.loads(line)
    body.pop("crc", None)
    return body


def _members(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from _members(f"{path}.{name}" if path else name, one[name], other[name])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _members(f"{path}.{number}", a, b)
    elif one != other:
        yield path, one, other


def _said(row: Row, name: str, found: list[Difference]) -> None:
    row.things += 1
    row.differing += bool(found)
    for difference in found:
        if difference.by is not None:
            row.most = max(row.most, difference.by)
        else:
            told = f"{difference.path}: {difference.here} here, {difference.there} there"
            row.where.append(f"{name}, {told}")


def _arrays(row: Row, name: str, here: NDArray[Any], there: NDArray[Any]) -> None:
    if here.shape != there.shape or here.dtype != there.dtype:
        row.things += 1
        row.differing += 1
        row.where.append(f"{name}: {here.dtype} {here.shape} here, {there.dtype} {there.shape}")
        return
    off = np.abs(here.astype(np.int64) - there.astype(np.int64))
    row.things += here.size
    row.differing += int(np.count_nonzero(off))
    row.most = max(row.most, int(off.max(initial=0)))
    if row.allowed is not None and off.max(initial=0) > row.allowed:
        row.where.append(f"{name}: {np.count_nonzero(off)} of {off.size} differ, by {off.max()}")
