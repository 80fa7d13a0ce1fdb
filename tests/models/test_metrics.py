"""Scores against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import (
    at_threshold,
    auc,
    average_precision,
    calibration,
    macro_auc,
    rhythm_scores,
    wilson,
)


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


def test_average_precision_of_a_list_worked_out_by_hand() -> None:
    """Ranks of the positives: 1, 3, and two records tied at 4 and 5 of which one is positive."""
    truth, score = np.array([1, 0, 1, 1, 0]), np.array([0.9, 0.8, 0.7, 0.2, 0.2])
    assert average_precision(truth, score) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert np.isnan(average_precision(np.zeros(3), np.arange(3)))


def test_what_a_threshold_gives() -> None:
    truth, p = np.array([1, 1, 1, 0, 0]), np.array([0.9, 0.5, 0.1, 0.5, 0.2])
    found = at_threshold(truth, p, 0.5)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(1 / 2)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["g_mean"] == pytest.approx(np.sqrt(2 / 3 / 2))
    assert at_threshold(truth, p, 1.0)["f1"] == 0


def test_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    p = np.array([0.05, 0.05, 0.05, 0.05, 0.95, 1.0])
    found = calibration(np.array([0, 0, 0, 1, 1, 1]), p)
    assert [entry[2] for entry in found["bins"]] == [4, 2]
    assert found["ece"] == pytest.approx((4 * 0.20 + 2 * 0.025) / 6)


def test_wilson_interval_of_a_textbook_case() -> None:
    assert wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-3)
    assert wilson(0, 0) == (0, 1)
