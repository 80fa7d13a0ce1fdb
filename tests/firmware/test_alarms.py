"""Alarms: what they latch, silence and pause, without a pipeline."""

from __future__ import annotations

from firmware.alarms import Alarms, AlarmState, Audio
from firmware.findings import Priority
from hal.frontend import SAMPLE_RATE_HZ as S


def test_a_technical_alarm_does_not_latch() -> None:
    alarms = Alarms()
    [event] = alarms.technical("storage", "STORAGE FAULT", "", Priority.LOW, 5 * S)
    assert event.new and event.alarm.technical
    assert (alarms.audio, alarms.sounding) == (Audio.SOUNDING, Priority.LOW)
    [event] = alarms.technical("storage", "", "", Priority.LOW, 6 * S)
    assert event.alarm.state is AlarmState.OFF
    assert (alarms.active, alarms.audio) == ((), Audio.QUIET)
