"""Faults of the instrument as alarms, and alarms on screen, line and record."""

from __future__ import annotations

import pytest

from device.faults import ALARMS, fault_alarm
from firmware.alarms import CODES, Alarms
from firmware.findings import Priority


@pytest.mark.parametrize("part", sorted(ALARMS))
def test_faults_are_technical_alarms_and_end_with_their_cause(part: str) -> None:
    alarms = Alarms()
    fault_alarm(alarms, part, {part: "broken"}, 500)
    [alarm] = alarms.active
    assert alarm.technical
    assert alarm.code in CODES
    fault_alarm(alarms, part, {}, 1000)
    assert alarms.active == ()


def test_display_and_line_are_no_alarms() -> None:
    alarms = Alarms()
    assert fault_alarm(alarms, "serial", {"serial": "lost"}, 500) == []


def test_no_data_for_two_reasons_ends_with_the_last() -> None:
    alarms, faults = Alarms(), {"frontend": "no edges", "ring": "gone"}
    fault_alarm(alarms, "frontend", faults, 500)
    fault_alarm(alarms, "ring", faults, 500)
    del faults["frontend"]
    fault_alarm(alarms, "frontend", faults, 600)
    assert [(alarm.code, alarm.priority) for alarm in alarms.active] == [("no_data", Priority.HIGH)]
    del faults["ring"]
    fault_alarm(alarms, "ring", faults, 700)
    assert alarms.active == ()


def test_before_the_first_sample_nobody_is_watched_yet() -> None:
    alarms = Alarms()
    assert fault_alarm(alarms, "ring", {"ring": "acquire is not running"}, 0) == []
