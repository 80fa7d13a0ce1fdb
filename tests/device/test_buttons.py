"""From bouncing contacts to presses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.buttons import LONG_NS, SETTLE_NS, STUCK_NS, Buttons, Press
from device.controls import Button

MS = 1_000_000
PAGE, OK = Button.PAGE, Button.OK
T0 = 5_000 * MS


def put(buttons: Buttons, *changes: tuple[Button, bool, int]) -> list[Press]:
    """Contacts at times in ms after T0, then nothing for another second."""
    found: list[Press] = []
    for button, closed, at_ms in changes:
        found += buttons.push(button, closed, T0 + at_ms * MS)
    return found + buttons.pass_time(T0 + (changes[-1][2] + 1000) * MS)


def test_a_short_press_is_told_when_the_release_has_settled() -> None:
    buttons = Buttons()
    assert buttons.push(OK, True, T0) == []
    assert buttons.push(OK, False, T0 + 300 * MS) == []
    assert buttons.pass_time(T0 + 300 * MS + SETTLE_NS - 1) == []
    assert buttons.pass_time(T0 + 300 * MS + SETTLE_NS) == [Press(OK, held=False)]
    assert buttons.pass_time(T0 + STUCK_NS) == []


def test_a_long_press_acts_while_held_and_not_again_at_its_release() -> None:
    buttons = Buttons()
    assert buttons.push(PAGE, True, T0) == []
    assert buttons.pass_time(T0 + LONG_NS - 1) == []
    assert buttons.pass_time(T0 + LONG_NS) == [Press(PAGE, held=True)]
    assert buttons.pass_time(T0 + 3 * LONG_NS) == []
    assert buttons.push(PAGE, False, T0 + 3 * LONG_NS) == []
    assert buttons.pass_time(T0 + 4 * LONG_NS) == []


@pytest.mark.parametrize(("held_ms", "held"), [(25, False), (799, False), (801, True)])
def test_the_length_is_that_of_the_contact(held_ms: int, held: bool) -> None:
    assert put(Buttons(), (OK, True, 0), (OK, False, held_ms)) == [Press(OK, held=held)]


@pytest.mark.parametrize("glitch_ms", [0, 1, 19])
def test_a_glitch_is_no_press_and_no_release(glitch_ms: int) -> None:
    assert put(Buttons(), (OK, True, 0), (OK, False, glitch_ms)) == []
    held = put(
        Buttons(), (OK, True, 0), (OK, False, 400), (OK, True, 400 + glitch_ms), (OK, False, 900)
    )
    assert held == [Press(OK, held=True)]  # one press of 900 ms, not two


def test_both_at_once_mean_neither_until_both_are_up() -> None:
    buttons = Buttons()
    assert (
        put(buttons, (PAGE, True, 0), (OK, True, 100), (PAGE, False, 200), (OK, False, 300)) == []
    )
    assert (
        put(buttons, (PAGE, True, 2000), (OK, True, 2100), (OK, False, 2200), (PAGE, False, 3900))
        == []
    )
    assert put(buttons, (OK, True, 6000), (OK, False, 6100)) == [Press(OK, held=False)]


def test_a_stuck_button_is_told_and_the_other_one_works() -> None:
    buttons = Buttons()
    assert put(buttons, (OK, True, 0)) == [Press(OK, held=True)]
    assert buttons.pass_time(T0 + 10_000 * MS - 1) == []
    assert buttons.stuck == ()
    assert buttons.pass_time(T0 + 10_000 * MS) == []
    assert buttons.stuck == (OK,)
    assert put(buttons, (PAGE, True, 20_000), (PAGE, False, 20_100)) == [Press(PAGE, held=False)]
    assert put(buttons, (OK, False, 30_000)) == []
    assert buttons.stuck == ()
    assert put(buttons, (OK, True, 40_000), (OK, False, 40_100)) == [Press(OK, held=False)]


def test_a_button_that_was_down_before_is_no_press() -> None:
    buttons = Buttons()
    buttons.found_down([OK], T0)
    assert buttons.pass_time(T0 + STUCK_NS) == []
    assert buttons.stuck == (OK,)
    assert put(buttons, (OK, False, 11_000)) == []
    released = Buttons()
    released.found_down([OK], T0)
    assert put(released, (OK, False, 100)) == []
    assert put(released, (OK, True, 3000), (OK, False, 3100)) == [Press(OK, held=False)]


def test_a_late_look_finds_what_was_pressed_meanwhile() -> None:
    buttons = Buttons()
    late = [(PAGE, True, 0), (PAGE, False, 100), (OK, True, 200), (OK, False, 1200)]
    found = []
    for button, closed, at_ms in late:
        found += buttons.push(button, closed, T0 + at_ms * MS)
    found += buttons.pass_time(T0 + 9000 * MS)
    assert found == [Press(PAGE, held=False), Press(OK, held=True)]


bounces = st.lists(st.integers(0, 4), max_size=12)  # ms between edges of one train


@st.composite
def trains(draw: st.DrawFn) -> tuple[list[tuple[Button, bool, int]], list[Press]]:
    """Contacts of presses that bounce when they close and when they open, and what was meant."""
    at_ms, changes, meant = 0, [], []
    for _ in range(draw(st.integers(1, 5))):
        button = draw(st.sampled_from(Button))
        held_ms = draw(st.sampled_from((60, 300, 700, 900, 3000)))
        at_ms += draw(st.integers(30, 400))
        for closed in (True, False):
            level = closed
            gaps = draw(bounces)
            for gap_ms in gaps[: len(gaps) // 2 * 2]:  # the train ends as it began
                changes.append((button, level, at_ms))
                level, at_ms = not level, at_ms + gap_ms
            changes.append((button, closed, at_ms))
            at_ms += held_ms if closed else 30
        meant.append(Press(button, held=held_ms > 800))
    return changes, meant


@given(trains())
def test_bounces_add_nothing_and_take_nothing(
    train: tuple[list[tuple[Button, bool, int]], list[Press]],
) -> None:
    changes, meant = train
    assert put(Buttons(), *changes) == meant


@given(
    st.lists(st.tuples(st.sampled_from(Button), st.booleans(), st.integers(0, 1500)), max_size=30),
    st.integers(1, 700),
)
def test_presses_do_not_depend_on_how_often_one_looks(
    steps: list[tuple[Button, bool, int]], every_ms: int
) -> None:
    at_ms, changes = 0, [(OK, False, 0)]
    for button, closed, gap_ms in steps:
        at_ms += gap_ms
        changes.append((button, closed, at_ms))
    seldom, often = Buttons(), Buttons()
    want = put(seldom, *changes)
    got: list[Press] = []
    for (button, closed, before), (_, _, after) in pairwise([*changes, (OK, False, at_ms + 1000)]):
        got += often.push(button, closed, T0 + before * MS)
        for look in range(before, after, every_ms):
            got += often.pass_time(T0 + look * MS)
    got += often.pass_time(T0 + (at_ms + 1000) * MS)
    assert got == want
    assert often.stuck == seldom.stuck
