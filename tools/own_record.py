"""What the monitor's own records say beyond the signal: of whom, which electrodes were off."""

from __future__ import annotations

import json
from contextlib import suppress
from math import inf
from pathlib import Path

from device.patient import Patient
from device.records.marks import electrodes
from device.records.wfdb import ABOUT, read_annotations
from hal.frontend import SAMPLE_RATE_HZ, Electrode
from hal.patient.electrodes import ElectrodeEvent, Fault
from hal.patient.recording import Recording

_ALL_ON = electrodes(0)
_OFF = electrodes(1).removesuffix(Electrode(0).name)


def is_own(recording: Recording) -> bool:
    """Whether the monitor wrote it; its times are UTC, and its annotations tell the electrodes."""
    return any(comment.startswith(ABOUT) for comment in recording.comments)


def whose(recording: Recording) -> Patient:
    """Whom the monitor was told it is of."""
    for comment in recording.comments:
        if comment.startswith(ABOUT):
            with suppress(ValueError, TypeError, AttributeError):  # of another version
                return Patient(**json.loads(comment.removeprefix(ABOUT)).get("patient", {}))
    return Patient()


def electrodes_off(file: Path, recording: Recording) -> tuple[ElectrodeEvent, ...] | None:
    """When which electrode was off; None where the recording does not say.

    file : as given to ``read_recording``
    """
    notes = file if file.suffix in (".hea", ".dat") else Path(f"{file}.hea")
    notes = notes.with_suffix(".atr")
    if not is_own(recording) or not notes.is_file():
        return None
    events: list[ElectrodeEvent] = []
    since: dict[Electrode, float] = {}
    known = False
    for mark in read_annotations(notes.read_bytes()):
        if not mark.text.startswith((_ALL_ON, _OFF)):
            continue
        known = True
        at = mark.sample / SAMPLE_RATE_HZ
        names = mark.text.removeprefix(_OFF).split() if mark.text.startswith(_OFF) else []
        off = [electrode for electrode in Electrode if electrode.name in names]
        events += [_off(one, since.pop(one), at) for one in list(since) if one not in off]
        since |= {electrode: since.get(electrode, at) for electrode in off}
    return (*events, *(_off(one, at, inf) for one, at in since.items())) if known else None


def _off(electrode: Electrode, start_s: float, end_s: float) -> ElectrodeEvent:
    return ElectrodeEvent(electrode, start_s, max(end_s, start_s + 1 / SAMPLE_RATE_HZ), Fault.OFF)
