"""Train one network on the device's own signals: one run, one folder, one seed.

What a paper adds besides its layers is a key of ``TrainConfig``. A run that was cut off anywhere
goes on from its last checkpoint and ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.inputs import Form, InputContract
from models.architectures import ARCHITECTURES
from models.config import TrainConfig, TrainError
from models.data.batches import balanced_epoch, oversampled_epoch, plain_epoch
from models.data.forms import Clean, Material, stands_for
from models.data.labels import RHYTHM, STATEMENTS
from models.distribution import any_of, chief, join, share, weights
from models.groups import GROUPS, OUTPUTS, column_of
from models.inputs import TEN_SECONDS
from models.losses import loss_function
from models.metrics import macro_auc, rhythm_scores, softmax
from models.run_folder import (
    BEST,
    CHECKPOINT,
    CURVES,
    FINAL,
    HISTORY,
    OUT_OF_TIME,
    PLANNED,
    WORN_OUT,
    Standing,
    complete,
    load_weights,
    save,
    standing,
    tell,
    train_config,
    write,
)
from models.schedules import best_epoch, rate, score, worn_out
from models.views import Views

PREDICTED = 256 * TEN_SECONDS.samples * 12  # numbers in a batch that is only looked at
CHECKPOINT_S = 600.0  # between checkpoints within an epoch
CNN_TE = next(group for group in GROUPS if group.name == "cnn_te").columns

Progress = Callable[[str, int, int], None]  # what is being done, done, total
Tensors = NDArray[np.int8] | Clean


@dataclass(frozen=True)
class Lesson:
    """What one network is taught and watched with.

    views : the training records
    y : float32 [n, OUTPUTS], their labels
    teaching : targets of a view by its number, [n, OUTPUTS]; None = the labels
    val_tensors, val_y : of fold 9; watched, never trained on
    """

    views: Views | Material
    y: NDArray[np.float32]
    val_tensors: Tensors
    val_y: NDArray[np.float32]
    teaching: Callable[[int], NDArray[np.float32]] | None = None


def fit(
    out: Path,
    config: TrainConfig,
    lesson: Lesson,
    say: Progress,
    *,
    hours: float = math.inf,
    start: Path | None = None,
    threads: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Train, or go on training, in the run folder ``out``; nothing to do where it is finished.

    hours : after which it stops where it is; what it has learned until then is the result
    start : run folder whose weights are the first ones, but for the last layer's
    """
    if complete(out):
        return
    keras = quiet_keras(threads)
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
    if len(lesson.views) < config.batch:
        raise TrainError(f"{len(lesson.views)} training records are fewer than a batch")
    model, at = _start_or_resume(out, config, lesson, start)
    begun, before = clock(), at.took_s
    saved, why = begun, PLANNED
    for epoch in range(at.epoch, config.epochs):
        if _spent(at, hours):
            why = OUT_OF_TIME
            break
        if worn_out(config, at.history):
            why = WORN_OUT
            break
        if config.head_only(epoch) != at.head_only:
            at.head_only = config.head_only(epoch)
            _compile(model, config, at.head_only)
        number = epoch % config.views if config.views else epoch
        show = lesson.views.epoch(number)
        y = lesson.teaching(number) if lesson.teaching else lesson.y
        order = _order(config, lesson.y, epoch)
        at.steps = steps = len(order)
        if at.step == 0:
            at.losses, at.seeds = [], [[config.seed, epoch * steps]] * len(_drawing(model))
        for layer, seed in zip(_drawing(model), at.seeds, strict=True):
            layer.seed_generator.state.assign(seed)
        for step in range(at.step, steps):
            rows = share(np.sort(order[step]))
            peak = rate(config, at.history, (epoch * steps + step) / (config.epochs * steps))
            model.optimizer.learning_rate.assign(config.learning_rate * peak)
            model.reset_metrics()
            at.losses.append(float(model.train_on_batch(show(rows), y[rows], weights(rows))))
            at.step = step + 1
            say(f"epoch {epoch + 1}/{config.epochs}", step + 1, steps)
            now = clock()
            at.took_s = before + now - begun
            spent = _spent(at, hours)
            if spent or any_of(now - saved > CHECKPOINT_S):
                _keep(out, model, at)
                saved = now
            if spent and at.step < steps:
                why = OUT_OF_TIME
                break
        if why == OUT_OF_TIME:
            break
        _close_epoch(out, model, config, lesson, at)
        at.took_s, saved = before + clock() - begun, clock()
        _keep(out, model, at)
        if chief():
            (out / HISTORY).write_text(json.dumps(at.history, indent=1) + "\n")
    _finish(out, model, config, at, why, threads)


