"""A small set and the rest of the patients: their recipes, and what is told of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.config import TrainConfig
from models.cross import split
from models.data import ptbxl
from models.recipe import RECIPES, read
from models.run_folder import FINAL, OUT_OF_TIME, PLANNED, claim
from models.transfer import SCORES, found
from tests.models.data_folders import forty_patients

SMALL = ("resnet18-small", "resnet18-small-frozen", "resnet18-small-free")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ptbxl.Dataset:
    return ptbxl.load(forty_patients(tmp_path_factory.mktemp("ptb-xl")))


def test_the_recipes_differ_in_records_and_start_alone() -> None:
    rest, *small = (
        read(RECIPES / f"{name}.toml").students[0] for name in ("resnet18-rest", *SMALL)
    )
    whole = read(RECIPES / "resnet18.toml").students[0]
    assert replace(rest, records="all") == whole
    assert {one.records for one in small} == {"small"}
    assert [(one.from_run, one.trunk) for one in small] == [
        ("", "free"),
        ("resnet18-rest/student-0", "frozen"),
        ("resnet18-rest/student-0", "free"),
    ]
    assert all(replace(one, records="all", from_run="", trunk="free") == whole for one in small)
    for name in SMALL:
        brief = read(RECIPES / f"{name}.toml", brief=True).students[0]
        assert (brief.records, brief.schedule) == ("small", "one-cycle")
        assert brief.epochs < brief.brief_for == whole.epochs


def test_no_patient_is_in_the_small_set_and_in_the_rest(dataset: ptbxl.Dataset) -> None:
    small, rest = (
        split(dataset, TrainConfig(records=kind, small_share=0.25)) for kind in ("small", "rest")
    )
    patients = dataset.meta.patient_id
    assert not set(patients[small.train]) & set(patients[rest.train])
    both = np.sort(np.concatenate([small.train, rest.train]))
    np.testing.assert_array_equal(both, np.flatnonzero(dataset.fold < 9))
    assert 0.15 < len(small.train) / len(both) < 0.35
    np.testing.assert_array_equal(small.validation, np.flatnonzero(dataset.fold == 9))


def test_finished_trainings_on_a_part_are_told_with_the_epoch_that_was_kept(
    dataset: ptbxl.Dataset, tmp_path: Path
) -> None:
    def train(recipe: str, ended: str, **keys: object) -> None:
        run = tmp_path / recipe / "student-0"
        claim(run, TrainConfig("resnet18", **keys), dataset.digest, recipe)
        history = [dict.fromkeys(SCORES, 0.1 * epoch) for epoch in (5, 7, 6)]
        (run / "history.json").write_text(json.dumps(history))
        said = {"kept_epoch": 2, "epochs_done": 3.0, "ended": ended}
        (run / "training.json").write_text(json.dumps(said))
        (run / FINAL).touch()

    train("whole", PLANNED)
    train("a-small", PLANNED, records="small", brief_for=80)
    train("a-frozen", PLANNED, records="small", from_run="a-rest/student-0", trunk="frozen")
    train("a-rest", PLANNED, records="rest")
    train("cut-off", OUT_OF_TIME, records="small")
    rest, small, frozen = found(tmp_path, dataset)
    assert [one["recipe"] for one in (rest, small, frozen)] == ["a-rest", "a-small", "a-frozen"]
    assert [one["start"] for one in (rest, small, frozen)] == [None, None, "a-rest"]
    assert [one["trunk"] for one in (rest, small, frozen)] == ["free", "free", "frozen"]
    assert [one["brief"] for one in (rest, small, frozen)] == [False, True, False]
    assert small["rhythm_auc"] == pytest.approx(0.7)
    assert small["records"] == len(split(dataset, TrainConfig(records="small")).train) > 0
    assert rest["records"] + small["records"] == (dataset.fold < 9).sum()
