"""What can be evaluated: a bundle, the run folder it was made in, or a recipe's folder of seeds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from firmware.archive import BundleError
from firmware.bundle import Bundle
from models.run_folder import CONFIG, FINAL

BUNDLE = "rhythm.l12"  # of runs that do not say whose they are
_STUDENT = re.compile(r"student-(\d+)")


@dataclass(frozen=True)
class Target:
    """``bundle`` is measured in full; ``run`` holds its float network, if there is one.

    seeds : {seed: run folder} of the same recipe, the chosen one among them; {} if it is alone
    """

    bundle: Path
    run: Path | None
    seeds: dict[int, Path]


def find(path: Path) -> Target:
    """Raises BundleError in one line.

    In a recipe's folder the student of the lowest seed that has a bundle is taken: it is not
    chosen by its score. Name another student's folder to have that one.
    """
    if path.is_file():
        return Target(path, None, {})
    if not path.is_dir():
        raise BundleError(f"{path} is missing; give a bundle or the folder of a training")
    taught = students(path)
    if taught:
        quantized = [run for run in taught.values() if bundle_of(run).is_file()]
        if not quantized:
            raise BundleError(f"no student in {path} has a bundle; run lead12 quantize first")
        run, seeds = quantized[0], taught
    else:
        run, seeds = path, students(path.parent) if _STUDENT.fullmatch(path.name) else {}
    bundle = bundle_of(run)
    if not bundle.is_file():
        raise BundleError(f"{bundle} is missing; run lead12 quantize {run} first")
    return Target(bundle, run if (run / FINAL).is_file() else None, seeds if len(seeds) > 1 else {})


def bundle_of(run: Path) -> Path:
    """Where a run folder's bundle is, made or not: it is called as its recipe."""
    config = run / CONFIG
    name = json.loads(config.read_text()).get("recipe") if config.is_file() else None
    return run / (f"{name}.l12" if name else BUNDLE)


def load(path: Path) -> Bundle:
    """The bundle in a file. Raises BundleError in one line."""
    return Bundle.from_bytes(path.read_bytes())


def students(folder: Path) -> dict[int, Path]:
    """Finished students in a recipe's folder, by seed."""
    found = {}
    for run in folder.glob("student-*"):
        match = _STUDENT.fullmatch(run.name)
        if match and (run / FINAL).is_file():
            found[int(match[1])] = run
    return dict(sorted(found.items()))