def _spent(at: Standing, hours: float) -> bool:
    """Whether time is up, for any of the processes that train together."""
    return hours < math.inf and any_of(at.took_s >= 3600 * hours)


def _close_epoch(out: Path, model: Any, config: TrainConfig, lesson: Lesson, at: Standing) -> None:
    """Look at fold 9, and write down what is seen."""
    logits = predict(model, lesson.val_tensors, config.contract)
    row = {"loss": float(np.mean(at.losses)), **watch(logits, lesson.val_y)}
    if config.scored:
        row["score"] = score(config, logits, lesson.val_y)
    at.history.append(row)
    if config.keep == "best" and best_epoch(at.history) == len(at.history) - 1:
        write(out / BEST, model)
    at.epoch, at.step = at.epoch + 1, 0


def _finish(
    out: Path, model: Any, config: TrainConfig, at: Standing, why: str, threads: int
) -> None:
    """The result: the weights as they stand, or the best epoch's."""
    kept = best_epoch(at.history) + 1 if config.keep == "best" and at.history else 0
    if not kept:
        write(out / FINAL, model)
    if not chief():
        return
    if kept:
        shutil.copyfile(out / BEST, out / FINAL)
    draw(out / CURVES, at)
    tell(out, config, at, why, kept, threads)


def _keep(out: Path, model: Any, at: Standing) -> None:
    at.seeds = [np.asarray(layer.seed_generator.state).tolist() for layer in _drawing(model)]
    save(out, model, at)


def _drawing(model: Any) -> list[Any]:
    """Layers that draw lots, dropout's; their state is not in Keras' checkpoint."""
    return [layer for layer in model.layers if hasattr(layer, "seed_generator")]


def _order(config: TrainConfig, y: NDArray[np.float32], epoch: int) -> NDArray[np.intp]:
    """Rows [steps, batch] of an epoch."""
    rng = np.random.default_rng((config.seed, epoch))
    try:
        match config.batches:
            case "balanced":
                return balanced_epoch(y[:, column_of(config.balance)] > 0, config.batch, rng)
            case "oversampled":
                return oversampled_epoch(y[:, CNN_TE], config.oversample_to, config.batch, rng)
    except ValueError as error:
        raise TrainError(str(error)) from None
    return plain_epoch(len(y), config.batch, rng)


