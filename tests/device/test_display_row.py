"""The call row with alarms: each condition once, the gravest in front, nothing lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device.controls import Page
from device.display.example import make_call, patient
from device.display.row import TURN, Line, alarm_row
from device.display.state import ScreenState
from firmware.alarms import Alarm, AlarmState
from firmware.events import ElectrodeChange, QualityGrade, Refusal
from firmware.findings import Finding, Priority
from hal.frontend import Electrode, electrode_mask

ASYSTOLE = Alarm("asystole", "ASYSTOLE?", "check patient and cable", Priority.HIGH, 0)
FAST = Alarm("extreme_tachy", "EXTREME TACHYCARDIA", "pulse?", Priority.HIGH, 0)
BRADY = Alarm("brady", "BRADYCARDIA", "check patient", Priority.MEDIUM, 0)
TACHY = Alarm("tachy", "TACHYCARDIA", "check patient", Priority.MEDIUM, 0)
AF = Alarm("af", "ATRIAL FIBRILLATION", "new? record 12 leads", Priority.MEDIUM, 0)
STORAGE = Alarm("storage", "STORAGE FAULT", "see health", Priority.LOW, 0, technical=True)
UNREADABLE = Alarm("unreadable", "CANNOT ANALYSE", "hold still", Priority.MEDIUM, 0, technical=True)
LIMB_OFF = Alarm("electrode_off", "LIMB ELECTRODE OFF", "press on", Priority.MEDIUM, 0, True)
CHEST_OFF = Alarm("chest_off", "CHEST ELECTRODE OFF", "press on", Priority.LOW, 0, True)
SWAP = Alarm("swap", "LA/RA SWAPPED?", "check", Priority.MEDIUM, 0, True)
MI = Finding("mi", "POSSIBLE MI", "call ahead", Priority.HIGH, 0.8)
SWAPPED = Finding("swap", "LA/RA SWAPPED?", "check", Priority.MEDIUM, None)


def latched(alarm: Alarm) -> Alarm:
    return replace(alarm, state=AlarmState.LATCHED)


def quiet(alarm: Alarm) -> Alarm:
    return replace(alarm, acknowledged=True)


def lines(*alarms: Alarm, off: tuple[Electrode, ...] = (), **call: object) -> list[Line]:
    """The row in each of its turns."""
    found = []
    state = patient(12.0, off=off)
    for turn in range(12):
        state.index = 12 * 500 + turn * TURN
        state.alarms = alarms
        state.apply(make_call(state.index, electrodes_off=state.electrodes_off, **call))
        found.append(state.line)
    return found


def said(found: list[Line]) -> tuple[set[str], set[str], set[int]]:
    return {x.head for x in found}, {x.tail for x in found}, {x.alarm for x in found}


FLAT = {"label": None, "refusal": Refusal.NO_SIGNAL, "text": "ASYSTOLE?"}
FLAT["act"] = "check patient and cable"


def test_a_high_alarm_takes_the_place_of_the_call_and_blinks() -> None:
    heads, tails, alarm = said(lines(FAST, TACHY, STORAGE))
    assert (heads, alarm) == ({"!! EXTREME TACHYCARDIA"}, {2})
    assert tails == {"pulse?"}  # what to do stays
    assert {x.more for x in lines(FAST, TACHY, STORAGE)} == {"SINUS RHYTHM 97%", "! TACHYCARDIA"}


def test_what_to_do_about_a_high_alarm_that_is_the_call_stays_beside_any_other() -> None:
    vf = Alarm("vf_vt", "VF OR VT?", "check patient now", Priority.HIGH, 0)
    call = {"label": None, "refusal": Refusal.VENTRICULAR, "text": "VF OR VT?"}
    found = lines(vf, AF, latched(ASYSTOLE), act="check patient now", **call)
    assert said(found) == ({"!! VF OR VT?"}, {"check patient now"}, {2})
    assert {x.more for x in found} == {"! ATRIAL FIBRILLATION", "!! was ASYSTOLE?"}
    found = lines(vf, **{**call, "refusal": Refusal.STARTING, "text": "ANALYSING 8 s"})
    assert said(found)[:2] == ({"!! VF OR VT?"}, {"check patient now"})


def test_a_record_that_was_made_is_not_asked_for() -> None:
    af = {"label": "AFIB", "text": "ATRIAL FIBRILLATION"}
    began = replace(AF, since=5000)
    for saved_at, tails in (
        (4999, {"very likely 97%", "new? record 12 leads"}), (5000, {"very likely 97%"}),
    ):  # fmt: skip
        state = patient(12.0)
        state.alarms, state.saved_at = (began,), saved_at
        found = set()
        for turn in range(4):
            state.index = 6000 + turn * TURN
            state.apply(make_call(state.index, **af))
            found.add(state.line.tail)
        assert found == tails


def test_an_alarm_that_is_the_call_is_told_once() -> None:
    assert said(lines(ASYSTOLE, **FLAT)) == ({"!! ASYSTOLE?"}, {"check patient and cable"}, {2})
    af = {"label": "AFIB", "text": "ATRIAL FIBRILLATION"}
    heads, tails, alarm = said(lines(AF, **af))
    assert (heads, alarm) == ({"! ATRIAL FIBRILLATION"}, {1})
    assert tails == {"very likely 97%", "new? record 12 leads"}
    slow = {"label": "SB", "text": "SINUS BRADYCARDIA"}
    found = lines(BRADY, **slow)
    assert said(found) == ({"! SINUS BRADYCARDIA"}, {"very likely 97%", "check patient"}, {1})
    assert {x.short for x in found} == {"! SB"}


def test_a_medium_alarm_stands_beside_the_call_at_every_moment_and_is_steady() -> None:
    assert said(lines(TACHY)) == ({"SINUS RHYTHM"}, {"97% ! TACHYCARDIA"}, {1})


def test_a_low_alarm_takes_turns_and_inverts_nothing() -> None:
    heads, tails, alarm = said(lines(STORAGE))
    assert (heads, alarm) == ({"SINUS RHYTHM"}, {0})
    assert tails == {"very likely 97%", "+ STORAGE FAULT"}


def test_a_latched_alarm_is_past_and_hides_no_call() -> None:
    heads, tails, alarm = said(lines(latched(ASYSTOLE)))
    assert (heads, tails, alarm) == ({"SINUS RHYTHM"}, {"97% !! was ASYSTOLE?"}, {1})
    heads, tails, alarm = said(lines(FAST, latched(ASYSTOLE)))
    assert (heads, alarm) == ({"!! EXTREME TACHYCARDIA"}, {2})
    assert "!! was ASYSTOLE?" in {x.more for x in lines(FAST, latched(ASYSTOLE))}


def test_alarm_and_finding_of_the_same_words_are_one_the_gravest() -> None:
    assert SWAP.priority is SWAPPED.priority
    heads, tails, alarm = said(lines(SWAP, findings=(SWAPPED,)))
    assert (heads, tails, alarm) == ({"SINUS RHYTHM"}, {"97% ! LA/RA SWAPPED?"}, {1})


def test_a_high_finding_stays_beside_alarms() -> None:
    heads, tails, _ = said(lines(TACHY, findings=(MI,)))
    assert heads == {"!! POSSIBLE MI"}
    assert tails == {"SINUS RHYTHM 97%", "call ahead", "! TACHYCARDIA"}


def test_what_cannot_be_read_is_told_by_its_reason_and_inverted() -> None:
    moved = {"label": None, "refusal": Refusal.NOISE, "text": "MOVEMENT", "act": "hold still"}
    assert said(lines(**moved)) == ({"MOVEMENT"}, {"hold still"}, {0})
    assert said(lines(quiet(UNREADABLE), **moved)) == ({"MOVEMENT"}, {"hold still"}, {1})
    heard = said(lines(UNREADABLE, **moved))
    assert heard == ({"MOVEMENT"}, {"hold still", "! CANNOT ANALYSE"}, {1})


def test_what_is_heard_is_named() -> None:
    """The electrode beside it, or the progress of the next window, is no name of an alarm."""
    tails = {"very likely 97%", "+ CHEST ELECTRODE OFF"}
    assert said(lines(CHEST_OFF, off=(Electrode.V3,))) == ({"SINUS RHYTHM"}, tails, {0})
    back = lines(LIMB_OFF, refusal=Refusal.STARTING, label=None, span=0)
    assert said(back) == ({"ANALYSING 0 s"}, {"of 10 s", "! LIMB ELECTRODE OFF"}, {1})


def test_electrodes_are_named_not_counted_among_the_alarms() -> None:
    v3 = (Electrode.V3,)
    assert said(lines(quiet(CHEST_OFF), off=v3)) == ({"SINUS RHYTHM"}, {"very likely 97%"}, {0})
    found = lines(FAST, quiet(CHEST_OFF), off=v3)
    assert said(found)[:2] == ({"!! EXTREME TACHYCARDIA"}, {"pulse?"})
    assert {x.more for x in found} == {"SINUS RHYTHM 97%", "V3 OFF"}
    limb = lines(
        quiet(LIMB_OFF), latched(ASYSTOLE), off=(Electrode.LA,), refusal=Refusal.ELECTRODE_OFF
    )
    assert said(limb) == ({"LA OFF"}, {"press on or replace", "!! was ASYSTOLE?"}, {1})


def test_alarms_before_the_first_call_are_told_beside_its_progress() -> None:
    state = ScreenState(alarms=(STORAGE, BRADY))
    found = []
    for turn in range(6):
        state.index = turn * TURN
        found.append(state.line)
    assert said(found) == ({"ANALYSING 0 s"}, {"of 10 s", "! BRADYCARDIA"}, {1})
    assert all(line.progress is not None for line in found)


def test_alarms_alone_take_turns_and_keep_the_gravest_look() -> None:
    state = ScreenState(alarms=(ASYSTOLE, TACHY))
    found = []
    for turn in range(4):
        state.index = turn * TURN
        found.append(alarm_row(state))
    assert [line and line.head for line in found] == 2 * ["!! ASYSTOLE?", "! TACHYCARDIA"]
    assert {line and line.alarm for line in found} == {2}
    assert alarm_row(ScreenState(alarms=(quiet(LIMB_OFF), quiet(CHEST_OFF)))) is None
    heard = alarm_row(ScreenState(alarms=(LIMB_OFF, CHEST_OFF)))
    assert heard is not None
    assert heard.head == "! LIMB ELECTRODE OFF"


@pytest.mark.parametrize("page", [page for page in Page if page is not Page.LIVE])
def test_every_page_has_a_row_for_what_is_wrong(page: Page) -> None:
    state = patient(12.0)
    state.apply(make_call(state.index, findings=(SWAPPED,)))
    state.controls.show(page, state.index)
    assert state.foot is None  # a finding is no alarm
    state.alarms = (TACHY,)
    listed = page is Page.ALARMS
    assert (state.foot and state.foot.head) == (None if listed else "! TACHYCARDIA")
    state.alarms = (UNREADABLE,)
    state.apply(
        make_call(
            state.index, label=None, refusal=Refusal.NOISE, text="MOVEMENT",
            quality=QualityGrade.BAD,
        )
    )  # fmt: skip
    assert (state.foot and state.foot.head) == (None if listed else "MOVEMENT")
    state.alarms = ()
    state.apply(ElectrodeChange(state.index, electrode_mask((Electrode.V2,))))
    assert (state.foot and state.foot.head) == (None if listed else "V2 OFF")
    state.message = ("NO SIGNAL", "check the cable")
    assert state.foot is not None
    assert (state.foot.head, state.foot.tail) == ("NO SIGNAL", "check the cable")


def test_words_in_another_language_keep_their_marks_and_numbers() -> None:
    state = patient(12.0)
    state.tr = lambda text: text.replace("SINUS RHYTHM", "SINUSRHYTHMUS").replace("was ", "war ")
    state.alarms = (latched(ASYSTOLE),)
    state.apply(make_call(state.index))
    assert (state.line.head, state.line.tail) == ("SINUSRHYTHMUS", "97% !! war ASYSTOLE?")
