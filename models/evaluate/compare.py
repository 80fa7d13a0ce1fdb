"""All networks on the same records: what stands in one row of docs/networks.md.

Scores are kept in the user's cache under everything that decides them, so that a run that was cut
off goes on, and a page can be written anew without a network being run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.network import Network
from models.architectures import ARCHITECTURES
from models.config import TrainError
from models.data.labels import CNN_TE
from models.evaluate.bootstrap import interval, resampled_macro_auc
from models.evaluate.fold import Chain, Fold, Result
from models.evaluate.gmean import mean_average_precision, said_figures
from models.evaluate.outputs import ByGroup, from_results, int8_logits, probabilities
from models.evaluate.targets import load
from models.evaluate.tasks import Task, tasks
from models.evaluate.thresholds import table, tuned
from models.metrics import macro_auc, rhythm_scores
from models.run_folder import FINAL, read_config, told
from models.train import Progress, load_network, predict

TASKS = ("superdiagnostic", "rhythm")
OURS = "lead12"  # the first row: the network that the firmware carries
PIECE = 100  # records after which what the device said is kept


@dataclass(frozen=True)
class Subject:
    """One network of the table.

    run : folder of its training, None where it was not trained here; recipe : what it followed
    bundle : None where it was not quantised
    """

    name: str
    architecture: str
    run: Path | None = None
    bundle: Path | None = None
    recipe: str = ""


def subjects(runs: Path | None, embedded: Path) -> list[Subject]:
    """Our own network, then every architecture that a device runs, trained or not.

    Runs on a part of the records (transfer, folds) are left out. Of several others of an
    architecture those of its own recipe come first, then what has a bundle, then what is finished;
    then the order is that of their paths, never of their scores.
    """
    found = list(_runs(runs)) if runs else []
    own = load(embedded)
    architecture = str(own.manifest.get("training", {}).get("run", {}).get("architecture", ""))
    twins = [one.run for one in found if one.bundle and _sha256(one.bundle) == own.digest]
    rows = [Subject(OURS, architecture, twins[0] if twins else None, embedded)]
    for name, of in ARCHITECTURES.items():
        if not of.device or name == architecture:
            continue
        trained = [one for one in found if one.architecture == name]
        trained.sort(key=_order)
        rows.append(trained[0] if trained else Subject(name, name))
    return rows


def _order(one: Subject) -> tuple[bool, int]:
    stage = 0 if one.bundle else 1 if one.run and (one.run / FINAL).is_file() else 2
    return one.recipe != one.architecture, stage


def _runs(folder: Path) -> Iterator[Subject]:
    for path in sorted(folder.rglob("config.json")):
        run = path.parent
        try:
            config = read_config(run)
        except TrainError:
            continue
        if config.get("records", "all") != "all" or config.get("fold") is not None:
            continue
        name = str(config["architecture"])
        bundles = sorted(run.glob("*.l12"))
        recipe = str(config.get("recipe", name))
        yield Subject(name, name, run, bundles[0] if bundles else None, recipe)


def training(subject: Subject) -> dict[str, Any]:
    """How far its weights came, from the run's training.json; {} where it was not trained here.

    epochs, planned : done, and the recipe's; brief : whether it is its brief form
    chosen : whether fold 9 chose the epoch
    seconds, hardware : None where the run does not say
    """
    if subject.run is None:
        return {}
    config, said = read_config(subject.run), told(subject.run)
    finished = (subject.run / FINAL).is_file()
    devices = ", ".join(said.get("devices", ()))
    return {
        "epochs": said.get("epochs_done", config["epochs"] if finished else 0),
        "planned": config.get("brief_for") or config["epochs"],
        "brief": bool(config.get("brief_for")),
        "ended": said.get("ended"),
        "chosen": config.get("keep") == "best",
        "seconds": said.get("took_s"),
        "hardware": f"{said['processor']} ({devices})" if "processor" in said else None,
        "finished": finished,
    }


@dataclass(frozen=True)
class Measured:
    """``systems``: figures of float, int8 and device; ``device``: its scores, row by row."""

    systems: dict[str, dict[str, Any]]
    device: ByGroup


def measured(
    subject: Subject, bundle: Path, on: Fold, chain: Chain, code: str, say: Progress
) -> Measured:
    """Float, int8 and device on the records of ``on``; float where its weights are there.

    on : with the tensors of the bundle's own contract
    code : digest of the sources that the device's answers depend on
    """
    of = load(bundle)
    key = f"{of.digest} {on.dataset.digest} {' '.join(on.dataset.record_ids)}"
    found: dict[str, ByGroup] = {}
    run = subject.run
    if run and (run / FINAL).is_file():
        weights = _sha256(run / FINAL)
        logits = _kept(
            f"float {weights} {key}", lambda: predict(load_network(run), on.tensors, of.input)
        )
        found["float"] = probabilities(of.groups, logits)
    what = f"{subject.name}: int8"
    logits = _kept(f"int8 {key}", lambda: int8_logits(Network(of), on.tensors, say, what))
    found["int8"] = probabilities(of.groups, logits)
    results = device_results(subject.name, bundle, on, chain, f"{key} {code}", say)
    found["device"] = from_results(of.groups, results)
    say(f"{subject.name}: figures", 0, 1)
    systems = {name: figures(on, score) for name, score in found.items()}
    systems["device"]["called"] = sum(result.get("call") is not None for result in results)
    if "float" in found:
        systems["int8"]["less_float"] = differences(on, found["int8"], found["float"])
    return Measured(systems, found["device"])


def device_results(
    name: str, bundle: Path, on: Fold, chain: Chain, key: str, say: Progress
) -> list[Result]:
    """What ``lead12 classify`` says of each record: call and scores; asked once, then kept."""
    path = _cache(f"device {key}", "jsonl")
    done = [json.loads(line) for line in _whole_lines(path)]
    recordings = list(on.recordings())
    with path.open("w") as file:  # without a line that was cut off
        file.writelines(f"{json.dumps(one)}\n" for one in done)
    for start in range(len(done), len(recordings), PIECE):
        some = recordings[start : start + PIECE]
        for one in chain.recordings(bundle, some, len(some), lambda *_: None):
            done.append({key: one.get(key) for key in ("call", "reason", "scores")})
        with path.open("a") as file:
            file.writelines(f"{json.dumps(one)}\n" for one in done[start:])
        say(f"{name}: device", len(done), len(recordings))
    return [one | {"scores": one["scores"] or {}} for one in done]


def figures(on: Fold, score: ByGroup) -> dict[str, Any]:
    """Macro AUC with its interval, MAP, and with tuned thresholds F1, accuracy and G-mean."""
    found: dict[str, Any] = {}
    for task in _asked(on, score):
        cut = tuned(task.truth, task.score, on.dataset.meta.patient_id[task.rows])
        values = resampled_macro_auc(task.truth, task.score, on.weights[:, task.rows])
        found[task.name] = {
            "records": int(task.rows.sum()),
            "labels": int((task.truth.any(0) & ~task.truth.all(0)).sum()),
            "auc": macro_auc(task.truth, task.score),
            "interval": interval(values),
            "map": mean_average_precision(task.truth, task.score),
            **said_figures(task.truth, cut.said),
        }
    if "mate4" in score:
        right, said = on.truth["mate4"][on.known].argmax(1), score["mate4"][on.known].argmax(1)
        four = rhythm_scores(right, said)
        found["mate4"] = {key: four[key] for key in ("accuracy", "macro_f1")}
    if "cnn_te" in score:
        truth = on.truth["cnn_te"] > 0
        cut = tuned(truth, score["cnn_te"], on.dataset.meta.patient_id)
        found["cnn_te"] = table(tuple(CNN_TE), truth, score["cnn_te"], cut)
    return found


def differences(on: Fold, one: ByGroup, other: ByGroup) -> dict[str, Any]:
    """Macro AUC of ``one`` less ``other``, on the same records: paired, with intervals."""
    found = {}
    for a, b in zip(_asked(on, one), _asked(on, other), strict=True):
        weights = on.weights[:, a.rows]
        resampled = [resampled_macro_auc(task.truth, task.score, weights) for task in (a, b)]
        found[a.name] = {
            "difference": macro_auc(a.truth, a.score) - macro_auc(b.truth, b.score),
            "interval": interval(resampled[0] - resampled[1]),
        }
    return found


def _asked(on: Fold, score: ByGroup) -> Sequence[Task]:
    return [task for task in tasks(on.truth, score) if task.name in TASKS]


def macro_aucs(on: Fold, score: ByGroup) -> dict[str, float]:
    """Macro AUC of each of TASKS."""
    return {task.name: macro_auc(task.truth, task.score) for task in _asked(on, score)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _whole_lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _kept(key: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """``make()``, from the cache if it was made before."""
    path = _cache(key, "npy")
    if not path.is_file():
        part = path.with_suffix(f".{os.getpid()}")
        with part.open("wb") as file:
            np.save(file, make())
        part.replace(path)
    kept: NDArray[Any] = np.load(path)
    return kept


def _cache(key: str, suffix: str) -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lead12"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"scores-{hashlib.sha256(key.encode()).hexdigest()[:16]}.{suffix}"
