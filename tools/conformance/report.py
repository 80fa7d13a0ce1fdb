"""The table as people, programs and docs/conformance.md get it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isinf
from pathlib import Path
from typing import Any

from tools.bench.figures import DOCS
from tools.conformance.clause import SOURCES, Reading, Row, Verdict
from tools.conformance.ec57 import Beats, average, gross

PAGE = DOCS / "conformance.md"
GROUPS = {
    "amplitude": "Amplitude",
    "response": "Frequency and impulse response",
    "baseline": "Noise, baseline and overload",
    "rate": "Heart rate",
    "rhythm": "Irregular rhythms, response time, time to a finding",
    "pacing": "Pacemakers",
    "electrodes": "Electrodes",
    "ec57": "Beat by beat",
    "elsewhere": "Not testable in software",
}
Table = Mapping[str, Sequence[Row]]

_HEAD = """# Conformance

**Not a medical device, and this is no certificate.** The table holds the firmware, on its simulated
front end, against the software-testable part of IEC 60601-2-25 and -27, AAMI EC11 and EC57. A type
test is made on the board, with calibrated instruments, by the text of the standards: that text was
not at hand here. Where a clause or a limit comes from is said by a letter, explained at the end;
`r` is recalled and must be looked up before it is cited.

Everything is measured end to end: millivolts at the electrodes, simulated chip, driver, filters,
and the leads, beats, rates and calls that come out. `lead12 hil conformance --update-docs` measures
it again and writes this page.
"""


def counts(table: Table) -> Counter[Verdict]:
    """How many rows came out how."""
    return Counter(row.verdict for rows in table.values() for row in rows)


def summary(table: Table) -> str:
    """One line: the verdicts and their number."""
    found = counts(table)
    return ", ".join(f"{found[v]} {v}" for v in Verdict if found[v])


def line(row: Row) -> str:
    """A row for the terminal."""
    seen = "; ".join(f"{r}{'' if r.ok else ' (!)'}" for r in row.readings) or row.why
    verdict = row.verdict.upper() if row.verdict is Verdict.FAILED else row.verdict
    return f"{verdict}: {row.asks}: {seen}"


def as_json(group: str, row: Row) -> str:
    """A row as one JSON object."""
    return json.dumps(
        {
            "group": group,
            "clause": row.clause,
            "sources": row.sources.split(),
            "asks": row.asks,
            "limit": row.limit,
            "verdict": row.verdict,
            "readings": [_reading(r) for r in row.readings],
            "why": row.why,
            "note": row.note,
        },
        ensure_ascii=False,
    )


def beats_json(title: str, beats: Beats) -> str:
    """A record's beats as one JSON object."""
    return json.dumps({"group": "ec57", "records": title, **asdict(beats)}, ensure_ascii=False)


def _reading(reading: Reading) -> dict[str, Any]:
    value = None if reading.value is None else round(reading.value, 6)
    limits = [None if isinf(limit) else limit for limit in (reading.low, reading.high)]
    return {
        "name": reading.name,
        "value": value,
        "unit": reading.unit,
        "low": limits[0],
        "high": limits[1],
        "ok": reading.ok,
    }


def write(table: Table, beats: Mapping[str, Sequence[Beats]], path: Path) -> None:
    """Write the page anew."""
    path.write_text(markdown(table, beats), encoding="utf-8")


def markdown(table: Table, beats: Mapping[str, Sequence[Beats]]) -> str:
    """The whole page."""
    parts = [_HEAD, f"{summary(table)}.\n"]
    failed = [row for rows in table.values() for row in rows if row.verdict is Verdict.FAILED]
    if failed:
        parts.append("Failed, in short:\n")
        parts += [f"- {row.asks}: {_failures(row)}" for row in failed]
        parts.append("")
    for group, rows in table.items():
        parts.append(f"## {GROUPS[group]}\n")
        parts += _rows(rows) if group != "elsewhere" else _reasons(rows)
        parts.append("")
        if group == "ec57":
            parts += _beats(beats)
    parts.append("## Where clauses and limits come from\n")
    parts += [f"- `{key}`: {what}" for key, what in SOURCES.items()]
    return "\n".join(parts) + "\n"


def _failures(row: Row) -> str:
    return "; ".join(str(reading) for reading in row.readings if not reading.ok)


def _rows(rows: Sequence[Row]) -> list[str]:
    lines = ["| clause | what it asks | limit | measured | verdict |", "|---|---|---|---|---|"]
    for row in rows:
        seen = "; ".join(f"**{r}**" if not r.ok else str(r) for r in row.readings) or row.why
        note = f" <br>*{row.note}*" if row.note else ""
        verdict = f"**{row.verdict}**" if row.verdict is Verdict.FAILED else row.verdict
        cells = (f"{row.clause} `{row.sources}`", row.asks, row.limit, seen + note, verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _reasons(rows: Sequence[Row]) -> list[str]:
    lines = ["| clause | what it asks | why not |", "|---|---|---|"]
    lines += [f"| {row.clause} `{row.sources}` | {row.asks} | {row.why} |" for row in rows]
    return lines


def _beats(tables: Mapping[str, Sequence[Beats]]) -> list[str]:
    """Per record where anything was missed or too much, and for few records; gross, average."""
    lines = []
    for title, records in tables.items():
        lines += [
            f"### {title}\n",
            "| record | beats | found | missed | extra | Se % | +P % |",
            "|---|---|---|---|---|---|---|",
        ]
        shown = [b for b in records if len(records) <= 60 or b.missed or b.extra]
        lines += [_beats_row(b) for b in (*shown, gross(records))]
        se, p = average(records)
        lines.append(f"| average | | | | | {_share(se)} | {_share(p)} |")
        if left := len(records) - len(shown):
            lines.append(f"\n{left} records without any error are not listed; `--json` lists them.")
        lines.append("")
    return lines


def _beats_row(b: Beats) -> str:
    cells = (b.record, b.true + b.missed, b.true, b.missed, b.extra)
    return f"| {' | '.join(map(str, cells))} | {_share(b.sensitivity)} | {_share(b.predictivity)} |"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"
