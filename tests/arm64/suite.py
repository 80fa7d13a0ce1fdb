"""The tests of this tree in the root: run, and what came of them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.arm64.root import Root

# Of one test: emulated, the slowest takes minutes. A worker that goes over it prints where it was
# and ends, the test is told as failed, and another worker takes over.
TEST_LIMIT_S = 1800
FILES = 12  # of a piece: the suite takes hours, a piece minutes
SMOKE = (
    "tests/hal/test_ads1298_frame.py",
    "tests/hal/test_ads1298_registers.py",
    "tests/hal/test_chip_spi.py",
    "tests/firmware/test_filters_fixedpoint.py",
    "tests/firmware/test_leads.py",
    "tests/firmware/test_network.py",
    "tests/firmware/test_window.py",
)


@dataclass(frozen=True)
class Outcome:
    """Of a run. seconds : of it by the clock; reasons : of skipped tests, how often each"""

    passed: int
    failed: tuple[str, ...]
    reasons: tuple[tuple[str, int], ...]
    seconds: float

    @property
    def skipped(self) -> int:
        """How many tests were not run, each with a reason."""
        return sum(count for _, count in self.reasons)


def pieces(tests: Path) -> dict[str, tuple[str, ...]]:
    """The suite cut into pieces, name -> files below the tree; none of two folders."""
    found: dict[str, tuple[str, ...]] = {}
    for folder in sorted({file.parent for file in tests.rglob("test_*.py")}):
        files = sorted(str(file.relative_to(tests.parent)) for file in folder.glob("test_*.py"))
        stem = "-".join(folder.relative_to(tests.parent).parts)
        for at in range(0, len(files), FILES):
            found[f"{stem}-{at // FILES + 1}"] = tuple(files[at : at + FILES])
    return found


def run_suite(root: Root, tests: Path, out: Path, *, jobs: int) -> None:
    """The pieces of which ``out`` has no report yet: a run that was cut off goes on."""
    wanted = pieces(tests)
    for number, (name, files) in enumerate(wanted.items(), 1):
        if not (out / f"{name}.xml").exists():
            print(f"the suite, {number} of {len(wanted)}: {name}", flush=True)
            out.mkdir(parents=True, exist_ok=True)
            run_tests(root, files, out / f"{name}.xml", jobs=jobs, log=out / f"{name}.log")


def read_suite(out: Path, tests: Path) -> tuple[Outcome | None, int]:
    """What the pieces came to, and how many are still to be run."""
    reports = [out / f"{name}.xml" for name in pieces(tests)]
    done = [read(report) for report in reports if report.exists()]
    reasons = Counter[str]()
    for outcome in done:
        reasons.update(dict(outcome.reasons))
    whole = Outcome(
        sum(outcome.passed for outcome in done),
        tuple(name for outcome in done for name in outcome.failed),
        tuple(reasons.most_common()),
        sum(outcome.seconds for outcome in done),
    )
    return whole if done else None, len(reports) - len(done)


def run_tests(root: Root, what: Sequence[str], junit: Path, *, jobs: int, log: Path | None) -> int:
    """Run pytest in the root with arguments ``what``, its report at ``junit``: its status."""
    inside = root.path / "tmp" / "junit.xml"
    inside.unlink(missing_ok=True)
    junit.unlink(missing_ok=True)  # of an earlier run
    workers = ("-n", str(jobs), "--dist", "loadfile") if jobs else ()
    limit = ("-o", f"faulthandler_timeout={TEST_LIMIT_S}", "-o", "faulthandler_exit_on_timeout=1")
    status = root.run(
        [
            *("nice", "-n", "19", "python", "-m", "pytest", "-p", "no:cacheprovider"),
            *("-p", "tests.arm64.patience", "--junitxml", "/tmp/junit.xml"),
            *(*workers, *limit, *what),
        ],
        log=log,
    )
    if inside.exists():
        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.write_bytes(inside.read_bytes())
    return status


def read(junit: Path) -> Outcome:
    """Of pytest's JUnit file."""
    whole = ElementTree.parse(junit).getroot()
    suite = whole if whole.tag == "testsuite" else whole[0]
    passed, failed, reasons = 0, [], Counter[str]()
    for case in suite.iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif (skip := case.find("skipped")) is not None:
            reasons[skip.get("message") or "no reason"] += 1
        else:
            passed += 1
    return Outcome(passed, tuple(failed), tuple(reasons.most_common()), float(suite.get("time", 0)))
