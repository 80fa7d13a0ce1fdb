"""``lead12 train``, ``quantize`` and ``evaluate``: from recordings to a bundle, on any laptop."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware.bundle import Bundle, BundleError
from firmware.network import NetworkError

ROOT = Path(__file__).parents[1]
EMBEDDED = ROOT / "firmware" / "embedded.l12"
CARDS = ROOT / "docs" / "models"

Progress = Callable[[str, int, int], None]


def train(data: Path, out: Path, *, recipe: str = "rhythm", jobs: int = 2) -> int:
    """Train what the recipe names on the PTB-XL in ``data``. Goes on if interrupted."""

    def work(say: Progress) -> None:
        from models.recipe import RECIPES, cook, read

        file = Path(recipe) if recipe.endswith(".toml") else RECIPES / f"{recipe}.toml"
        for run in cook(read(file), data, out, jobs, say):
            last = json.loads((run / "history.json").read_text())[-1]
            print(f"{run}: fold 9, float: " + ", ".join(f"{k} {v:.3f}" for k, v in last.items()))

    return _reported(work)


def quantize(run: Path, data: Path, *, version: str = "1.0", embed: bool = False) -> int:
    """Make RUN/rhythm.l12, int8, calibrated and measured on fold 9.

    embed : make it the network the firmware carries, and its card docs/models/rhythm.md
    """

    def work(say: Progress) -> None:
        from models.quantize import quantize as build

        path = build(run, data, version, say)
        if embed:
            bundle = Bundle.from_bytes(path.read_bytes())
            shutil.copyfile(path, EMBEDDED)
            CARDS.mkdir(parents=True, exist_ok=True)
            (CARDS / f"{bundle.name}.md").write_text(bundle.card)
        print(f"{path} ({path.stat().st_size} bytes)")

    return _reported(work)


def evaluate(target: Path, data: Path, *, as_json: bool = False) -> int:
    """Print what a bundle, or a run folder's bundle, scores on fold 9."""

    def work(say: Progress) -> None:
        from models.card import results
        from models.evaluate import evaluate as measure

        metrics = measure(target, data, say)
        print(json.dumps(metrics) if as_json else "\n".join(results(metrics)))

    return _reported(work)


def _reported(work: Callable[[Progress], None]) -> int:
    """Run ``work`` under a progress bar; an error of ours is one line and exit code 1."""
    from models.data.ptbxl import DataError
    from models.train import TrainError

    try:
        with _bar() as say:
            work(say)
    except (BundleError, DataError, NetworkError, TrainError) as error:
        print(f"lead12: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar on standard error; silent where that is not a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def say(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield say
