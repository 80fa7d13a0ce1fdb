"""What the screen knows and says, before a pixel is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from device.display.example import make_call, patient
from device.display.row import STALE, TURN
from device.display.state import ScreenState
from device.display.trace import WIDEST
from device.display.words import ELECTRODES, PLACES, Naming, confidence, percent
from firmware.events import (
    Beat,
    ElectrodeChange,
    Gap,
    LeadFault,
    Quality,
    QualityGrade,
    Rate,
    Refusal,
    Trace,
)
from firmware.findings import Finding, Priority
from hal.frontend import SAMPLE_RATE_HZ, Electrode, electrode_mask


def trace(first: int, n: int = 50) -> Trace:
    return Trace(first, np.zeros((n, 12), np.int32), np.ones(12, np.bool_))


def at(index: int) -> ScreenState:
    state = ScreenState()
    state.apply(trace(index, 0))
    return state


def test_rate_is_blank_when_unknown_and_when_out_of_date() -> None:
    state = at(1000)
    assert state.rate_text == "--"
    state.apply(Rate(1000, 71.6, 0.1))
    assert state.rate_text == "72"
    state.apply(trace(1000, STALE))
    assert state.rate_text == "72"
    state.apply(trace(1000 + STALE, 1))
    assert state.rate_text == "--"
    state.apply(Rate(state.index, None, None))
    assert state.rate_text == "--"


def test_flat_with_electrodes_on_and_flat_with_one_off_are_never_confused() -> None:
    state = at(8000)
    state.apply(make_call(8000, label=None, refusal=Refusal.NO_SIGNAL, text="ASYSTOLE?"))
    assert state.line.head == "ASYSTOLE?"
    assert state.line.alarm == 2
    state.apply(ElectrodeChange(8100, electrode_mask((Electrode.RA,))))
    assert state.line.head == "RA OFF"
    assert "ASYSTOLE" not in state.status_line


def test_a_call_gives_way_at_once_to_an_electrode_that_falls_off() -> None:
    state = at(8000)
    state.apply(make_call(8000))
    assert (state.line.head, state.line.tail) == ("SINUS RHYTHM", "very likely 97%")
    state.apply(ElectrodeChange(8010, electrode_mask((Electrode.V3,))))
    assert (state.line.head, state.line.tail) == ("V3 OFF", "press on or replace")
    # The next call knows of it and stands all the same: one chest lead short is still a call.
    state.apply(make_call(8500, electrodes_off=state.electrodes_off))
    assert state.line.head == "SINUS RHYTHM"


def test_what_was_off_is_no_trouble_when_it_is_on_again() -> None:
    state = at(8000)
    state.apply(ElectrodeChange(8000, electrode_mask((Electrode.RA,))))
    limbs = dict.fromkeys(("I", "II", "III"), LeadFault.OFF)
    state.apply(Quality(8000, QualityGrade.BAD, limbs))
    assert state.trouble == "RA OFF"
    state.apply(ElectrodeChange(8500, 0))
    assert state.trouble == ""
    state.apply(Quality(8600, QualityGrade.BAD, {**limbs, "V1": LeadFault.NOISY}))
    assert state.trouble == "V1 NOISY"


MI = Finding("mi", "POSSIBLE MI", "call ahead", Priority.HIGH, 0.8)
LBBB = Finding("lbbb", "LBBB", "", Priority.MEDIUM, 0.9)
WPW = Finding("wpw", "WPW?", "", Priority.MEDIUM, 0.6)
AXIS = Finding("left_axis", "LEFT AXIS", "", Priority.LOW, 0.7)


def turns(**call: object) -> tuple[set[str], list[str], int]:
    """Heads, tails in their turns and the alarm of a call that stands for a while."""
    lines = []
    for turn in range(4):
        state = at(8000 + turn * TURN)
        state.apply(make_call(state.index, **call))
        lines.append(state.line)
    (alarm,) = {line.alarm for line in lines}
    return {line.head for line in lines}, [line.tail for line in lines], alarm


def test_a_high_finding_takes_the_place_of_the_call_and_blinks() -> None:
    heads, tails, alarm = turns(findings=(MI, LBBB, AXIS))
    assert heads == {"!! POSSIBLE MI"}
    assert set(tails) == {"SINUS RHYTHM 97%", "call ahead", "! LBBB"}
    assert alarm == 2


def test_medium_findings_stand_beside_the_call_at_every_moment() -> None:
    heads, tails, alarm = turns(findings=(LBBB, WPW, AXIS))
    assert heads == {"SINUS RHYTHM"}
    assert set(tails) == {"97% ! LBBB", "97% ! WPW?"}
    assert alarm == 1


def test_low_findings_take_turns_with_the_confidence_and_raise_no_alarm() -> None:
    heads, tails, alarm = turns(findings=(AXIS,))
    assert (heads, set(tails)) == ({"SINUS RHYTHM"}, {"very likely 97%", "+ LEFT AXIS"})
    assert tails[0] != tails[1]
    assert alarm == 0


def test_a_finding_that_is_the_call_is_said_once() -> None:
    paced = Finding("paced", "PACED RHYTHM", "look", Priority.MEDIUM, 0.9)
    said = {"label": None, "refusal": Refusal.OTHER_RHYTHM, "text": "PACED RHYTHM", "act": "look"}
    assert turns(**said, findings=(paced,)) == ({"PACED RHYTHM"}, ["look"] * 4, 1)
    vf = Finding("vf_vt", "VF OR VT?", "check", Priority.HIGH, None)
    said = {"label": None, "refusal": Refusal.VENTRICULAR, "text": "VF OR VT?", "act": "check"}
    assert turns(**said, findings=(vf,)) == ({"!! VF OR VT?"}, ["check"] * 4, 2)


def test_an_unsure_call_does_not_hide_a_high_finding() -> None:
    said = {"label": None, "refusal": Refusal.UNSURE, "text": "UNSURE", "act": "read the trace"}
    heads, tails, alarm = turns(**said, findings=(MI,))
    assert (heads, alarm) == ({"!! POSSIBLE MI"}, 2)
    assert set(tails) == {"UNSURE", "call ahead"}


def test_electrodes_back_on_show_the_window_filling_anew() -> None:
    state = at(8000)
    state.apply(
        make_call(
            8000,
            label=None,
            refusal=Refusal.ELECTRODE_OFF,
            text="RA OFF",
            electrodes_off=1 << Electrode.RA,
            span=1500,
        )
    )
    assert state.line.head == "ANALYSING 3 s"
    assert state.line.progress == pytest.approx(0.3)


def test_progress_counts_from_the_first_sample_until_the_first_call() -> None:
    state = ScreenState()
    assert state.line.head == "ANALYSING 0 s"
    state.apply(trace(0, 2300))
    assert state.line.head == "ANALYSING 4 s"
    state.apply(Gap(2600, 300))
    state.apply(trace(2600, 600))
    assert state.line.head == "ANALYSING 1 s"


def test_a_call_out_of_date_is_not_shown() -> None:
    state = at(5000)
    state.apply(make_call(5000))
    state.apply(trace(5000, 5 * 500))
    assert state.line.head == "SINUS RHYTHM"
    state.apply(trace(7500, 1))
    assert (state.line.head, state.line.tail) == ("NO RESULT", "for 5 s")


def test_many_electrodes_are_counted_in_words_of_the_cable() -> None:
    state = at(100)
    state.naming = Naming.IEC
    state.apply(ElectrodeChange(100, electrode_mask((Electrode.LL, Electrode.V6))))
    assert state.line.head == "F C6 OFF"
    state.apply(ElectrodeChange(100, electrode_mask(Electrode)))
    assert state.line.head == "10 ELECTRODES OFF"


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "very likely 100%"),
        (0.9999, "very likely 99%"),
        (0.95, "very likely 95%"),
        (0.9499, "likely 94%"),
        (0.80, "likely 80%"),
        (0.7999, "possible 79%"),
        (0.29, "possible 29%"),
    ],
)
def test_confidence_words_and_numbers_agree(probability: float, words: str) -> None:
    assert f"{confidence(probability)} {percent(probability)}" == words


def test_every_electrode_has_a_name_a_colour_and_a_place() -> None:
    for naming in Naming:
        assert list(ELECTRODES[naming]) == list(Electrode)
        assert len(set(ELECTRODES[naming].values())) == 10
    assert list(PLACES) == list(Electrode)
    # GE CARESCAPE manual p. 154; IEC 60601-2-25.
    assert [ELECTRODES[Naming.AHA][e][1] for e in list(Electrode)[:4]] == [
        "white", "black", "red", "green",
    ]  # fmt: skip
    assert [ELECTRODES[Naming.IEC][e] for e in list(Electrode)[:4]] == [
        ("R", "red"), ("L", "yellow"), ("F", "green"), ("N", "black"),
    ]  # fmt: skip


def good(index: int) -> Quality:
    return Quality(index, QualityGrade.GOOD, {})


def test_connecting_ends_two_seconds_after_all_are_on_and_readable() -> None:
    state = at(0)
    state.apply(ElectrodeChange(0, electrode_mask((Electrode.V1,))))
    for second in range(5):
        state.apply(good(second * SAMPLE_RATE_HZ))
    assert state.connecting
    state.apply(ElectrodeChange(2500, 0))
    state.apply(good(2500))
    state.apply(good(3499))
    assert state.connecting
    state.apply(good(3500))
    assert not state.connecting


def test_connecting_returns_for_a_limb_electrode_and_for_three_others() -> None:
    state = patient()
    assert not state.connecting
    for off, connecting in (
        ((Electrode.V1, Electrode.V2), False),
        ((Electrode.V1, Electrode.V2, Electrode.V3), True),
        ((Electrode.RL,), True),
        ((), False),
    ):
        state.apply(ElectrodeChange(state.index, electrode_mask(off)))
        assert state.connecting is connecting


def test_missing_chest_electrodes_block_the_live_screen_for_20_s_only() -> None:
    state = at(0)
    state.apply(ElectrodeChange(0, electrode_mask(list(Electrode)[4:])))
    state.apply(trace(0, 20 * SAMPLE_RATE_HZ - 1))
    assert state.connecting
    state.apply(trace(state.index, 1))
    assert not state.connecting


def test_lost_samples_are_told_for_ten_seconds_and_counted_for_good() -> None:
    state = at(1000)
    state.apply(Gap(1000, 7))
    state.apply(Gap(1100, 5))
    assert state.notes == {"samples": "samples lost 12"}
    state.apply(trace(1100, 10 * SAMPLE_RATE_HZ + 1))
    assert state.notes == {}
    assert state.samples_lost == 12


def test_a_note_stays_until_it_is_cleared() -> None:
    state = at(0)
    state.note("serial", "serial lost")
    assert "serial lost" in state.status_line
    state.note("serial", "")
    assert "serial" not in state.status_line


def test_memory_is_bounded() -> None:
    state = ScreenState()
    for first in range(0, 600_000, 2000):
        state.apply(trace(first, 2000))
        for index in range(first, first + 2000, 100):
            state.apply(Beat(index))
    assert len(state.beats) <= 64
    assert min(state.beats) >= state.index - 20 * WIDEST
    state.trace.centre("II", state.trace.head - 180, state.trace.head, 188)
    held = [v for v in vars(state.trace).values() if isinstance(v, np.ndarray)]
    assert sum(array.nbytes for array in held) < 100_000


def test_status_line_says_what_the_screen_says() -> None:
    state = patient()
    state.apply(make_call(state.index))
    assert state.status_line == "00:23  78/min  SINUS RHYTHM  very likely 97%  quality good  REC"
    state.message = ("NO SIGNAL FROM ADS1298", "check cable")
    assert state.status_line == "00:23  NO SIGNAL FROM ADS1298: check cable"


def test_hours_appear_when_there_are_any() -> None:
    assert at(3599 * SAMPLE_RATE_HZ).elapsed_text == "59:59"
    assert at(3600 * SAMPLE_RATE_HZ).elapsed_text == "1:00:00"


def test_the_right_leg_is_asked_for_first_then_limbs_then_the_chest() -> None:
    """Without it nothing is known of the others: an electrode that is on would read off."""
    state = ScreenState()
    state.apply(ElectrodeChange(0, electrode_mask(Electrode)))
    assert state.off_names == ("RL", "RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")
    state.apply(ElectrodeChange(500, electrode_mask((Electrode.V6, Electrode.LL))))
    assert state.off_names == ("LL", "V6")
