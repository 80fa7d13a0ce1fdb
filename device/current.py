"""What is there now, where the ten seconds of a call still say what was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from firmware.alarm_conditions import NO_RATE, NOT_READ
from firmware.alarms import Alarm, AlarmState
from firmware.call import Evidence, refusal_before_network
from firmware.events import Call, Refusal
from firmware.findings import Finding

_REFUSALS = {"asystole": Refusal.NO_SIGNAL, "vf_vt": Refusal.VENTRICULAR}
_OF_NOW = {*NO_RATE, *NOT_READ}  # refusals that stand, with what to do
_VT_BPM = 150  # VT may have such a rate; a slower one is of the rhythm before the alarm


def beatless(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Those that are on and under which no wave is to be believed a beat: asystole, VF, VT."""
    return [one for one in alarms if one.state is AlarmState.ON and one.code in _REFUSALS]


def current(call: Call, alarms: Iterable[Alarm], off: int) -> Call:
    """``call`` as of its last sample, which is what the screen says, too.

    alarms, off : those of that sample; electrodes as a mask. A rhythm and a rate read from the
    seconds before asystole or VF give way to the alarm. Electrodes that are back are no reason any
    more: that is what else is wrong, or that ten seconds must fill anew.
    """
    if call.refusal is Refusal.ELECTRODE_OFF and off != call.electrodes_off:
        call = _refused_anew(call, off)
    call = replace(call, electrodes_off=off)
    there = beatless(alarms)
    if not there or call.refusal in _OF_NOW:
        return call
    alarm, rate_bpm = there[0], call.rate_bpm
    fast = alarm.code == "vf_vt" and rate_bpm is not None and rate_bpm >= _VT_BPM
    return replace(
        call,
        label=None,
        text=alarm.text,
        act=alarm.act,
        refusal=_REFUSALS[alarm.code],
        probability=None,
        findings=(Finding(alarm.code, alarm.text, alarm.act, alarm.priority, None),),
        rate_bpm=rate_bpm if fast else None,
    )


def _refused_anew(call: Call, off: int) -> Call:
    evidence = Evidence(
        index=call.index,
        span=call.span,
        electrodes_off=off,
        grade=call.quality,
        faults=call.faults,
        asystole=False,  # nobody knows, of a trace that was cut
        rate_bpm=call.rate_bpm,
        irregularity=call.irregularity,
    )
    refused = refusal_before_network(evidence)
    if refused is None:
        return call
    refusal, text, act = refused
    return replace(call, refusal=refusal, text=text, act=act)
