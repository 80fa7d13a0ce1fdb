"""``lead12 soak`` as it is typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tools.soak.verdict import Verdict
    from tools.soak.virtual import Soak

OK, FAILED, USAGE = 0, 1, 2


def soak(
    hours: Annotated[
        float,
        typer.Option(min=0, max=100_000, help="Of signal; 0: only the table of what is done."),
    ] = 1.0,
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
    from tools.soak import part

    if not hours and (real or resume is None or not resume.exists()):
        text = "lead12: --hours 0 prints what is done; name its checkpoint with --resume"
        print(text, file=sys.stderr)
        raise typer.Exit(USAGE)
    verdict = _real(hours, seed) if real else _virtual(hours, seed, jobs, resume)
    if as_json:
        tree = {"ok": verdict.ok, "seed": seed, **verdict.figures, "what": verdict.problems}
        print(json.dumps(tree))
    else:
        print(verdict)
    if update_docs:
        save = part.save_real if real else part.save_virtual
        save(verdict, seed=seed, hours=float(verdict.figures["hours_asked"] or hours))
    raise typer.Exit(OK if verdict.ok else FAILED)


def _real(hours: float, seed: int) -> Verdict:
    from tools.soak import real, verdict

    with _bar(hours, 0.0) as advance:
        done = real.run(hours, seed, advance)
    return verdict.real(done, hours)


def _virtual(hours: float, seed: int, jobs: int, resume: Path | None) -> Verdict:
    from tools.reliability import revision
    from tools.soak import verdict, virtual
    from tools.soak.bench import Hour

    asked = virtual.Soak(seed, hours)
    if resume is not None and resume.exists():
        asked = _begun(resume, hours, seed)
    if resume is not None and hours:
        _try_to_save(asked, resume)
    with _bar(hours, asked.hours_done) as advance:

        def tell(hour: Hour) -> None:
            if resume is not None:
                asked.save(resume)
            advance(hour.seconds / 3600)
            for problem in hour.problems:
                print(f"hour {hour.number}: {problem}", file=sys.stderr, flush=True)

        if hours:
            virtual.run(asked, jobs=jobs, code=revision(), tell=tell)
    return verdict.virtual([asked.done[number] for number in sorted(asked.done)], asked.hours)


def _begun(path: Path, hours: float, seed: int) -> Soak:
    """The checkpoint, or an end with one line."""
    from tools.soak import virtual

    try:
        soak = virtual.Soak.load(path)
        if soak.seed != seed:
            raise ValueError(f"{path} is a soak of seed {soak.seed}, not {seed}; say --seed")
    except ValueError as error:
        print(f"lead12: {error}", file=sys.stderr)
        raise typer.Exit(USAGE) from None
    if hours:
        soak.hours = hours
    return soak


def _try_to_save(soak: Soak, path: Path) -> None:
    """Before an hour of work is lost: an end with one line where the checkpoint cannot be kept."""
    try:
        soak.save(path)
    except OSError as error:
        print(f"lead12: {path} cannot be written ({error.strerror}); name another", file=sys.stderr)
        raise typer.Exit(USAGE) from None


@contextmanager
def _bar(hours: float, done: float) -> Iterator[Callable[[float], None]]:
    """On standard error; in a log, a line for each hundredth."""
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

        def advance(more: float) -> None:
            before = progress.tasks[task].completed
            progress.advance(task, more)
            now = progress.tasks[task].completed
            if not console.is_terminal and 100 * now // hours > 100 * before // hours:
                print(f"soak: {now:.2f} of {hours:g} h", file=sys.stderr, flush=True)

        yield advance
