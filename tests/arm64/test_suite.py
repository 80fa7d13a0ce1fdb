"""The suite in pieces: every file once, and what was run is not run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from tests.arm64 import suite
from tests.arm64.root import TREE, Root
from tests.arm64.suite import FILES, pieces, read_suite, run_suite
from tests.arm64.test_page import JUNIT

NO_ROOT = cast("Root", None)


def test_every_file_of_tests_is_in_one_piece() -> None:
    tests = TREE / "tests"
    cut = [file for files in pieces(tests).values() for file in files]
    assert len(cut) == len(set(cut))
    assert {TREE / file for file in cut} == set(tests.rglob("test_*.py"))
    assert max(len(files) for files in pieces(tests).values()) == FILES


def test_a_run_that_was_cut_off_goes_on_with_the_pieces_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests, out, asked = tmp_path / "tests", tmp_path / "out", []
    for name in ("hal/test_a.py", "hal/test_b.py", "tools/deep/test_c.py"):
        (tests / name).parent.mkdir(parents=True, exist_ok=True)
        (tests / name).touch()

    def run(root: Root, what: Sequence[str], junit: Path, **how: Any) -> int:
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append(tuple(what))
        junit.write_text(JUNIT)
        return 0

    monkeypatch.setattr(suite, "run_tests", run)
    with pytest.raises(KeyboardInterrupt):
        run_suite(NO_ROOT, tests, out, jobs=1)
    assert asked == [("tests/hal/test_a.py", "tests/hal/test_b.py")]
    outcome, left = read_suite(out, tests)
    assert (outcome and outcome.passed, left) == (1, 1)
    asked[:] = [*asked, ()]  # the machine is well again
    run_suite(NO_ROOT, tests, out, jobs=1)
    assert asked[2:] == [("tests/tools/deep/test_c.py",)]
    outcome, left = read_suite(out, tests)
    assert outcome is not None
    assert (outcome.passed, len(outcome.failed), outcome.skipped, left) == (2, 4, 4, 0)
    assert outcome.seconds == 2 * 3725.5


def test_nothing_run_is_no_outcome(tmp_path: Path) -> None:
    assert read_suite(tmp_path, tmp_path / "tests") == (None, 0)
