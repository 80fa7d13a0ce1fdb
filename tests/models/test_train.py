"""Train, quantise, bundle: the whole way on synthetic windows, in seconds."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware.bundle import Bundle
from firmware.network import Network
from models.bundle import Calibration, draft, finish
from models.config import TrainConfig, TrainError
from models.data.forms import Clean, Material
from models.data.rates import Rate
from models.evaluate.targets import bundle_of
from models.groups import GROUPS, OUTPUTS
from models.inputs import TEN_SECONDS
from models.metrics import sigmoid
from models.quantize import Validation, build, calibrate_head, quantize
from models.recipe import RECIPES, _taught, read
from models.run_folder import (
    FINAL,
    OUT_OF_TIME,
    PLANNED,
    claim,
    complete,
    read_config,
    standing,
    told,
    write,
)
from models.schedules import one_cycle
from models.train import Lesson, _start_or_resume, fit, load_network, predict
from models.views import DOSE, Views

pytestmark = pytest.mark.train
needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
CONFIG = TrainConfig(seed=3, architecture="separable", epochs=2, batch=16, learning_rate=3e-3)


def quiet(what: str, done: int, total: int) -> None:
    pass


def windows() -> tuple[np.ndarray, np.ndarray]:
    """Four kinds of window that a rate alone tells apart: int8 tensors, targets."""
    rng = np.random.default_rng(0)
    kind = np.arange(64) % 4
    t = np.arange(1000)[None, :, None] / 100
    hz = np.array([1.1, 2.6, 0.7, 4.0])[kind][:, None, None]
    beat = np.exp(-(((t * hz + rng.random((64, 1, 1))) % 1 - 0.5) ** 2) / 0.005)
    tensors = np.rint(beat * 60 + rng.normal(0, 2, (64, 1000, 12))).astype(np.int8)
    y = np.zeros((64, OUTPUTS), np.float32)
    y[np.arange(64), kind] = 1
    y[:, 4:] = (kind[:, None] + np.arange(OUTPUTS - 4)) % 2
    return tensors, y


def lesson() -> Lesson:
    tensors, y = windows()
    return Lesson(Views(tensors[:48], tensors[:48], 5), y[:48], tensors[48:], y[48:])


class Ticking:
    """A clock that goes on by ``tick_s`` whenever it is looked at."""

    def __init__(self, tick_s: float) -> None:
        self.now, self.tick_s = 0.0, tick_s

    def __call__(self) -> float:
        self.now += self.tick_s
        return self.now


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that ran out of time in its first epoch, was cut off in its second, and ended.

    Being cut off is an exception here: nothing is written on the way out, as after a SIGKILL.
    """
    folder = tmp_path_factory.mktemp("run")

    def cut_off(what: str, done: int, total: int) -> None:
        if (what, done) == ("epoch 2/2", 3):
            raise KeyboardInterrupt

    claim(folder, CONFIG, "0" * 64, "rhythm")
    fit(folder, CONFIG, lesson(), quiet, hours=2.5 / 3600, clock=Ticking(1))
    first = told(folder)
    assert (first["ended"], first["epochs_done"], first["epochs_planned"]) == (OUT_OF_TIME, 1, 2)
    assert first["took_s"] == pytest.approx(3, abs=1.1)
    assert load_network(folder)  # what it has learned until then can be measured
    assert not complete(folder)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, CONFIG, lesson(), cut_off, clock=Ticking(1e4))  # a checkpoint at every step
    assert (standing(folder).epoch, standing(folder).step) == (1, 2)
    fit(folder, CONFIG, lesson(), quiet)
    assert (told(folder)["ended"], told(folder)["epochs_done"]) == (PLANNED, 2)
    return folder


def weights(run: Path) -> list[np.ndarray]:
    return [np.asarray(weight) for weight in load_network(run).get_weights()]


@needs_tensorflow
def test_a_run_cut_off_in_mid_epoch_ends_with_the_weights_of_one_that_was_not(
    run: Path, tmp_path: Path
) -> None:
    claim(tmp_path, CONFIG, "0" * 64, "rhythm")
    fit(tmp_path, CONFIG, lesson(), quiet)
    resumed, straight = (json.loads((f / "history.json").read_text()) for f in (run, tmp_path))
    assert resumed == straight
    for one, other in zip(weights(run), weights(tmp_path), strict=True):
        np.testing.assert_array_equal(one, other)
    assert straight[-1]["loss"] < straight[0]["loss"]
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert {"backend", "processor", "cores", "threads", "took_s"} <= told(tmp_path).keys()


