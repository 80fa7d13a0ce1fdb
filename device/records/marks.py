"""What the pipeline says, as annotations."""

from __future__ import annotations

from device.records.wfdb import NOTE, Mark
from firmware.alarms import AlarmEvent
from firmware.events import Beat, Call, ElectrodeChange, Event
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


def electrodes(off: int) -> str:
    """In words which electrodes are off."""
    names = " ".join(electrode.name for electrode in electrodes_in(off))
    return f"electrodes off: {names}" if names else "electrodes: all on"


def _call(call: Call) -> str:
    if call.label is None:
        return f"no call ({call.refusal}): {call.headline}"
    sure = "" if call.probability is None else f" {call.probability:.2f}"
    return f"call {call.label}{sure}: {call.headline}"
