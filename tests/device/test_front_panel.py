"""Buttons, lights and buzzer on their lines, as the monitor uses them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.buttons import LONG_NS, SETTLE_NS, STUCK_NS, Press
from device.config import Config, ConfigError
from device.controls import Button
from device.front_panel import AGAIN_NS, FrontPanel
from device.keyboard import Keys
from firmware.findings import Priority
from hal import linux_gpio
from hal.clock import RealClock
from hal.frontend import Electrode, FrameBlock, FrontendInfo, electrode_mask
from tests.device.bedside import Bedside, part, until_all
from tests.hal.fake_gpiod import FakeGpiod

MS = 1_000_000
PAGE, OK = 24, 25
RED, YELLOW, BUZZER = 12, 13, 26
WIRED = {
    "buttons.page": PAGE,
    "buttons.ok": OK,
    "indicators.red": RED,
    "indicators.yellow": YELLOW,
    "indicators.buzzer": BUZZER,
}


class Levels(dict[int, bool]):
    """Of the outputs, now; how often they were driven."""

    driven = 0

    def wait_edge(self, timeout_ns: int) -> list[int]:
        raise AssertionError("no line here is waited for")

    def drive(self, line: int, high: bool) -> None:
        self[line] = high
        self.driven += 1


@pytest.fixture
def levels() -> Levels:
    return Levels()


@pytest.fixture
def gpiod(monkeypatch: pytest.MonkeyPatch, levels: Levels, tmp_path: Path) -> FakeGpiod:
    fake = FakeGpiod(levels)
    monkeypatch.setitem(sys.modules, "gpiod", fake)
    monkeypatch.setattr(linux_gpio, "DEV", tmp_path)
    for name in fake.labels:
        (tmp_path / name).touch()
    return fake


def panel(**changes: Any) -> FrontPanel:
    return FrontPanel(Config().override({**WIRED, **changes}))


def test_presses_come_from_the_lines(gpiod: FakeGpiod) -> None:
    front = panel()
    assert front.presses(0) == []
    gpiod.contact(PAGE, True, 100 * MS)
    assert front.presses(110 * MS) == []
    gpiod.contact(PAGE, False, 250 * MS)
    gpiod.contact(OK, True, 300 * MS)
    assert front.presses(310 * MS) == [Press(Button.PAGE, held=False)]
    assert front.presses(300 * MS + LONG_NS) == [Press(Button.OK, held=True)]
    assert front.faults == {"buttons": "", "indicators": ""}
    front.close()
    assert not gpiod.held


def test_a_button_down_at_the_start_is_no_press_but_stuck(gpiod: FakeGpiod) -> None:
    gpiod.low.add(OK)
    front = panel()
    assert front.presses(0) == []
    assert front.presses(2 * LONG_NS) == []
    assert front.presses(STUCK_NS) == []
    assert "button OK is stuck" in front.faults["buttons"]
    gpiod.contact(OK, False, STUCK_NS + 100 * MS)
    assert front.presses(STUCK_NS + 200 * MS) == []
    assert front.faults["buttons"] == ""


def test_lights_and_buzzer_follow_the_alarms(gpiod: FakeGpiod, levels: Levels) -> None:
    front = panel()
    front.show(0, lit=None, heard=None)
    assert levels == {RED: False, YELLOW: False, BUZZER: False}
    front.show(10 * MS, lit=Priority.HIGH, heard=Priority.HIGH)
    assert levels == {RED: True, YELLOW: False, BUZZER: True}
    driven = levels.driven
    front.show(20 * MS, lit=Priority.HIGH, heard=Priority.HIGH)
    assert levels.driven == driven  # what stays is not driven again
    front.show(30 * MS, lit=Priority.LOW, heard=None)
    assert levels == {RED: False, YELLOW: True, BUZZER: False}
    front.close()
    assert levels == {RED: False, YELLOW: False, BUZZER: False}


def test_lines_that_cannot_be_had_are_told_and_tried_again(
    gpiod: FakeGpiod, levels: Levels
) -> None:
    gpiod.refuse = PermissionError(errno.EACCES, "Permission denied")
    front = panel()
    front.presses(0)
    front.show(0, lit=Priority.HIGH, heard=None)
    assert all("usermod -aG gpio" in said for said in front.faults.values())
    assert set(front.faults) == {"buttons", "indicators"}
    gpiod.refuse = None
    front.presses(AGAIN_NS - 1)
    assert not gpiod.held
    gpiod.low.add(PAGE)  # pressed while nobody looked
    front.presses(AGAIN_NS)
    front.show(AGAIN_NS, lit=Priority.HIGH, heard=None)
    assert front.faults == {"buttons": "", "indicators": ""}
    assert levels[RED]
    assert front.presses(AGAIN_NS + LONG_NS) == []


def test_lines_that_fail_later_are_told_and_taken_again(gpiod: FakeGpiod, levels: Levels) -> None:
    front = panel()
    front.presses(0)
    front.show(0, lit=Priority.HIGH, heard=None)
    for request in gpiod.requests:
        request.release()
        request.fail = OSError(errno.ENODEV, "No such device")
    front.presses(MS)
    front.show(600 * MS, lit=Priority.LOW, heard=None)
    assert "No such device" in front.faults["buttons"]
    assert "No such device" in front.faults["indicators"]
    front.presses(2 * AGAIN_NS)
    front.show(2 * AGAIN_NS, lit=Priority.LOW, heard=None)
    assert front.faults == {"buttons": "", "indicators": ""}
    assert levels == {RED: False, YELLOW: True, BUZZER: False}


def test_without_lines_nothing_is_opened_and_nothing_is_wrong(gpiod: FakeGpiod) -> None:
    front = FrontPanel(Config())
    assert front.presses(0) == []
    front.show(0, lit=Priority.HIGH, heard=Priority.HIGH)
    assert front.faults == {}
    assert not gpiod.held
    front.close()


def test_keys_of_a_terminal_are_presses_too() -> None:
    reading, writing = os.pipe()
    front = FrontPanel(Config(), Keys(reading))
    os.write(writing, b"pxO\n")
    assert front.presses(0) == [Press(Button.PAGE, held=False), Press(Button.OK, held=True)]
    assert front.presses(1) == []
    os.close(writing)
    assert front.presses(2) == []
    os.close(reading)


def test_a_monitor_takes_its_buttons_and_shows_its_alarms(
    gpiod: FakeGpiod,
    levels: Levels,
    bedside: Bedside,
    signal_20s: tuple[FrontendInfo, FrameBlock],
) -> None:
    block = signal_20s[1]
    ra_off = np.full(len(block), electrode_mask([Electrode.RA]), np.uint16)
    bedside.write(part(replace(block, electrodes_off=ra_off), 0, 6000))
    monitor = bedside.monitor(**WIRED)
    heard = bedside.until
    clock = RealClock()

    def contact(closed: bool) -> bool:
        gpiod.contact(PAGE, closed, clock.now_ns())
        return True

    def scenario() -> Iterator[Callable[[], bool]]:
        yield lambda: PAGE in gpiod.held
        yield heard("event", event="alarm", state="on")
        yield lambda: (levels[RED] or levels[YELLOW]) and levels[BUZZER]
        yield lambda: contact(True)
        began_ns = clock.now_ns()
        yield lambda: clock.now_ns() > began_ns + 2 * SETTLE_NS
        yield lambda: contact(False)
        yield heard("event", event="page", page="leads")
        for request in gpiod.requests:
            request.fail = OSError(errno.ENODEV, "No such device")
        yield heard("event", event="fault", part="buttons")

    monitor.run(until_all(scenario()))


def test_each_part_has_a_line_of_its_own() -> None:
    with pytest.raises(ConfigError, match=r"indicators\.red .* not 24, which is buttons\.page"):
        Config().override({**WIRED, "indicators.red": PAGE}, "lead12.toml")
    for wrong in (0, 1, 28, -2):
        with pytest.raises(ConfigError, match=r"buttons\.ok must be a BCM number"):
            Config().override({"buttons.ok": wrong})
