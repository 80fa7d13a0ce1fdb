"""The measured rate beside the network: what it says, what it adds, what it leaves alone."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.fusion import FEATURES, UNKNOWN, Fusion, features, fuse

SCORES = {
    "mate4": {"AFIB": 0.02, "GSVT": 0.01, "SB": 0.30, "SR": 0.67},
    "statements": {"SBRAD": 0.2, "NORM": 0.123456},
}
SLOW = (0.0, 1.5, 1.0, 0.0, 0.0, 0.0)  # +1.5 and +1 per ten bpm below 60 and 50
FUSION = Fusion({"mate4": {"SB": SLOW}, "statements": {"SBRAD": SLOW}}, frozenset({"mate4"}))

# Some libraries for Arm have the processor take the smallest numbers for zero.
floats = partial(st.floats, allow_subnormal=False)
probabilities = floats(0, 1).map(lambda p: round(p, 6))


@pytest.mark.parametrize(
    ("rate_bpm", "irregularity", "expected"),
    [
        (70.0, 0.0, (1, 0, 0, 0, 0, 0)),
        (60.0, 0.01, (1, 0, 0, 0, 0, 0.1)),
        (45.0, 0.02, (1, 1.5, 0.5, 0, 0, 0.2)),
        (100.0, 0.2, (1, 0, 0, 1, 0, 2)),
        (130.0, 0.5, (1, 0, 0, 4, 1, 3)),
        (15.0, 0.0, (1, 4, 3.5, 0, 0, 0)),
        (300.0, 0.0, (1, 0, 0, 4, 4, 0)),
        (45.0, None, (1, 1.5, 0.5, 0, 0, 0)),
        (None, 0.2, UNKNOWN),
        (None, None, UNKNOWN),
    ],
)
def test_features_are_hinges_of_the_rate(rate_bpm, irregularity, expected) -> None:
    assert features(rate_bpm, irregularity) == pytest.approx(expected)
    assert len(expected) == FEATURES


def test_a_softmax_group_takes_the_weights_on_log_p_and_adds_up_to_one() -> None:
    fused = fuse(SCORES, 45.0, 0.0, FUSION)["mate4"]
    shift = 1.5 * 1.5 + 1.0 * 0.5
    odds = (SCORES["mate4"]["SB"] / SCORES["mate4"]["SR"]) * math.exp(shift)
    assert fused["SB"] / fused["SR"] == pytest.approx(odds, rel=1e-4)
    assert sum(fused.values()) == pytest.approx(1, abs=4e-6)
    assert fused["AFIB"] / fused["SR"] == pytest.approx(0.02 / 0.67, rel=1e-3)


def test_a_sigmoid_label_takes_them_on_its_logit_and_its_neighbours_keep_their_bits() -> None:
    fused = fuse(SCORES, 45.0, 0.0, FUSION)["statements"]
    z = math.log(0.2 / 0.8) + 2.75
    assert fused["SBRAD"] == pytest.approx(1 / (1 + math.exp(-z)), abs=1e-6)
    assert fused["NORM"] == SCORES["statements"]["NORM"]


def test_without_a_rate_or_weights_every_bit_stays() -> None:
    assert fuse(SCORES, None, 0.1, FUSION) == SCORES
    assert fuse(SCORES, 45.0, 0.1, Fusion({}, frozenset())) == SCORES
    assert fuse({}, 45.0, 0.1, FUSION) == {}


@given(
    st.dictionaries(st.sampled_from("abcd"), probabilities, min_size=1),
    floats(1, 400),
    floats(0, 3),
    st.lists(floats(-1e4, 1e4), min_size=FEATURES, max_size=FEATURES),
)
def test_whatever_comes_in_probabilities_come_out(scores, rate_bpm, irregularity, weights) -> None:
    for exclusive in (frozenset({"g"}), frozenset()):
        fusion = Fusion({"g": {"a": tuple(weights)}}, exclusive)
        fused = fuse({"g": scores}, rate_bpm, irregularity, fusion)["g"]
        assert fused.keys() == scores.keys()
        assert all(0 <= p <= 1 for p in fused.values())
        if exclusive:
            assert sum(fused.values()) == pytest.approx(1, abs=1e-5)


def test_the_scores_given_are_not_changed() -> None:
    before = {group: dict(labels) for group, labels in SCORES.items()}
    fuse(SCORES, 45.0, 0.0, FUSION)
    assert before == SCORES
