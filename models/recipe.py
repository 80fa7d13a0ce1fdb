"""A recipe: which networks are trained, by whom they are taught, in one resumable go.

``OUT/teacher-0`` ... : one run folder per teacher
``OUT/opinions/teacher-0-view-3.npy`` : float16 [n, OUTPUTS], a teacher's logits of a view
``OUT/student-0`` ... : one run folder per seed of the student, or ``OUT/fold-0`` ... per fold
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.architectures import DEVICE
from models.config import TrainConfig, TrainError, check, check_name, from_recipe
from models.cross import TEST, Rows, examine, gather, split
from models.data import ptbxl
from models.data.chain import filtered_tensors
from models.data.forms import Clean, Material, has_signal, kept_leads
from models.data.stress import stressed_tensors
from models.distribution import chief
from models.groups import GROUPS, targets
from models.inputs import TEN_SECONDS
from models.metrics import sigmoid, softmax
from models.run_folder import FINAL, claim, complete, train_config
from models.side_by_side import side_by_side
from models.train import Lesson, Progress, Tensors, fit, load_network, predict
from models.views import Views

RECIPES = Path(__file__).parent / "recipes"
# Few epochs end nowhere at a paper's constant rate; and the last one is nobody's choice.
BRIEF = {"schedule": "one-cycle", "clip_norm": 1.0, "keep": "last", "stop_after": 0}
_NOT_BRIEF = ("patience", "factor", "restart_epochs")
VIEW_SEED, STRESS_SEED = 1, 2


@dataclass(frozen=True)
class Recipe:
    """``students`` differ in seed or fold only; ``distilled`` is the teachers' share in them."""

    name: str
    teachers: tuple[TrainConfig, ...]
    students: tuple[TrainConfig, ...]
    distilled: float


def read(path: Path, *, brief: bool = False) -> Recipe:
    """Read a recipe file. Raises TrainError in one line.

    brief : its brief form, for a processor without a GPU: the keys of ``[brief]`` and BRIEF instead
    """
    try:
        entry = tomllib.loads(path.read_text())
        student = dict(entry["student"])
        if brief:
            student = _shortened(student, entry.get("brief"))
        seeds, distilled = student.pop("seeds"), float(student.pop("distilled", 0.0))
        folds = student.pop("folds", [None])
        for name, value in (("seeds", seeds), ("folds", folds)):
            if not isinstance(value, list):
                raise TrainError(f"{name} is {value!r}, not a list of numbers")
        recipe = Recipe(
            name=str(entry["name"]),
            teachers=tuple(from_recipe(teacher) for teacher in entry.get("teacher", ())),
            students=tuple(
                from_recipe(student, seed=seed, fold=fold) for seed in seeds for fold in folds
            ),
            distilled=distilled,
        )
    except TrainError as error:
        raise TrainError(f"{path}: {error}") from None
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.toml")))
        raise TrainError(f"no recipe {path} ({error.strerror}); there are {known}") from None
    except KeyError as error:
        detail = f"it has no {error}"
        raise TrainError(f"{path} is not a recipe: {detail}; see docs/training.md") from None
    except (TypeError, ValueError, AttributeError) as error:
        detail = str(error).removeprefix("TrainConfig.__init__() ")
        raise TrainError(f"{path} is not a recipe: {detail}; see docs/training.md") from None
    try:
        check_name(recipe.name)
        for config in (*recipe.teachers, *recipe.students):
            check(config)
    except TrainError as error:
        raise TrainError(f"{path}: {error}") from None
    if not recipe.students or recipe.students[0].architecture not in DEVICE:
        raise TrainError(f"{path}: a student must be one of {list(DEVICE)}, with a seed at least")
    if recipe.students[0].fold is not None and (len(seeds) > 1 or recipe.teachers):
        raise TrainError(f"{path}: folds belong to one seed and no teachers")
    if not 0 <= recipe.distilled <= 1 or (recipe.distilled > 0) != bool(recipe.teachers):
        raise TrainError(f"{path}: distilled is a share of 0 to 1, above 0 only with teachers")
    if recipe.teachers and not recipe.students[0].views:
        raise TrainError(f"{path}: a taught student needs a number of views")
    return recipe


