"""Train one network on the device's own filtered signals: one run, one folder, one seed.

AdamW, one cycle of the learning rate (Smith & Topin, Super-convergence, 2018), gradient norm 1.
The last epoch is the result; fold 9 is watched, not used to stop. A run that was interrupted goes
on from its last epoch and ends with the same weights.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.architectures import ARCHITECTURES
from models.data.augment import STEP_MV
from models.data.labels import RHYTHM, STATEMENTS
from models.groups import GROUPS, OUTPUTS
from models.metrics import macro_auc, rhythm_scores, softmax
from models.views import DOSE, STRESSED, Views

CHECKPOINT, FINAL = "checkpoint.weights.h5", "final.weights.h5"

Progress = Callable[[str, int, int], None]  # what is being done, done, total


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the weights besides the data and the code.

    views : distinct views of the data, taken in turns; 0 = a new one every epoch
    precision : Keras policy; bfloat16 is a third faster where the processor has it
    """

    architecture: str = "residual"
    seed: int = 0
    epochs: int = 18
    batch: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    warm_up: float = 0.2
    rhythm_weight: float = 0.04  # of the mate4 cross-entropy against the mean BCE of the rest
    views: int = 0
    precision: str = "float32"


class TrainError(ValueError):
    """A run cannot start or go on; the message is one line."""


@dataclass(frozen=True)
class Lesson:
    """What one network is taught and watched with.

    views : the training records
    y : float32 [n, OUTPUTS], their labels
    teaching : targets of a view by its number, [n, OUTPUTS]; None = the labels
    val_tensors, val_y : of fold 9; watched, never trained on
    """

    views: Views
    y: NDArray[np.float32]
    val_tensors: NDArray[np.int8]
    val_y: NDArray[np.float32]
    teaching: Callable[[int], NDArray[np.float32]] | None = None


def fit(out: Path, config: TrainConfig, lesson: Lesson, say: Progress) -> None:
    """Train, or go on training, in the run folder ``out``; nothing to do where it is finished."""
    if (out / FINAL).is_file():
        return
    keras = quiet_keras()
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
    steps = len(lesson.views) // config.batch
    if steps == 0:
        raise TrainError(f"{len(lesson.views)} training records are fewer than a batch")
    model, history = _start_or_resume(keras, out, config)
    for epoch in range(len(history), config.epochs):
        what = f"epoch {epoch + 1}/{config.epochs}"
        number = epoch % config.views if config.views else epoch
        windows = lesson.views.view(number)
        y = lesson.teaching(number) if lesson.teaching else lesson.y
        for layer in model.layers:
            if hasattr(layer, "seed_generator"):  # dropout's state is not in the checkpoint
                layer.seed_generator.state.assign([config.seed, epoch * steps])
        order = np.random.default_rng((config.seed, epoch)).permutation(len(windows))
        model.reset_metrics()
        for step in range(steps):
            rows = np.sort(order[step * config.batch : (step + 1) * config.batch])
            at = (epoch * steps + step) / (config.epochs * steps)
            model.optimizer.learning_rate.assign(config.learning_rate * one_cycle(at, config))
            x = windows[rows].astype(np.float32) * STEP_MV
            loss = float(model.train_on_batch(x, y[rows]))  # mean of the epoch so far
            say(what, step + 1, steps)
        logits = predict(model, lesson.val_tensors)
        history.append({"loss": loss, **watch(logits, lesson.val_y)})
        model.save_weights(out / CHECKPOINT)  # the optimiser's state too
        (out / "history.json").write_text(json.dumps(history, indent=1) + "\n")
    _draw(out / "curves.png", history)
    model.save_weights(out / FINAL)


def one_cycle(at: float, config: TrainConfig) -> float:
    """Share of the peak learning rate at ``at`` in 0..1 of training."""
    if at < config.warm_up:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * at / config.warm_up)) / 2
    return 1e-3 + (1 + math.cos(math.pi * (at - config.warm_up) / (1 - config.warm_up))) / 2


