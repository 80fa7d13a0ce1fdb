"""A recipe whose networks are each tested on patients that they never saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.config import TrainConfig
from models.cross import ALL, TEST, examine, found, gather, split
from models.data import ptbxl
from models.evaluate.beat_score import COLUMN
from models.groups import OUTPUTS, targets
from models.recipe import RECIPES, _train, read
from tests.models.data_folders import forty_patients
from tests.models.test_recipes import refused

RECIPE = RECIPES / "mayo-alvd-folds.toml"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forty_patients(tmp_path_factory.mktemp("ptb-xl"))


def test_each_fold_tests_other_patients_and_fold_9_is_in_none(data: Path) -> None:
    dataset = ptbxl.load(data)
    patients, tested = dataset.meta.patient_id, []
    for config in read(RECIPE).students:
        of = split(dataset, config)
        kinds = [set(patients[rows]) for rows in (of.train, of.validation, of.test)]
        assert len(set.union(*kinds)) == sum(map(len, kinds))
        assert (dataset.fold[np.concatenate([of.train, of.validation, of.test])] < 9).all()
        tested.append(of.test)
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), np.flatnonzero(dataset.fold < 9))


def test_without_a_fold_nothing_is_tested_and_fold_9_is_watched(data: Path) -> None:
    dataset = ptbxl.load(data)
    of = split(dataset, TrainConfig())
    assert (dataset.fold[of.train] < 9).all()
    assert (dataset.fold[of.validation] == 9).all()
    assert not len(of.test)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("folds=[10]", "a fold is 10"),
        ("folds=[true]", "a fold is True"),
        ('folds=[1]\nrecords="small"', "records are small"),
        ("seeds=[0, 1]\nfolds=[1]", "one seed and no teachers"),
        ("folds=[]", "a seed at least"),
    ],
)
def test_folds_that_cannot_be_are_refused_in_one_line(
    tmp_path: Path, line: str, words: str
) -> None:
    assert words in refused(tmp_path, line if line.startswith("seeds") else f"seeds=[0]\n{line}")


def test_the_threshold_is_the_validation_patients_and_the_figures_the_test_patients(
    tmp_path: Path,
) -> None:
    y = np.zeros((6, OUTPUTS), np.float32)
    y[:3, COLUMN] = 1
    sure, timid = np.zeros((6, OUTPUTS), np.float32), np.zeros((6, OUTPUTS), np.float32)
    sure[:, COLUMN] = [3, 2, 1, -1, -2, -3]
    timid[:, COLUMN] = [3, 2, 0.5, -1, 1.5, -3]
    runs = [tmp_path / f"fold-{fold}" for fold in range(2)]
    for run, unseen in zip(runs, (sure, timid), strict=True):
        run.mkdir()
        (run / "config.json").write_text('{"architecture": "mayo-alvd", "recipe": "ten"}')
        (run / "training.json").write_text('{"epochs_done": 2.5}')
        examine(run, (y, sure), (y, unseen))
    first, second = (json.loads((run / TEST).read_text()) for run in runs)
    assert first["threshold"] == second["threshold"] == pytest.approx(0.731)  # of logit 1
    assert (first["sensitivity"], first["specificity"], first["auc"]) == (1, 1, 1)
    assert second["sensitivity"] == pytest.approx(2 / 3)  # 0.5 is below the threshold
    assert second["auc"] == pytest.approx(8 / 9)
    spread = gather(tmp_path, runs)
    assert spread["auc"] == pytest.approx((17 / 18, np.std([1, 8 / 9], ddof=1)))
    said = json.loads((tmp_path / ALL).read_text())
    assert (said["task"], said["folds"]) == ("MI", 2)
    assert said["auc"] == {"mean": spread["auc"][0], "sd": spread["auc"][1]}
    (row,) = found(tmp_path)
    assert (row["recipe"], row["architecture"], row["epochs"]) == ("ten", "mayo-alvd", 2.5)
    assert row["auc"] == said["auc"]


@pytest.mark.train
def test_a_fold_is_trained_and_then_tested(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = TrainConfig("separable", epochs=1, batch=16, augmentation="none", fold=4)
    run = tmp_path / "fold-4"
    run.mkdir()
    (run / "config.json").write_text('{"architecture": "separable"}')
    for _ in range(2):  # what is finished is left alone
        _train(data, run, config, say=lambda *_: None)
    said = json.loads((run / TEST).read_text())
    dataset = ptbxl.load(data)
    rows = split(dataset, config).test
    assert said["records"] == len(rows)
    assert 0 < (targets(dataset)[rows, COLUMN] > 0).sum() < len(rows)
    assert 0 <= said["auc"] <= 1
