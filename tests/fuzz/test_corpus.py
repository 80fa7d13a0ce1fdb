"""What the fuzzer found stays mended, and a little of it runs here each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.bundle import Bundle
from tests.fuzz.engine import Target, fuzz, once
from tests.fuzz.targets import CORPUS, TARGETS
from tests.fuzz.upload_target import BUNDLE

RUNS = 250
CASES = sorted(CORPUS.glob("*/*.bin"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_what_was_found_is_mended(case: Path) -> None:
    assert once(TARGETS[case.parent.name], case.read_bytes()) == ""


def test_the_corpus_is_small() -> None:
    assert CASES
    assert all(case.stat().st_size < 64 << 10 for case in CASES)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_short_run_finds_nothing(target: Target) -> None:
    report = fuzz(target, seed=4, runs=RUNS)
    assert report.findings == {}
    assert report.executions == RUNS
    assert report.kept > len(target.seeds())  # it got further than where it began


def test_a_run_does_the_same_again() -> None:
    one, other = (fuzz(TARGETS["upload"], seed=9, runs=40) for _ in range(2))
    assert (one.edges, one.kept) == (other.edges, other.kept)


def test_the_seeds_reach_what_is_to_be_fuzzed(tmp_path: Path) -> None:
    """Uploads that end in an install, a bundle that is accepted: not only refusals."""
    for i, seed in enumerate(TARGETS["upload"].seeds()[:4]):
        folder = tmp_path / str(i)
        folder.mkdir()
        TARGETS["upload"].run(seed, folder)
        assert (folder / "models" / "upload.part").read_bytes() == BUNDLE
    for seed in TARGETS["bundle"].seeds():
        Bundle.from_bytes(seed)
