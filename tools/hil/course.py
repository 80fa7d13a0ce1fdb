"""The patient of a scenario through its time: one after another, and what befalls electrodes."""

from __future__ import annotations

from math import inf

from hal.patient import Patient
from hal.patient.changes import Succession
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults
from tools.hil.scenario import ElectrodeAction, PatientAction, Scenario, SwapAction


def build_patient(scenario: Scenario) -> Patient:
    """From second 0 on. Raises ValueError or HalError, as ``PatientSpec.build``."""
    stages = [(0.0, scenario.patient.build())]
    stages += [
        (a.at_s, a.patient.build()) for a in scenario.timeline if isinstance(a, PatientAction)
    ]
    patient = Succession(stages) if len(stages) > 1 else stages[0][1]
    events = electrode_events(scenario)
    return WithElectrodeFaults(patient, events, scenario.patient.seed) if events else patient


def electrode_events(scenario: Scenario) -> list[ElectrodeEvent]:
    """What the timeline does to electrodes: each until it does something else to that one."""
    events: list[ElectrodeEvent] = []
    actions = [a for a in scenario.timeline if isinstance(a, ElectrodeAction)]
    for n, action in enumerate(actions):
        ends = (a.at_s for a in actions[n + 1 :] if a.electrode is action.electrode)
        end_s = next(ends, inf)
        if action.state != "on" and action.at_s < end_s:
            kind = Fault(action.state)
            events.append(ElectrodeEvent(action.electrode, action.at_s, end_s, kind))
    events += [
        ElectrodeEvent(a.one, a.at_s, inf, Fault.SWAPPED, a.other)
        for a in scenario.timeline
        if isinstance(a, SwapAction)
    ]
    return events
