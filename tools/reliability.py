"""``python -m tools.reliability``: writes docs/reliability.md from what the long checks measured.

Each check (boot, soak, fuzz, arm64, units ...) leaves one part, a JSON file in docs/reliability;
the page is these parts in their order and nothing else, so that no figure is typed by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
ORDER = ("units", "boot", "start", "soak-virtual", "soak-real", "arm64", "fuzz", "build")
WRITTEN = ("docs", "tests/fuzz/corpus")  # by the commands whose revision it is
HEAD = """# Reliability

What was done to the appliance, and what came of it. Every part names the command that made it,
and when; `python -m tools.reliability` puts them together. No board was at hand: all of it ran on
x86-64, or on emulated Arm where that is said.
"""


@dataclass(frozen=True)
class Table:
    """columns : headings; rows : as many cells each, already in words with their units"""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Part:
    """One section of the page.

    name : one of ``ORDER``; command : what makes it again
    text : paragraphs in Markdown, before the tables
    figures : the same in numbers, for programs
    """

    name: str
    title: str
    command: str
    text: Sequence[str]
    tables: Sequence[Table] = ()
    figures: dict[str, float | int | str | bool | None] = field(default_factory=dict)


def save(part: Part, docs: Path = DOCS) -> Path:
    """Keep the part with the day and the revision it was made at, and write the page anew."""
    if part.name not in ORDER:
        raise ValueError(f"no part {part.name!r}; known: {', '.join(ORDER)}")
    folder = docs / "reliability"
    folder.mkdir(exist_ok=True)
    path = folder / f"{part.name}.json"
    made = {"made": f"{datetime.now(UTC):%Y-%m-%d}", "revision": revision()}
    path.write_text(json.dumps(asdict(part) | made, indent=1, ensure_ascii=False) + "\n")
    write_page(docs)
    return path


def write_page(docs: Path = DOCS) -> None:
    """docs/reliability.md from the parts there are, and which are not."""
    pages = [HEAD]
    for name in ORDER:
        path = docs / "reliability" / f"{name}.json"
        if not path.exists():
            pages.append(f"\n## {name}: not measured yet\n")
            continue
        part = json.loads(path.read_text())
        pages.append(f"\n## {part['title']}\n")
        pages.append(f"`{part['command']}`, {part['made']}, at {part['revision']}.\n")
        pages += [f"{paragraph}\n" for paragraph in part["text"]]
        pages += [_table(table["columns"], table["rows"]) for table in part["tables"]]
    (docs / "reliability.md").write_text("\n".join(pages))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def revision() -> str:
    """Of this checkout, -dirty where more than WRITTEN is changed; words where it is none."""

    def git(*asked: str) -> str:
        run = subprocess.run(["git", *asked], cwd=DOCS, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    try:
        code = (":/", *(f":/!{folder}" for folder in WRITTEN))
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *code)
        return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "an unknown revision"


if __name__ == "__main__":
    write_page()
    sys.exit(0)
