"""``docs/mutation.md``: the list and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.workshop import EVERYTHING, SCENARIOS, Verdict

PAGE = Path("docs/mutation.md")
LEAST_PERCENT = 90
CHECKOUT = Path(__file__).parents[2]


def share_percent(verdicts: Sequence[Verdict]) -> float:
    """How many of a hundred mutants were caught."""
    return 100 * sum(verdict.caught for verdict in verdicts) / len(verdicts)


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line."""
    caught = sum(verdict.caught for verdict in verdicts)
    return f"{caught} of {len(verdicts)} mutants caught, {share_percent(verdicts):.1f} %"


def page(verdicts: Sequence[Verdict]) -> str:
    """The whole page, Markdown."""
    lived = [verdict.mutant for verdict in verdicts if not verdict.caught]
    of_file = Counter(verdict.mutant.file for verdict in verdicts)
    caught = Counter(verdict.mutant.file for verdict in verdicts if verdict.caught)
    lines = [
        "# Mutation",
        "",
        "Written by `python -m tests.mutation --update-docs`: do not edit.",
        "",
        "A test that passes says nothing until it has been seen to fail. Each line below is a",
        "defect as engineers make them, put into a copy of the tree by itself. First the tests of",
        "its own file are run. What they do not notice is held against",
        f"{' and '.join(f'`{one}`' for one in EVERYTHING)} as a whole, and then against",
        f"{len(SCENARIOS)} scenarios of `tests/hil`. Tests that need recordings or TensorFlow are",
        "left out, so that the share is the same on every machine.",
        "",
        f"**{summary(verdicts)}**; at least {LEAST_PERCENT} % are asked for, or the command fails.",
        "The list is fixed: `tests/mutation/mutants/*.toml`. The share is that of this list,",
        "which was written by those who know the tests, and not of every defect there could be:",
        "what lived when the list was first tried has had its test written since.",
        "",
        "## What lives, and why",
        "",
    ]
    if lived:
        lines += ["| mutant | file | defect | why nothing notices |", "|---|---|---|---|"]
        lines += [
            f"| {one.name} | `{one.file}` | {one.defect} | {one.lives or 'not known'} |"
            for one in lived
        ]
    else:
        lines += ["Nothing."]
    lines += ["", "## By file", "", "| file | mutants | caught |", "|---|---:|---:|"]
    lines += [f"| `{file}` | {of_file[file]} | {caught[file]} |" for file in sorted(of_file)]
    lines += ["", "## All", "", "| mutant | defect | noticed by |", "|---|---|---|"]
    for verdict in verdicts:
        by = f"`{verdict.by}`" if "::" in verdict.by else verdict.by or "nothing"
        lines.append(f"| {verdict.mutant.name} | {verdict.mutant.defect} | {by} |")
    return "\n".join(lines) + "\n"
