"""A result says what is there now, though ten seconds of evidence lag behind."""

from __future__ import annotations

import pytest

from device.current import beatless, current
from device.display.example import make_call
from firmware.alarms import Alarm, AlarmState
from firmware.events import Call, LeadFault, QualityGrade, Refusal
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


@pytest.mark.parametrize(
    ("off", "quality", "faults", "refusal", "text"),
    [
        ((), QualityGrade.GOOD, {}, Refusal.STARTING, "ANALYSING 2 s"),
        ((Electrode.V5,), QualityGrade.GOOD, {}, Refusal.STARTING, "ANALYSING 2 s"),
        ((Electrode.RA,), QualityGrade.BAD, {}, Refusal.ELECTRODE_OFF, "RA OFF"),
        ((), QualityGrade.BAD, {"II": LeadFault.RAILED}, Refusal.SATURATED, "SATURATED"),
        ((Electrode.RA, Electrode.V5), QualityGrade.BAD, {}, Refusal.ELECTRODE_OFF, "as it was"),
    ],
)
def test_electrodes_are_those_off_now(
    off: tuple[Electrode, ...],
    quality: QualityGrade,
    faults: dict[str, LeadFault],
    refusal: Refusal,
    text: str,
) -> None:
    both = electrode_mask((Electrode.RA, Electrode.V5))
    more = {"electrodes_off": both, "span": 1251, "quality": quality, "faults": faults}
    now = current(refused(Refusal.ELECTRODE_OFF, "as it was", **more), [], electrode_mask(off))
    assert (now.refusal, now.text, now.electrodes_off) == (refusal, text, electrode_mask(off))


def test_beatless_are_alarms_that_are_on() -> None:
    assert beatless([TACHY, OVER, VF]) == [VF]
