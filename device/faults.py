"""Which of the instrument's faults are alarms."""

from __future__ import annotations

from collections.abc import Mapping

from firmware.alarms import AlarmEvent, Alarms
from firmware.findings import Priority

NO_DATA = ("no_data", "NO DATA", "check device and cable", Priority.HIGH)
# part -> code, text, act, priority. Display and serial line are no alarms of the patient.
ALARMS = {
    "frontend": NO_DATA,
    "ring": NO_DATA,
    "analysis": ("analysis", "ANALYSIS FAULT", "read the trace", Priority.MEDIUM),
    "model": ("model", "MODEL FAULT", "see health page", Priority.LOW),
    "battery": ("battery", "BATTERY LOW", "connect power", Priority.LOW),
    "storage": ("storage", "STORAGE FAULT", "see health page", Priority.LOW),
    "settings": ("settings", "SETTINGS FAULT", "see health page", Priority.LOW),
}


def fault_alarm(
    alarms: Alarms, part: str, faults: Mapping[str, str], index: int
) -> list[AlarmEvent]:
    """What ``alarms`` say when ``part`` begins or ceases to be among the ``faults`` of now."""
    if part not in ALARMS:
        return []
    code, text, act, priority = ALARMS[part]
    if ALARMS[part] is NO_DATA and index == 0:
        return []  # starting: no patient was watched yet, and the whole screen says why
    there = any(ALARMS[other][0] == code for other in faults if other in ALARMS)
    return alarms.technical(code, text if there else "", act, priority, index)
