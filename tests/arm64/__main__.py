"""``python -m tests.arm64``: the product on emulated aarch64, compared with this machine.

Makes a Debian root for it (build/arm64), computes the same here and there, compares, and runs the
whole suite there, in pieces. What comes of it is kept in out/arm64, and a run that was cut off goes
on there as long as the tree is the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading

import numpy as np

from tests.arm64.boards import BOARDS, PI_4, Board
from tests.arm64.compare import Row, compare
from tests.arm64.page import keep, part, row_words
from tests.arm64.root import BUILD, TREE, CannotRunError, Root, needs
from tests.arm64.suite import SMOKE, read, read_suite, run_suite, run_tests
from tools.reliability import revision, save

OUT = TREE / "out" / "arm64"
EQUALITY, SUITE = OUT / "equality.json", OUT / "suite"
JOBS = 2


def main() -> int:
    """Exit status 1 when something differs or fails, 2 when it cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.arm64", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a subset in two minutes")
    parser.add_argument("--equality", action="store_true", help="compare only, without the suite")
    parser.add_argument("-k", metavar="EXPR", help="only tests that match, nothing else")
    parser.add_argument("--kept", action="store_true", help="run nothing: tell what out/arm64 has")
    parser.add_argument("--update-docs", action="store_true", help="write the reliability page")
    asked = parser.parse_args()
    if asked.kept:
        return _tell(asked.update_docs)
    if lack := needs():
        print(f"arm64: not run: {lack}", file=sys.stderr)
        return 0 if asked.smoke else 2
    try:
        if asked.smoke:
            root = Root(BUILD / "smoke")
            with root.alone():
                return _smoke(root)
        root = Root()
        with root.alone():
            root.make(configured=True)
            root.install(everything=True)
            root.copy_tests()
            if asked.k:
                return run_tests(root, ("-k", asked.k), OUT / "some.xml", jobs=0, log=None)
            if not _kept():
                shutil.rmtree(SUITE, ignore_errors=True)
                _equality(root)
            if not asked.equality:
                run_suite(root, TREE / "tests", SUITE, jobs=JOBS)
    except CannotRunError as error:
        print(f"arm64: {error}", file=sys.stderr)
        return 2
    return _tell(asked.update_docs)


def _smoke(root: Root) -> int:
    """Import all, compare a few patients, run a few tests: 0, or 1 for what fails."""
    try:
        root.make(configured=False)
    except CannotRunError as error:  # no network: nothing that this tree could be blamed for
        print(f"arm64: not run: {error}", file=sys.stderr)
        return 0
    root.install(everything=False)
    root.copy_tests()
    OUT.mkdir(parents=True, exist_ok=True)
    status: list[int] = []

    def imports_and_tests() -> None:
        status.append(root.run(["python", "-m", "tests.arm64.imports"]))
        status.append(run_tests(root, SMOKE, OUT / "smoke.xml", jobs=0, log=OUT / "smoke.log"))

    beside = threading.Thread(target=imports_and_tests)
    beside.start()
    rows = _compared(root, PI_4, few=True)
    beside.join()
    _print(rows)
    outcome = read(OUT / "smoke.xml")
    print(f"{outcome.passed} tests passed, {len(outcome.failed)} failed, {outcome.skipped} skipped")
    if any(status):
        print((OUT / "smoke.log").read_text(errors="replace"))
    return int(any(status) or not all(row.passed for row in rows))


def _compared(root: Root, board: Board, *, few: bool) -> list[Row]:
    """Compute on both machines at once, and compare."""
    name = f"{board.qemu}.npz"
    here = root.beside(f"here-{name}")
    size = ["--few"] if few else []
    program = ["python", "-m", "tests.arm64.compute"]
    ours = subprocess.Popen([sys.executable, *program[1:], str(here), *size], cwd=TREE)
    status = root.run([*program, f"/tmp/{name}", *size], board=board)
    if ours.wait() or status:
        raise CannotRunError(f"the computation failed, here {ours.returncode}, there {status}")
    with np.load(here) as one, np.load(root.path / "tmp" / name) as other:
        return compare(dict(one), dict(other))


def _equality(root: Root) -> None:
    """All that is compared, on a Pi 4's processor; the network on the other boards' as well."""
    rows = _compared(root, PI_4, few=False)
    for board in BOARDS.values():
        if board is not PI_4:
            for row in _compared(root, board, few=True):
                row.kind = f"{row.kind}, {board.name}"
                rows.append(row)
    with np.load(root.beside(f"here-{PI_4.qemu}.npz")) as here:
        tolerance = int(here["tolerance"])
    keep(
        rows,
        EQUALITY,
        revision=revision(),
        tolerance=tolerance,
        qemu=_said("qemu-aarch64-static", "--version").split(" (")[0],
        python=(root.path / "usr/bin/python3").resolve().name.removeprefix("python"),
    )


def _kept() -> bool:
    """Whether the comparison of this very tree is there, and with it what was run of its suite."""
    if not EQUALITY.exists():
        return False
    now = revision()
    said = json.loads(EQUALITY.read_text())["revision"]
    return bool(said == now) and not now.endswith("-dirty")


def _said(*command: str) -> str:
    """The first line a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def _tell(update_docs: bool) -> int:
    """What out/arm64 holds; 1 when something in it failed."""
    if not EQUALITY.exists():
        print("arm64: nothing is kept in out/arm64; run: make test-arm64", file=sys.stderr)
        return 2
    equality = json.loads(EQUALITY.read_text())
    rows = [Row(**row) for row in equality["rows"]]
    _print(rows)
    outcome, left = read_suite(SUITE, TREE / "tests")
    if outcome:
        print(f"{outcome.passed} passed, {len(outcome.failed)} failed, {outcome.skipped} skipped")
        for name in outcome.failed:
            print(f"failed: {name}")
        for reason, count in outcome.reasons:
            print(f"skipped {count}: {reason}")
        print(f"in {outcome.seconds / 60:.0f} minutes")
    if left:
        print(f"{left} pieces of the suite were not run; run: make test-arm64")
    if update_docs:
        print(save(part(equality, outcome, left)))
    return int(bool(outcome and outcome.failed) or not all(row.passed for row in rows))


def _print(rows: list[Row]) -> None:
    for row in rows:
        print(" | ".join(row_words(row)))
        for where in row.where[:20]:
            print(f"    {where}")


if __name__ == "__main__":
    sys.exit(main())
