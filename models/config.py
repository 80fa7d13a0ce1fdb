"""What decides the weights of a network besides data and code: the keys of a recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from firmware.inputs import InputContract, Normal
from models.architectures import ARCHITECTURES
from models.evaluate.folds import FOLDS
from models.groups import column_of

CHOICES: dict[str, Sequence[str]] = {
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
    "optimiser": ("adamw", "adam"),
    "schedule": ("one-cycle", "plateau", "warm-restarts", "constant"),
    "loss": ("bce", "focal"),
    "batches": ("plain", "balanced", "oversampled"),
    "augmentation": ("light", "seven", "none", "variants", "photographed"),
    "normal": ("", *Normal),
    "keep": ("last", "best"),
    "score": ("macro-auc", "auc-ap"),
    "records": ("all", "small", "rest"),
    "trunk": ("free", "frozen"),
}
_WHOLE = {  # key: least
    "seed": 0,
    "epochs": 1,
    "batch": 1,
    "views": 0,
    "patience": 1,
    "restart_epochs": 1,
    "crop": 0,
    "stop_after": 0,
    "head_epochs": 0,
    "brief_for": 0,
}
_SHARES = (  # 0 to 1
    "learning_rate",
    "weight_decay",
    "warm_up",
    "rhythm_weight",
    "clip_norm",
    "factor",
    "alpha",
    "oversample_to",
    "small_share",
)
_BELONGS = {  # key: another, and its values without which it decides nothing
    "warm_up": ("schedule", "one-cycle"),
    "patience": ("schedule", "plateau"),
    "factor": ("schedule", "plateau"),
    "restart_epochs": ("schedule", "warm-restarts"),
    "gamma": ("loss", "focal"),
    "alpha": ("loss", "focal"),
    "oversample_to": ("batches", "oversampled"),
    "small_share": ("records", "small", "rest"),
}
_NAME, _VERSION = re.compile(r"[a-z][a-z0-9-]{0,31}"), re.compile(r"[0-9][a-z0-9.-]{0,31}")


class TrainError(ValueError):
    """A run cannot start or go on; the message is one line."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the weights besides the data and the code.

    rhythm_weight : of the mate4 cross-entropy against the mean loss of the other columns
    views : distinct views of the data, taken in turns; 0 = a new one every epoch
    precision : Keras policy; bfloat16 is a third faster where the processor has it
    clip_norm : of the gradient; 0 = not clipped
    schedule : of the learning rate (models.schedules); warm_up is one-cycle's, patience and
        factor are plateau's, restart_epochs is warm-restarts'
    gamma, alpha : of the focal loss
    batches : balanced: half of each batch has the label ``balance``; oversampled: labels of
        CNN-TE rarer than ``oversample_to`` come more often (models.data.batches)
    augmentation : light, or the seven of "Are ECGs enough?"; of a page its eight binarised
        variants, or as photographed; or none (models.data.augment, models.data.pages)
    crop : samples of a random crop; 0 = the whole window, or what ``light`` takes of it
    normal : another measure than the architecture's own; "" = its own
    keep : which epoch's weights are the result; best by ``score`` on fold 9
    stop_after : epochs without a better score after which training ends; 0 = never
    records : all of folds 1-8; the small set, ``small_share`` of their patients; or the rest
    fold : the tenth of the patients of folds 1-8 that it is tested on (models.cross), 0..9;
        None: fold 9 is watched and nothing tested
    from_run : a run folder whose weights all but the last layer's start from, relative to the
        folder that holds --out
    trunk : frozen: only the last layer learns
    head_epochs : first epochs in which only the last layer learns
    brief_for : epochs that the recipe has which this is the brief form of; 0 = this is all of it
    """

    architecture: str = "residual"
    seed: int = 0
    epochs: int = 18
    batch: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    warm_up: float = 0.2
    rhythm_weight: float = 0.04
    views: int = 0
    precision: str = "float32"
    optimiser: str = "adamw"
    clip_norm: float = 1.0
    schedule: str = "one-cycle"
    patience: int = 3
    factor: float = 0.8
    restart_epochs: int = 10
    loss: str = "bce"
    gamma: float = 2.0
    alpha: float = 0.7
    batches: str = "plain"
    balance: str = ""
    oversample_to: float = 0.1
    augmentation: str = "light"
    crop: int = 0
    normal: str = ""
    keep: str = "last"
    score: str = "macro-auc"
    stop_after: int = 0
    records: str = "all"
    small_share: float = 0.05
    fold: int | None = None
    from_run: str = ""
    trunk: str = "free"
    head_epochs: int = 0
    brief_for: int = 0

    @property
    def contract(self) -> InputContract:
        """What the network is shown."""
        own = ARCHITECTURES[self.architecture].input
        return replace(own, normal=Normal(self.normal)) if self.normal else own

    @property
    def scored(self) -> bool:
        """Whether anything depends on the score of an epoch."""
        return self.keep == "best" or self.schedule == "plateau" or self.stop_after > 0

    def head_only(self, epoch: int) -> bool:
        """Whether only the last layer learns in this epoch."""
        return self.trunk == "frozen" or epoch < self.head_epochs


def from_recipe(table: Mapping[str, Any], **more: Any) -> TrainConfig:
    """Of a recipe's table. Raises TrainError in one line for a key that there is not."""
    known = [field.name for field in fields(TrainConfig)]
    for key in table:
        if key not in known:
            close = get_close_matches(key, known, 2)
            hint = f"did you mean {' or '.join(close)}?" if close else "see docs/training.md"
            raise TrainError(f"unknown key {key}; {hint}")
    return TrainConfig(**{**table, **more})


