"""``python -m tests.mutation``: does the suite notice what it should?

Exit code 0 when enough mutants are caught, 1 when too few are, 2 when it cannot be said.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.document import CHECKOUT, LEAST_PERCENT, PAGE, page, share_percent, summary
from tests.mutation.mutants import Mutant, MutantError, chosen, load
from tests.mutation.workshop import Verdict, Workshop

OK, TOO_FEW, CANNOT_SAY = 0, 1, 2


def attempts(
    mutants: Sequence[Mutant], workshops: Sequence[Workshop], checked: Sequence[str] = ()
) -> Iterator[Verdict]:
    """A verdict for each mutant, in order, one at a time in each workshop.

    checked : test files that must pass first, none for everything. Raises MutantError.
    """
    workshops[0].check(checked)
    free: SimpleQueue[Workshop] = SimpleQueue()
    for workshop in workshops:
        free.put(workshop)

    def attempt(mutant: Mutant) -> Verdict:
        workshop = free.get()
        try:
            return workshop.attempt(mutant)
        finally:
            free.put(workshop)

    with ThreadPoolExecutor(len(workshops)) as pool:
        try:
            yield from pool.map(attempt, mutants)
        finally:
            pool.shutdown(cancel_futures=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants that ``arguments`` ask for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (2)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="repeatable")
    parser.add_argument("--update-docs", action="store_true", help=f"write {PAGE}")
    asked = parser.parse_args(arguments)
    if asked.jobs < 1 or (asked.only and asked.update_docs):
        parser.error("--jobs is 1 or more, and --update-docs goes with the whole list")
    try:
        mutants = chosen(load(), asked.only) if asked.only else load()
        for mutant in mutants:  # before minutes of work
            mutant.put_into((CHECKOUT / mutant.file).read_text(encoding="utf-8"))
        checked = sorted({file for one in mutants for file in one.tests}) if asked.only else []
        verdicts = []
        with tempfile.TemporaryDirectory(prefix="lead12-mutation-") as folder:
            jobs = min(asked.jobs, len(mutants))
            workshops = [Workshop(CHECKOUT, Path(folder) / f"{n}") for n in range(jobs)]
            for verdict in attempts(mutants, workshops, checked):
                verdicts.append(verdict)
                print(f"{verdict.mutant.name:<36} {verdict.by or 'LIVES'}", flush=True)
    except (MutantError, OSError) as error:
        print(error, file=sys.stderr)
        return CANNOT_SAY
    print(summary(verdicts))
    if asked.update_docs:
        (CHECKOUT / PAGE).write_text(page(verdicts), encoding="utf-8")
    return OK if share_percent(verdicts) >= LEAST_PERCENT else TOO_FEW


if __name__ == "__main__":
    sys.exit(main())
