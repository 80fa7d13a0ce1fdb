"""The CMSIS-DSP banks against exact arithmetic and against themselves, cut up differently."""

from __future__ import annotations

import cmsisdsp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware.coefficients import FIR_Q31, SECTIONS_Q30
from firmware.fixedpoint import MAX_BLOCK, BiquadBank, DecimatorBank, FirBank

CHANNELS = 3


def noise(n: int, channels: int = CHANNELS, seed: int = 1) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(-(2**27), 2**27, (channels, n), dtype=np.int32)


def exact_fir(taps: tuple[int, ...], x: NDArray[np.int32]) -> NDArray[np.int64]:
    """CMSIS-DSP's definition: a 64-bit accumulator, its lower 31 bits dropped."""
    rows = [np.convolve(row.astype(np.int64), np.array(taps, np.int64)) for row in x]
    return np.array(rows)[:, : x.shape[1]] >> 31


def exact_biquad(section: tuple[int, ...], x: list[int]) -> list[float]:
    """The recursion in Python's unbounded integers, 40 fraction bits."""
    b0, b1, b2, a1, a2 = section
    x1 = x2 = y1 = y2 = 0
    out = []
    for x0 in x:
        acc = (b0 * x0 + b1 * x1 + b2 * x2 << 40) + a1 * y1 + a2 * y2
        x1, x2, y1, y2 = x0, x1, acc >> 30, y1
        out.append(y1 / 2**40)
    return out


def test_fir_is_exact_beyond_the_longest_block() -> None:
    x = noise(MAX_BLOCK + 1234)
    y = FirBank(FIR_Q31["diagnostic"], CHANNELS).process(x)
    np.testing.assert_array_equal(y, exact_fir(FIR_Q31["diagnostic"], x))


def test_decimator_is_exact_beyond_the_longest_block() -> None:
    x = noise(MAX_BLOCK + 1234)
    y = DecimatorBank(FIR_Q31["model"], 5, CHANNELS).process(x)
    np.testing.assert_array_equal(y, exact_fir(FIR_Q31["model"], x)[:, : x.shape[1] - 4 : 5])


@pytest.mark.parametrize("profile", list(SECTIONS_Q30))
def test_biquads_follow_the_recursion(profile: str) -> None:
    x = noise(2000, channels=1)
    y = BiquadBank(SECTIONS_Q30[profile], 1).process(x)[0]
    expected = [float(v) for v in x[0]]
    for section in SECTIONS_Q30[profile]:
        expected = exact_biquad(section, [round(v) for v in expected])
    # each section truncates, and the next amplifies what was cut by its gain of about one
    assert np.abs(y - np.array(expected)).max() < 2.5 * len(SECTIONS_Q30[profile])


def test_why_the_state_has_64_bits() -> None:
    """What a -300 mV step leaves after five minutes; docs/filters.md quotes these."""
    section = SECTIONS_Q30["monitor"][0]
    uv_per_lsb = 0.3e6 / 6_291_455 / 16
    minute = np.full(30_000, -6_291_455 << 4, np.int32)
    narrow = cmsisdsp.arm_biquad_casd_df1_inst_q31()
    state = np.zeros(4, np.int32)
    cmsisdsp.arm_biquad_cascade_df1_init_q31(narrow, 1, np.array(section, np.int32), state, 1)
    wide = BiquadBank([section], 1)
    for _ in range(5):
        left = cmsisdsp.arm_biquad_cascade_df1_q31(narrow, minute)[-1]
        left_wide = wide.process(minute[None])[0, -1]
    assert abs(left) * uv_per_lsb == pytest.approx(44, abs=1)
    assert abs(left_wide) <= 1


@pytest.mark.parametrize("kind", ["biquad", "fir", "decimator"])
@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=12))
def test_blocks_do_not_matter(kind: str, cuts: list[int]) -> None:
    def bank() -> BiquadBank | FirBank | DecimatorBank:
        if kind == "biquad":
            return BiquadBank(SECTIONS_Q30["monitor"], CHANNELS)
        if kind == "fir":
            return FirBank(FIR_Q31["diagnostic"], CHANNELS)
        return DecimatorBank(FIR_Q31["model"], 5, CHANNELS)

    x = noise(sum(cuts) + 7)
    pieces = np.split(x, np.cumsum(cuts), axis=1)
    cut_up = bank()
    y = np.concatenate([cut_up.process(np.ascontiguousarray(piece)) for piece in pieces], axis=1)
    np.testing.assert_array_equal(y, bank().process(x))


def test_reset_touches_one_channel() -> None:
    x = noise(203)
    for bank, fresh in (
        (BiquadBank(SECTIONS_Q30["monitor"], CHANNELS), BiquadBank(SECTIONS_Q30["monitor"], 1)),
        (FirBank(FIR_Q31["diagnostic"], CHANNELS), FirBank(FIR_Q31["diagnostic"], 1)),
    ):
        bank.process(x)
        bank.reset(1)
        y = bank.process(x)
        np.testing.assert_array_equal(y[1:2], fresh.process(x[1:2]))
        assert (y[0] != y[1]).any()


def test_decimator_reset_keeps_the_grouping() -> None:
    x = noise(203)
    bank = DecimatorBank(FIR_Q31["model"], 5, CHANNELS)
    whole = DecimatorBank(FIR_Q31["model"], 5, CHANNELS)
    whole.process(x)
    bank.process(x)
    bank.reset(1)
    y, kept = bank.process(x), whole.process(x)
    np.testing.assert_array_equal(y[[0, 2]], kept[[0, 2]])
    fresh = DecimatorBank(FIR_Q31["model"], 5, 1)
    padded = np.concatenate([np.zeros((1, 3), np.int32), x[1:2]], axis=1)  # 203 = 40 groups and 3
    np.testing.assert_array_equal(y[1:2], fresh.process(padded))
