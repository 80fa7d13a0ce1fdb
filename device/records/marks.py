"""What the pipeline says, as annotations."""

from __future__ import annotations

import re
from dataclasses import dataclass

from device.records.wfdb import NOTE, Mark
from firmware.alarms import AlarmEvent, AlarmState
from firmware.events import Beat, Call, ElectrodeChange, Event
from firmware.findings import Priority
from hal.frontend import electrodes_in


def mark_of(event: Event | AlarmEvent) -> Mark | None:
    """The annotation of an event, its sample counted as the event does; None for the others."""
    match event:
        case Beat():
            return Mark(event.index)
        case Call():
            return Mark(event.index, NOTE, _call(event))
        case ElectrodeChange():
            return Mark(event.index, NOTE, electrodes(event.off))
        case AlarmEvent():
            alarm = event.alarm
            return Mark(event.index, NOTE, f"alarm {alarm.state}: {alarm.text} ({alarm.priority})")
    return None


_ALARM = re.compile(rf"alarm ({'|'.join(AlarmState)}): (.*) \(({'|'.join(Priority)})\)")


@dataclass(frozen=True, slots=True)
class AlarmMark:
    """What the annotation of an alarm says."""

    sample: int
    state: AlarmState
    text: str
    priority: Priority


def alarm_of(mark: Mark) -> AlarmMark | None:
    """The alarm that ``mark`` is the annotation of; None for the others."""
    if (said := _ALARM.fullmatch(mark.text)) is None:
        return None
    return AlarmMark(mark.sample, AlarmState(said[1]), said[2], Priority(said[3]))


def electrodes(off: int) -> str:
    """In words which electrodes are off."""
    names = " ".join(electrode.name for electrode in electrodes_in(off))
    return f"electrodes off: {names}" if names else "electrodes: all on"


def _call(call: Call) -> str:
    if call.label is None:
        return f"no call ({call.refusal}): {call.headline}"
    sure = "" if call.probability is None else f" {call.probability:.2f}"
    return f"call {call.label}{sure}: {call.headline}"
