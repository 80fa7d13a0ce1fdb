"""Train, quantise, bundle: the whole way on synthetic windows, in seconds."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from firmware.bundle import Bundle
from firmware.network import Network
from models.bundle import draft, finish
from models.groups import OUTPUTS
from models.quantize import build
from models.train import TrainConfig, TrainError, fit, load_network, one_cycle, predict, train

pytestmark = pytest.mark.train
needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
CONFIG = TrainConfig(seed=3, architecture="separable", epochs=2, batch=16, learning_rate=3e-3)


def quiet(what: str, done: int, total: int) -> None:
    pass


def windows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Four kinds of window that a rate alone tells apart: int8 tensors, targets, folds."""
    rng = np.random.default_rng(0)
    kind = np.arange(64) % 4
    t = np.arange(1000)[None, :, None] / 100
    hz = np.array([1.1, 2.6, 0.7, 4.0])[kind][:, None, None]
    beat = np.exp(-(((t * hz + rng.random((64, 1, 1))) % 1 - 0.5) ** 2) / 0.005)
    tensors = np.rint(beat * 60 + rng.normal(0, 2, (64, 1000, 12))).astype(np.int8)
    y = np.zeros((64, OUTPUTS), np.float32)
    y[np.arange(64), kind] = 1
    y[:, 4:] = (kind[:, None] + np.arange(OUTPUTS - 4)) % 2
    fold = np.where(np.arange(64) < 48, 1, 9)
    return tensors, y, fold


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that was interrupted after its first epoch and taken up again."""
    folder = tmp_path_factory.mktemp("run")
    tensors, y, fold = windows()
    calls = 0

    def interrupt(what: str, done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if what == "epoch 2/2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(folder, CONFIG, tensors, y, fold, interrupt)
    assert len(json.loads((folder / "history.json").read_text())) == 1
    fit(folder, CONFIG, tensors, y, fold, quiet)
    config = {**asdict(CONFIG), "data_digest": "0" * 64}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@needs_tensorflow
def test_a_resumed_run_ends_like_one_that_was_never_interrupted(run: Path, tmp_path: Path) -> None:
    fit(tmp_path, CONFIG, *windows(), quiet)
    resumed, straight = (json.loads((f / "history.json").read_text()) for f in (run, tmp_path))
    assert resumed == straight
    assert straight[-1]["loss"] < straight[0]["loss"]
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"


@needs_tensorflow
def test_a_run_becomes_a_bundle_that_the_firmware_takes(run: Path) -> None:
    tensors, y, _ = windows()
    config = json.loads((run / "config.json").read_text())
    path = build(run, load_network(run), config, tensors[:48], tensors[48:], y[48:], "0.0", quiet)
    bundle = Bundle.from_bytes(path.read_bytes())
    assert bundle.id == "rhythm-0.0"
    network = Network(bundle)
    network.self_test()
    scale, zero = network._interpreter.get_input_details()[0]["quantization"]
    assert (pytest.approx(scale), zero) == (0.02, 0)
    assert "Macro-F1" in bundle.card
    float_logits = predict(load_network(run), tensors[48:])
    logits = network.dequantised(np.stack([network.logits(tensor) for tensor in tensors[48:]]))
    assert np.corrcoef(logits.ravel(), float_logits.ravel())[0, 1] > 0.98
    # the same inputs, the same bytes
    metrics = json.loads((run / "metrics.json").read_text())
    unfinished = draft(bundle.model, "0.0")
    first, second = (finish(unfinished, bundle.groups, metrics, config) for _ in range(2))
    assert first == second


def test_one_cycle_rises_for_a_fifth_and_ends_near_zero() -> None:
    config = TrainConfig()
    rates = [one_cycle(at, config) for at in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1, abs=2e-3)
    assert int(np.argmax(rates)) == 20
    assert rates[0] == pytest.approx(0.04)
    assert rates[-1] < 0.002


def test_an_unknown_architecture_and_a_foreign_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no architecture transformer"):
        train(tmp_path, tmp_path / "run", TrainConfig(architecture="transformer"))
