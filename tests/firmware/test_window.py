"""Counts to int8: exact rounding, clipping, and silence of lost leads."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware.profiles import MODEL
from firmware.window import filtered_tensor, to_tensor

NONE_LOST = np.zeros(12, np.bool_)
NUM, DEN = 20_000, 8_388_607  # 20 uV per step at gain 6


@given(st.integers(-(1 << 26), 1 << 26))
def test_rounds_half_up_and_clips(count: int) -> None:
    filtered = np.full((1, 12), count, np.int32)
    exact = Fraction(count * NUM, DEN)
    expected = max(-127, min(127, int((exact + Fraction(1, 2)) // 1)))
    assert to_tensor(filtered, NONE_LOST, NUM, DEN).tolist() == [[expected] * 12]


def test_one_millivolt_is_fifty_steps() -> None:
    assert to_tensor(np.full((1, 12), 20972, np.int32), NONE_LOST, NUM, DEN)[0, 0] == 50


def test_lost_leads_are_zero_whatever_the_input_does() -> None:
    lost = NONE_LOST.copy()
    lost[[0, 7]] = True
    tensor = to_tensor(np.full((1000, 12), 1 << 22, np.int32), lost, NUM, DEN)
    assert tensor.dtype == np.int8
    assert tensor.flags.c_contiguous
    assert not tensor[:, lost].any()
    assert (tensor[:, ~lost] == 127).all()


def test_an_electrode_offset_never_reaches_the_network() -> None:
    counts = np.full((6000, 8), 6_291_455, np.int32)  # 300 mV
    counts[3000:] += 5 * (np.arange(3000) % 2)[:, None].astype(np.int32)
    assert not filtered_tensor(counts, MODEL, 1000, NUM, DEN).any()
