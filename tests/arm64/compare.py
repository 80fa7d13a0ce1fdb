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
# Members of a message that carry what the network said in numbers, and those of a result that
# follow from them at a threshold; in all others nothing may differ
NUMBERS = ("scores", "probability")
DECIDED = ("call", "text", "refusal", "act", "findings")
SAID = "messages, optimised kernels"  # a kind of row


@dataclass
class Row:
    """One kind of result.

    things : compared: numbers, bytes or messages; differing : of these
    most : the greatest difference, in steps (integers), or in probability (messages)
    allowed : of ``most``; None where no bound is stated
    where : of what must not differ, which does
    decided : results in which a probability is so near its threshold that the decision differs
    """

    kind: str
    things: int = 0
    differing: int = 0
    most: float = 0
    allowed: float | None = 0
    where: list[str] = field(default_factory=list)
    decided: list[list[str]] = field(default_factory=list)

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
            row = rows.setdefault("optimised", Row(SAID, allowed=None))
            for one, other in zip_longest(
                here[name].tobytes().splitlines(), there[name].tobytes().splitlines()
            ):
                _said(row, rest, one, other)
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


def _members(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from _members(f"{path}.{name}" if path else name, one[name], other[name])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _members(f"{path}.{number}", a, b)
    elif one != other:
        yield path, one, other


def _said(row: Row, name: str, here: bytes | None, there: bytes | None) -> None:
    """One message of each, as JSON lines; None where one side has no more."""
    row.things += 1
    if here == there:
        return
    row.differing += 1
    if here is None or there is None:
        row.where.append(f"{name}: a message of one side only: {here or there!r}")
        return
    one, other = json.loads(here), json.loads(there)
    judged = one.get("type") == "result" and one.get("scores") != other.get("scores")
    decided = False
    for path, a, b in _members("", one, other):
        names = path.split(".")
        numbers = all(isinstance(value, int | float) for value in (a, b))
        if numbers and any(name in NUMBERS for name in names):
            row.most = max(row.most, abs(a - b))
        elif judged and names[0] in DECIDED:
            decided = True
        elif path != "crc":  # which follows from the rest
            row.where.append(f"{name}, message {one.get('seq')}, {path}: {a} here, {b} there")
    if decided:
        row.decided.append(
            [name.rpartition("/")[2], f"{one['t_s']:.0f} s", one["text"], other["text"]]
        )


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
