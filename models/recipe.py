"""A recipe: which networks are trained, by whom they are taught, in one resumable go.

``OUT/teacher-0`` ... : one run folder per teacher
``OUT/opinions/teacher-0-view-3.npy`` : float16 [n, OUTPUTS], a teacher's logits of a view
``OUT/student-0`` ... : one run folder per seed of the student
"""

from __future__ import annotations

import dataclasses
import math
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

from models.architectures import DEVICE
from models.config import TrainConfig, TrainError, check
from models.data import ptbxl
from models.data.chain import filtered_tensors
from models.data.forms import Clean, Material, has_signal, kept_leads
from models.data.stress import stressed_tensors
from models.groups import GROUPS, targets
from models.inputs import TEN_SECONDS
from models.metrics import sigmoid, softmax
from models.run_folder import FINAL, claim, complete, train_config
from models.train import Lesson, Progress, fit, load_network, predict
from models.views import Views

RECIPES = Path(__file__).parent / "recipes"
VIEW_SEED, STRESS_SEED = 1, 2
SMALL_SEED = 3


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
        detail = f"it has no {error}"
        raise TrainError(f"{path} is not a recipe: {detail}; see docs/training.md") from None
    except (TypeError, ValueError, AttributeError) as error:
        detail = str(error).removeprefix("TrainConfig.__init__() ")
        raise TrainError(f"{path} is not a recipe: {detail}; see docs/training.md") from None
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
    try:
        check(config)
    except TrainError as error:
        raise TrainError(f"{path}: {error}") from None


def cook(
    recipe: Recipe, data: Path, out: Path, jobs: int, say: Progress, hours: float = math.inf
) -> list[Path]:
    """Train everything in ``recipe`` that is not trained yet; returns the students' folders.

    jobs : processor cores: networks trained at the same time, one process each
    hours : of training, after which each student stops where it is
    Raises DataError or TrainError in one line. Needs the [train] extra.
    """
    dataset = ptbxl.load(data)
    teachers = [out / f"teacher-{i}" for i in range(len(recipe.teachers))]
    students = [out / f"student-{config.seed}" for config in recipe.students]
    starts = [_start(out, config) for config in recipe.students]
    for run, config in zip(
        (*teachers, *students), (*recipe.teachers, *recipe.students), strict=True
    ):
        claim(run, config, dataset.digest, recipe.name)
    of_inputs = {config.contract: config for config in (*recipe.teachers, *recipe.students)}
    for config in of_inputs.values():
        prepare(dataset, config, say)  # once, before the processes want it
    _side_by_side(
        [partial(_train, data, *pair) for pair in zip(teachers, recipe.teachers, strict=True)],
        jobs,
        say,
    )
    views = recipe.students[0].views
    _side_by_side([partial(_opine, data, run, views) for run in teachers], jobs, say)
    _side_by_side(
        [
            partial(
                _train,
                data,
                run,
                config,
                tuple(teachers),
                recipe.distilled,
                start=start,
                hours=hours,
                threads=max(1, jobs // len(students)),
            )
            for run, config, start in zip(students, recipe.students, starts, strict=True)
        ],
        jobs,
        say,
    )
    return students


def _start(out: Path, config: TrainConfig) -> Path | None:
    """The run that the weights start from. Raises TrainError in one line."""
    if not config.from_run:
        return None
    run = out.absolute().parent / config.from_run
    if not (run / FINAL).is_file():
        raise TrainError(f"{run} holds no finished training to start from; train it first")
    if (other := train_config(run)).architecture != config.architecture:
        raise TrainError(f"{run} is a {other.architecture}, not a {config.architecture}")
    return run


def prepare(dataset: ptbxl.Dataset, config: TrainConfig, say: Progress) -> Lesson:
    """The lesson without teachers: of folds 1-8 to train on, fold 9 to watch."""
    contract = config.contract
    rows = training_rows(dataset, config)
    val = np.flatnonzero(dataset.fold == ptbxl.VALIDATION_FOLD)
    y = targets(dataset)
    if contract == TEN_SECONDS and config.augmentation == "light":
        tensors = filtered_tensors(dataset, say)
        stressed = stressed_tensors(dataset, rows, STRESS_SEED, say)
        return Lesson(Views(tensors[rows], stressed, VIEW_SEED), y[rows], tensors[val], y[val])
    leads = kept_leads(dataset, contract, say)
    rows = rows[has_signal(leads, rows)]
    material = Material(leads, rows, contract, config.seed, config.augmentation, config.crop)
    return Lesson(material, y[rows], Clean(leads, val, contract), y[val])


def training_rows(dataset: ptbxl.Dataset, config: TrainConfig) -> NDArray[np.intp]:
    """Records of folds 1-8 that the run may learn from; small and rest share no patient."""
    train = np.isin(dataset.fold, ptbxl.TRAIN_FOLDS)
    if config.records != "all":
        patients = np.unique(dataset.meta.patient_id[train])
        lot = np.random.default_rng(SMALL_SEED).permutation(patients)
        small = np.isin(dataset.meta.patient_id, lot[: round(config.small_share * len(lot))])
        train &= small if config.records == "small" else ~small
    return np.flatnonzero(train)


def _train(
    data: Path,
    run: Path,
    config: TrainConfig,
    teachers: tuple[Path, ...] = (),
    distilled: float = 0.0,
    *,
    start: Path | None = None,
    hours: float = math.inf,
    threads: int = 1,
    say: Progress,
) -> None:
    if complete(run):
        return
    lesson = prepare(ptbxl.load(data), config, say)
    if teachers:
        teaching = partial(_taught, lesson.y, teachers, distilled)
        lesson = dataclasses.replace(lesson, teaching=teaching)
    elif isinstance(lesson.views, Views):
        views = dataclasses.replace(lesson.views, seed=config.seed)
        lesson = dataclasses.replace(lesson, views=views)
    named = partial(_named, say, run.name)
    fit(run, config, lesson, named, hours=hours, start=start, threads=threads)


def _opine(data: Path, run: Path, views: int, *, say: Progress) -> None:
    """Write what a teacher thinks of each view."""
    missing = [number for number in range(views) if not _opinion(run, number).is_file()]
    if not missing:
        return
    lesson = prepare(ptbxl.load(data), train_config(run), say)
    assert isinstance(lesson.views, Views)  # teachers have them
    network = load_network(run, any_length=True)
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
