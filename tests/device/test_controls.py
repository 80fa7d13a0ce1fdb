"""Two buttons on seven pages."""

from __future__ import annotations

import pytest

from device.controls import Action, Button, Controls, Page

PAGE, OK = Button.PAGE, Button.OK


def press(controls: Controls, button: Button, index: int = 0, **how: bool) -> Action:
    return controls.press(
        button, held=how.get("held", False), index=index, alarmed=how.get("alarmed", False)
    )


def test_page_goes_round() -> None:
    controls = Controls()
    seen = []
    for n in range(len(Page)):
        assert press(controls, PAGE, 100 * n) is Action.NONE
        seen.append(controls.page)
        assert controls.since == 100 * n
    assert seen == [*list(Page)[1:], Page.LIVE]


def test_page_held_takes_a_snapshot_and_shows_it() -> None:
    controls = Controls()
    assert press(controls, PAGE, 700, held=True, alarmed=True) is Action.SNAPSHOT
    assert (controls.page, controls.step, controls.since) == (Page.LEADS, 0, 700)


@pytest.mark.parametrize("page", Page)
def test_ok_silences_first_on_every_page(page: Page) -> None:
    controls = Controls()
    controls.show(page, 0)
    assert press(controls, OK, alarmed=True) is Action.SILENCE
    assert (controls.page, controls.step) == (page, 0)
    assert press(controls, OK) is (Action.LEAD if page is Page.LIVE else Action.NONE)
    assert controls.step == (0 if page is Page.LIVE else 1)


@pytest.mark.parametrize("page", Page)
def test_ok_held_pauses_but_among_the_settings(page: Page) -> None:
    controls = Controls()
    controls.show(page, 0)
    changes = page is Page.SETTINGS
    assert press(controls, OK, held=True) is (Action.CHANGE if changes else Action.PAUSE)
    assert press(controls, OK, held=True, alarmed=True) is (
        Action.CHANGE if changes else Action.PAUSE
    )


def test_another_page_begins_at_its_first_step() -> None:
    controls = Controls()
    press(controls, PAGE)
    press(controls, OK)
    press(controls, OK)
    assert controls.step == 2
    press(controls, PAGE)
    assert controls.step == 0


def test_a_minute_without_a_press_brings_the_live_page_back() -> None:
    controls, minute = Controls(), 60 * 500
    press(controls, PAGE, 1000)
    controls.pass_time(1000 + minute - 1)
    press(controls, OK, 1000 + minute - 1)
    controls.pass_time(1000 + 2 * minute - 2)
    assert controls.page is Page.LEADS
    controls.pass_time(1000 + 2 * minute - 1)
    assert controls.page is Page.LIVE
    assert controls.since == 1000 + 2 * minute - 1
