"""Maps with evidence that is known: folded, shared out, deleted; networks with a known map."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from firmware.events import LEADS
from firmware.explain import without
from firmware.page import INK, PAPER
from models.evaluate.saliency import (
    BINS,
    FIRST,
    aggregate,
    cells,
    deletion,
    folded,
    lead_shares,
    likeness,
    median_trace,
    told_apart,
)
from models.inputs import TEN_SECONDS
from models.report.explanations import NAME, page, page_figure
from tools.bench.figures import DOCS
from tools.bench.page_saliency import places_with_ink, without_places

train = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
PEAKS = np.array([10.0, 35.0, 60.0, 85.0])  # of 100 windows: a beat a second
V2 = LEADS.index("V2")


def planted(lead: int, after: int) -> np.ndarray:
    """Relevance in one lead, so many windows behind each R peak."""
    relevance = np.zeros((12, 100))
    relevance[lead, PEAKS.astype(int) + after] = 1
    return relevance


def test_beats_are_laid_over_each_other() -> None:
    found = folded(planted(V2, 3), PEAKS)
    assert found.shape == (12, BINS)
    assert np.flatnonzero(found[V2] == 1).tolist() == [3 - FIRST]
    assert np.nansum(found) == 1


def test_a_bin_belongs_to_the_nearest_beat_and_one_that_none_reaches_is_unknown() -> None:
    fast = np.arange(5.0, 100, 10)  # 150 /min: a beat begins 4 windows before R, not 7
    relevance = np.zeros((12, 100))
    relevance[0, 5:100:10] = 1
    found = folded(relevance, fast)
    assert found[0, -FIRST] == 1
    assert np.isnan(found[0, :2]).all()
    assert found[0, -FIRST + 10 :].max(initial=0, where=~np.isnan(found[0, -FIRST + 10 :])) == 0
    assert np.isnan(folded(relevance, np.array([2.0]))[:, 0]).all()


def test_shares_of_leads_and_parts_are_of_the_evidence() -> None:
    """Three of four in the ST segment of V2, one in the QRS of lead I."""
    both = 3 * planted(V2, 3) + planted(0, 0)
    empty, far = np.zeros((12, 100)), np.zeros((12, 100))
    far[:, 50] = 1  # nearer to no R peak than a beat is long
    beats = [PEAKS, PEAKS, np.array([]), np.array([10.0])]
    found = aggregate([both, empty, both, far], beats)
    assert found.records == 1
    assert found.leads[V2] == pytest.approx(0.75)
    assert found.parts == pytest.approx({"P": 0, "QRS": 0.25, "ST": 0.75, "T": 0})
    assert sum(found.parts_time.values()) == pytest.approx(1)
    assert found.maps[0].max() == found.maps[V2].max() == 1  # each lead by itself
    assert lead_shares(np.zeros((12, 100))).sum() == 0


def test_cells_are_means_of_their_samples_and_coarse_maps_are_interpolated() -> None:
    of_samples = np.zeros((400, 12))
    of_samples[4:8, 1] = 2
    found = cells(of_samples, 100)
    assert found[1, 1] == 2
    assert found.sum() == 2
    coarse = cells(np.array([0.0, 1.0]), 4)
    assert coarse.shape == (12, 4)
    np.testing.assert_allclose(coarse[5], [0, 0.25, 0.75, 1])


def test_the_map_of_what_counts_wins_against_chance_and_a_moved_one_does_not() -> None:
    rng = np.random.default_rng(0)
    tensors = [rng.integers(-50, 50, (400, 12)).astype(np.int8) for _ in range(12)]
    counts = np.zeros((12, 100))
    counts[V2, 20:60:2] = 1
    there = np.repeat(counts, 4, axis=1).T > 0

    def score(some: list[np.ndarray]) -> list[float]:
        return [float(np.abs(one[there].astype(int)).sum()) for one in some]

    right = deletion(score, tensors, [counts] * 12, without)
    assert right.won[0] == 1
    assert right.effect[1] > 0
    moved = deletion(score, tensors, [np.roll(counts, 5, axis=0)] * 12, without)
    assert moved.effect[0] < right.effect[0] / 4


def test_likeness_of_maps() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((12, 100)), rng.random((12, 100))
    assert likeness(one, 2 * one) == pytest.approx(1)
    assert abs(likeness(one, other)) < 0.1
    assert likeness(one, np.zeros((12, 100))) == 0
    assert likeness(one, np.ones((12, 100))) == 0


def test_shares_tell_two_kinds_apart_or_do_not() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(1, 0.2, 40), rng.normal(0, 0.2, 40)
    apart, low, high = told_apart(one, other)
    assert 0.9 < low <= apart <= high <= 1
    _, low, high = told_apart(other[:20], other[20:])
    assert low < 0.5 < high


def test_the_trace_is_the_median_beat_in_the_contracts_measure() -> None:
    contract = replace(TEN_SECONDS, samples=400)
    tensor = np.zeros((400, 12), np.int8)
    tensor[(PEAKS * 4).astype(int), V2] = 100
    trace = median_trace([tensor], [PEAKS], contract)
    assert trace.shape == (BINS * 4, 12)
    assert trace[-FIRST * 4 + 2, V2] == pytest.approx(100 * contract.step)
    assert np.nansum(np.abs(trace)) == pytest.approx(100 * contract.step)


def test_random_choices_fall_on_places_that_hold_something() -> None:
    """One of 400 places has ink, and it is what counts: every choice of a tenth takes it."""
    sheet = np.full((40, 80, 1), PAPER, np.int8)
    sheet[10, 41] = INK
    ink = places_with_ink(sheet, (20, 20))
    assert np.argwhere(ink).tolist() == [[5, 10]]
    assert (without_places(sheet, ink) == PAPER).all()

    def score(pages: list[np.ndarray]) -> list[float]:
        return [float((one == INK).sum()) for one in pages]

    inked = partial(places_with_ink, places=(20, 20))
    found = deletion(score, [sheet] * 5, [ink.astype(float)] * 5, without_places, inked)
    assert found.top.tolist() == found.random.tolist() == [1] * 5
    blind = deletion(score, [sheet] * 5, [ink.astype(float)] * 5, without_places)
    assert blind.random.mean() < 0.5


def test_a_page_has_a_figure_and_checks_but_no_leads() -> None:
    checks = described(0.1, 0.95, 0.6)["methods"]["gradient"]["checks"]
    methods = {"Grad-CAM": {"page": True, "checks": checks}}
    network = {"name": "p", "id": "p-1", "methods": methods, "pictures": ["saliency-p-mi"]}
    text = page([network])
    assert "Grad-CAM: holds." in text
    assert "MI: mean map over the page" in text
    assert "| V1 |" not in text
    assert page_figure(np.eye(3), np.zeros((30, 50)), "MI")[:4] == b"\x89PNG"


def described(worst: float, won: float, low: float) -> dict[str, Any]:
    """What the bench writes of one network whose checks came out so."""
    parts = {"P": 0.1, "QRS": 0.5, "ST": 0.3, "T": 0.1}
    time = {"P": 0.25, "QRS": 0.25, "ST": 0.15, "T": 0.35}
    of_class = {"records": 5, "leads": dict.fromkeys(LEADS, 1 / 12), "parts": parts, "time": time}
    facing = {"anterior": {"anterior": 0.6, "inferior": 0.1}}
    facing["inferior"] = {"anterior": 0.3, "inferior": 0.4}
    method = {
        "leads": True,
        "place_ms": 40,
        "classes": {"MI": of_class},
        "checks": {
            "records": 20,
            "random": [0.01, worst],
            "won": [won, won - 0.1, won],
            "effect": [low + 0.5, low, low + 1],
        },
        "infarctions": {
            "records": {"anterior": 9, "inferior": 8},
            "facing": facing,
            "auc": 0.8,
            "interval": [low, 0.9],
        },
    }
    return {
        "name": "n",
        "id": "n-1",
        "methods": {"gradient": method},
        "pictures": ["saliency-n-mi"],
    }


def test_the_page_says_what_held_and_what_did_not() -> None:
    good = page([described(0.1, 0.95, 0.6)])
    assert "gradient: holds." in good
    assert "Their difference tells the two apart: AUC 0.80 (0.60-0.90)" in good
    assert "more than its time lies in QRS and ST" in good
    assert "(pictures/saliency-n-mi.png)" in good
    for bad in (described(0.5, 0.95, 0.6), described(0.1, 0.5, 0.6), described(0.1, 0.95, -0.1)):
        assert "gradient: **does not hold**" in page([bad])
    assert "**does not tell** the two apart" in page([described(0.1, 0.95, 0.4)])


def test_the_page_in_docs_is_that_of_its_figures() -> None:
    found = json.loads((DOCS / f"{NAME}.json").read_text())
    assert (DOCS / f"{NAME}.md").read_text() == page(list(found.values()))


@pytest.fixture(scope="module")
def pooled():
    """Twelve channels passed on, averaged and at their maximum, then one dense layer."""
    from models.train import quiet_keras

    keras = quiet_keras()
    signal = keras.Input((20, 12))
    x = keras.layers.Conv1D(12, 1, use_bias=False)(signal)
    average, most = keras.layers.GlobalAveragePooling1D(), keras.layers.GlobalMaxPooling1D()
    pools = keras.layers.Concatenate()([average(x), most(x)])
    out = keras.layers.Dense(2, name="logits")(keras.layers.Dropout(0.5)(pools))
    network = keras.Model(signal, out)
    kernel = np.zeros((24, 2))
    kernel[0, 1], kernel[12 + V2, 1] = 10, 1
    network.set_weights([np.eye(12)[None], kernel, np.array([7.0, 3.0])])
    return network


@train
@pytest.mark.train
def test_class_activation_puts_each_share_where_it_comes_from(pooled) -> None:
    from models.explain.cam import activation_map

    x = np.zeros((1, 20, 12), np.float32)
    x[0, 4, 0], x[0, 9, V2], x[0, 11, V2] = 2, 5, 4
    (found,) = activation_map(pooled, x, 1)
    expected = np.zeros(20)
    expected[4], expected[9] = 10 * 2 / 20, 5  # a mean over 20 places; the maximum at one
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.sum() == pytest.approx(float(np.asarray(pooled(x))[0, 1]) - 3, abs=1e-5)
    assert not activation_map(pooled, x, 0).any()


@train
@pytest.mark.train
def test_grad_cam_of_an_average_is_its_class_activation_above_zero() -> None:
    from models.explain.cam import activation_map
    from models.explain.grad_cam import grad_cam, gradient
    from models.train import quiet_keras

    keras = quiet_keras()
    keras.utils.set_random_seed(0)
    signal = keras.Input((20, 12))
    x = keras.layers.Conv1D(5, 3, padding="same")(signal)
    x = keras.layers.GlobalAveragePooling1D()(x)
    network = keras.Model(signal, keras.layers.Dense(2, name="logits")(x))
    shown = np.random.default_rng(0).normal(size=(3, 20, 12)).astype(np.float32)
    exact = activation_map(network, shown, 1)
    # The gradient over the map is the channel's weight over its 20 places
    np.testing.assert_allclose(grad_cam(network, shown, 1), np.maximum(exact, 0), atol=1e-6)
    one = gradient(network, shown, 1)
    np.testing.assert_allclose(one[0], one[2], atol=1e-6)  # linear: the same everywhere
    assert one.shape == shown.shape


@train
@pytest.mark.train
def test_a_head_of_dense_layers_has_no_class_activation() -> None:
    from models.explain.cam import NoMapError, activation_map
    from models.explain.methods import methods
    from models.train import quiet_keras

    keras = quiet_keras()
    signal = keras.Input((400, 12))
    x = keras.layers.Dense(4, name="between")(keras.layers.Flatten()(signal))
    network = keras.Model(signal, keras.layers.Dense(2, name="logits")(x))
    with pytest.raises(NoMapError, match=r"between in front of its logits.*use Grad-CAM"):
        activation_map(network, np.zeros((1, 400, 12), np.float32), 0)
    tensor = np.ones((400, 12), np.int8)
    names = [one.method for one in methods(network, replace(TEN_SECONDS, samples=400), tensor)]
    assert "CAM" not in names
    assert "gradient" in names
