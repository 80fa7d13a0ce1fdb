"""Float network -> full int8 -> calibrated bundle, in one go.

Activations are calibrated on augmented training records, noise and lost leads included. Fold 9
gives slope and offset of each label, which go into the last layer before it is quantised, and then
temperatures, thresholds, and the weights of the measured rate: calibrated figures on fold 9 are a
little optimistic.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.bundle import OutputGroup
from firmware.fusion import Fusion, fuse
from firmware.inputs import InputContract
from firmware.network import Network
from models.architectures.layers import unroll
from models.bundle import Calibration, draft, finish
from models.calibrate import calibrated, fusion_weights, slopes_and_offsets
from models.config import TrainError, check_name, from_json
from models.data import ptbxl
from models.data.augment import Augmentation, augment
from models.data.forms import Material
from models.data.rates import Rate, measured_rates
from models.evaluate.cost import cost
from models.evaluate.fold import watched
from models.evaluate.outputs import int8_logits, probabilities
from models.evaluate.quick import measure, scores
from models.evaluate.targets import students
from models.findings import findings
from models.groups import GROUPS, OUTPUTS, targets
from models.recipe import prepare, shown
from models.run_folder import read_config, told, train_config
from models.train import Progress, Tensors, load_network, predict
from models.views import Views

CALIBRATION_RECORDS = 512
METRICS = "metrics.json"
HOW_FAR = ("epochs_done", "ended", "kept_epoch")  # goes into the bundle, of how it was trained
CALIBRATION_NUMBERS = CALIBRATION_RECORDS * 12_000  # fewer records of larger inputs


@dataclass(frozen=True)
class Validation:
    """Fold 9, some of it for heavy networks.

    int8 [n, *contract.shape], targets [n, OUTPUTS], what the beat detector counts
    """

    tensors: Tensors
    y: NDArray[Any]
    rates: list[Rate]


def quantize(run: Path, data: Path, version: str, progress: Progress | None = None) -> list[Path]:
    """Write a bundle and metrics.json into a finished run, or into each student of a recipe.

    Returns the bundles, of the lowest seed first.
    Raises DataError or TrainError in one line. Needs the [train] extra.
    """
    say = progress or (lambda *_: None)
    check_name("network", version)
    runs = list(students(run).values()) or [run]
    networks = [load_network(one) for one in runs]
    configs = [read_config(one) | {"teachers": _teachers(one)} for one in runs]
    dataset = ptbxl.load(data)
    if any(config.get("data_digest") != dataset.digest for config in configs):
        raise TrainError(f"{data} is not the data {run} was trained on")
    keys = train_config(runs[0])
    lesson = prepare(dataset, keys, say)
    rows = watched(dataset, cost(networks[0])[1])
    tensors = shown(dataset, keys, rows, say)[:]  # made once, read twice
    fold9 = Validation(tensors, targets(dataset)[rows], measured_rates(dataset, rows, say))
    return [
        build(one, network, config, lesson.views, fold9, version, say)
        for one, network, config in zip(runs, networks, configs, strict=True)
    ]


def _teachers(run: Path) -> list[dict[str, Any]]:
    """Who taught a student of a recipe, for its card; none where it learned alone."""
    if not train_config(run).views:
        return []
    configs = [read_config(teacher) for teacher in sorted(run.parent.glob("teacher-*"))]
    return [{key: config[key] for key in ("architecture", "seed", "epochs")} for config in configs]


def build(
    run: Path,
    network: Any,
    config: dict[str, Any],
    taught: Views | Material,
    fold9: Validation,
    version: str,
    say: Progress,
) -> Path:
    """Quantise on training records, calibrate and measure on validation ones; fills ``run``."""
    say(f"quantising {run.name}", 0, 1)
    contract = from_json(config).contract
    windows = calibration_windows(taught, contract, config["seed"])
    float_logits = calibrate_head(network, fold9, contract)
    unfinished = draft(to_int8(network, windows), config["recipe"], contract, version)
    say(f"quantising {run.name}", 1, 1)
    logits = int8_logits(Network(unfinished), fold9.tensors, say, f"calibrating {run.name}")
    calibration = _calibrate(logits, fold9)
    metrics = measure(calibration.groups, logits, fold9.y)
    metrics["systems"]["float"] = scores(float_logits, fold9.y)
    (run / METRICS).write_text(json.dumps(metrics | {"training": told(run)}, indent=1) + "\n")
    path = run / f"{config['recipe']}.l12"
    far = {key: value for key, value in told(run).items() if key in HOW_FAR}
    path.write_bytes(finish(unfinished, calibration, metrics, config | far))
    return path


def _calibrate(logits: NDArray[np.float64], fold9: Validation) -> Calibration:
    """Temperatures and thresholds, then the rate's weights, then the thresholds of both joined."""
    y = fold9.y
    groups = [calibrated(group, logits[:, group.columns], y[:, group.columns]) for group in GROUPS]
    mate4 = groups[0]
    columns = GROUPS[0].columns
    z = logits[:, columns] / mate4.temperature
    weights = fusion_weights(z, y[:, columns], fold9.rates, mate4.labels.index("SR"))
    of_label = {label: tuple(map(float, w)) for label, w in zip(mate4.labels, weights, strict=True)}
    fusion = Fusion({mate4.name: of_label}, frozenset({mate4.name}))
    p = probabilities(groups, logits)
    p[mate4.name] = _fused(mate4, p[mate4.name], fold9.rates, fusion)
    # The threshold that counts is that of the fused probability
    joined = calibrated(GROUPS[0], np.log(np.maximum(p[mate4.name], 1e-9)), y[:, columns])
    groups[0] = replace(mate4, thresholds=joined.thresholds)
    flat = np.zeros((len(logits), OUTPUTS))
    for group in GROUPS:
        flat[:, group.columns] = p[group.name]
    return Calibration(tuple(groups), dict(fusion.weights), findings(flat, y))


