"""A recipe: which networks are trained, by whom they are taught, in one resumable go.

``OUT/teacher-0`` ... : one run folder per teacher
``OUT/opinions/teacher-0-view-3.npy`` : float16 [n, OUTPUTS], a teacher's logits of a view
``OUT/student-0`` ... : one run folder per seed of the student
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.architectures import ARCHITECTURES, DEVICE
from models.data import ptbxl
from models.data.chain import filtered_tensors
from models.data.stress import stressed_tensors
from models.groups import GROUPS, targets
from models.metrics import sigmoid, softmax
from models.train import (
    Lesson,
    Progress,
    TrainConfig,
    TrainError,
    claim,
    fit,
    load_network,
    predict,
)
from models.views import Views

RECIPES = Path(__file__).parent / "recipes"
VIEW_SEED, STRESS_SEED = 1, 2
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Recipe:
    """``students`` differ in their seed only; ``distilled`` is the teachers' share in them."""

    name: str
    teachers: tuple[TrainConfig, ...]
    students: tuple[TrainConfig, ...]
    distilled: float


def read(path: Path) -> Recipe:
    """Read a recipe file. Raises TrainError in one line."""
    try:
        entry = tomllib.loads(path.read_text())
        student = dict(entry["student"])
        seeds, distilled = student.pop("seeds"), float(student.pop("distilled", 0.0))
        recipe = Recipe(
            name=str(entry["name"]),
            teachers=tuple(TrainConfig(**teacher) for teacher in entry.get("teacher", ())),
            students=tuple(TrainConfig(**student, seed=int(seed)) for seed in seeds),
            distilled=distilled,
        )
    except OSError as error:
        known = sorted(file.stem for file in RECIPES.glob("*.toml"))
        raise TrainError(f"no recipe {path} ({error.strerror}); there are {known}") from None
    except KeyError as error:
        raise TrainError(f"{path} is not a recipe: it has no {error}; see docs/data.md") from None
    except (TypeError, ValueError, AttributeError) as error:
        detail = str(error).removeprefix("TrainConfig.__init__() ")
        raise TrainError(f"{path} is not a recipe: {detail}; see docs/data.md") from None
    for config in (*recipe.teachers, *recipe.students):
        _check(path, config)
    if not recipe.students or recipe.students[0].architecture not in DEVICE:
        raise TrainError(f"{path}: a student must be one of {list(DEVICE)}, with a seed at least")
    if not 0 <= recipe.distilled <= 1 or (recipe.distilled > 0) != bool(recipe.teachers):
        raise TrainError(f"{path}: distilled is a share of 0 to 1, above 0 only with teachers")
    if recipe.teachers and not recipe.students[0].views:
        raise TrainError(f"{path}: a taught student needs a number of views")
    return recipe


def _check(path: Path, config: TrainConfig) -> None:
    """Raises TrainError in one line, before anything is claimed or computed."""
    if config.architecture not in ARCHITECTURES:
        raise TrainError(
            f"{path}: no architecture {config.architecture}; there are {list(ARCHITECTURES)}"
        )
    if config.precision not in PRECISIONS:
        raise TrainError(f"{path}: no precision {config.precision}; there are {list(PRECISIONS)}")
    for name, least in (("seed", 0), ("epochs", 1), ("batch", 1), ("views", 0)):
        value = getattr(config, name)
        if type(value) is not int or value < least:
            raise TrainError(f"{path}: {name} is {value!r}, not a whole number from {least} on")
    for name in ("learning_rate", "weight_decay", "warm_up", "rhythm_weight"):
        value = getattr(config, name)
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise TrainError(f"{path}: {name} is {value!r}, not a number of 0 to 1")
    if not 0 < config.warm_up < 1:
        raise TrainError(f"{path}: warm_up is {config.warm_up!r}, not between 0 and 1")