def from_json(config: dict[str, Any]) -> TrainConfig:
    """The keys of a run's config.json; those that it lacks have their defaults."""
    known = {field.name for field in fields(TrainConfig)}
    return TrainConfig(**{key: value for key, value in config.items() if key in known})


def check(config: TrainConfig) -> None:
    """Raises TrainError in one line, before anything is claimed or computed."""
    if config.architecture not in ARCHITECTURES:
        raise TrainError(f"no architecture {config.architecture}; there are {list(ARCHITECTURES)}")
    for name, known in CHOICES.items():
        value = getattr(config, name)
        if value not in known:
            raise TrainError(f"no {name} {value}; there are {[str(one) for one in known]}")
    for name, least in _WHOLE.items():
        value = getattr(config, name)
        if type(value) is not int or value < least:
            raise TrainError(f"{name} is {value!r}, not a whole number from {least} on")
    if config.fold is not None and (type(config.fold) is not int or not 0 <= config.fold < FOLDS):
        raise TrainError(f"a fold is {config.fold!r}, not a whole number of 0 to {FOLDS - 1}")
    for name in _SHARES:
        value = getattr(config, name)
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise TrainError(f"{name} is {value!r}, not a number of 0 to 1")
    if type(config.gamma) not in (int, float) or not 0 <= config.gamma <= 10:
        raise TrainError(f"gamma is {config.gamma!r}, not a number of 0 to 10")
    for name in ("warm_up", "factor", "small_share"):
        if not 0 < getattr(config, name) < 1:
            raise TrainError(f"{name} is {getattr(config, name)!r}, not between 0 and 1")
    for name in ("from_run", "balance"):
        if not isinstance(getattr(config, name), str):
            raise TrainError(f"{name} is {getattr(config, name)!r}, not a text")
    _check_together(config)


def _check_together(config: TrainConfig) -> None:
    """Keys that must fit each other."""
    samples = config.contract.samples
    for key, (of, *wanted) in _BELONGS.items():
        asked = getattr(config, key) != getattr(TrainConfig, key)
        if asked and getattr(config, of) not in wanted:
            raise TrainError(f'{key} belongs to {of} = "{wanted[0]}"')
    if config.batches == "balanced":
        if config.batch % 2:
            raise TrainError(f"batch is {config.batch}: a balanced one has two halves")
        if column_of(config.balance) is None:
            raise TrainError(
                f"balance is {config.balance!r}: name the label to balance by, a rhythm group, "
                "superclass, statement or one of CNN-TE's, as MI"
            )
    elif config.balance:
        raise TrainError('balance belongs to batches = "balanced"')
    if config.crop > samples or (config.crop and config.contract.height):
        raise TrainError(f"crop is {config.crop}: the window has {samples} samples, a page none")
    if config.fold is not None and config.records != "all":
        raise TrainError(f'records are {config.records}: folds are made of "all"')
    if config.trunk == "frozen" and not config.from_run:
        raise TrainError("trunk is frozen but there is no from_run whose trunk that would be")
    if config.views and config.augmentation != "light":
        raise TrainError('views belong to augmentation = "light"')
    pages = ("none", "variants", "photographed")
    leads = ("none", "light", "seven")
    if config.augmentation not in (pages if config.contract.height else leads):
        known = pages if config.contract.height else leads
        raise TrainError(f"augmentation is {config.augmentation}; for this input there are {known}")
    if config.trunk == "frozen" and config.head_epochs:
        raise TrainError("head_epochs say when a trunk thaws; a frozen one does not")


def check_name(name: str, version: str = "0") -> None:
    """Raises TrainError in one line where the manifest lets no bundle be called that."""
    if not _NAME.fullmatch(name):
        raise TrainError(f"name {name!r}: wanted is a letter, then up to 31 of a-z, 0-9 and -")
    if not _VERSION.fullmatch(version):
        raise TrainError(f"version {version!r}: wanted is a digit, then up to 31 of a-z, 0-9, . -")
