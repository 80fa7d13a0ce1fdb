"""ECG-SMART-NET's score and table 5, against hand counts and their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.labels import SUPERCLASSES
from models.evaluate.beat_score import COLUMN, beat_score, figures, operating_point
from models.groups import GROUPS

TRUTH = np.array([1, 0, 1, 0, 0, 1, 0, 0], bool)
P = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])


def test_the_task_is_the_infarction_column_of_every_network() -> None:
    superclasses = next(group for group in GROUPS if group.name == "superclasses")
    assert superclasses.first + SUPERCLASSES.index("MI") == COLUMN
    assert superclasses.columns.start <= COLUMN < superclasses.columns.stop


def test_the_score_of_eight_beats_counted_by_hand() -> None:
    # Of 15 pairs 5 + 4 + 2 are in order; precision where a positive is met: 1/1, 2/3, 3/6
    area, precision = 11 / 15, (1 + 2 / 3 + 1 / 2) / 3
    assert beat_score(TRUTH, P) == pytest.approx(2 / 3 * area + 1 / 3 * precision)


def test_the_score_is_the_pairs_in_order_and_the_mean_precision() -> None:
    rng = np.random.default_rng(4)
    truth = rng.random(60) < 0.2
    p = rng.permutation(60) / 60  # no ties
    pairs = p[truth][:, None] > p[~truth][None]
    precision = [(truth & (p >= at)).sum() / (p >= at).sum() for at in p[truth]]
    wanted = 2 / 3 * pairs.mean() + 1 / 3 * np.mean(precision)
    assert beat_score(truth, p) == pytest.approx(wanted)


def test_one_class_alone_has_no_score() -> None:
    assert np.isnan(beat_score(np.ones(3, bool), np.arange(3.0)))
    assert np.isnan(beat_score(np.zeros(3, bool), np.arange(3.0)))


def test_no_threshold_has_a_higher_f1_than_the_operating_point() -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(200) < 0.3
    p = np.round(np.clip(truth * 0.2 + rng.random(200) * 0.8, 0, 1), 3)
    best = max(figures(truth, p, at)["f1"] for at in np.unique(p))
    assert figures(truth, p, operating_point(truth, p))["f1"] == best


def test_table_5_counted_by_hand() -> None:
    # At 0.55: of four said two are right; one is missed, three are rightly not said
    at = figures(TRUTH, P, 0.55)
    assert at["accuracy"] == pytest.approx(5 / 8)
    assert at["sensitivity"] == pytest.approx(2 / 3)
    assert at["specificity"] == pytest.approx(3 / 5)
    assert at["ppv"] == pytest.approx(2 / 4)
    assert at["npv"] == pytest.approx(3 / 4)
    assert at["f1"] == pytest.approx(4 / 7)
    assert at["score"] == beat_score(TRUTH, P)
    assert at["score"] == pytest.approx(2 / 3 * at["auc"] + 1 / 3 * at["ap"])


def test_nobody_said_has_no_ppv_and_everybody_no_npv() -> None:
    assert figures(TRUTH, P, 2.0)["ppv"] == 0
    assert figures(TRUTH, P, 0.0)["npv"] == 0
