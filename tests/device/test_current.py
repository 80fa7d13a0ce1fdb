"""A result says what is there now, though ten seconds of evidence lag behind."""

from __future__ import annotations

import pytest

from device.current import beatless, current
from device.display.example import make_call
from firmware.alarms import Alarm, AlarmState
from firmware.events import Call, Refusal
from firmware.findings import Priority
from hal.frontend import Electrode, electrode_mask

VF = Alarm("vf_vt", "VF OR VT?", "check patient now", Priority.HIGH, since=2000)
ASYSTOLE = Alarm("asystole", "ASYSTOLE?", "check patient and cable", Priority.HIGH, since=2000)
TACHY = Alarm("tachy", "TACHYCARDIA", "check patient", Priority.MEDIUM, since=2000)
OVER = Alarm("vf_vt", VF.text, VF.act, Priority.HIGH, since=2000, state=AlarmState.LATCHED)


def refused(refusal: Refusal, text: str, **more: object) -> Call:
    return make_call(3000, label=None, probability=None, refusal=refusal, text=text, **more)


@pytest.mark.parametrize(
    ("alarm", "refusal"), [(VF, Refusal.VENTRICULAR), (ASYSTOLE, Refusal.NO_SIGNAL)]
)
@pytest.mark.parametrize(
    "call",
    [make_call(3000, rate_bpm=70.0), refused(Refusal.STARTING, "ANALYSING 6 s", rate_bpm=70.0)],
)
def test_a_rhythm_of_the_seconds_before_gives_way(
    call: Call, alarm: Alarm, refusal: Refusal
) -> None:
    now = current(call, [TACHY, alarm], 0)
    assert (now.label, now.probability, now.rate_bpm) == (None, None, None)
    assert (now.text, now.act, now.refusal) == (alarm.text, alarm.act, refusal)
    assert [finding.code for finding in now.findings] == [alarm.code]
    assert now.scores == call.scores


@pytest.mark.parametrize(("alarm", "kept"), [(VF, 206.0), (ASYSTOLE, None)])
def test_a_rate_that_vt_may_have_stays(alarm: Alarm, kept: float | None) -> None:
    assert current(make_call(3000, rate_bpm=206.0), [alarm], 0).rate_bpm == kept


@pytest.mark.parametrize(
    ("call", "alarms"),
    [
        (make_call(3000), []),
        (make_call(3000), [TACHY, OVER]),
        (refused(Refusal.VENTRICULAR, "VF OR VT?", rate_bpm=130.0), [VF]),
        (refused(Refusal.NOISE, "MOVEMENT"), [VF]),
    ],
)
def test_else_the_call_stands(call: Call, alarms: list[Alarm]) -> None:
    assert current(call, alarms, call.electrodes_off) == call


def test_electrodes_are_those_off_now() -> None:
    ra, both = electrode_mask([Electrode.RA]), electrode_mask([Electrode.RA, Electrode.V5])
    call = refused(Refusal.ELECTRODE_OFF, "RA OFF +1", electrodes_off=both, span=1251)
    assert current(call, [], both) == call
    assert current(call, [], ra).electrodes_off == ra
    back = current(call, [], 0)
    assert (back.refusal, back.text, back.act) == (Refusal.STARTING, "ANALYSING 2 s", "hold still")
    assert back.electrodes_off == 0


def test_beatless_are_alarms_that_are_on() -> None:
    assert beatless([TACHY, OVER, VF]) == [VF]
