"""Every recipe in the repository, and the keys that papers add."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware.inputs import Form
from models.architectures import ARCHITECTURES
from models.config import TrainConfig, TrainError
from models.data.batches import oversampled_epoch, plain_epoch
from models.groups import GROUPS, OUTPUTS
from models.recipe import RECIPES, read
from models.schedules import best_epoch, plateau, rate, score, warm_restarts, worn_out

NETWORKS = [*sorted(name for name, of in ARCHITECTURES.items() if of.paper != "Lead12"), "page"]


@pytest.mark.parametrize("name", NETWORKS)
def test_each_paper_s_network_has_a_recipe_of_its_name(name: str) -> None:
    recipe = read(RECIPES / f"{name}.toml")
    assert recipe.name == name
    assert [config.architecture for config in recipe.students] == [name]
    assert not recipe.teachers


def refused(folder: Path, lines: str) -> str:
    """The one line that a recipe with these keys of its student is refused in."""
    path = folder / "x.toml"
    path.write_text(f'name="x"\n[student]\n{lines}')
    with pytest.raises(TrainError) as error:
        read(path)
    said = str(error.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said


def config(name: str, *, brief: bool = False) -> TrainConfig:
    return read(RECIPES / f"{name}.toml", brief=brief).students[0]


TOO_LARGE_A_BATCH = {"transformer", "vgg16-page"}  # for a processor's memory


@pytest.mark.parametrize("name", [*sorted(set(NETWORKS) - {"page"}), "mayo-alvd-folds"])
def test_a_brief_form_is_the_paper_s_but_for_its_course(name: str) -> None:
    whole, brief = config(name), config(name, brief=True)
    assert brief.brief_for == whole.epochs > brief.epochs
    assert (brief.schedule, brief.keep, brief.stop_after) == ("one-cycle", "last", 0)
    assert not brief.head_only(0)
    for key in ("architecture", "loss", "batches", "augmentation", "crop", "optimiser"):
        assert getattr(brief, key) == getattr(whole, key)
    if name in TOO_LARGE_A_BATCH:
        assert brief.batch < whole.batch
    else:
        assert brief.batch == whole.batch


def test_a_recipe_without_a_brief_form_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"rhythm.toml: it has no \[brief\] form; --hours ends"):
        config("rhythm", brief=True)
    path = tmp_path / "x.toml"
    student = '[student]\narchitecture="mate"\nseeds=[0]\nepochs=9\n'
    path.write_text(f'name="x"\n{student}[brief]\nlearning_rate=1e-3\n')
    with pytest.raises(TrainError, match="it has no 'epochs'"):
        read(path, brief=True)
    path.write_text(f'name="x"\n{student}[brief]\nepochs=2\nlerning_rate=1e-3\n')
    with pytest.raises(TrainError, match="did you mean learning_rate"):
        read(path, brief=True)


def test_recipes_do_what_their_papers_say() -> None:
    assert config("mate").contract.normal == "min-max"
    smart = config("ecg-smart-net")
    assert (smart.batches, smart.batch, smart.learning_rate) == ("balanced", 128, 1e-5)
    assert (smart.patience, smart.factor, smart.score) == (3, 0.8, "auc-ap")
    assert smart.contract.form is Form.MEDIAN_BEAT
    assert config("mayo-alvd").learning_rate == 1e-4
    for name, learning_rate in (("alexnet", 2e-4), ("crnn-gru", 5e-4), ("transformer", 1e-4)):
        one = config(name)
        assert (one.loss, one.gamma, one.alpha) == ("focal", 2, 0.7)
        assert (one.crop, one.augmentation, one.learning_rate) == (2048, "seven", learning_rate)
    cnn_te = config("cnn-te")
    assert (cnn_te.schedule, cnn_te.batches, cnn_te.batch) == ("warm-restarts", "oversampled", 256)
    page = config("vgg16-page")
    assert page.augmentation == "variants"
    assert [page.head_only(epoch) for epoch in (0, 9, 10)] == [True, True, False]
    assert config("rhythm") == TrainConfig(
        epochs=24, precision="mixed_bfloat16", views=12, seed=0
    )  # what our own network is made by has not changed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('loss="hinge"', "no loss hinge"),
        ('schedule="cosine"', "no schedule cosine"),
        ('normal="zscore"', "no normal zscore"),
        ("crop=2000", "crop is 2000: the window has 1000"),
        ('batches="balanced"', "name the label to balance by"),
        ('batches="balanced"\nbalance="MI"\nbatch=5', "two halves"),
        ('balance="MI"', "belongs to batches"),
        ('trunk="frozen"', "no from_run"),
        ('trunk="frozen"\nfrom_run="a"\nhead_epochs=2', "head_epochs"),
        ("gamma=-1", "gamma is -1"),
        ("small_share=1", "small_share is 1"),
        ('augmentation="variants"', "for this input"),
        ("from_run=1", "not a text"),
        ("stop_after=true", "stop_after is True"),
        ("epoch=4", "unknown key epoch; did you mean epochs"),
        ("qwerty=4", "unknown key qwerty; see docs/training.md"),
        ('schedule="plateau"\nwarm_up=0.3', 'warm_up belongs to schedule = "one-cycle"'),
        ("gamma=3", 'gamma belongs to loss = "focal"'),
        ("small_share=0.2", 'small_share belongs to records = "small"'),
        ("folds=3", "folds is 3, not a list"),
    ],
)
def test_keys_that_cannot_be_or_do_not_fit_are_refused(
    tmp_path: Path, line: str, words: str
) -> None:
    assert words in refused(tmp_path, f"seeds=[0]\n{line}")


def test_the_rate_falls_after_the_fourth_epoch_that_is_not_better() -> None:
    assert plateau([], 3, 0.8) == 1
    assert plateau([0.5, 0.6, 0.6, 0.6, 0.6], 3, 0.8) == 1
    assert plateau([0.5, 0.6, 0.6, 0.6, 0.6, 0.6], 3, 0.8) == pytest.approx(0.8)
    assert plateau([0.5, *[0.4] * 8], 3, 0.8) == pytest.approx(0.64)
    assert plateau([0.5, 0.4, 0.4, 0.4, 0.7, *[0.4] * 4], 3, 0.8) == pytest.approx(0.8)


def test_warm_restarts_fall_to_nothing_and_begin_again() -> None:
    assert [warm_restarts(at, 10) for at in (0, 5, 10, 20)] == pytest.approx([1, 0.5, 1, 1])
    assert warm_restarts(9.999, 10) < 1e-5
    sgdr = TrainConfig(schedule="warm-restarts", restart_epochs=10, epochs=50)
    assert rate(sgdr, [], 15 / 50) == pytest.approx(0.5)
    assert rate(TrainConfig(schedule="constant"), [], 0.7) == 1


def test_the_first_of_the_best_epochs_is_kept_and_training_ends_when_none_is_better() -> None:
    history = [{"score": value} for value in (0.5, 0.7, 0.7, 0.6)]
    assert best_epoch(history) == 1
    assert not worn_out(TrainConfig(stop_after=3), history)
    assert worn_out(TrainConfig(stop_after=2), history)
    assert not worn_out(TrainConfig(), history)


def test_scores_are_of_the_balanced_label_or_of_all_statements() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((40, OUTPUTS)) < 0.4).astype(np.float32)
    logits = rng.normal(size=y.shape).astype(np.float32)
    superclasses, statements = GROUPS[1], GROUPS[2].columns
    one = superclasses.first + superclasses.labels.index("MI")
    logits[:, one] = y[:, one]
    assert score(TrainConfig(balance="MI", score="auc-ap"), logits, y) == pytest.approx(1)
    assert score(TrainConfig(balance="MI"), logits, y) == pytest.approx(1)
    everything = score(TrainConfig(), logits, y)
    assert 0.4 < everything < 0.6
    logits[:, statements] = y[:, statements]
    assert score(TrainConfig(score="auc-ap"), logits, y) == pytest.approx(1)


def test_a_plain_epoch_shows_each_record_once() -> None:
    rows = plain_epoch(50, 16, np.random.default_rng((3, 1)))
    assert rows.shape == (3, 16)
    assert len(set(rows.ravel().tolist())) == 48
    order = np.random.default_rng((3, 1)).permutation(50)  # as our own network always had them
    np.testing.assert_array_equal(rows.ravel(), order[:48])


def test_rare_labels_come_more_often_and_no_record_is_left_out() -> None:
    y = np.zeros((1000, 3), bool)
    y[:10, 0] = True  # 1 %: sqrt(0.1 / 0.01) = 3.16 times
    y[10:500, 1] = True  # common
    counts = np.zeros(1000)
    for epoch in range(20):
        rows = oversampled_epoch(y, 0.1, 8, np.random.default_rng(epoch))
        counts += np.bincount(rows.ravel(), minlength=1000)
    assert counts[:10].mean() / 20 == pytest.approx(np.sqrt(10), rel=0.05)
    assert counts[10:].mean() / 20 == pytest.approx(1, abs=0.02)
    assert (counts > 0).all()


@pytest.mark.train
def test_focal_loss_counted_by_hand() -> None:
    pytest.importorskip("tensorflow")
    from models.losses import loss_function

    y, z = np.zeros((1, OUTPUTS), np.float32), np.full((1, OUTPUTS), 2.0, np.float32)
    y[0, 4] = 1
    p = 1 / (1 + np.exp(-2.0))
    hit, miss = 0.7 * (1 - p) ** 2 * -np.log(p), 0.3 * p**2 * -np.log(1 - p)
    wanted = (hit + (OUTPUTS - 5) * miss) / (OUTPUTS - 4)
    assert float(loss_function(0.04, (2, 0.7))(y, z)[0]) == pytest.approx(wanted, rel=1e-5)
    plain = (-np.log(p) - (OUTPUTS - 5) * np.log(1 - p)) / (OUTPUTS - 4)
    assert float(loss_function(0.04)(y, z)[0]) == pytest.approx(plain, rel=1e-5)
    y[0, 0] = 1  # the rhythm groups: ln 4, weighted
    both = float(loss_function(0.5, (2, 0.7))(y, z)[0])
    assert both == pytest.approx(wanted + 0.5 * np.log(4), rel=1e-5)
