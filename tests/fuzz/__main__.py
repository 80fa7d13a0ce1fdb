"""``python -m tests.fuzz bundle --seconds 600``: exit status 1 when something was found."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.engine import Report, fuzz, save
from tests.fuzz.targets import CORPUS, TARGETS


def main() -> int:
    """Run one target, print what was reached, save what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    target = TARGETS[asked.target]
    began = time.monotonic()

    def tell(report: Report) -> None:
        print(
            f"{target.name}: {report.executions} executions in {time.monotonic() - began:.0f} s, "
            f"{report.edges} edges, {report.kept} inputs kept, {len(report.findings)} findings",
            flush=True,
        )

    report = fuzz(target, asked.seed, seconds=asked.seconds, tell=tell)
    tell(report)
    for what, data in report.findings.items():
        print(f"{save(CORPUS / target.name, data)}: {what}")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
