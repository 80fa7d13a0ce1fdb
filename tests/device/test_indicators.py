"""Lights and buzzer: rates, pulses and pauses as tables 2 and 3 of IEC 60601-1-8 have them."""

from __future__ import annotations

from itertools import groupby

import pytest

from device.indicators import Indicators, Shown
from firmware.findings import Priority

MS = 1_000_000
T0 = 123_456_789_000
HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


def course(lit: Priority | None, heard: Priority | None, seconds: int) -> list[Shown]:
    """What is on, each millisecond."""
    indicators = Indicators()
    return [indicators.at(T0 + k * MS, lit=lit, heard=heard) for k in range(seconds * 1000)]


def runs(values: list[bool]) -> list[tuple[bool, int]]:
    """(on, ms) of each stretch."""
    return [(on, len(list(same))) for on, same in groupby(values)]


def pulses(heard: Priority, seconds: int = 40) -> list[tuple[bool, int]]:
    return runs([shown.buzzer for shown in course(None, heard, seconds)])


@pytest.mark.parametrize(("priority", "low_hz", "high_hz"), [(HIGH, 1.4, 2.8), (MEDIUM, 0.4, 0.8)])
def test_lights_blink_at_their_rate(priority: Priority, low_hz: float, high_hz: float) -> None:
    shown = course(priority, None, 20)
    red = priority is HIGH
    assert not any(s.yellow if red else s.red for s in shown)
    light = runs([s.red if red else s.yellow for s in shown])
    assert light[0][0]  # at once
    for (_, on_ms), (_, off_ms) in zip(light[:-1:2], light[1:-1:2], strict=False):
        assert low_hz <= 1000 / (on_ms + off_ms) <= high_hz
        assert 0.2 <= on_ms / (on_ms + off_ms) <= 0.6


def test_low_priority_is_a_steady_yellow() -> None:
    assert set(course(LOW, None, 10)) == {Shown(yellow=True)}


def test_nothing_is_nothing() -> None:
    assert set(course(None, None, 5)) == {Shown()}


def test_high_is_ten_pulses_three_two_three_two_and_again() -> None:
    heard = pulses(HIGH)
    burst, between = heard[:19], heard[19]
    assert [on for on, _ in burst] == [True, False] * 9 + [True]
    pulse = burst[0][1]
    assert 75 <= pulse <= 200
    assert {ms for on, ms in burst if on} == {pulse}
    gaps = [ms for on, ms in burst if not on]
    x = gaps[0]
    assert 50 <= x <= 125
    assert gaps[:4] == gaps[5:] == [x, x, 2 * x + pulse, x]
    assert 350 <= gaps[4] <= 1300
    assert between[0] is False
    assert 2500 <= between[1] <= 15_000
    assert heard[20:39] == burst


def test_medium_is_three_pulses_and_again() -> None:
    heard = pulses(MEDIUM)
    assert [on for on, _ in heard[:5]] == [True, False, True, False, True]
    assert all(125 <= ms <= 250 for _, ms in heard[:5])
    assert 2500 <= heard[5][1] <= 30_000
    assert heard[6:11] == heard[:5]


def test_low_is_one_pulse_for_good() -> None:
    (on, first), (off, rest) = pulses(LOW)
    assert (on, off) == (True, False)
    assert 125 <= first <= 250
    assert rest == 40_000 - first


def test_silence_ends_the_sound_at_once_and_the_light_stays() -> None:
    indicators = Indicators()
    assert indicators.at(T0, lit=HIGH, heard=HIGH) == Shown(red=True, buzzer=True)
    assert indicators.at(T0 + MS, lit=HIGH, heard=None) == Shown(red=True)


def test_a_graver_alarm_begins_its_own_burst_at_once() -> None:
    indicators = Indicators()
    indicators.at(T0, lit=MEDIUM, heard=MEDIUM)
    quiet = T0 + 3000 * MS
    assert not indicators.at(quiet, lit=MEDIUM, heard=MEDIUM).buzzer
    assert indicators.at(quiet + MS, lit=HIGH, heard=HIGH) == Shown(red=True, buzzer=True)


def test_the_monitors_tick_of_10_ms_keeps_every_pulse() -> None:
    indicators = Indicators()
    on = [indicators.at(T0 + k * 10 * MS, lit=None, heard=HIGH).buzzer for k in range(340)]
    assert sum(is_on for is_on, _ in runs(on)) == 10