def cook(recipe: Recipe, data: Path, out: Path, jobs: int, say: Progress) -> list[Path]:
    """Train everything in ``recipe`` that is not trained yet; returns the students' folders.

    jobs : networks trained at the same time, one process and one thread each
    Raises DataError or TrainError in one line. Needs the [train] extra.
    """
    digest = ptbxl.load(data).digest
    teachers = [out / f"teacher-{i}" for i in range(len(recipe.teachers))]
    students = [out / f"student-{config.seed}" for config in recipe.students]
    for run, config in zip(
        (*teachers, *students), (*recipe.teachers, *recipe.students), strict=True
    ):
        claim(run, config, digest)
    prepare(data, say)  # once, before the processes want it
    _side_by_side(
        [partial(_train, data, *pair) for pair in zip(teachers, recipe.teachers, strict=True)],
        jobs,
        say,
    )
    views = recipe.students[0].views
    _side_by_side([partial(_opine, data, run, views) for run in teachers], jobs, say)
    _side_by_side(
        [
            partial(_train, data, run, config, tuple(teachers), recipe.distilled)
            for run, config in zip(students, recipe.students, strict=True)
        ],
        jobs,
        say,
    )
    return students


def prepare(data: Path, say: Progress) -> Lesson:
    """The lesson without teachers: folds 1-8 to train on, fold 9 to watch."""
    dataset = ptbxl.load(data)
    tensors = filtered_tensors(dataset, say)
    rows = np.flatnonzero(np.isin(dataset.fold, ptbxl.TRAIN_FOLDS))
    val = dataset.fold == ptbxl.VALIDATION_FOLD
    y = targets(dataset)
    stressed = stressed_tensors(dataset, rows, STRESS_SEED, say)
    views = Views(tensors[rows], stressed, VIEW_SEED)
    return Lesson(views, y[rows], tensors[val], y[val])


def _train(
    data: Path,
    run: Path,
    config: TrainConfig,
    teachers: tuple[Path, ...] = (),
    distilled: float = 0.0,
    *,
    say: Progress,
) -> None:
    if (run / "final.weights.h5").is_file():
        return
    lesson = prepare(data, say)
    if teachers:
        teaching = partial(_taught, lesson.y, teachers, distilled)
        lesson = dataclasses.replace(lesson, teaching=teaching)
    else:
        views = dataclasses.replace(lesson.views, seed=config.seed)
        lesson = dataclasses.replace(lesson, views=views)
    fit(run, config, lesson, partial(_named, say, run.name))


def _opine(data: Path, run: Path, views: int, *, say: Progress) -> None:
    """Write what a teacher thinks of each view."""
    missing = [number for number in range(views) if not _opinion(run, number).is_file()]
    if not missing:
        return
    lesson = prepare(data, say)
    network = load_network(run, None)
    for number in missing:
        path = _opinion(run, number)
        path.parent.mkdir(exist_ok=True)
        logits = predict(network, lesson.views.view(number))
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, logits.astype(np.float16))
        part.rename(path)
        say(f"{run.name}: opinions", number + 1, views)


def _opinion(run: Path, number: int) -> Path:
    return run.parent / "opinions" / f"{run.name}-view-{number}.npy"


def _taught(
    y: NDArray[np.float32], teachers: tuple[Path, ...], distilled: float, number: int
) -> NDArray[np.float32]:
    """Targets of a view: the labels, and the mean logits of the teachers as probabilities."""
    logits = np.mean([np.load(_opinion(run, number)).astype(np.float32) for run in teachers], 0)
    opinion = sigmoid(logits)
    mate4 = GROUPS[0].columns
    opinion[:, mate4] = softmax(logits[:, mate4])
    mixed: NDArray[np.float32] = (distilled * opinion + (1 - distilled) * y).astype(np.float32)
    return mixed


def _named(say: Progress, name: str, what: str, done: int, total: int) -> None:
    say(f"{name}: {what}", done, total)


def _side_by_side(tasks: list[Callable[..., None]], jobs: int, say: Progress) -> None:
    """Run the tasks in processes of their own; their progress is shown as it comes."""
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    waiting, running = list(tasks), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(
                    context.Process(target=_reporting, args=(waiting.pop(0), news), daemon=True)
                )
                running[-1].start()
            try:
                told = news.get(timeout=0.5)
            except Empty:
                told = None
            if isinstance(told, str):
                raise TrainError(told)
            if told:
                say(*told)
            for process in [process for process in running if not process.is_alive()]:
                running.remove(process)
                if process.exitcode:
                    raise TrainError(
                        f"a training process died ({process.exitcode}); start again: finished "
                        "epochs are kept"
                    )
    finally:
        for process in running:
            process.terminate()


def _reporting(task: Callable[..., None], news: Any) -> None:
    try:
        task(say=lambda *told: news.put(told))
    except ValueError as error:  # DataError and TrainError among them
        news.put(str(error))
        raise SystemExit(0) from None