def predict(
    model: Any, tensors: Tensors, contract: InputContract = TEN_SECONDS
) -> NDArray[np.float32]:
    """Float logits [n, OUTPUTS] of int8 tensors [n, *contract.shape]."""
    batch = max(1, PREDICTED // math.prod(contract.shape))
    parts = [
        model.predict_on_batch(stands_for(tensors[i : i + batch], contract))
        for i in range(0, len(tensors), batch)
    ]
    return np.concatenate([np.asarray(part) for part in parts])


def watch(logits: NDArray[np.float32], y: NDArray[np.float32]) -> dict[str, float]:
    """The figures drawn per epoch."""
    mate4, superclasses, statements = (group.columns for group in GROUPS[:3])
    rhythm = [statements.start + STATEMENTS.index(code) for code in RHYTHM]
    truth = y[:, mate4]
    labelled = truth.any(1)
    scores = rhythm_scores(truth[labelled].argmax(1), softmax(logits[labelled, mate4]).argmax(1))
    return {
        "mate4_macro_f1": scores["macro_f1"],
        "mate4_accuracy": scores["accuracy"],
        "superclass_auc": macro_auc(y[:, superclasses], logits[:, superclasses]),
        "statement_auc": macro_auc(y[:, statements], logits[:, statements]),
        "rhythm_auc": macro_auc(y[:, rhythm], logits[:, rhythm]),
    }


def load_network(run: Path, *, any_length: bool = False) -> Any:
    """The trained float network of a run folder. Raises TrainError in one line.

    any_length : of the windows it is given, where the architecture allows; else the contract's
    """
    if not (run / FINAL).is_file():
        raise TrainError(f"{run} holds no finished training; run lead12 train --out {run}")
    config = train_config(run)
    quiet_keras()
    samples = None if any_length else config.contract.samples
    model = ARCHITECTURES[config.architecture](OUTPUTS, samples)
    load_weights(model, run / FINAL)
    return model


def quiet_keras(threads: int = 1) -> Any:
    """Keras without its start-up noise, on KERAS_BACKEND or TensorFlow."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    backend = os.environ["KERAS_BACKEND"]
    try:
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf
    except ImportError:
        raise TrainError(f"{backend} is not installed; run make train-setup") from None
    if keras.backend.backend() == "tensorflow":
        tf.get_logger().setLevel("ERROR")  # its advice to programmers
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:  # already running: keep what it has
            pass
    join(keras)
    return keras


def _start_or_resume(
    out: Path, config: TrainConfig, lesson: Lesson, start: Path | None
) -> tuple[Any, Standing]:
    model = ARCHITECTURES[config.architecture](OUTPUTS, _shown_samples(config))
    at = standing(out)
    if at is None:
        if start is not None:
            head = model.get_layer("logits")
            untaught = head.get_weights()
            load_weights(model, start / FINAL)
            head.set_weights(untaught)
        at = Standing(head_only=config.head_only(0))
        _compile(model, config, at.head_only)
        return model, at
    _compile(model, config, at.head_only)
    model.optimizer.build(model.trainable_variables)
    load_weights(model, out / CHECKPOINT)
    return model, at


def _shown_samples(config: TrainConfig) -> int | None:
    """Length that the network is built for: None where windows are shorter than the device's."""
    contract = config.contract
    cropped = contract == TEN_SECONDS and config.augmentation == "light"
    if contract.form is Form.WINDOW and (cropped or 0 < config.crop < contract.samples):
        return None
    return contract.samples


def _compile(model: Any, config: TrainConfig, head_only: bool) -> None:
    """A fresh optimiser; only the last layer learns where ``head_only``."""
    import keras

    for layer in model.layers:
        layer.trainable = layer.name == "logits" or not head_only
    kinds = {"adamw": keras.optimizers.AdamW, "adam": keras.optimizers.Adam}
    optimizer = kinds[config.optimiser](
        config.learning_rate,
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm or None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    focal = (config.gamma, config.alpha) if config.loss == "focal" else None
    model.compile(optimizer, loss_function(config.rhythm_weight, focal))


def draw(path: Path, at: Standing) -> None:
    """The curves; of an epoch that was not finished, its loss alone."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    epochs = list(range(1, len(at.history) + 1))
    losses = [row["loss"] for row in at.history]
    if at.step:
        epochs, losses = [*epochs, at.epoch + 1], [*losses, float(np.mean(at.losses))]
    axes[0].plot(epochs, losses, marker="." if len(epochs) < 3 else "")
    axes[0].set(xlabel="epoch", ylabel="training loss")
    for name in list(at.history[0])[1:] if at.history else []:
        values = [row[name] for row in at.history]
        axes[1].plot(epochs[: len(values)], values, label=name.replace("_", " "))
    axes[1].set(xlabel="epoch", ylabel="fold 9, float")
    if at.history:
        axes[1].legend(fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
