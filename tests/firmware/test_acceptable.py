"""The network that accepts or doubts: its features, its arithmetic, what its weights must mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import acceptable
from firmware.acceptable import MEASURES, OCTAVE, ONE, WEIGHT_BITS, Weights

CALM_UV = np.array([1200, 10, 8, 4])  # extent, step, muscle, mains of an ordinary second
CHANNELS = 8


def seconds() -> np.ndarray:
    """Ten calm seconds [10, 8, MEASURES]."""
    return np.tile(CALM_UV, (10, CHANNELS, 1)).astype(np.int64)


def judged(uv: np.ndarray) -> tuple[np.ndarray, int]:
    """Mean badness [8] of the channels, and the log odds for acceptable."""
    net = acceptable.weights()
    bad = acceptable.badness(acceptable.features(uv), net)
    return bad.mean(axis=0), int(acceptable.log_odds(bad, net))


def test_a_feature_is_a_logarithm_with_sixteen_steps_to_the_doubling() -> None:
    uv = np.zeros((10, 1, MEASURES), np.int64)
    uv[:, 0, 0] = [0, 1, 2, 3, 7, 8, 1023, 1535, 2047, 4095]  # 1 is added to each
    found = acceptable.features(uv)[0]
    ranks = acceptable.RANKS[0]
    largest_first = sorted(uv[:, 0, 0].tolist(), reverse=True)
    for rank, value in zip(ranks, found[: len(ranks)].tolist(), strict=True):
        assert value == pytest.approx(OCTAVE * np.log2(largest_first[rank] + 1), abs=0.1 * OCTAVE)
    assert found[0] == 12 * OCTAVE
    assert (found[len(ranks) :] == 0).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31 - 2), st.permutations(range(10)))
def test_neither_size_nor_order_breaks_a_feature(uv: int, order: list[int]) -> None:
    measured = seconds()
    measured[3, 2] = uv
    assert (acceptable.features(measured) == acceptable.features(measured[order])).all()
    assert acceptable.features(measured).min() >= 0
    assert acceptable.features(measured).max() <= 31 * OCTAVE


def test_badness_and_odds_are_what_the_page_says() -> None:
    """By hand: one net, one hidden value: the first feature, in octaves, less ten."""
    one = 1 << WEIGHT_BITS
    w0 = np.zeros((1, acceptable.FEATURES, 1), np.int64)
    w0[0, 0, 0] = one
    net = Weights(
        w0,
        np.full((1, 1, 1), -10 * one),
        np.full((1, 1, 1), one),
        np.zeros((1, 1, 1), np.int64),
        np.array([[3 * one, 2 * one, one]]),
    )
    x = np.zeros((CHANNELS, acceptable.FEATURES), np.int64)
    x[:, 0] = 11 * OCTAVE
    x[1, 0] = 20 * OCTAVE
    bad = acceptable.badness(x, net)
    assert bad.shape == (1, CHANNELS)
    assert bad[0, 0] == round(ONE / (1 + np.exp(-1)))
    assert bad[0, 1] == ONE
    expected = 3 * ONE - 2 * int(bad.max()) - int(bad.sum())
    assert int(acceptable.log_odds(bad, net)) == expected
    two = Weights(
        *(np.repeat(part, 2, axis=0) for part in (net.w0, net.b0, net.w1, net.b1, net.mix))
    )
    assert int(acceptable.log_odds(acceptable.badness(x, two), two)) == expected  # the mean of nets


def test_the_weights_fit_and_cannot_overflow() -> None:
    net = acceptable.weights()
    nets, features, hidden = net.w0.shape
    assert features == acceptable.FEATURES
    assert net.b0.shape == (nets, 1, hidden)
    assert net.w1.shape == (nets, hidden, 1)
    assert net.mix.shape == (nets, 3)
    first = (np.abs(net.w0).sum(axis=1) * 31 + np.abs(net.b0[:, 0])).max() * ONE
    assert first < 1 << 62
    second = (np.abs(net.w1).sum(axis=1) * (int(first) >> WEIGHT_BITS)).max()
    assert second < 1 << 62


@pytest.mark.parametrize(
    ("ruined", "lasting"),
    [((60_000, 8_000, 400, 50), 3), ((20_000, 5_000, 900, 200), 10)],
    ids=["torn", "noise"],
)
def test_one_ruined_channel_is_doubted_and_the_record_not_accepted(
    ruined: tuple[int, ...], lasting: int
) -> None:
    bad, odds = judged(seconds())
    assert odds > 0
    assert bad.max() < 0.1 * ONE
    uv = seconds()
    uv[:lasting, 5] = ruined
    bad, odds = judged(uv)
    assert odds < 0
    assert int(bad.argmax()) == 5
    assert bad[5] > 0.4 * ONE
    assert np.delete(bad, 5).max() < 0.1 * ONE


def test_all_channels_are_judged_alike() -> None:
    ruined = seconds()
    ruined[2:5, 1, 0] = 30_000
    turned = np.roll(ruined, 3, axis=1)
    assert judged(turned)[1] == judged(ruined)[1]
    assert (np.roll(judged(ruined)[0], 3) == judged(turned)[0]).all()
