"""``lead12 soak`` as it is typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

OK, FAILED, USAGE = 0, 1, 2


def soak(
    hours: Annotated[float, typer.Option(min=0.01, max=100_000, help="Of signal.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the faults.")] = 1,
    real: Annotated[bool, typer.Option("--real", help="The real processes, in real time.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Benches side by side.")] = 1,
    resume: Annotated[
        Path | None,
        typer.Option(help="Checkpoint: written after every hour, gone on with if it is there."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    update_docs: Annotated[
        bool, typer.Option("--update-docs", help="Write the figures to docs/ as well.")
    ] = False,
) -> None:
    """The instrument for hours on end, with random faults; exit code 1 when anything broke."""
    if real:
        raise typer.BadParameter("not yet", param_hint="--real")
    from tools.soak import virtual
    from tools.soak.bench import Hour
    from tools.soak.part import save_virtual
    from tools.soak.verdict import virtual as judge

    asked = virtual.Soak(seed, hours)
    if resume is not None and resume.exists():
        try:
            asked = virtual.Soak.load(resume)
        except ValueError as error:
            print(f"lead12: {error}", file=sys.stderr)
            raise typer.Exit(USAGE) from None
        if asked.seed != seed:
            print(f"lead12: {resume} is a soak of seed {asked.seed}, not {seed}", file=sys.stderr)
            raise typer.Exit(USAGE)
        asked.hours = hours

    with _bar(hours, asked.hours_done) as advance:

        def tell(hour: Hour) -> None:
            if resume is not None:
                asked.save(resume)
            advance(hour.seconds / 3600)
            for problem in hour.problems:
                print(f"hour {hour.number}: {problem}", file=sys.stderr, flush=True)

        virtual.run(asked, jobs=jobs, tell=tell)
    verdict = judge([asked.done[number] for number in sorted(asked.done)], hours)
    if as_json:
        tree = {"ok": verdict.ok, "seed": seed, **verdict.figures, "what": verdict.problems}
        print(json.dumps(tree))
    else:
        print(verdict)
    if update_docs:
        save_virtual(verdict, seed=seed, hours=hours)
    raise typer.Exit(OK if verdict.ok else FAILED)


@contextmanager
def _bar(hours: float, done: float) -> Iterator[Callable[[float], None]]:
    """On standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("soak"),
        BarColumn(),
        TextColumn("{task.completed:.1f} of {task.total:g} h"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("soak", total=hours)
        progress.advance(task, done)
        yield lambda more: progress.advance(task, more)
