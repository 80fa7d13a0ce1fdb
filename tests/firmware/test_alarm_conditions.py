"""What is an alarm, and what is none: limits, delays, what cannot be read."""

from __future__ import annotations

import pytest

from firmware.alarm_conditions import Limits
from firmware.alarms import CODES, Alarms
from firmware.call import LIMB, RL
from firmware.events import ElectrodeChange, Gap, QualityGrade, Refusal
from firmware.findings import Finding, Priority
from hal.frontend import Electrode, electrode_mask
from tests.firmware.alarm_seconds import ASYSTOLE, Patient, grave, refused

V3, RA = electrode_mask([Electrode.V3]), electrode_mask([Electrode.RA])


def first(patient: Patient, code: str) -> int:
    """Second in which ``code`` was raised."""
    return next(second for second, its, state in patient.said if (its, state) == (code, "on"))


def test_a_calm_patient_raises_nothing() -> None:
    patient = Patient()
    patient.live(120)
    assert patient.said == []


@pytest.mark.parametrize(
    ("bpm", "code"),
    [
        (30, "extreme_brady"),
        (45, "brady"),
        (55, None),
        (145, None),
        (160, "tachy"),
        (180, "extreme_tachy"),
        (300, "extreme_tachy"),
    ],
)
def test_rates_beyond_the_limits(bpm: int, code: str | None) -> None:
    patient = Patient()
    patient.live(30)
    patient.live(30, rr_s=60 / bpm)
    assert patient.codes == ([code] if code else [])


@pytest.mark.parametrize("bpm", [30, 180, 206, 300])
def test_extreme_rates_are_told_within_ten_seconds_of_their_first_beat(bpm: int) -> None:
    patient = Patient()
    patient.live(30)
    patient.live(10, rr_s=60 / bpm)
    assert patient.alarms.sounding is Priority.HIGH


def test_limits_can_be_set_while_it_runs() -> None:
    patient = Patient()
    patient.live(30, rr_s=60 / 130)
    assert patient.codes == []
    patient.alarms.limits = Limits(tachy_bpm=120)
    patient.live(5, rr_s=60 / 130)
    assert patient.codes == ["tachy"]


def test_a_rate_at_its_limit_does_not_flap() -> None:
    patient = Patient()
    for second in range(60):
        patient.live(1, rr_s=60 / 150, rate_bpm=149.0 + 2 * (second % 5))
    assert patient.said == [(5, "tachy", "on")]


def test_a_rate_that_is_back_by_less_than_the_hysteresis_is_still_beyond_its_limit() -> None:
    patient = Patient()
    patient.live(10, rr_s=60 / 155)
    patient.live(20, rr_s=60 / 149)
    assert patient.codes == ["tachy"]
    patient.live(5, rr_s=60 / 145)
    assert patient.codes == []


def test_fast_beats_that_stop_are_no_longer_fast() -> None:
    patient = Patient()
    patient.live(20, rr_s=60 / 200)
    patient.live(8, rr_s=None, rate_bpm=None)
    assert [str(a.state) for a in patient.alarms.active if a.code == "extreme_tachy"] == ["latched"]


def test_waves_that_are_not_counted_are_vf_and_no_standstill() -> None:
    patient = Patient()
    patient.live(20)
    patient.live(10, rr_s=None, rate_bpm=None, rest=0.2)
    assert patient.codes == ["vf_vt"]


def test_beats_that_stop_are_a_standstill_whatever_the_trace_does() -> None:
    patient = Patient()
    patient.live(20, rr_s=60 / 45)
    assert patient.codes == ["brady"]
    patient.live(8, rr_s=None, rate_bpm=None, **refused(Refusal.NOT_ECG))
    assert patient.codes == ["asystole"]


def test_beats_that_stop_in_a_trace_that_cannot_be_read_are_none() -> None:
    patient = Patient()
    patient.live(20)
    patient.live(8, rr_s=None, rate_bpm=None, **refused(Refusal.NOISE))
    assert patient.codes == []


def test_no_rate_across_a_gap() -> None:
    patient = Patient()
    patient.live(20)
    patient.alarms.push(Gap(patient.index, 40_000))
    patient._beat = patient.index + 40_000
    patient.second += 80
    patient.live(10)
    assert patient.said == []


@pytest.mark.parametrize(
    "why",
    [Refusal.NOISE, Refusal.SATURATED, Refusal.LEADS_FLAT, Refusal.NOT_ECG, Refusal.ELECTRODE_OFF],
)
def test_what_cannot_be_read_gives_no_alarm_of_the_patient(why: Refusal) -> None:
    patient = Patient()
    patient.live(20)
    patient.live(30, rr_s=60 / 200, rest=0.1, **refused(why))
    assert [alarm for alarm in patient.alarms.active if not alarm.technical] == []


@pytest.mark.parametrize(
    "why", [Refusal.NOISE, Refusal.SATURATED, Refusal.LEADS_FLAT, Refusal.NOT_ECG]
)
def test_what_cannot_be_read_is_told_after_ten_seconds_and_ends_after_three(why: Refusal) -> None:
    patient = Patient()
    patient.live(20)
    patient.live(30, **refused(why, "clean skin"))
    [alarm] = patient.alarms.active
    assert (alarm.code, alarm.act, alarm.technical) == ("unreadable", "clean skin", True)
    assert first(patient, "unreadable") == 31
    patient.live(3)
    assert patient.codes == []


