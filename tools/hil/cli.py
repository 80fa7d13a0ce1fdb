"""``lead12 hil``: scenarios for QA, in virtual time or against a monitor on its serial line."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from tools import hil_capture_cli
from tools.conformance.cli import conformance
from tools.line_options import Baud, Key, given_key
from tools.whole_file import PUBLIC, write_whole

app = typer.Typer(help="QA's bench: scenarios in virtual time or on a serial line; docs/hil.md.")

hil_capture_cli.add_to(app)
app.command()(conformance)

OK, FAILED, USAGE = 0, 1, 2

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]


@app.command()
def run(
    scenarios: Annotated[list[Path], typer.Argument(help="Scenario files; folders are searched.")],
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit file, for CI.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots, to sign.")] = None,
    target: Annotated[
        str, typer.Option(help="serial:PORT of a monitor with --frontend injected, in real time.")
    ] = "",
    baud: Baud = 921_600,
    key: Key = None,
    jobs: Annotated[int, typer.Option(min=1, help="Scenarios at a time.")] = 1,
    as_json: Json = False,
) -> None:
    """Run scenarios; exit code 1 when one fails."""
    from tools.hil import requirements, runner
    from tools.hil.scenario import ScenarioError, load_all

    if target and not (target.startswith(runner.SERIAL) and target != runner.SERIAL):
        raise typer.BadParameter(
            f"{target!r} is no target; give serial:PORT", param_hint="--target"
        )
    try:
        loaded = load_all(scenarios)
        requirements.refuse_unknown(loaded)
        for report in filter(None, (junit, html)):
            report.parent.mkdir(parents=True, exist_ok=True)  # before minutes of work
            there = report.exists()
            report.open("a").close()
            if not there:
                report.unlink()
    except (requirements.RequirementError, ScenarioError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(USAGE) from None
    except OSError as error:
        raise _unwritten(error) from None
    if target:
        _need(target.removeprefix(runner.SERIAL), baud)
    began = time.monotonic()
    outcomes = []
    for outcome in runner.run_all(
        loaded,
        target=target or runner.VIRTUAL,
        baud=baud,
        key=given_key(key) if target else b"",
        jobs=jobs,
        moments=html is not None,
    ):
        outcomes.append(outcome)
        print(runner.as_json(outcome) if as_json else runner.readable(outcome), flush=True)
    if not as_json:
        print(runner.summary(outcomes, time.monotonic() - began))
    if junit is not None:
        from tools.hil.junit import junit as as_junit

        _write(junit, as_junit(outcomes))
    if html is not None:
        from tools.hil.page import page

        _write(html, page(outcomes, runner.made_by()))
    nothing = all(outcome.skipped for outcome in outcomes)
    if nothing:
        print("nothing was run", file=sys.stderr)
    raise typer.Exit(FAILED if nothing or not all(outcome.ok for outcome in outcomes) else OK)


def _need(port: str, baud: int) -> None:
    """Told once, not by every scenario."""
    from tools.hil.monitor_line import open_line

    try:
        open_line(port, baud).close()
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        raise typer.Exit(USAGE) from None


def _write(report: Path, text: str) -> None:
    try:
        if report.exists() and not report.is_file():  # a pipe, or the like
            report.write_text(text, encoding="utf-8")
        else:
            write_whole(report, text.encode(), PUBLIC)
    except OSError as error:
        error.filename = str(report)  # a disk that is full does not say whose
        raise _unwritten(error) from None


def _unwritten(error: OSError) -> typer.Exit:
    """Of a report that has no room, no folder or no rights."""
    print(f"{error.filename}: cannot be written ({error.strerror})", file=sys.stderr)
    return typer.Exit(USAGE)


@app.command()
def check(
    update_docs: Annotated[
        bool, typer.Option("--update-docs", help="Write the last column of docs/requirements.md.")
    ] = False,
) -> None:
    """Whether each requirement is shown by a scenario or a test; exit code 1 when one is not."""
    from tools.hil import requirements
    from tools.hil.scenario import ScenarioError

    try:
        found = requirements.check(update_docs=update_docs)
    except (requirements.RequirementError, ScenarioError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(USAGE) from None
    for problem in found.problems:
        print(problem, file=sys.stderr)
    print(found.summary)
    raise typer.Exit(FAILED if found.problems else OK)