def _shortened(student: dict[str, Any], brief: Mapping[str, Any] | None) -> dict[str, Any]:
    if brief is None:
        raise TrainError("it has no [brief] form; --hours ends any training early")
    kept = {key: value for key, value in student.items() if key not in _NOT_BRIEF}
    return {**kept, **BRIEF, **brief, "epochs": brief["epochs"], "brief_for": student["epochs"]}


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
    students = [_folder(out, config) for config in recipe.students]
    starts = [_start(out, config) for config in recipe.students]
    for run, config in zip(
        (*teachers, *students), (*recipe.teachers, *recipe.students), strict=True
    ):
        claim(run, config, dataset.digest, recipe.name)
    of_inputs = {config.contract: config for config in (*recipe.teachers, *recipe.students)}
    for config in of_inputs.values():
        prepare(dataset, config, say)  # once, before the processes want it
    side_by_side(
        [partial(_train, data, *pair) for pair in zip(teachers, recipe.teachers, strict=True)],
        jobs,
        say,
    )
    views = recipe.students[0].views
    side_by_side([partial(_opine, data, run, views) for run in teachers], jobs, say)
    side_by_side(
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
    if recipe.students[0].fold is not None and chief():
        gather(out, students)
    return students


def _folder(out: Path, config: TrainConfig) -> Path:
    return out / (f"student-{config.seed}" if config.fold is None else f"fold-{config.fold}")


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
    """The lesson without teachers: records to train on, and those to watch."""
    contract, of, y = config.contract, split(dataset, config), targets(dataset)
    watched = shown(dataset, config, of.validation, say)
    if _has_views(config):
        tensors = filtered_tensors(dataset, say)
        stressed = stressed_tensors(dataset, of.train, STRESS_SEED, say)
        views = Views(tensors[of.train], stressed, VIEW_SEED)
        return Lesson(views, y[of.train], watched, y[of.validation])
    leads = kept_leads(dataset, contract, say)
    rows = of.train[has_signal(leads, of.train)]
    material = Material(leads, rows, contract, config.seed, config.augmentation, config.crop)
    return Lesson(material, y[rows], watched, y[of.validation])


def shown(dataset: ptbxl.Dataset, config: TrainConfig, rows: Rows, say: Progress) -> Tensors:
    """The tensors of some records as the device makes them, unspoilt."""
    if _has_views(config):
        return filtered_tensors(dataset, say)[rows]
    return Clean(kept_leads(dataset, config.contract, say), rows, config.contract)


def _has_views(config: TrainConfig) -> bool:
    """Whether it learns from views of the ten seconds, spoilt before the filters."""
    return config.contract == TEN_SECONDS and config.augmentation == "light"


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
    if complete(run) and (config.fold is None or (run / TEST).is_file()):
        return
    dataset = ptbxl.load(data)
    lesson = prepare(dataset, config, say)
    if teachers:
        teaching = partial(_taught, lesson.y, teachers, distilled)
        lesson = dataclasses.replace(lesson, teaching=teaching)
    elif isinstance(lesson.views, Views):
        views = dataclasses.replace(lesson.views, seed=config.seed)
        lesson = dataclasses.replace(lesson, views=views)
    named = partial(_named, say, run.name)
    fit(run, config, lesson, named, hours=hours, start=start, threads=threads)
    if config.fold is not None and chief():
        _test(run, config, dataset, lesson, named)


def _test(
    run: Path, config: TrainConfig, dataset: ptbxl.Dataset, lesson: Lesson, say: Progress
) -> None:
    network, rows = load_network(run), split(dataset, config).test
    unseen = shown(dataset, config, rows, say)
    say("tested", 0, 1)
    watched = (lesson.val_y, predict(network, lesson.val_tensors, config.contract))
    examine(run, watched, (targets(dataset)[rows], predict(network, unseen, config.contract)))


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
