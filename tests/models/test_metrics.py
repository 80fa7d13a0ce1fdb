"""Scores against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibrate import calibrated
from models.groups import Group
from models.metrics import auc, macro_auc, rhythm_scores, sigmoid, softmax, wilson


def test_rhythm_scores_of_a_matrix_worked_out_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 3])
    said = np.array([0, 0, 1, 1, 3, 3])
    found = rhythm_scores(truth, said)
    assert found["confusion"] == [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert found["sensitivity"] == pytest.approx([2 / 3, 1 / 2, 0, 1])
    assert found["positive_predictivity"] == pytest.approx([1, 1 / 2, 0, 1 / 2])
    assert found["f1"] == pytest.approx([0.8, 0.5, 0, 2 / 3])
    assert found["macro_f1"] == pytest.approx((0.8 + 0.5 + 2 / 3) / 4)
    assert found["accuracy"] == pytest.approx(4 / 6)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    truth, score = np.array([t for t, _ in rows]), np.array([s for _, s in rows])
    positive, negative = score[truth], score[~truth]
    if not len(positive) or not len(negative):
        assert np.isnan(auc(truth, score))
        return
    pairs = positive[:, None] - negative
    assert auc(truth, score) == pytest.approx(((pairs > 0) + (pairs == 0) / 2).mean())


def test_macro_auc_leaves_out_labels_without_both_classes() -> None:
    truth = np.array([[1, 0], [0, 0]])
    assert macro_auc(truth, np.array([[0.9, 0.1], [0.1, 0.2]])) == 1


def test_wilson_interval_of_a_textbook_case() -> None:
    assert wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-3)
    assert wilson(0, 0) == (0, 1)


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(0, 2, (4000, 4))
    truth = np.array([rng.choice(4, p=p) for p in softmax(z)])
    group = Group("g", ("a", "b", "c", "d"), {}, "softmax", 0)
    found = calibrated(group, 2.0 * z, np.eye(4)[truth])
    assert found.temperature == pytest.approx(2.0, rel=0.08)


def test_a_label_is_called_from_where_nine_in_ten_are_right() -> None:
    """Label a is right 70 % of the time at p = 0.62 and always at p = 0.88."""
    p = np.array([0.62] * 100 + [0.88] * 100 + [0.12] * 200)
    truth = np.array([0] * 70 + [1] * 30 + [0] * 100 + [1] * 200)
    logits = np.stack([np.log(p), np.log(1 - p)], axis=1)
    group = Group("g", ("a", "b"), {}, "softmax", 0)
    found = calibrated(group, logits, np.eye(2)[truth])
    best = softmax(logits / found.temperature)[:, 0]
    assert best[0] < found.thresholds["a"] <= best[150]
    assert found.thresholds["b"] == 0.5


def test_sigmoid_thresholds_maximise_f1_where_there_are_enough_positives() -> None:
    rng = np.random.default_rng(4)
    y = np.zeros((1000, 2), int)
    y[:200, 0] = 1
    y[:5, 1] = 1
    logits = np.where(y > 0, 2.0, -2.0) + rng.normal(0, 1, y.shape)
    found = calibrated(Group("g", ("many", "few"), {}, "sigmoid", 0), logits, y)
    assert "few" not in found.thresholds
    p = sigmoid(logits[:, 0] / found.temperature)

    def f1(threshold: float) -> float:
        said = p >= threshold
        return float(2 * (said & (y[:, 0] > 0)).sum() / (said.sum() + 200))

    best = max(f1(threshold) for threshold in np.linspace(0.01, 0.99, 99))
    assert f1(found.thresholds["many"]) >= best - 0.005
