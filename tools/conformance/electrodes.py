"""Electrodes off and on again: how soon each is named, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from firmware.call import LIMB
from firmware.events import Call, ElectrodeChange
from hal.frontend import Electrode, electrodes_in
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults
from hal.patient.presets import preset
from tools.conformance.bench import Said, record
from tools.conformance.clause import EC13, IEC_27, Reading, Row

OFF_S, ON_S, END_S = 4.3, 8.6, 11.0  # off at an odd moment between two checks of the right leg
LATENCY_S = 1.0
FRAMES = 4  # as the live acquisition reads them


def rows(electrodes: Sequence[Electrode] = tuple(Electrode)) -> Iterator[Row]:
    """One row per direction, each electrode in turn, and what is said meanwhile."""
    off, on, others, calls = [], [], 0, 0
    for electrode in electrodes:
        event = ElectrodeEvent(electrode, OFF_S, ON_S, Fault.OFF)
        patient = WithElectrodeFaults(preset("sinus-70", 1), [event])
        said = record(patient, END_S, block=FRAMES).said()
        off.append(Reading(electrode.name, _since(said, electrode, OFF_S), "s", 0.0, LATENCY_S, 2))
        on.append(Reading(electrode.name, _clear(said, ON_S), "s", 0.0, LATENCY_S, 2))
        others += _foreign(said, electrode)
        calls += sum(
            isinstance(one.event, Call) and one.event.label is not None and OFF_S < one.at_s <= ON_S
            for one in said
            if electrode in electrodes_in(LIMB)
        )
    yield Row(
        f"{IEC_27}; {EC13}",
        "r o",
        "An electrode that comes off is named",
        f"{LATENCY_S:g} s",
        off,
        note="each electrode alone, in the time the data were read. The simulated comparator trips "
        "at once; skin and cable take their own time",
    )
    yield Row(
        f"{IEC_27}; {EC13}",
        "r o",
        "An electrode that is on again is no longer named",
        f"{LATENCY_S:g} s",
        on,
    )
    yield Row(
        f"{IEC_27}; {EC13}",
        "r o",
        "No other electrode is named, and nothing is called with a limb electrode off",
        "none",
        [
            Reading("others named", float(others), "", 0.0, 0.0, 0),
            Reading("calls", float(calls), "", 0.0, 0.0, 0),
        ],
        note="without RL the lead-off currents pull all electrodes to the rail: the others are "
        "off then, and RL is the one shown",
    )


def _since(said: list[Said], electrode: Electrode, from_s: float) -> float | None:
    """Until ``electrode`` is among those said to be off."""
    for one in said:
        event = one.event
        if isinstance(event, ElectrodeChange) and one.at_s > from_s and event.off >> electrode & 1:
            return one.at_s - from_s
    return None


def _clear(said: list[Said], from_s: float) -> float | None:
    """Until none is said to be off any more."""
    changes = [one for one in said if isinstance(one.event, ElectrodeChange) and one.at_s > from_s]
    if not changes or not isinstance(changes[-1].event, ElectrodeChange) or changes[-1].event.off:
        return None
    return changes[-1].at_s - from_s


def _foreign(said: list[Said], electrode: Electrode) -> int:
    """Changes that name another one; without RL all go, and RL is the one that counts."""
    named = [
        set(electrodes_in(one.event.off)) for one in said if isinstance(one.event, ElectrodeChange)
    ]
    if electrode is Electrode.RL:
        return sum(bool(off) and electrode not in off for off in named)
    return sum(bool(off - {electrode}) for off in named)
