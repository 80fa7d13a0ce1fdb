"""Thresholds, G-mean and MAP against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibrate import best_f1
from models.evaluate.gmean import f1_scores, mean_average_precision, said_figures
from models.evaluate.thresholds import halves, table, tuned

PATIENTS = np.array([f"p{i // 2}" for i in range(40)])  # two records each


def test_equal_probabilities_are_said_together() -> None:
    """0.6 alone is F1 1 for its first record, but 4 / 7 with all that are said with it."""
    p = np.array([0.9, 0.6, 0.6, 0.6, 0.6])
    assert best_f1(p, np.array([1, 1, 0, 0, 0])) == pytest.approx(0.9)  # 2 / 3
    assert best_f1(p, np.array([1, 1, 1, 0, 0])) == pytest.approx(0.6)  # 3 / 4 against 1 / 2


def test_figures_of_answers_by_hand() -> None:
    """Sensitivity is the labels' mean, specificity and accuracy are of all entries at once."""
    truth = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
    said = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]], bool)
    found = said_figures(truth, said)
    assert found["accuracy"] == pytest.approx(8 / 12)
    assert found["sensitivity"] == pytest.approx((1 / 3 + 1) / 2)  # the third has no positive
    assert found["specificity"] == pytest.approx(6 / 8)
    assert found["g_mean"] == pytest.approx(np.sqrt(2 / 3 * 6 / 8))
    assert found["f1"] == pytest.approx((2 / 5 + 1) / 2)
    np.testing.assert_allclose(f1_scores(truth, said), [2 / 5, 1, 0])


def test_map_leaves_out_labels_without_a_positive() -> None:
    truth = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0]], bool)
    p = np.array([[0.9, 0.5, 0.1], [0.8, 0.5, 0.9], [0.7, 0.5, 0.1]])
    assert mean_average_precision(truth, p) == pytest.approx((1 / 2 + 1 / 2 * 2 / 3 + 1) / 2)
    assert np.isnan(mean_average_precision(truth[:, 1:2], p[:, 1:2]))


def test_no_patient_is_in_both_halves() -> None:
    half = halves(PATIENTS)
    assert half.sum() == 20
    np.testing.assert_array_equal(half[0::2], half[1::2])
    np.testing.assert_array_equal(half, halves(PATIENTS))


def test_each_half_is_judged_by_the_threshold_of_the_other() -> None:
    half = halves(PATIENTS)
    truth = np.tile([1, 0], 20).astype(bool)[:, None]
    p = np.where(truth[:, 0], np.where(half, 0.3, 0.7), np.where(half, 0.1, 0.5))[:, None]
    found = tuned(truth, p, PATIENTS)
    np.testing.assert_allclose(found.thresholds, [[0.3], [0.7]])
    assert not found.said[half].any()  # 0.3 is below the other half's 0.7
    assert found.said[~half].all()  # 0.5 and 0.7 are above 0.3


def test_a_label_that_the_tuning_half_lacks_is_never_said() -> None:
    half = halves(PATIENTS)
    truth = np.zeros((40, 1), bool)
    truth[np.flatnonzero(half)[:3]] = True
    p = np.where(truth, 0.9, 0.1)
    found = tuned(truth, p, PATIENTS)
    assert not found.said[half].any()
    assert np.isinf(found.thresholds[1, 0])
    assert table(("rare",), truth, p, found)["labels"] == {}


def test_rare_labels_with_high_thresholds_correlate_negatively() -> None:
    """Shares 1/2, 1/4 and 1/10 of a hundred patients; thresholds 0.2, 0.5 and 0.9."""
    rng = np.random.default_rng(3)
    patients = np.arange(400).astype(str)
    truth = np.stack([rng.permutation(400) < n for n in (200, 100, 40)], axis=1)
    p = np.where(truth, [0.2, 0.5, 0.9], 0.05)
    found = table(("a", "b", "c"), truth, p, tuned(truth, p, patients))
    assert [row["threshold"] for row in found["labels"].values()] == pytest.approx([0.2, 0.5, 0.9])
    assert [row["share"] for row in found["labels"].values()] == pytest.approx([0.5, 0.25, 0.1])
    assert found["labels"]["b"]["f1"] == found["labels"]["b"]["auprc"] == 1
    by_hand = np.corrcoef([0.2, 0.5, 0.9], [0.5, 0.25, 0.1])[0, 1]
    assert found["correlation"] == pytest.approx(by_hand)
    assert np.isnan(
        table(("a",), truth[:, :1], p[:, :1], tuned(truth[:, :1], p[:, :1], patients))[
            "correlation"
        ]
    )
