"""A measured figure beside its limit, and the ways to show a list of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PERFORMANCE = DOCS / "performance.md"


class RecordingsAbsentError(Exception):
    """The development recordings, or what reads them, are not here; says what to do."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; low <= value <= high where a limit is set (None: for information)."""

    part: str  # what was measured: a chain, a process, a data set
    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the value is within its limits."""
        low = -inf if self.low is None else self.low
        high = inf if self.high is None else self.high
        return bool(low <= self.value <= high)

    @property
    def limit(self) -> str:
        """The limits in words, "" where there are none."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} .. {self.high:g}"
        if self.high is not None:
            return f"<= {self.high:g}"
        return "" if self.low is None else f">= {self.low:g}"


def show(figures: Sequence[Figure], *, as_json: bool = False) -> int:
    """Print a table, or one JSON object per figure; 1 when a limit is broken, else 0."""
    if as_json:
        for figure in figures:
            print(json.dumps({**asdict(figure), "ok": figure.ok}))
    else:
        part = ""
        for figure in figures:
            if figure.part != part:
                part = figure.part
                print(part)
            mark = "" if not figure.limit else "ok" if figure.ok else "BROKEN"
            print(
                f"  {figure.name:<44} {figure.value:>z10.2f} {figure.unit:<12} "
                f"{figure.limit:<14} {mark}".rstrip()
            )
        broken = sum(not figure.ok for figure in figures)
        limits = sum(bool(figure.limit) for figure in figures)
        print(f"\n{len(figures)} figures, {limits} with a limit, {broken} broken")
    return int(not all(figure.ok for figure in figures))


def markdown(figures: Sequence[Figure]) -> str:
    """A table with one row per figure."""
    lines = ["| | measured | limit |", "|---|---|---|"]
    for figure in figures:
        kept = "" if figure.ok else " **(broken)**"
        value = f"{figure.value:z.2f}".removesuffix(".00")
        limit = f"{figure.limit}{kept}"
        lines.append(f"| {figure.part}: {figure.name} | {value} {figure.unit} | {limit} |")
    return "\n".join(lines)


def write_section(path: Path, key: str, text: str) -> None:
    """Replace what stands between ``<!-- bench KEY: begin -->`` and ``end`` in a document."""
    begin, end = f"<!-- bench {key}: begin -->", f"<!-- bench {key}: end -->"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
