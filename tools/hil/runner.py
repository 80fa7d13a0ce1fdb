"""Scenarios run one after another or several at a time; whatever one does, the others run."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.hil.outcome import Outcome, Status
from tools.hil.scenario import Scenario
from tools.workers import workers

VIRTUAL = "virtual"
SERIAL = "serial:"
_MARKS = {Status.PASSED: "passed", Status.FAILED: "FAILED", Status.KNOWN: "known gap"}


def run_all(
    scenarios: Sequence[Scenario],
    *,
    target: str = VIRTUAL,
    baud: int = 115_200,
    key: bytes = b"",
    jobs: int = 1,
    moments: bool = False,
) -> Iterator[Outcome]:
    """An outcome for each, in order.

    target : "virtual", or "serial:PORT" for a monitor there, one scenario at a time
    key : of the monitor at the target, where its line is keyed
    moments : keep what there was to see, for the page
    """
    how = target, baud, key, moments
    if jobs == 1 or len(scenarios) == 1 or target != VIRTUAL:
        for scenario in scenarios:
            yield run_one(scenario, *how)
        return
    with workers(min(jobs, len(scenarios)), anew=True) as pool:
        running = [pool.submit(run_one, scenario, *how) for scenario in scenarios]
        for scenario, future in zip(scenarios, running, strict=True):
            yield _result(scenario, future, lambda scenario=scenario: _alone(scenario, how))


def run_one(scenario: Scenario, target: str, baud: int, key: bytes, moments: bool) -> Outcome:
    """One scenario; an exception is its outcome."""
    try:
        outcome = _way(target, baud, key)(scenario)
    except Exception as error:
        return failed(scenario, target, f"{type(error).__name__}: {error}".splitlines()[0])
    return outcome if moments else replace(outcome, moments=())


def failed(scenario: Scenario, target: str, why: str) -> Outcome:
    """The outcome of a scenario that did not run to its end."""
    return Outcome(
        name=scenario.name,
        about=scenario.about,
        file=str(scenario.path),
        seconds=scenario.seconds,
        target=target,
        error=why,
    )


def _way(target: str, baud: int, key: bytes) -> Callable[[Scenario], Outcome]:
    if target == VIRTUAL:
        from tools.hil.virtual import run

        return run
    from tools.hil.target import run_target

    port = target.removeprefix(SERIAL)
    return lambda scenario: run_target(scenario, port, baud, key=key)


def _result(scenario: Scenario, future: Future[Outcome], again: Callable[[], Outcome]) -> Outcome:
    """A process that dies takes its pool along: then each runs in one of its own."""
    try:
        return future.result()
    except BrokenProcessPool:
        return again()


def _alone(scenario: Scenario, how: tuple[str, int, bytes, bool]) -> Outcome:
    with workers(1, anew=True) as pool:
        try:
            return pool.submit(run_one, scenario, *how).result()
        except BrokenProcessPool:
            return failed(scenario, how[0], "the process that ran it died; run it alone to see why")


# -- for people and programs


def readable(outcome: Outcome) -> str:
    """One line, and one for each expectation that did not simply hold."""
    verdict = "passed" if outcome.ok else "FAILED"
    lines = [f"{outcome.name:<40} {verdict}  {outcome.speed:7.1f} x real time"]
    if outcome.skipped:
        return f"{outcome.name:<40} not run: {outcome.skipped}"
    if outcome.error:
        lines.append(f"    {outcome.error}")
    for one in outcome.verdicts:
        if one.status is not Status.PASSED:
            why = f"; {one.known}" if one.known else ""
            after_all = ": holds after all, take 'known' away" if one.known and one.ok else ""
            lines.append(
                f"    {_MARKS[one.status]}{after_all}: {one.sentence} ({', '.join(one.shows)}): "
                f"{one.evidence}{why}"
            )
    return "\n".join(lines)


def as_json(outcome: Outcome) -> str:
    """One object; traces, screens and messages are left out."""
    body: dict[str, Any] = {
        "name": outcome.name,
        "about": outcome.about,
        "file": outcome.file,
        "target": outcome.target,
        "ok": outcome.ok,
        "error": outcome.error,
        "skipped": outcome.skipped,
        "seconds": outcome.seconds,
        "took_s": round(outcome.took_s, 3),
        "digest": outcome.digest,
        "account": dict(outcome.account),
        "verdicts": [
            {
                "that": one.sentence,
                "shows": list(one.shows),
                "status": one.status,
                "evidence": one.evidence,
                "known": one.known,
                "at_s": one.at_s,
            }
            for one in outcome.verdicts
        ],
        "log": list(outcome.log),
    }
    return json.dumps(body)


def made_by() -> dict[str, str]:
    """When, by what and from which sources a run was made, for its page."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "not a checkout"
    return {
        "made": datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
        "command": " ".join(["lead12", *sys.argv[1:]]),
        "sources": commit,
        "on": f"Python {platform.python_version()}, {platform.platform()}",
    }


def summary(outcomes: Sequence[Outcome], took_s: float) -> str:
    """The last line."""
    bad = sum(not outcome.ok for outcome in outcomes)
    gaps = sum(v.status is Status.KNOWN for outcome in outcomes for v in outcome.verdicts)
    seconds = sum(outcome.seconds for outcome in outcomes if not outcome.skipped)
    out = sum(bool(outcome.skipped) for outcome in outcomes)
    passed = len(outcomes) - bad - out
    parts = [f"{len(outcomes)} scenarios, {passed} passed, {bad} failed"]
    if out:
        parts.append(f"{out} not run")
    if gaps:
        parts.append(f"{gaps} known gap{'s' * (gaps != 1)}")
    return f"{', '.join(parts)}; {seconds:.0f} s of signal in {took_s:.0f} s"
