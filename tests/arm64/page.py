"""The part of the reliability page: what out/arm64 holds, in words."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.arm64.boards import PI_4
from tests.arm64.compare import SAID, Row
from tests.arm64.suite import Outcome
from tools.reliability import Part, Table

COMMAND = "make test-arm64"


def row_words(row: Row) -> list[str]:
    """A row of the table of differences."""
    most = f"{row.most:.0f}" if row.allowed is not None else f"{row.most:.3f}"
    allowed = "any" if row.allowed is None else f"{row.allowed:.0f}"
    verdict = "yes" if row.passed else "**no**"
    return [row.kind, f"{row.things}", f"{row.differing}", most, allowed, verdict]


def keep(rows: list[Row], path: Path, **about: Any) -> None:
    """The comparison, for the page to be made later."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


def part(equality: dict[str, Any], outcome: Outcome | None, left: int = 0) -> Part:
    """Of the comparison and of what was run of the tests; left : pieces of them that were not."""
    rows = [Row(**row) for row in equality["rows"]]
    network = [row for row in rows if row.kind.startswith("int8") and "optimised" in row.kind]
    worst = max((row.most for row in network), default=0)
    held = all(row.passed for row in rows)
    decided = [one for row in rows for one in row.decided]
    messages = sum(row.things for row in rows if row.kind.startswith(SAID))
    text = [
        f"{equality['qemu']}, a {PI_4.name}'s processor ({PI_4.qemu}) unless another is named; "
        f"Debian 12, Python {equality['python']}, the wheel of {equality['revision']} with its "
        "pinned requirements as published for aarch64. No board was used: emulation computes what "
        "Arm's instructions are defined to give, but not their speed, the board's peripherals or "
        "its kernel.",
        "The same inputs were computed on x86-64 and there. Filters, tensors and, with reference "
        "kernels, every byte said on the serial line must be identical. The optimised int8 kernels "
        f"may differ by the bundle's tolerance, {equality['tolerance']} steps, and probabilities "
        "in messages with them; where one is that near its threshold, the call or finding turns "
        "over. Beats, rate, measurements, quality, electrodes and alarms may not differ. "
        f"{'All of this held' if held else '**Not all of this held**'}; the kernels differed by "
        f"at most {worst:.0f} steps, and {len(decided)} of {messages} messages decided otherwise.",
    ]
    tables = [
        Table(
            ("compared", "numbers, bytes or messages", "differ", "most", "allowed", "passed"),
            [row_words(row) for row in rows],
        )
    ]
    if decided:
        tables.append(Table(("decided otherwise", "at", "on x86-64", "on Arm"), decided))
    figures: dict[str, float | int | str | bool | None] = {
        "equal": held,
        "messages": messages,
        "decided_otherwise": len(decided),
        "worst_steps": worst,
    }
    if outcome is not None:
        whole = f"The suite but {left} pieces of it" if left else "The whole suite"
        text.append(
            f"{whole} there: {outcome.passed} tests passed, {len(outcome.failed)} failed, "
            f"{outcome.skipped} were skipped for the reasons below, in "
            f"{outcome.seconds / 60:.0f} minutes."
        )
        skips = [(_short(reason), str(count)) for reason, count in outcome.reasons]
        tables.append(Table(("skipped because", "tests"), skips))
        if outcome.failed:
            tables.append(Table(("failed",), [(name,) for name in outcome.failed]))
        figures |= {
            "passed": outcome.passed,
            "failed": len(outcome.failed),
            "skipped": outcome.skipped,
            "seconds": round(outcome.seconds),
        }
    return Part("arm64", "On 64-bit Arm", COMMAND, text, tables, figures)


def _short(reason: str) -> str:
    """Without this machine's folders."""
    return re.sub(r"(/[\w.+-]+){2,}", "...", reason).replace("|", "/")