def _fused(
    group: OutputGroup, p: NDArray[np.float64], rates: list[Rate], fusion: Fusion
) -> NDArray[np.float64]:
    """As the device does it, record by record."""
    out = np.empty_like(p)
    for row, rate in enumerate(rates):
        scores_of = {group.name: dict(zip(group.labels, p[row].tolist(), strict=True))}
        out[row] = list(fuse(scores_of, *rate, fusion)[group.name].values())
    return out


def calibrate_head(network: Any, fold9: Validation, contract: InputContract) -> NDArray[np.float32]:
    """Put slopes and offsets of the sigmoid groups into the last layer; no ranking changes.

    Returns the logits that it gives then, [n, OUTPUTS].
    """
    logits = predict(network, fold9.tensors, contract)
    head = network.get_layer("logits")
    kernel, bias = head.get_weights()
    for group in GROUPS:
        if group.activation == "sigmoid":
            slopes, offsets = slopes_and_offsets(
                logits[:, group.columns], fold9.y[:, group.columns]
            )
            kernel[:, group.columns] *= slopes
            bias[group.columns] = bias[group.columns] * slopes + offsets
            logits[:, group.columns] = logits[:, group.columns] * slopes + offsets
    head.set_weights([kernel, bias])
    return logits


def to_int8(network: Any, windows: NDArray[np.float32]) -> bytes:
    """Full int8, from input to logits; no Flex operators. Recurrent layers stay unrolled."""
    import tensorflow as tf

    unroll(network)
    # Of one window: a batch of any size leaves operators that ask for it
    window = tf.TensorSpec((1, *network.input_shape[1:]), tf.float32, name="signal")
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False, input_signature=[window])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([window[None]] for window in windows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        with _notices_held():
            return bytes(converter.convert())


@contextmanager
def _notices_held() -> Iterator[None]:
    """What the converter writes past Python to stderr is shown only where it fails."""
    stderr = os.dup(2)
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            try:
                yield
            except BaseException:
                held.seek(0)
                os.write(stderr, held.read())
                raise
            finally:
                os.dup2(stderr, 2)
    finally:
        os.close(stderr)


def calibration_windows(
    taught: Views | Material, contract: InputContract, seed: int
) -> NDArray[np.float32]:
    """Training records as they were taught, and two stretched to the ends of the input's range."""
    rng = np.random.default_rng((seed, 8))
    most = max(16, CALIBRATION_NUMBERS // math.prod(contract.shape))
    most = min(CALIBRATION_RECORDS, most, len(taught))
    rows = np.sort(rng.choice(len(taught), most, replace=False))
    if isinstance(taught, Views):
        whole = replace(Augmentation(), crop=taught.clean.shape[1])
        windows = augment(taught.clean[rows], rng, whole)
    else:
        windows = replace(taught, crop=0).epoch(0)(rows)
    return np.concatenate([windows, _stretched(windows, contract)])


def _stretched(windows: NDArray[np.float32], contract: InputContract) -> NDArray[np.float32]:
    """The records with the least and the greatest number, until these are the input's own ends.

    As a whole: a layer that differentiates would answer a leap from end to end within a record with
    many times the range of any other, and int8 would spend its codes on that.
    """
    low, high = ((code - contract.zero) * contract.step for code in (-128, 127))
    found = []
    for end, sign in ((low, -1), (high, 1)):
        most = (sign * windows).reshape(len(windows), -1).max(1)
        if end and most.max() > 0:
            found.append(windows[most.argmax()] * (abs(end) / most.max()))
    stretched = np.array(found, np.float32).reshape(-1, *windows.shape[1:])
    return np.clip(stretched, low, high)
