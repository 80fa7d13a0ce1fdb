"""Calls and refusals: what wins over what, and what is never confused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware.call import CallRule, Evidence, decide, decide_recording
from firmware.events import Call, LeadFault, QualityGrade, Refusal
from firmware.plausible import Implausible
from hal.frontend import Electrode, electrode_mask

RULE = CallRule(
    "net-1", "mate4", {"SR": "SINUS RHYTHM", "AFIB": "ATRIAL FIBRILLATION"}, {"SR": 0.6}
)
SURE = {"mate4": {"AFIB": 0.02, "GSVT": 0.0, "SB": 0.01, "SR": 0.97}}
GOOD = Evidence(4999, 5000, 0, QualityGrade.GOOD, {}, False, 70.0, 0.01)


def off(*electrodes: Electrode) -> Evidence:
    return replace(GOOD, electrodes_off=electrode_mask(electrodes))


def faulty(fault: LeadFault, leads: int = 12) -> Evidence:
    faults = {f"lead{n}": fault for n in range(leads)}
    return replace(GOOD, grade=QualityGrade.BAD, faults=faults)


def test_a_call_carries_its_evidence():
    call = decide(GOOD, SURE, RULE)
    assert (call.label, call.text, call.probability) == ("SR", "SINUS RHYTHM", 0.97)
    assert (call.refusal, call.model, call.rate_bpm) == (None, "net-1", 70.0)


@pytest.mark.parametrize(
    ("evidence", "refusal", "text"),
    [
        (off(Electrode.LA), Refusal.ELECTRODE_OFF, "LA OFF"),
        (off(Electrode.RA, Electrode.V1), Refusal.ELECTRODE_OFF, "RA +1 OFF"),
        (off(*(e for e in Electrode if e != Electrode.RA)), Refusal.ELECTRODE_OFF, "RL OFF"),
        (off(Electrode.V1, Electrode.V2, Electrode.V3), Refusal.ELECTRODE_OFF, "V1 +2 OFF"),
        (replace(GOOD, asystole=True), Refusal.NO_SIGNAL, "ASYSTOLE?"),
        (faulty(LeadFault.RAILED), Refusal.SATURATED, "SATURATED"),
        (faulty(LeadFault.FLAT), Refusal.NO_SIGNAL, "NO SIGNAL"),
        (faulty(LeadFault.FLAT, 6), Refusal.LEADS_FLAT, "lead0 +5 FLAT"),
        (replace(GOOD, restless=True), Refusal.VENTRICULAR, "VF OR VT?"),
        (replace(GOOD, implausible=Implausible.ALIKE), Refusal.NOT_ECG, "NO ECG SEEN"),
        (replace(GOOD, rate_bpm=140.0), Refusal.DISAGREES, "UNSURE"),
        (faulty(LeadFault.NOISY), Refusal.NOISE, "MOVEMENT"),
        (faulty(LeadFault.MAINS), Refusal.NOISE, "MAINS NOISE"),
        (replace(GOOD, span=2600), Refusal.STARTING, "ANALYSING 5 s"),
    ],
)
def test_refusals_name_the_reason_and_still_give_scores(evidence, refusal, text):
    call = decide(evidence, SURE, RULE)
    assert (call.label, call.refusal, call.text) == (None, refusal, text)
    assert call.act
    assert call.scores == SURE


def test_waves_that_may_be_fibrillation_alarm_and_hiss_does_not():
    restless = replace(GOOD, restless=True)
    waves = replace(restless, implausible=Implausible.WAVES)
    hiss = replace(restless, implausible=Implausible.ROUGH)
    assert decide(waves, SURE, RULE).refusal is Refusal.VENTRICULAR
    assert decide(hiss, SURE, RULE).refusal is Refusal.NOT_ECG


def test_asystole_is_not_kept_waiting_for_a_whole_window():
    evidence = replace(GOOD, asystole=True, span=2000)
    assert decide(evidence, SURE, RULE).text == "ASYSTOLE?"


def test_flat_with_an_electrode_off_is_never_asystole():
    evidence = replace(off(Electrode.LL), asystole=True)
    assert decide(evidence, SURE, RULE).refusal is Refusal.ELECTRODE_OFF


def test_one_or_two_chest_electrodes_off_leave_the_call():
    assert decide(off(Electrode.V2, Electrode.V6), SURE, RULE).label == "SR"


def test_below_its_threshold_it_is_unsure():
    scores = {"mate4": {"AFIB": 0.41, "GSVT": 0.0, "SB": 0.0, "SR": 0.59}}
    call = decide(GOOD, scores, RULE)
    assert (call.label, call.refusal, call.probability) == (None, Refusal.UNSURE, 0.59)


def test_at_its_threshold_it_is_called():
    scores = {"mate4": {"AFIB": 0.4, "GSVT": 0.0, "SB": 0.0, "SR": RULE.thresholds["SR"]}}
    assert decide(GOOD, scores, RULE).label == "SR"


def test_without_rule_or_scores_there_is_no_model():
    assert decide(GOOD, {}, None).refusal is Refusal.NO_MODEL
    assert decide(GOOD, {}, RULE).refusal is Refusal.NO_MODEL


def test_a_recording_is_called_from_the_mean_of_its_readable_windows():
    afib = {"mate4": {"AFIB": 0.98, "GSVT": 0.0, "SB": 0.0, "SR": 0.02}}
    windows: list[Call] = [
        decide(GOOD, afib, RULE),
        decide(GOOD, afib, RULE),
        decide(GOOD, SURE, RULE),
    ]
    noisy = decide(faulty(LeadFault.NOISY), SURE, RULE)
    call = decide_recording([*windows, noisy], RULE)
    assert call.label == "AFIB"
    assert call.probability == pytest.approx((0.98 + 0.98 + 0.02) / 3)


def test_what_is_no_ecg_in_most_windows_is_none_as_a_recording():
    strange = decide(replace(GOOD, implausible=Implausible.UNRELATED), SURE, RULE)
    good = decide(GOOD, SURE, RULE)
    assert decide_recording([strange, strange, good], RULE).refusal is Refusal.NOT_ECG
    assert decide_recording([strange, good, good], RULE).label == "SR"


def test_a_recording_whose_rate_and_rhythm_disagree_is_not_called():
    fast = decide(replace(GOOD, rate_bpm=140.0), SURE, RULE)
    assert decide_recording([fast, fast], RULE).refusal is Refusal.DISAGREES


def test_a_recording_of_refused_windows_is_refused_for_the_commonest_reason():
    noisy = decide(faulty(LeadFault.NOISY), SURE, RULE)
    railed = decide(faulty(LeadFault.RAILED), SURE, RULE)
    good = decide(GOOD, SURE, RULE)
    call = decide_recording([noisy, noisy, railed, good], RULE)
    assert call.refusal is Refusal.NOISE
    assert call.scores == SURE


def test_windows_that_were_not_whole_count_where_there_are_no_others():
    waiting = decide(replace(GOOD, span=2600), SURE, RULE)
    good = decide(GOOD, SURE, RULE)
    assert decide_recording([good, waiting, waiting, waiting], RULE).label == "SR"
    assert decide_recording([waiting, waiting], RULE).refusal is Refusal.STARTING