def test_bad_quality_alone_gives_no_rate() -> None:
    patient = Patient()
    patient.live(30, rr_s=60 / 200, quality=QualityGrade.BAD)
    assert patient.codes == []


def test_an_electrode_that_comes_off_is_no_asystole() -> None:
    patient = Patient()
    patient.live(10)
    patient.alarms.push(ElectrodeChange(patient.index, RA))
    patient.live(20, rr_s=None, **refused(Refusal.ELECTRODE_OFF), electrodes_off=RA)
    assert patient.codes == ["electrode_off"]
    assert first(patient, "electrode_off") <= 15
    patient.alarms.push(ElectrodeChange(patient.index, 0))
    patient.live(5)
    assert patient.codes == []


def test_a_chest_electrode_is_low_and_gives_way_to_a_limb() -> None:
    patient = Patient()
    patient.live(10)
    patient.alarms.push(ElectrodeChange(patient.index, V3))
    patient.live(5)
    assert [(a.code, a.priority) for a in patient.alarms.active] == [("chest_off", Priority.LOW)]
    patient.alarms.push(ElectrodeChange(patient.index, V3 | RL))
    patient.live(5, **refused(Refusal.ELECTRODE_OFF))
    assert patient.codes == ["electrode_off"]
    assert patient.alarms.sounding is Priority.MEDIUM


def test_electrodes_that_were_never_on_are_no_alarm() -> None:
    patient = Patient()
    patient.alarms.push(ElectrodeChange(0, LIMB | V3))
    patient.live(20, **refused(Refusal.ELECTRODE_OFF))
    patient.alarms.push(ElectrodeChange(patient.index, V3))
    patient.live(20)
    assert patient.said == []


def test_an_electrode_that_flickers_once_is_no_alarm() -> None:
    patient = Patient()
    patient.live(10)
    patient.alarms.push(ElectrodeChange(patient.index, V3))
    patient.live(1)
    patient.alarms.push(ElectrodeChange(patient.index, 0))
    patient.live(10)
    assert patient.said == []


def test_unrest_of_two_seconds_is_vf_or_vt_and_one_is_not() -> None:
    patient = Patient()
    patient.live(20)
    patient.live(1, rest=0.3)
    patient.live(10)
    assert patient.said == []
    patient.live(2, rest=0.3, **refused(Refusal.UNSURE))
    assert patient.codes == ["vf_vt"]


def test_vf_is_said_once_whatever_its_waves_count() -> None:
    patient = Patient()
    patient.live(20)
    patient.live(10, rr_s=60 / 250, rest=0.3)
    assert patient.codes == ["vf_vt"]
    assert [state for _, code, state in patient.said if code == "extreme_tachy"] in (
        [],
        ["on", "off"],
    )


def test_asystole_stands_for_the_bradycardia_before_it() -> None:
    patient = Patient()
    patient.live(20, rr_s=60 / 30)
    patient.live(6, rr_s=None, **ASYSTOLE)
    assert patient.codes == ["asystole"]


@pytest.mark.parametrize("code", ["st_elevation", "injury", "avb3"])
def test_high_findings_become_alarms_when_they_hold(code: str) -> None:
    patient = Patient()
    patient.live(20)
    patient.live(1, **grave(code))
    patient.live(10)
    assert patient.said == []
    patient.live(6, **grave(code))
    assert patient.codes == [code]
    assert patient.alarms.sounding is Priority.HIGH


def test_signs_of_an_infarction_that_may_be_old_stay_a_warning() -> None:
    patient = Patient()
    patient.live(20, **grave("mi"))
    assert patient.said == []


def test_a_swap_is_a_technical_alarm() -> None:
    patient = Patient()
    swap = Finding("swap", "LA/RA SWAPPED?", "check the arms", Priority.MEDIUM, None)
    patient.live(10, findings=(swap,))
    [alarm] = patient.alarms.active
    assert (alarm.text, alarm.technical) == ("LA/RA SWAPPED?", True)
    assert alarm.priority is swap.priority  # on every page the same mark


def test_new_fibrillation_is_told_once_in_a_patient() -> None:
    patient = Patient()
    patient.live(30)
    patient.live(30, label="AFIB")
    assert patient.codes == ["af"]
    patient.live(30)
    assert patient.codes == []
    patient.live(30, label="AFIB")
    assert patient.codes == []


@pytest.mark.parametrize("code", ["vf_vt", "asystole"])
def test_the_atria_are_not_known_while_the_ventricles_do_not_beat(code: str) -> None:
    patient = Patient()
    patient.live(30, label="AFIB")
    assert patient.codes == ["af"]
    patient.live(4, label=None, **grave(code))
    assert patient.codes == [code]


def test_a_few_windows_of_fibrillation_are_none() -> None:
    patient = Patient()
    for _ in range(10):
        patient.live(6, label="AFIB")
        patient.live(4)
    assert patient.said == []


def test_calls_that_are_refused_neither_begin_nor_end_fibrillation() -> None:
    patient = Patient()
    patient.live(30)
    patient.live(15, label="AFIB")
    patient.live(60, **refused(Refusal.UNSURE))
    assert patient.codes == ["af"]


def test_every_code_is_known() -> None:
    patient = Patient(Alarms())
    for code in ("st_elevation", "injury", "avb3", "vf_vt", "asystole"):
        assert code in CODES
        patient.live(10, **grave(code))
    assert {code for _, code, _ in patient.said} <= set(CODES)
