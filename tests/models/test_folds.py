"""Ten folds by patient, and batches with as many negatives as positives."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.batches import balanced_epoch
from models.evaluate.folds import FOLDS, OUTSIDE, folds_of, splits

Cohort = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def cohort() -> Cohort:
    """2000 records of about 700 patients, some with many; a tenth may not be trained on."""
    rng = np.random.default_rng(0)
    of = np.minimum(rng.integers(0, 700, 2000), rng.integers(0, 1400, 2000))
    sick = rng.random(1400) < 0.15
    y = sick[of] & (rng.random(2000) < 0.8)
    held_out = of % 10 == 9
    return of.astype(np.str_), y, ~held_out


def test_a_patient_is_in_one_fold_and_fold_9_in_none(cohort: Cohort) -> None:
    patients, y, trainable = cohort
    fold = folds_of(patients, y, trainable, seed=0)
    assert (fold[~trainable] == OUTSIDE).all()
    assert set(fold[trainable]) == set(range(FOLDS))
    for patient in np.unique(patients):
        assert len(set(fold[patients == patient])) == 1


def test_each_fold_has_its_share_of_positives_and_of_records(cohort: Cohort) -> None:
    patients, y, trainable = cohort
    fold = folds_of(patients, y, trainable, seed=0)
    positives = np.bincount(fold[trainable & y], minlength=FOLDS)
    records = np.bincount(fold[trainable], minlength=FOLDS)
    assert np.ptp(positives) <= 1
    assert np.ptp(records) <= 2


def test_the_lot_is_the_seeds_alone(cohort: Cohort) -> None:
    patients, y, trainable = cohort
    fold = folds_of(patients, y, trainable, seed=0)
    np.testing.assert_array_equal(fold, folds_of(patients, y, trainable, seed=0))
    assert (fold != folds_of(patients, y, trainable, seed=1)).any()
    other_order = np.random.default_rng(1).permutation(len(y))
    moved = folds_of(patients[other_order], y[other_order], trainable[other_order], seed=0)
    np.testing.assert_array_equal(moved, fold[other_order])


def test_every_fold_is_validated_on_once_and_tested_on_once(cohort: Cohort) -> None:
    patients, y, trainable = cohort
    fold = folds_of(patients, y, trainable, seed=0)
    tested, validated = [], []
    for train, validation, test in splits(fold):
        together = np.concatenate([train, validation, test])
        np.testing.assert_array_equal(np.sort(together), np.flatnonzero(trainable))
        assert not set(patients[train]) & set(patients[test])
        assert not set(patients[train]) & set(patients[validation])
        tested.append(test)
        validated.append(validation)
    for rows in (tested, validated):
        np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.flatnonzero(trainable))


def test_records_of_nobody_are_not_split() -> None:
    with pytest.raises(ValueError, match="patient_id"):
        folds_of(np.array(["a", ""]), np.array([1, 0]), np.array([True, True]), seed=0)


@pytest.mark.parametrize("share", [0.07, 0.5, 0.9])
def test_each_batch_is_half_positive_and_no_record_is_there_twice(share: float) -> None:
    y = np.random.default_rng(0).random(1000) < share
    rows = balanced_epoch(y, 16, np.random.default_rng(1))
    smaller = min(y.sum(), (~y).sum())
    assert rows.shape == (smaller // 8, 16)
    assert (y[rows].sum(1) == 8).all()
    assert len(np.unique(rows)) == rows.size


def test_each_epoch_brings_other_negatives() -> None:
    y = np.arange(1000) < 50
    rng = np.random.default_rng(2)
    seen: set[int] = set()
    for _ in range(40):
        rows = balanced_epoch(y, 10, rng)
        assert set(rows[y[rows]]) == set(range(50))  # 50 fill ten batches: all are there
        seen |= set(rows[~y[rows]])
    assert len(seen) > 800  # 950 (1 - (1 - 50 / 950) ** 40) = 840 expected


def test_positives_do_not_sit_in_the_first_half_of_a_batch() -> None:
    y = np.arange(1000) < 400
    rows = balanced_epoch(y, 100, np.random.default_rng(3))
    assert 0.3 < y[rows][:, :50].mean() < 0.7


@pytest.mark.parametrize(("positives", "batch"), [(0, 4), (1, 4), (100, 4), (50, 5), (50, 0)])
def test_what_makes_no_balanced_batch_is_refused(positives: int, batch: int) -> None:
    with pytest.raises(ValueError, match="balanced"):
        balanced_epoch(np.arange(100) < positives, batch, np.random.default_rng(0))
