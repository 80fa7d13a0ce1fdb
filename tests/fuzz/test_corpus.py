"""What the fuzzer found stays mended, and what it reached is reached here each time."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

import pytest

from firmware.bundle import Bundle
from tests.fuzz.targets import CORPUS, FINDINGS, MODULES, load
from tests.fuzz.upload_target import BUNDLE
from tests.fuzz.watch import FOUND, once

CHANGED = 25  # inputs of each target, changed once more
SMALL = 320 << 10  # bytes of all corpora, findings among them


@pytest.mark.parametrize("name", MODULES)
def test_what_was_found_is_mended_and_what_was_reached_is_in_order(name: str) -> None:
    target = load(name)
    cases = sorted((CORPUS / name).glob("*"))
    assert {case.name: wrong for case in cases if (wrong := once(target, case.read_bytes()))} == {}


@pytest.mark.parametrize("name", MODULES)
def test_a_little_further_nothing_is_found(name: str) -> None:
    target, rng = load(name), random.Random(4)
    inputs = target.seeds() + [case.read_bytes() for case in sorted((CORPUS / name).glob("*"))]
    for _ in range(CHANGED):
        data = target.change(rng, rng.choice(inputs), rng.choice(inputs))
        assert once(target, data) == "", data


def test_every_finding_is_told_and_kept() -> None:
    told = {(one["target"], one["input"]) for one in tomllib.loads(FINDINGS.read_text())["finding"]}
    kept = {(path.parent.name, path.name) for path in CORPUS.glob(f"*/{FOUND}*")}
    assert told == kept


def test_the_corpora_are_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < SMALL


@pytest.mark.parametrize("name", MODULES)
def test_seeds_are_in_order(name: str) -> None:
    target = load(name)
    assert {
        i: wrong for i, seed in enumerate(target.seeds()) if (wrong := once(target, seed))
    } == {}


def test_the_seeds_reach_what_is_to_be_fuzzed(tmp_path: Path) -> None:
    """Uploads that end in an install, a bundle that is accepted: not only refusals."""
    for i, seed in enumerate(load("upload").seeds()[:4]):
        folder = tmp_path / str(i)
        folder.mkdir()
        load("upload").run(seed, folder)
        assert (folder / "models" / "upload.part").read_bytes() == BUNDLE
    for seed in load("bundle").seeds():
        Bundle.from_bytes(seed)
