"""Temperatures, thresholds and the rate's weights, against what made the data."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.fusion import FEATURES
from models.calibrate import calibrated, fusion_weights, slopes_and_offsets
from models.groups import GROUPS
from models.metrics import sigmoid, softmax

MATE4, SUPERCLASSES = GROUPS[:2]


def labels_from(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One label a row, drawn by its probabilities."""
    said = (rng.random((len(p), 1)) > p.cumsum(1)).sum(1).clip(max=p.shape[1] - 1)
    return np.eye(p.shape[1])[said]


def test_overconfident_logits_get_the_temperature_that_made_them_so() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(0, 1.5, (4000, 4))
    group = calibrated(MATE4, 2.0 * z, labels_from(softmax(z), rng))
    assert group.temperature == pytest.approx(2.0, rel=0.1)


def test_each_label_gets_the_threshold_of_its_best_f1_and_the_rare_share_one() -> None:
    rng = np.random.default_rng(2)
    n, labels = 2000, len(SUPERCLASSES.labels)
    y = np.zeros((n, labels))
    y[:400, 0] = y[:100, 1] = 1
    y[:2, 2] = y[2:4, 3] = y[4:6, 4] = 1
    z = rng.normal(0, 1, (n, labels)) + 5 * y - np.array([3, 0, 3, 3, 3])
    group = calibrated(SUPERCLASSES, z, y)
    of = [group.thresholds[label] for label in SUPERCLASSES.labels]
    cut = [group.temperature * np.log(t / (1 - t)) for t in of]
    assert cut[0] == pytest.approx(-0.6, abs=0.7)  # between the clouds at -3 and 2
    assert cut[1] == pytest.approx(3.0, abs=0.9)  # between those at 0 and 5
    assert of[2] == of[3] == of[4]


def test_a_slow_rate_counts_for_the_slow_label_where_the_data_say_so() -> None:
    rng = np.random.default_rng(3)
    bpm = rng.uniform(40, 90, 3000)
    slow = bpm < 55
    y = np.zeros((3000, 4))
    y[slow, 2] = y[~slow, 3] = 1
    undecided = rng.normal(0, 0.3, (3000, 4)) - np.array([6, 6, 0, 0])
    rates = [(value, 0.02) for value in bpm]
    weights = fusion_weights(undecided, y, rates, reference=3)
    assert weights.shape == (4, FEATURES)
    assert not weights[3].any()
    below_60, below_50 = weights[2, 1:3]
    assert below_60 > 1
    assert below_50 >= 0


def test_a_rate_that_tells_nothing_gets_next_to_no_weight() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(0, 2, (3000, 4))
    y = labels_from(softmax(z), rng)
    rates = [(value, 0.02) for value in rng.uniform(40, 90, 3000)]
    assert np.abs(fusion_weights(z, y, rates, reference=3)[:, 1]).max() < 0.4


def test_a_label_s_own_bias_is_taken_off_and_rare_labels_are_left_alone() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(0, 2, (6000, 3))
    y = (rng.random(z.shape) < sigmoid(z)).astype(float)
    y[:, 2] = 0
    y[:5, 2] = 1
    seen = np.stack([z[:, 0] / 1.5 - 0.8, z[:, 1], z[:, 2] - 3], axis=1)
    slopes, offsets = slopes_and_offsets(seen, y)
    assert slopes == pytest.approx([1.5, 1, 1], abs=0.1)
    assert offsets == pytest.approx([1.2, 0, 0], abs=0.15)
    assert (slopes[2], offsets[2]) == (1, 0)