@needs_tensorflow
def test_a_frozen_trunk_stays_and_a_thawed_one_learns_after_its_head(
    run: Path, tmp_path: Path
) -> None:
    before = weights(run)
    config = replace(CONFIG, head_epochs=1, keep="best", schedule="plateau", learning_rate=0.01)

    def cut_off(what: str, done: int, total: int) -> None:
        if what == "epoch 2/2":
            raise KeyboardInterrupt

    claim(tmp_path, config, "0" * 64, "rhythm")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, config, lesson(), cut_off, start=run)
    final = (tmp_path / "best.weights.h5").rename(tmp_path / "final.weights.h5")
    changed = [bool((a != b).any()) for a, b in zip(weights(tmp_path), before, strict=True)]
    final.rename(tmp_path / "best.weights.h5")
    fit(tmp_path, config, lesson(), quiet)
    assert changed == [False] * (len(before) - 2) + [True] * 2
    history = json.loads((tmp_path / "history.json").read_text())
    scores = [row["score"] for row in history]
    assert told(tmp_path)["kept_epoch"] == 1 + int(np.argmax(scores))
    assert not standing(tmp_path).head_only


@needs_tensorflow
def test_from_another_run_comes_all_but_the_last_layer(run: Path, tmp_path: Path) -> None:
    model, _ = _start_or_resume(tmp_path, CONFIG, lesson(), run)
    *trunk, kernel, bias = model.get_weights()
    *taught, taught_kernel, taught_bias = weights(run)
    for one, other in zip(trunk, taught, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (kernel != taught_kernel).all()
    assert not bias.any()
    assert taught_bias.any()


@needs_tensorflow
def test_a_network_of_another_form_and_measure_becomes_a_bundle_of_its_name(
    tmp_path: Path,
) -> None:
    """MATE's shipped one: 50 Hz, min-max; batches are made when they are shown."""
    rng = np.random.default_rng(2)
    leads = np.cumsum(rng.normal(0, 40, (48, 500, 8)), axis=1).astype(np.int16)
    config = TrainConfig(
        architecture="mate-shipped", epochs=1, batch=16, augmentation="seven", keep="best"
    )
    contract, rows = config.contract, np.arange(48)
    y = windows()[1][:48]
    views = Material(leads, rows[:32], contract, 0, "seven")
    some = Lesson(views, y[:32], Clean(leads, rows[32:], contract), y[32:])
    claim(tmp_path, config, "0" * 64, "mate-shipped")
    fit(tmp_path, config, some, quiet)
    fold9 = Validation(some.val_tensors, some.val_y, [(60.0, 0.02)] * 16)
    network = load_network(tmp_path)
    path = build(tmp_path, network, read_config(tmp_path), views, fold9, "0.1", quiet)
    assert path.name == "mate-shipped.l12"
    assert bundle_of(tmp_path) == path
    bundle = Bundle.from_bytes(path.read_bytes())
    assert bundle.input == contract
    int8 = Network(bundle)
    assert int8._interpreter.get_input_details()[0]["quantization"] == (
        pytest.approx(contract.step),
        contract.zero,
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["systems"].keys() == {"int8", "float"}
    assert metrics["training"]["epochs_done"] == 1
    assert bundle.manifest["training"]["run"]["epochs_done"] == 1


@needs_tensorflow
def test_a_finished_run_is_left_alone(run: Path) -> None:
    before = (run / "final.weights.h5").stat().st_mtime_ns
    fit(run, CONFIG, lesson(), quiet)
    assert (run / "final.weights.h5").stat().st_mtime_ns == before


@needs_tensorflow
def test_weights_that_are_the_same_are_not_newer_than_their_bundle(
    run: Path, tmp_path: Path
) -> None:
    network, path = load_network(run), tmp_path / FINAL
    write(path, network)
    before = path.stat().st_ino
    write(path, network)
    assert path.stat().st_ino == before
    network.weights[0].assign(np.asarray(network.weights[0]) + 1)
    write(path, network)
    assert path.stat().st_ino != before
    assert [one.name for one in tmp_path.iterdir()] == [FINAL]


@needs_tensorflow
def test_a_student_learns_what_its_teachers_say_and_not_the_labels(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1, views=1)
    logits_of = []
    for name, said in (("yes", 1.0), ("no", 0.0)):
        taught = replace(lesson(), teaching=lambda number, said=said: 0 * lesson().y + said)
        claim(tmp_path / name, config, "0" * 64, "rhythm")
        fit(tmp_path / name, config, taught, quiet)
        logits_of.append(predict(load_network(tmp_path / name), windows()[0])[:, 4:].mean())
    assert logits_of[0] > logits_of[1] + 0.01


@needs_tensorflow
def test_a_run_becomes_a_bundle_that_the_firmware_takes(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, y = windows()
    config = json.loads((run / "config.json").read_text())
    rates: list[Rate] = [(60 + 10 * (row % 4), 0.02) for row in range(15)] + [(None, None)]
    fold9 = Validation(tensors[48:], y[48:], rates)
    path = build(run, load_network(run), config, lesson().views, fold9, "0.0", quiet)
    bundle = Bundle.from_bytes(path.read_bytes())
    assert bundle.id == "rhythm-0.0"
    assert bundle.fusion is not None
    assert set(bundle.fusion.weights["mate4"]) == {"AFIB", "GSVT", "SB", "SR"}
    assert not any(bundle.fusion.weights["mate4"]["SR"])
    network = Network(bundle)
    network.self_test()
    scale, zero = network._interpreter.get_input_details()[0]["quantization"]
    assert (pytest.approx(scale), zero) == (0.02, 0)
    assert "# rhythm 0.0" in bundle.card
    float_logits = predict(load_network(run), tensors[48:])
    logits = network.dequantised(np.stack([network.logits(tensor) for tensor in tensors[48:]]))
    assert np.corrcoef(logits.ravel(), float_logits.ravel())[0, 1] > 0.98
    # the same inputs, the same bytes
    metrics = json.loads((run / "metrics.json").read_text())
    unfinished = draft(bundle.model, "rhythm", bundle.input, "0.0")
    calibration = Calibration(bundle.groups, bundle.fusion.weights, bundle.manifest["findings"])
    first, second = (finish(unfinished, calibration, metrics, config) for _ in range(2))
    assert first == second

    class Deep(Network):
        """Whose optimised kernels are off by more."""

        by = 0

        def __init__(self, bundle: Bundle, *, reference: bool = False) -> None:
            super().__init__(bundle, reference=reference)
            self.off = 0 if reference else self.by

        def logits(self, tensor: np.ndarray) -> np.ndarray:
            off = super().logits(tensor).astype(int) + self.off
            return np.clip(off, -128, 127).astype(np.int8)

    monkeypatch.setattr("models.bundle.Network", Deep)
    for Deep.by, tolerance in ((3, 8), (7, 16)):
        deep = Bundle.from_bytes(finish(unfinished, calibration, metrics, config))
        assert deep.tolerance == tolerance
    Deep.by = 20
    with pytest.raises(TrainError, match="optimised kernels are off by"):
        finish(unfinished, calibration, metrics, config)


@needs_tensorflow
def test_the_last_layer_takes_each_label_s_bias_off_and_keeps_its_ranking(run: Path) -> None:
    tensors, y = windows()
    network = load_network(run)
    before = predict(network, tensors)[:, 4:]
    told = calibrate_head(network, Validation(tensors, y, []), TEN_SECONDS)
    after = predict(network, tensors)[:, 4:]
    np.testing.assert_allclose(told[:, 4:], after, atol=1e-4)
    off = [np.abs(sigmoid(z).mean(0) - y[:, 4:].mean(0)).max() for z in (before, after)]
    assert off[1] < off[0] / 2
    for one, other in zip(before.T, after.T, strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.999


def test_one_cycle_rises_for_a_fifth_and_ends_near_zero() -> None:
    rates = [one_cycle(at, 0.2) for at in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1, abs=2e-3)
    assert int(np.argmax(rates)) == 20
    assert rates[0] == pytest.approx(0.04)
    assert rates[-1] < 0.002


def test_a_run_of_other_settings_is_not_overwritten(tmp_path: Path) -> None:
    claim(tmp_path, CONFIG, "0" * 64, "rhythm")
    claim(tmp_path, CONFIG, "0" * 64, "rhythm")
    with pytest.raises(TrainError, match="other settings"):
        claim(tmp_path, replace(CONFIG, epochs=3), "0" * 64, "rhythm")


def test_a_view_depends_on_its_number_alone_and_lost_leads_stay_lost() -> None:
    tensors, _ = windows()
    tensors[:, :, 7] = 0
    views = Views(tensors, -tensors, 5)
    first = views.view(0)
    assert first.shape == (64, DOSE.crop, 12)
    assert np.array_equal(first, views.view(0))
    assert not np.array_equal(first, views.view(1))
    assert not first[:, :, 7].any()
    # Leads point up where the clean record was taken and down where the stressed one was.
    down = (first.astype(int).sum((1, 2)) < 0).mean()
    assert 0.02 < down < 0.4


def test_teachers_and_labels_are_mixed_by_share(tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("teacher-0", "teacher-1")]
    (tmp_path / "opinions").mkdir()
    logits = np.zeros((3, OUTPUTS), np.float16)
    logits[:, 0] = 20  # both are sure of AFIB
    for run in runs:
        np.save(tmp_path / "opinions" / f"{run.name}-view-0.npy", logits)
    y = np.zeros((3, OUTPUTS), np.float32)
    y[:, -1] = 1
    mixed = _taught(y, tuple(runs), 0.7, 0)
    mate4 = mixed[:, GROUPS[0].columns]
    assert mate4[0] == pytest.approx([0.7, 0, 0, 0], abs=1e-3)
    assert mixed[:, -1] == pytest.approx(0.7 * 0.5 + 0.3)
    assert mixed[:, 10] == pytest.approx(0.7 * 0.5)


def test_our_own_recipe_has_seeds_to_tell_luck_from_gain() -> None:
    recipe = read(RECIPES / "rhythm.toml")
    assert recipe.name == "rhythm"
    assert len({config.seed for config in recipe.students}) >= 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 1", "not a recipe"),
        ('name="x"\n[student]\nseeds=[0]\narchitecture="nonesuch"', "no architecture"),
        ('name="x"\n[student]\nseeds=[0]\narchitecture="recurrent"', "must be one of"),
        ('name="x"\n[student]\nseeds=[]', "a seed at least"),
        ('name="My net"\n[student]\nseeds=[0]', "name 'My net': wanted"),
        ('name="x"\n[student]\nseeds=[0]\ndistilled=0.5', "only with teachers"),
        ('name="x"\n[student]\nseeds=0', "seeds is 0, not a list"),
        ("name =", "not a recipe"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_in_one_line(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(TrainError, match=words) as refused:
        read(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("version", ["v1", "", "1.0 beta", "1" * 33])
def test_a_version_that_no_bundle_may_have_is_refused_at_once(tmp_path: Path, version: str) -> None:
    with pytest.raises(TrainError, match="wanted is a digit"):
        quantize(tmp_path, tmp_path, version)


def test_a_recipe_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="rhythm"):
        read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('epochs="one"', "epochs is 'one'"),
        ("epochs=0", "epochs is 0"),
        ("batch=-5", "batch is -5"),
        ('precision="float8"', "no precision float8"),
        ("learning_rate=40", "learning_rate is 40"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_anything_is_claimed(
    tmp_path: Path, line: str, words: str
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'name="x"\n[student]\nseeds=[0]\n{line}')
    with pytest.raises(TrainError, match=words):
        read(path)


@pytest.mark.parametrize("text", ["not json", '{"x": 1}', "[]"])
def test_a_damaged_run_folder_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "final.weights.h5").write_bytes(b"")
    for attempt in (
        lambda: load_network(tmp_path),
        lambda: claim(tmp_path, CONFIG, "0" * 64, "rhythm"),
    ):
        with pytest.raises(TrainError, match=r"config\.json") as refused:
            attempt()
        assert "\n" not in str(refused.value)
