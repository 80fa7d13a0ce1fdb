"""Alarms: what they latch, silence, pause and remember."""

from __future__ import annotations

from firmware.alarms import LOGGED, Alarms, AlarmState, Audio
from firmware.findings import Priority
from hal.frontend import SAMPLE_RATE_HZ as S
from tests.firmware.alarm_seconds import ASYSTOLE, Patient, grave


def technical(patient: Patient, code: str, priority: Priority, text: str = "WRONG") -> None:
    patient.note(patient.alarms.technical(code, text, "", priority, patient.index))


def test_a_high_alarm_latches_until_it_is_acknowledged() -> None:
    patient = Patient()
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    assert (patient.codes, patient.alarms.sounding) == (["asystole"], Priority.HIGH)
    patient.live(10)
    assert patient.alarms.active[0].state is AlarmState.LATCHED
    assert patient.alarms.sounding is Priority.HIGH
    patient.silence()
    assert (patient.codes, patient.alarms.audio) == ([], Audio.QUIET)
    states = [state for _, code, state in patient.said if code == "asystole"]
    assert states == ["on", "latched", "off"]


def test_a_latched_alarm_that_comes_back_is_the_same_alarm() -> None:
    patient = Patient()
    patient.live(5)
    for _ in range(2):
        patient.live(2, rr_s=None, **ASYSTOLE)
        assert patient.alarms.log[0].end is None
        patient.live(10)
        assert patient.alarms.log[0].end is not None
    assert [state for _, _, state in patient.said] == ["on", "latched", "on", "latched"]
    assert len(patient.alarms.log) == 1


def test_a_lesser_alarm_waits_while_a_graver_one_is_not_acknowledged() -> None:
    patient = Patient()
    patient.live(20, rr_s=60 / 190)
    patient.live(20, rr_s=60 / 160)
    assert [(a.code, a.state) for a in patient.alarms.active] == [
        ("extreme_tachy", AlarmState.LATCHED)
    ]
    patient.silence()
    patient.live(1, rr_s=60 / 160)
    assert patient.codes == ["tachy"]


def test_an_acknowledged_alarm_goes_when_it_is_over_and_sounds_when_it_comes_again() -> None:
    patient = Patient()
    patient.live(5)
    patient.live(2, rr_s=None, **ASYSTOLE)
    patient.silence()
    assert patient.alarms.audio is Audio.SILENCED
    assert (patient.alarms.sounding, patient.codes) == (None, ["asystole"])
    patient.live(3, rr_s=None, **ASYSTOLE)
    assert patient.alarms.audio is Audio.SILENCED
    patient.live(10)
    assert patient.codes == []
    patient.live(1, rr_s=None, **ASYSTOLE)
    assert patient.alarms.sounding is Priority.HIGH
    assert len(patient.alarms.log) == 2


def test_a_new_alarm_sounds_over_a_silenced_one() -> None:
    patient = Patient()
    technical(patient, "storage", Priority.LOW)
    patient.silence()
    technical(patient, "no_data", Priority.HIGH)
    assert patient.alarms.sounding is Priority.HIGH
    assert patient.codes == ["no_data", "storage"]  # the gravest first


def test_of_equals_the_newest_stands_first() -> None:
    patient = Patient()
    technical(patient, "battery", Priority.LOW)
    patient.live(1)
    technical(patient, "storage", Priority.LOW)
    assert patient.codes == ["storage", "battery"]


def test_the_same_alarm_said_again_stays_silenced_unless_it_is_graver() -> None:
    patient = Patient()
    technical(patient, "battery", Priority.LOW)
    patient.silence()
    technical(patient, "battery", Priority.LOW, "OTHER WORDS")
    assert patient.alarms.audio is Audio.SILENCED
    technical(patient, "battery", Priority.MEDIUM)
    assert patient.alarms.sounding is Priority.MEDIUM
    assert len(patient.alarms.log) == 1


def test_neither_technical_nor_medium_alarms_latch() -> None:
    patient = Patient()
    technical(patient, "no_data", Priority.HIGH)
    technical(patient, "no_data", Priority.HIGH, "")
    assert (patient.codes, patient.alarms.audio) == ([], Audio.QUIET)
    patient.live(20, rr_s=60 / 160)
    assert patient.codes == ["tachy"]
    patient.live(20)
    assert patient.codes == []


def test_a_pause_is_silent_for_medium_alarms_and_ends_by_itself() -> None:
    patient = Patient(Alarms(pause_s=60))
    patient.live(5)
    patient.alarms.pause(patient.index)
    assert (patient.alarms.audio, patient.alarms.left_s(patient.index)) == (Audio.PAUSED, 60)
    patient.live(59, rr_s=60 / 160)
    assert patient.codes == ["tachy"]
    assert (patient.alarms.sounding, patient.alarms.left_s(patient.index)) == (None, 1)
    patient.live(1, rr_s=60 / 160)
    assert patient.alarms.sounding is Priority.MEDIUM
    assert patient.alarms.left_s(patient.index) == 0


def test_time_alone_ends_a_pause() -> None:
    alarms = Alarms(pause_s=120)
    alarms.technical("storage", "STORAGE FAULT", "", Priority.LOW, 0)
    alarms.pause(0)
    alarms.pass_time(120 * S - 1)
    assert alarms.audio is Audio.PAUSED
    alarms.pass_time(120 * S)
    assert alarms.audio is Audio.SOUNDING


def test_a_new_high_alarm_ends_a_pause_and_one_that_was_there_does_not() -> None:
    patient = Patient()
    patient.live(5)
    patient.live(2, rr_s=None, **ASYSTOLE)
    patient.alarms.pause(patient.index)
    patient.live(10)
    patient.live(3, rr_s=None, **ASYSTOLE)  # latched, and there again
    assert patient.alarms.audio is Audio.PAUSED
    patient.live(3, **grave("vf_vt"))
    assert patient.alarms.sounding is Priority.HIGH


def test_pausing_again_ends_the_pause() -> None:
    alarms = Alarms()
    alarms.pause(0)
    alarms.pause(10 * S)
    assert (alarms.audio, alarms.left_s(10 * S)) == (Audio.QUIET, 0)


def test_the_log_knows_when_and_what_became_of_it() -> None:
    patient = Patient()
    technical(patient, "storage", Priority.LOW)
    patient.live(5)
    patient.live(2, rr_s=None, **ASYSTOLE)
    patient.live(10)
    patient.silence()
    asystole, storage = patient.alarms.log
    assert (asystole.alarm.code, asystole.begin) == ("asystole", 6 * S - 1)
    assert asystole.end is not None
    assert 7 * S <= asystole.end <= 13 * S
    assert asystole.acknowledged == 17 * S
    assert (storage.alarm.state, storage.end) == (AlarmState.ON, None)
    assert storage.acknowledged == 17 * S


def test_the_log_is_bounded_and_keeps_the_newest() -> None:
    alarms = Alarms()
    for n in range(LOGGED + 5):
        alarms.technical("storage", "STORAGE FAULT", "", Priority.LOW, n)
        alarms.technical("storage", "", "", Priority.LOW, n)
    assert len(alarms.log) == LOGGED
    assert alarms.log[0].begin == LOGGED + 4
