"""The trace as columns of pixels: exact, indifferent to how the stream is cut, honest in gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from device.display.trace import COLUMNS, SAMPLES_PER_COLUMN, TraceColumns
from firmware.events import LEADS, Trace

ALL = np.ones(len(LEADS), np.bool_)


def signal(n: int, seed: int = 1) -> np.ndarray:
    steps = np.random.default_rng(seed).integers(-300, 301, (n, len(LEADS)))
    return np.cumsum(steps, axis=0).astype(np.int32)


def columns(uv: np.ndarray, cuts: list[int], first: int = 0) -> TraceColumns:
    trace = TraceColumns()
    for a, b in zip([0, *cuts], [*cuts, len(uv)], strict=True):
        trace.push(Trace(first + a, uv[a:b], ALL))
    return trace


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=12).map(sorted), st.integers(0, 45))
def test_columns_hold_the_extremes_however_the_stream_is_cut(cuts: list[int], first: int) -> None:
    uv = signal(700)
    trace = columns(uv, cuts, first)
    low, high, drawable = trace.lead("V1", 0, trace.head)
    k = LEADS.index("V1")
    for column in range(first // SAMPLES_PER_COLUMN, trace.head + 1):
        begin = max(column * SAMPLES_PER_COLUMN - first, 0)
        part = uv[max(begin - 1, 0) : (column + 1) * SAMPLES_PER_COLUMN - first, k]
        assert drawable[column]
        assert (low[column], high[column]) == (part.min(), part.max())


def test_neighbouring_columns_touch() -> None:
    trace = columns(signal(2000), [333, 901])
    low, high, _ = trace.lead("II", 0, trace.head)
    assert np.all(low[1:] <= high[:-1])
    assert np.all(high[1:] >= low[:-1])


def test_lost_samples_leave_a_gap_of_their_own_width() -> None:
    uv = signal(1000)
    trace = TraceColumns()
    trace.push(Trace(0, uv[:210], ALL))
    trace.push(Trace(290, uv[290:], ALL))
    _, _, drawable = trace.lead("II", 0, trace.head)
    assert np.flatnonzero(~drawable).tolist() == [10, 11, 12, 13, 14]


def test_one_lost_sample_is_seen() -> None:
    uv = signal(200)
    trace = TraceColumns()
    trace.push(Trace(0, uv[:50], ALL))
    trace.push(Trace(51, uv[51:], ALL))
    _, _, drawable = trace.lead("II", 0, trace.head)
    assert np.flatnonzero(~drawable).tolist() == [2]


def test_a_sample_lost_between_two_columns_is_seen() -> None:
    uv = signal(200)
    trace = TraceColumns()
    trace.push(Trace(0, uv[:59], ALL))
    trace.push(Trace(60, uv[60:], ALL))
    _, _, drawable = trace.lead("II", 0, trace.head)
    assert np.flatnonzero(~drawable).tolist() == [2]


def test_only_the_leads_an_electrode_carries_are_gaps() -> None:
    uv = signal(400)
    valid = ALL.copy()
    valid[LEADS.index("V3")] = False
    trace = TraceColumns()
    trace.push(Trace(0, uv[:200], ALL))
    trace.push(Trace(200, uv[200:], valid))
    assert trace.lead("V3", 0, 19)[2].tolist() == [True] * 10 + [False] * 10
    assert trace.lead("V2", 0, 19)[2].all()


def test_the_gap_of_an_invalid_lead_is_not_bridged_when_it_returns() -> None:
    uv = np.zeros((60, len(LEADS)), np.int32)
    trace = TraceColumns()
    trace.push(Trace(0, uv[:20], ALL))
    trace.push(Trace(20, uv[20:40] + 9000, ~ALL))
    trace.push(Trace(40, uv[40:], ALL))
    low, high, _ = trace.lead("II", 2, 2)
    assert (low[0], high[0]) == (0, 0)


def test_samples_already_shown_are_not_taken_twice() -> None:
    uv = signal(100)
    trace = columns(uv, [])
    trace.push(Trace(50, uv[50:] + 10_000, ALL))
    assert trace.next_index == 100
    assert trace.lead("I", 4, 4)[1][0] < 10_000


def test_a_long_block_keeps_its_end() -> None:
    n = (COLUMNS + 50) * SAMPLES_PER_COLUMN
    trace = columns(signal(n), [])
    _, _, drawable = trace.lead("I", trace.head - COLUMNS + 1, trace.head)
    assert drawable.all()
    assert not trace.lead("I", 0, 49)[2].any()


def test_the_centre_is_constant_within_a_sweep_and_follows_the_one_before() -> None:
    uv = np.full((300 * SAMPLES_PER_COLUMN, len(LEADS)), 1234, np.int32)
    trace = columns(uv, [])
    assert trace.centre("II", 50, 299, 100).tolist() == [0] * 50 + [1200] * 200
