"""The chain: bits that blocks do not change, no overflow for any input, no trace of an offset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from firmware import coefficients
from firmware.coefficients import NOTCH_Q30
from firmware.filters import COUNT_MAX, COUNT_MIN, FRACTION_BITS, FilterChain
from firmware.profiles import MODEL, PROFILES, Profile
from hal.frontend import CHANNELS
from tools.design_filters import design

OFFSET_300_MV = 6_291_455  # counts at gain 6

CASES = [
    pytest.param(profile, mains_hz, id=f"{profile.name}-{mains_hz}")
    for profile in PROFILES.values()
    for mains_hz in (None, 50, 60)
    if mains_hz is None or profile.takes_notch
]
every_case = pytest.mark.parametrize(("profile", "mains_hz"), CASES)


def counts(n: int, seed: int = 0, peak: int = 200_000) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(-peak, peak, (n, CHANNELS), dtype=np.int32)


def stages(
    profile: Profile, mains_hz: int | None, x: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """The value after each stage, in floating point, from the same coefficients."""
    if profile.fir_q31:
        x = signal.lfilter(np.array(profile.fir_q31) / 2**31, 1, x)[:: profile.decimation]
        yield x
    notch = [NOTCH_Q30[mains_hz]] if mains_hz and profile.takes_notch else []
    for b0, b1, b2, a1, a2 in [*profile.sections_q30, *notch]:
        x = signal.lfilter(np.array([b0, b1, b2]) / 2**30, [1, -a1 / 2**30, -a2 / 2**30], x)
        yield x


@every_case
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=12))
def test_blocks_do_not_change_a_bit(
    profile: Profile, mains_hz: int | None, cuts: list[int]
) -> None:
    x = counts(sum(cuts) + 7)
    whole = FilterChain(profile, mains_hz=mains_hz).push(x)
    chain = FilterChain(profile, mains_hz=mains_hz)
    pieces = [chain.push(piece) for piece in np.split(x, np.cumsum(cuts))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@every_case
def test_follows_its_own_coefficients(profile: Profile, mains_hz: int | None) -> None:
    x = counts(6000)
    y = FilterChain(profile, mains_hz=mains_hz).push(x)
    for channel in range(CHANNELS):
        deviation = x[:, channel] - float(x[0, channel])
        *_, expected = stages(profile, mains_hz, deviation)
        assert np.abs(y[:, channel] - expected).max() <= 1.0
    assert y.dtype == np.int32
    assert y.flags.c_contiguous


def last_output_weights(
    profile: Profile, mains_hz: int | None, n: int
) -> list[NDArray[np.float64]]:
    """For each stage, what each of n inputs contributes to its last output."""
    found: list[NDArray[np.float64]] = []
    for phase in range(profile.decimation):
        impulse = np.zeros(n)
        impulse[phase] = 1
        for stage, outputs in enumerate(stages(profile, mains_hz, impulse)):
            if phase == 0:
                found.append(np.zeros(n))
            found[stage][phase :: profile.decimation] = outputs[::-1]
    return found


@every_case
def test_no_input_overflows_any_stage(profile: Profile, mains_hz: int | None) -> None:
    """The input that drives each stage hardest comes out as in floating point."""
    for weights in last_output_weights(profile, mains_hz, 20_000):  # 40 s, as long as any response
        of_full_scale = np.abs(weights).sum() + abs(weights.sum())  # the latter from x - x[0]
        assert of_full_scale < 5 < 2**31 / 2**FRACTION_BITS / -COUNT_MIN
        worst = np.where(weights >= 0, COUNT_MAX, COUNT_MIN).astype(np.int32)
        y = FilterChain(profile, mains_hz=mains_hz, channels=1).push(worst[:, None])[:, 0]
        *_, expected = stages(profile, mains_hz, worst - float(worst[0]))
        assert np.abs(y - expected).max() <= 2.0


@every_case
def test_an_electrode_offset_does_not_change_a_bit(profile: Profile, mains_hz: int | None) -> None:
    x = counts(3000)
    y = FilterChain(profile, mains_hz=mains_hz).push(x)
    for offset in (OFFSET_300_MV, -OFFSET_300_MV):
        shifted = FilterChain(profile, mains_hz=mains_hz).push(x + np.int32(offset))
        np.testing.assert_array_equal(shifted, y)
    flat = np.full((3000, CHANNELS), OFFSET_300_MV, dtype=np.int32)
    assert not FilterChain(profile, mains_hz=mains_hz).push(flat).any()


@every_case
@pytest.mark.parametrize("before", [0, 3, 502])
def test_rows_are_labelled_with_their_event(
    profile: Profile, mains_hz: int | None, before: int
) -> None:
    event = 1500
    t = np.arange(4000) - event
    qrs = np.rint(20_000 * np.exp(-0.5 * (t / 6.0) ** 2)).astype(np.int32)  # 12 ms, 1 mV
    chain = FilterChain(profile, mains_hz=mains_hz)
    chain.push(counts(before))
    chain.reset()
    y = chain.push(np.tile(qrs[:, None], CHANNELS))
    row = int(y[:, 0].argmax())
    label = row * chain.decimation - chain.delay_samples
    assert abs(label - event) <= (0 if profile.name.startswith("model") else 1)


@every_case
def test_reset_of_some_channels_leaves_the_others(profile: Profile, mains_hz: int | None) -> None:
    x = counts(2000)
    chain = FilterChain(profile, mains_hz=mains_hz)
    kept = FilterChain(profile, mains_hz=mains_hz)
    chain.push(x[:1000])
    kept.push(x[:1000])
    chain.reset([2, 7])
    y, expected = chain.push(x[1000:]), kept.push(x[1000:])
    others = [0, 1, 3, 4, 5, 6]
    np.testing.assert_array_equal(y[:, others], expected[:, others])
    fresh = FilterChain(profile, mains_hz=mains_hz).push(x[1000:])
    np.testing.assert_array_equal(y[:, [2, 7]], fresh[:, [2, 7]])  # 1000 is a whole group


GOLDEN = {
    ("diagnostic", 1, None): "cd723ee9b719d067",
    ("diagnostic", 1, 50): "8782854c587d8006",
    ("diagnostic", 1, 60): "ee81375be93aa20e",
    ("monitor", 1, None): "5c48183f057a0edf",
    ("monitor", 1, 50): "8173b5c0bc344bdd",
    ("monitor", 1, 60): "32688dcade9bf24d",
    ("model", 1, None): "752c78bb2a5c5b9c",
    ("model-500", 1, None): "e4687bae45dbcf9b",
    ("model-50", 1, None): "78391d0ddac68ea1",
}


@every_case
def test_a_profile_version_names_its_bits(profile: Profile, mains_hz: int | None) -> None:
    """A change of any output bit needs a new version; every machine gives the same bits."""
    k = np.arange(8 * 3000, dtype=np.int64)
    x = (k * k * 40_503 % 16_777_216 - 8_388_608).astype(np.int32).reshape(3000, 8)
    y = FilterChain(profile, mains_hz=mains_hz).push(x)
    digest = hashlib.sha256(y.astype("<i4").tobytes()).hexdigest()[:16]
    assert digest == GOLDEN[profile.name, profile.version, mains_hz]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_high_pass_leaks_nothing(profile: Profile) -> None:
    b0, b1, b2, _, _ = profile.sections_q30[0]
    assert b0 + b1 + b2 == 0


def test_committed_coefficients_are_the_designed_ones() -> None:
    """``python -m tools.design_filters`` gives them; another linear algebra library, to 4 units."""
    designed = design()
    for fresh, committed in (
        (designed.fir_q31, coefficients.FIR_Q31),
        (designed.sections_q30, coefficients.SECTIONS_Q30),
        (designed.notch_q30, coefficients.NOTCH_Q30),
    ):
        assert fresh.keys() == committed.keys()
        for key, values in fresh.items():
            np.testing.assert_allclose(values, committed[key], rtol=0, atol=4)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((5, 8), np.int64), "int64"),
        (np.zeros((5, 7), np.int32), r"\[n, 8\]"),
        (np.zeros(8, np.int32), r"\[n, 8\]"),
        (np.full((5, 8), COUNT_MAX + 1, np.int32), "24-bit"),
        (np.full((5, 8), COUNT_MIN - 1, np.int32), "24-bit"),
    ],
)
def test_refuses_what_is_not_counts(bad: NDArray[np.int32], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FilterChain(MODEL, mains_hz=None).push(bad)


def test_the_mains_setting_does_not_reach_the_network() -> None:
    x = counts(3000)
    expected = FilterChain(MODEL, mains_hz=None).push(x)
    for mains_hz in (50, 60):
        np.testing.assert_array_equal(FilterChain(MODEL, mains_hz=mains_hz).push(x), expected)


def test_refuses_another_mains_frequency() -> None:
    with pytest.raises(ValueError, match="50, 60 or None"):
        FilterChain(MODEL, mains_hz=16)
