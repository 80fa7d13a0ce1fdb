"""Float network -> full int8 -> calibrated, measured bundle, in one go.

Activations are calibrated on augmented training records, noise and lost leads included. Fold 9
then gives temperatures and thresholds, so calibrated figures on fold 9 are a little optimistic.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.network import Network
from models.bundle import draft, finish
from models.calibrate import calibrated
from models.data import ptbxl
from models.data.augment import STEP_MV, Augmentation, augment
from models.data.chain import filtered_tensors
from models.evaluate import BUNDLE, int8_logits, measure, scores
from models.groups import GROUPS, targets
from models.train import Progress, TrainError, load_network, predict

CALIBRATION_RECORDS = 512


def quantize(run: Path, data: Path, version: str, progress: Progress | None = None) -> Path:
    """Write RUN/rhythm.l12 and RUN/metrics.json from a finished training in ``run``.

    Raises DataError or TrainError in one line. Needs the [train] extra.
    """
    say = progress or (lambda *_: None)
    network = load_network(run)
    config = json.loads((run / "config.json").read_text())
    dataset = ptbxl.load(data)
    if config["data_digest"] != dataset.digest:
        raise TrainError(f"{data} is not the data {run} was trained on")
    tensors = filtered_tensors(dataset, say)
    train_rows = np.flatnonzero(np.isin(dataset.fold, ptbxl.TRAIN_FOLDS))
    val = dataset.fold == ptbxl.VALIDATION_FOLD
    return build(
        run, network, config, tensors[train_rows], tensors[val], targets(dataset)[val], version, say
    )


def build(
    run: Path,
    network: Any,
    config: dict[str, Any],
    train_tensors: NDArray[np.int8],
    val_tensors: NDArray[np.int8],
    val_y: NDArray[Any],
    version: str,
    say: Progress,
) -> Path:
    """Quantise on training tensors, calibrate and measure on validation ones; fills ``run``."""
    say("quantising", 0, 1)
    windows = calibration_windows(train_tensors, config["seed"])
    unfinished = draft(to_int8(network, windows), version)
    say("quantising", 1, 1)
    logits = int8_logits(Network(unfinished), val_tensors, say, "calibrating")
    groups = tuple(
        calibrated(group, logits[:, group.columns], val_y[:, group.columns]) for group in GROUPS
    )
    metrics = measure(unfinished, groups, val_tensors, val_y, say)
    metrics["float"] = scores(predict(network, val_tensors), val_y)
    (run / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    path = run / BUNDLE
    path.write_bytes(finish(unfinished, groups, metrics, config))
    return path


def to_int8(network: Any, windows: NDArray[np.float32]) -> bytes:
    """Full int8, from input to logits; no Flex operators."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([window[None]] for window in windows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def calibration_windows(tensors: NDArray[np.int8], seed: int) -> NDArray[np.float32]:
    """Augmented training windows, and one with corners that make the input's step STEP_MV."""
    rng = np.random.default_rng((seed, 8))
    rows = np.sort(rng.choice(len(tensors), min(CALIBRATION_RECORDS, len(tensors)), replace=False))
    windows = augment(tensors[rows], rng, replace(Augmentation(), crop=tensors.shape[1]))
    windows[0, 0, 0], windows[0, 1, 0] = -128 * STEP_MV, 127 * STEP_MV
    return windows
