"""``lead12 bench networks``, ``saliency``, ``photo``: what needs networks, data and hours."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.bench.figures import show
from tools.bench.recordings import folder
from tools.models_cli import Progress, reported


def run(
    what: str,
    runs: Path | None,
    data: Path | None,
    *,
    records: int | None,
    jobs: int,
    as_json: bool,
    update_docs: bool,
) -> int:
    """Measure, print, and optionally write docs/; 1 if a limit is broken.

    Raises RecordingsAbsentError where there is no folder of recordings.
    """
    broken = 0
    found_in = data or folder()

    def work(say: Progress) -> None:
        nonlocal broken
        if what == "networks":
            from tools.bench import networks as bench

            found = bench.measure(runs, found_in, records, jobs, say, bench.measured_before())
        elif what == "photo":
            from tools.bench import photo as bench

            found = bench.measure(runs, found_in, records, jobs, say)
        else:
            from tools.bench import saliency as bench

            found = bench.measure(runs, found_in, records, say)
        if update_docs:
            for path in bench.write_docs(found):
                print(path, file=sys.stderr)
        broken = show(bench.figures(found), as_json=as_json)

    return reported(work) or broken
