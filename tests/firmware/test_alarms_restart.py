"""Alarms over a restart: nothing rings twice, and nothing that nobody saw is forgotten."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from firmware.alarms import SEEN_AGAIN_S, Alarms, AlarmState, Audio
from firmware.findings import Priority
from hal.frontend import SAMPLE_RATE_HZ as S
from tests.firmware.alarm_seconds import ASYSTOLE, Patient


def kept(patient: Patient) -> dict[str, Any]:
    """As it comes back from a file."""
    state: dict[str, Any] = json.loads(json.dumps(patient.alarms.state()))
    return state


def goes_on(patient: Patient) -> None:
    """The monitor was killed, and is there again in the same second."""
    before, patient.alarms = patient.alarms, Alarms()
    patient.alarms.restore(json.loads(json.dumps(before.state())), patient.index)


def test_what_was_acknowledged_does_not_ring_again() -> None:
    patient = Patient()
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    patient.silence()
    goes_on(patient)
    assert (patient.codes, patient.alarms.audio) == (["asystole"], Audio.SILENCED)
    said = len(patient.said)
    patient.live(3, rr_s=None, **ASYSTOLE)
    assert (patient.alarms.audio, len(patient.said)) == (Audio.SILENCED, said)
    patient.live(10)
    assert (patient.codes, len(patient.alarms.log)) == ([], 1)


def test_what_latched_stands_and_what_is_over_meanwhile_latches() -> None:
    patient = Patient()
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    goes_on(patient)
    patient.live(SEEN_AGAIN_S + 1)
    assert [alarm.state for alarm in patient.alarms.active] == [AlarmState.LATCHED]
    goes_on(patient)
    assert patient.alarms.sounding is Priority.HIGH
    patient.silence()
    assert patient.codes == []


def test_a_known_fibrillation_stays_known() -> None:
    patient = Patient()
    patient.live(20, label="AFIB")
    patient.silence()
    goes_on(patient)
    patient.live(20, label="AFIB")
    assert (patient.codes, patient.alarms.audio) == (["af"], Audio.SILENCED)
    patient.live(20)
    goes_on(patient)
    patient.live(20, label="AFIB")
    assert patient.codes == []


def test_a_fault_that_was_acknowledged_stays_so_as_long_as_it_is_there() -> None:
    patient = Patient()
    patient.live(1)
    for _ in range(2):
        patient.note(patient.alarms.technical("storage", "WRONG", "", Priority.LOW, patient.index))
        patient.silence()
        goes_on(patient)
    patient.note(patient.alarms.technical("storage", "WRONG", "", Priority.LOW, patient.index))
    patient.live(SEEN_AGAIN_S + 1)
    assert (patient.codes, patient.alarms.audio) == (["storage"], Audio.SILENCED)
    patient.note(patient.alarms.technical("storage", "", "", Priority.LOW, patient.index))
    assert patient.codes == []


def test_a_pause_goes_on_and_no_longer_than_it_may() -> None:
    patient = Patient()
    patient.live(5)
    patient.alarms.pause(patient.index)
    left = patient.alarms.left_s(patient.index)
    goes_on(patient)
    assert (patient.alarms.audio, patient.alarms.left_s(patient.index)) == (Audio.PAUSED, left)
    state = kept(patient)
    state["paused_until"] = 10**12
    alarms = Alarms()
    alarms.restore(state, 0)
    assert alarms.left_s(0) == alarms.pause_s


def test_after_a_power_cut_a_high_alarm_that_nobody_saw_is_latched() -> None:
    patient = Patient()
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    begin, until = patient.alarms.log[0].begin, patient.index
    alarms = Alarms()
    changes = alarms.restore_log(kept(patient), 0, until=until, utc=lambda i: f"{i}", latches=True)
    assert [(c.alarm.code, c.alarm.state, c.new) for c in changes] == [
        ("asystole", AlarmState.LATCHED, False)
    ]
    assert alarms.sounding is Priority.HIGH
    assert (alarms.log[0].earlier, alarms.log[0].end) == (f"{begin}", until)
    alarms.silence(S)
    assert (alarms.active, alarms.log[0].alarm.state) == ((), AlarmState.OFF)


@pytest.mark.parametrize("acknowledged", [False, True])
def test_after_a_power_cut_the_rest_is_a_log(acknowledged: bool) -> None:
    patient = Patient()
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    if acknowledged:
        patient.silence()
    alarms = Alarms()
    state = kept(patient)
    assert not alarms.restore_log(state, 0, until=0, utc=lambda i: "", latches=acknowledged)
    assert (alarms.active, alarms.audio) == ((), Audio.QUIET)
    assert [(e.alarm.code, e.earlier) for e in alarms.log] == [("asystole", "")]


def test_an_alarm_that_comes_after_a_power_cut_is_a_new_one() -> None:
    patient = Patient()
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    state, patient = kept(patient), Patient()
    patient.alarms.restore_log(state, 0, until=9 * S, utc=lambda i: "", latches=True)
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    assert [e.alarm.state for e in patient.alarms.log] == [AlarmState.ON, AlarmState.OFF]
    assert [e.earlier for e in patient.alarms.log] == [None, ""]
    assert len(patient.alarms.active) == 1


def test_what_it_never_gave_changes_nothing() -> None:
    patient = Patient()
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    good = kept(patient)
    for spoil in (
        lambda tree: tree.pop("log"),
        lambda tree: tree.update(log=7),
        lambda tree: tree.update(paused_until=None),
        lambda tree: tree.pop("armed"),
        lambda tree: tree["log"][0]["alarm"].update(code="none such"),
        lambda tree: tree["log"][0]["alarm"].update(priority="graver"),
        lambda tree: tree["log"][0].update(begin="x"),
    ):
        bad = deepcopy(good)
        spoil(bad)
        alarms = Alarms()
        with pytest.raises((KeyError, TypeError, ValueError)):
            alarms.restore(bad, 0)
        assert (alarms.active, alarms.log, alarms.audio) == ((), (), Audio.QUIET)
