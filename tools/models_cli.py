"""``lead12 train``, ``quantize`` and ``evaluate``: from recordings to a bundle, on any laptop."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware.archive import BundleError
from firmware.bundle import Bundle
from firmware.network import NetworkError
from tools.model import APART, HARDLY

ROOT = Path(__file__).parents[1]
EMBEDDED = ROOT / "firmware" / "embedded.l12"
DOCS = ROOT / "docs"
CARDS = DOCS / "models"

Progress = Callable[[str, int, int], None]


def train(
    data: Path,
    out: Path,
    *,
    recipe: str = "rhythm",
    jobs: int = 2,
    hours: float | None = None,
    brief: bool = False,
) -> int:
    """Train what the recipe names on the PTB-XL in ``data``. Goes on if interrupted.

    hours : of training, after which a network stops where it is
    brief : the recipe's brief form
    """

    def work(say: Progress) -> None:
        from models.cross import ALL
        from models.recipe import RECIPES, cook, read

        file = Path(recipe) if recipe.endswith(".toml") else RECIPES / f"{recipe}.toml"
        limit = math.inf if hours is None else hours
        for run in cook(read(file, brief=brief), data, out, jobs, say, limit):
            print(_went(run))
        if (out / ALL).is_file():
            print(_tested(out / ALL))

    return reported(work)


def _went(run: Path) -> str:
    """How far a training came and what was watched of it, in one line."""
    from models.run_folder import HISTORY, OUT_OF_TIME, told, train_config

    of, history = told(run), run / HISTORY
    if not of:  # of an older release, or written by the first of several processes
        return f"{run}: finished"
    line = (
        f"{run}: {of['epochs_done']:g} of {of['epochs_planned']} epochs, {of['ended']}, "
        f"{of['took_s'] / 3600:.2f} h on {of['backend']}"
    )
    if of["ended"] == OUT_OF_TIME:
        line += " (the same command with more --hours goes on)"
    if not history.is_file():
        return f"{line}; fold 9 was not looked at yet: lead12 quantize measures it"
    rows, config = json.loads(history.read_text()), train_config(run)
    row, which = rows[-1], f"after epoch {len(rows)}: "
    if config.keep == "best":
        row, which = rows[of["kept_epoch"] - 1], f"epoch {of['kept_epoch']}, the best, is kept; "
    watched = "fold 9" if config.fold is None else "watched patients"
    figures = ", ".join(f"{name} {value:.3f}" for name, value in row.items())
    return f"{line}; {which}{watched}, float: {figures}{_stale(run)}"


def _stale(run: Path) -> str:
    """What is to be said of a bundle that was made before the weights."""
    from models.run_folder import FINAL

    made = (run / FINAL).stat().st_mtime
    names = [path.name for path in run.glob("*.l12") if path.stat().st_mtime < made]
    return f"; {names[0]} is of earlier weights: run lead12 quantize" if names else ""


def _tested(path: Path) -> str:
    """What folds of patients said, in one line."""
    found = json.loads(path.read_text())
    task, folds = found.pop("task"), found.pop("folds")
    figures = (f"{name} {of['mean']:.3f} ± {of['sd']:.3f}" for name, of in found.items())
    return f"{path}: {task}, {folds} folds of patients: " + ", ".join(figures)


def quantize(run: Path, data: Path, *, version: str, embed: bool = False) -> int:
    """Make a bundle in a finished run, or in each student of a recipe: int8, calibrated.

    embed : make the first the network that the firmware carries, and its card docs/models/NAME.md
    """

    def work(say: Progress) -> None:
        from models.quantize import quantize as build

        paths = build(run, data, version, say)
        if embed:
            bundle = Bundle.from_bytes(paths[0].read_bytes())
            shutil.copyfile(paths[0], EMBEDDED)
            CARDS.mkdir(parents=True, exist_ok=True)
            (CARDS / f"{bundle.name}.md").write_text(bundle.card)
        for path in paths:
            print(f"{path} ({path.stat().st_size} bytes): {_measured(path.parent)}")

    return reported(work)


def _measured(run: Path) -> str:
    """What the new bundle is worth on fold 9, in one line."""
    from models.quantize import METRICS

    systems = json.loads((run / METRICS).read_text())["systems"]
    of = {
        system: [systems[system]["tasks"][task]["auc"] for task in ("superdiagnostic", "rhythm")]
        for system in ("int8", "float")
    }
    f1 = systems["int8"]["mate4"]["macro_f1"]
    said = "macro AUC super {:.3f}, rhythm {:.3f}".format(*of["int8"])
    said += " (float {:.3f}, {:.3f})".format(*of["float"])
    said += f"; the four rhythm groups macro-F1 {f1:.3f}"
    return said + (f"{APART}, train it longer" if f1 < HARDLY else "")


def evaluate(
    target: Path,
    data: Path,
    *,
    external: Path | None = None,
    out: Path | None = None,
    as_json: bool = False,
    docs: bool = False,
    jobs: int = 1,
) -> int:
    """Measure a bundle, a run folder's or a recipe folder's; a page and JSON go into ``out``.

    docs : write docs/accuracy.md and the model card anew
    """

    def work(say: Progress) -> None:
        from models.evaluate import targets
        from models.evaluate.whole import evaluate as measure
        from models.report.write import readable, write_docs, write_page
        from tools.evaluate import DeviceChain

        bundle = targets.load(targets.find(target).bundle)
        found = measure(target, data, DeviceChain(jobs), say, foreign=external)
        print(json.dumps(found) if as_json else readable(found))
        written = [write_page(found, out)] if out else []
        written += write_docs(found, bundle.manifest, DOCS) if docs else []
        for path in written:
            print(path, file=sys.stderr)

    return reported(work)


def reported(work: Callable[[Progress], None]) -> int:
    """Run ``work`` under a progress bar; an error of ours is one line and exit code 1.

    Ctrl-C is exit code 130, as in a shell.
    """
    from models.data.ptbxl import DataError
    from models.train import TrainError

    try:
        with _bar() as say:
            work(say)
    except (BundleError, DataError, NetworkError, TrainError) as error:
        print(f"lead12: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "lead12: interrupted; what was finished is kept, the same command goes on",
            file=sys.stderr,
        )
        return 130
    return 0


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar on standard error; in a log, each piece of work is a line when it begins."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    told = {""}
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def say(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)
            if not console.is_terminal and what not in told:
                told.add(what)
                print(what, file=sys.stderr, flush=True)

        yield say