def loss_function(rhythm_weight: float) -> Callable[[Any, Any], Any]:
    """Mean BCE over the sigmoid groups + weighted cross-entropy of mate4 where it is labelled."""
    from keras import ops

    mate4 = GROUPS[0].columns

    def loss(y: Any, logits: Any) -> Any:
        bce = ops.binary_crossentropy(y[:, mate4.stop :], logits[:, mate4.stop :], from_logits=True)
        log_p = ops.log_softmax(logits[:, mate4], axis=-1)
        rhythm = -ops.sum(y[:, mate4] * log_p, axis=-1)
        return ops.mean(bce, axis=-1) + rhythm_weight * rhythm

    return loss


def predict(model: Any, tensors: NDArray[np.int8], batch: int = 256) -> NDArray[np.float32]:
    """Float logits [n, OUTPUTS] of int8 tensors [n, 1000, 12]."""
    parts = [
        model.predict_on_batch(tensors[i : i + batch].astype(np.float32) * STEP_MV)
        for i in range(0, len(tensors), batch)
    ]
    return np.concatenate(parts)


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


def load_network(run: Path, samples: int | None = 1000) -> Any:
    """The trained float network of a run folder. Raises TrainError in one line."""
    if not (run / FINAL).is_file():
        raise TrainError(f"{run} holds no finished training; run lead12 train --out {run}")
    quiet_keras()
    model = ARCHITECTURES[read_config(run)["architecture"]](OUTPUTS, samples)
    try:
        model.load_weights(run / FINAL)
    except (OSError, ValueError) as error:
        raise TrainError(f"{run / FINAL} cannot be read ({_line(error)}); train anew") from None
    return model


def read_config(run: Path) -> dict[str, Any]:
    """The config.json of a run folder. Raises TrainError in one line."""
    path = run / "config.json"
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrainError(
            f"{path} cannot be read ({_line(error)}); train into a new --out"
        ) from None
    if not isinstance(config, dict) or config.get("architecture") not in ARCHITECTURES:
        raise TrainError(f"{path} is not of a training; train into a new --out")
    return config


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def quiet_keras() -> Any:
    """Keras on the TensorFlow backend, one thread, without its start-up noise."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow as tf
    except ImportError:
        raise TrainError("TensorFlow is not installed; run make train-setup") from None
    import keras

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # already running: keep what it has
        pass
    return keras


def claim(out: Path, config: TrainConfig, digest: str) -> None:
    """Write config.json, or refuse a folder that holds another run."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = {
        **asdict(config),
        "augmentation": asdict(DOSE),
        "stressed": STRESSED,
        "data_digest": digest,
    }
    path = out / "config.json"
    if path.is_file() and read_config(out) != wanted:
        raise TrainError(f"{out} holds a run with other settings or data; choose another --out")
    path.write_text(json.dumps(wanted, indent=1) + "\n")


def _start_or_resume(
    keras: Any, out: Path, config: TrainConfig
) -> tuple[Any, list[dict[str, float]]]:
    model = ARCHITECTURES[config.architecture](OUTPUTS, None)
    optimizer = keras.optimizers.AdamW(
        config.learning_rate, weight_decay=config.weight_decay, global_clipnorm=1.0
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, loss_function(config.rhythm_weight))
    history = out / "history.json"
    if not ((out / CHECKPOINT).is_file() and history.is_file()):
        return model, []
    optimizer.build(model.trainable_variables)
    model.load_weights(out / CHECKPOINT)
    return model, json.loads(history.read_text())


def _draw(path: Path, history: list[dict[str, float]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    epochs = range(1, len(history) + 1)
    axes[0].plot(epochs, [row["loss"] for row in history])
    axes[0].set(xlabel="epoch", ylabel="training loss")
    for name in list(history[0])[1:]:
        axes[1].plot(epochs, [row[name] for row in history], label=name.replace("_", " "))
    axes[1].set(xlabel="epoch", ylabel="fold 9, float")
    axes[1].legend(fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
