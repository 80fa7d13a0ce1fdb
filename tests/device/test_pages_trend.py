"""The past on the screen: nothing invented between, nothing kept for ever."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from device.controls import Page
from device.display.example import make_call
from device.display.history import BIN, BINS, REFUSED, History
from device.display.pages.trend import CALL_ROWS
from device.display.screens import render
from device.display.state import ScreenState
from firmware.alarms import Alarm, AlarmState, Logged
from firmware.events import Rate, Refusal
from firmware.findings import Priority
from hal.frontend import SAMPLE_RATE_HZ

WIDE = (256, 64)
HOUR = 3600 * SAMPLE_RATE_HZ


def column(history: History, index: int, columns: int = 240, bins: int = 1) -> list[int]:
    view = history.view(index, columns, bins)
    return [int(values[-1]) for values in (view.low, view.high, view.said)]


def said(history: History, index: int, columns: int, bins: int) -> list[str]:
    view = history.view(index, columns, bins)
    return [view.labels[code] for code in view.said]


def draw(state: ScreenState, step: int, size: tuple[int, int] = WIDE) -> NDArray[np.uint8]:
    state.controls.show(Page.TREND, state.index)
    state.controls.step = step
    return np.array(render(state, size, grey=False).image)


def test_a_column_holds_the_lowest_and_the_highest_rate() -> None:
    history = History()
    for second, bpm in enumerate((70.4, None, 83.6)):
        history.rate(second * SAMPLE_RATE_HZ // 2, bpm)
    assert column(history, BIN - 1) == [70, 84, 0]


def test_what_was_not_heard_of_is_a_gap() -> None:
    history = History()
    history.rate(0, 60.0)
    history.call(0, "SR")
    history.rate(10 * BIN, 62.0)
    view = history.view(10 * BIN, 12, 1)
    assert view.low.tolist() == [0, 60, *[0] * 9, 62]
    assert said(history, 10 * BIN, 12, 1) == ["", "SR", *[""] * 10]


def test_most_of_a_column_speaks_for_it() -> None:
    history = History()
    for k, label in enumerate(("SR", "AFIB", None, "AFIB", "SR", "AFIB")):
        history.call(k * BIN, label)
    assert said(history, 5 * BIN, 1, 6) == ["AFIB"]
    assert said(history, 5 * BIN, 6, 1) == ["SR", "AFIB", REFUSED, "AFIB", "SR", "AFIB"]


def test_an_hour_is_kept_and_no_more() -> None:
    history = History()
    for k in range(3 * BINS):
        history.rate(k * BIN, 40 + k // BINS * 20)
        history.call(k * BIN, ("SB", "SR", "GSVT")[k // BINS])
    last = (3 * BINS - 1) * BIN
    view = history.view(last, 240, 6)
    assert set(view.low) == {80}
    assert set(said(history, last, 240, 6)) == {"GSVT"}
    early = history.view(last - BINS * BIN, 240, 6)
    assert not early.low.any()
    assert sum(v.nbytes for v in vars(history).values() if isinstance(v, np.ndarray)) < 32_000


def test_a_bin_that_comes_round_again_forgets_what_it_held() -> None:
    history = History()
    history.rate(0, 200.0)
    history.rate(BINS * BIN, 60.0)
    assert column(history, BINS * BIN) == [60, 60, 0]


@pytest.mark.parametrize(("size", "left"), [((256, 64), 16), ((128, 64), 8)])
@pytest.mark.parametrize(("step", "minutes"), [(0, 10), (1, 60)])
def test_both_spans_end_at_the_right_and_are_as_long_as_they_say(
    size: tuple[int, int], left: int, step: int, minutes: int
) -> None:
    state = ScreenState(index=HOUR)
    for part in (1.0, 0.5):  # now, and half a span ago
        state.history.rate(HOUR - round((1 - part) * minutes * 60 * SAMPLE_RATE_HZ), 80.0)
    pixels = draw(state, step, size)
    empty = draw(ScreenState(index=HOUR), step, size)
    rate = (pixels != empty)[10:40, left:].any(axis=0)
    places = np.flatnonzero(rate).tolist()
    width = size[0] - left
    assert places[-1] == width - 1
    assert any(place == pytest.approx(width / 2, abs=1.5) for place in places)


def test_the_calls_look_different_and_refusals_unlike_any() -> None:
    looks = set()
    for label in ("AFIB", "GSVT", "SB", "SR", None, "VENTRICULAR", ""):
        state = ScreenState(index=HOUR)
        for k in range(8 * (label != "")):  # too short for a name
            state.history.call(HOUR - k * BIN, label)
        foot = 64 - 8
        looks.add(draw(state, 0)[foot - CALL_ROWS : foot, -8:].tobytes())
    assert len(looks) == 7


def test_a_long_block_bears_its_name() -> None:
    """And the same block without room for it does not."""
    blocks = []
    for label in ("SR", "SX"):
        state = ScreenState(index=HOUR)
        for k in range(60):
            state.history.call(HOUR - k * BIN, label)
        blocks.append(draw(state, 0)[48:56])
    assert (blocks[0] != blocks[1]).any()


@pytest.mark.parametrize("size", [(256, 64), (128, 64)])
def test_an_alarm_is_marked_where_it_began_by_its_priority(size: tuple[int, int]) -> None:
    marks = []
    empty = draw(ScreenState(index=HOUR), 1, size)
    for priority in Priority:
        alarm = Alarm("x", "X", "", priority, 0, state=AlarmState.OFF)
        state = ScreenState(index=HOUR, alarm_log=(Logged(alarm, HOUR // 2),))
        changed = draw(state, 1, size) != empty
        rows, columns = np.nonzero(changed)
        middle = (columns.min() + columns.max()) / 2
        left = 16 if size[0] == 256 else 8
        assert middle == pytest.approx(left + (size[0] - left) / 2, abs=2)
        marks.append(int(changed.sum()))
        assert rows.max() < 64 - 8 - CALL_ROWS
    assert marks[0] > marks[1] > marks[2] > 0


def test_of_alarms_in_one_place_the_gravest_is_marked() -> None:
    def page(*priorities: Priority) -> NDArray[np.uint8]:
        alarms = (Alarm("x", "X", "", p, 0, state=AlarmState.OFF) for p in priorities)
        log = tuple(Logged(alarm, HOUR // 2) for alarm in alarms)
        return draw(ScreenState(index=HOUR, alarm_log=log), 1)

    high = page(Priority.HIGH)
    assert (page(*Priority) == high).all()
    assert (page(*reversed(Priority)) == high).all()


def test_rates_and_calls_of_the_pipeline_arrive() -> None:
    state = ScreenState()
    state.apply(Rate(500, 71.0, 0.02))
    state.apply(make_call(499))
    state.apply(make_call(2 * BIN, label=None, refusal=Refusal.NOISE, text="MOVEMENT"))
    assert said(state.history, 2 * BIN, 3, 1) == ["SR", "", REFUSED]
    assert column(state.history, BIN - 1)[:2] == [71, 71]


def test_any_past_can_be_drawn() -> None:
    rng = np.random.default_rng(3)
    state = ScreenState(index=HOUR)
    for k in range(BINS):
        state.history.rate(k * BIN, float(rng.integers(1, 400)))
        state.history.call(k * BIN, str(rng.choice(["AFIB", "SR", "X"])))
    for size in (WIDE, (128, 64), (128, 52), (128, 128)):
        for step in (0, 1):
            draw(state, step, size)
