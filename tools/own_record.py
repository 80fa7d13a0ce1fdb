"""What the monitor's records say beyond the signal: whose, electrodes off, alarms, samples lost."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from device.patient import Patient
from device.records.marks import alarm_of, electrodes
from device.records.reading import fault
from device.records.record_files import SEALED
from device.records.wfdb import ABOUT, Mark, read_annotations
from firmware.alarms import AlarmState
from firmware.findings import Priority
from hal.errors import RecordingError
from hal.frontend import SAMPLE_RATE_HZ, Electrode
from hal.patient.electrodes import ElectrodeEvent, Fault
from hal.patient.recording import Recording, read_recording
from hal.patient.wfdb import parse_header

_ALL_ON = electrodes(0)
_OFF = electrodes(1).removesuffix(Electrode(0).name)
_LOST = re.compile(r"lost: (\d+) samples$")  # "... samples before" a segment are not in it


def read(path: Path) -> Recording:
    """``read_recording``; in the monitor's own records samples may be missing that it noted.

    Elsewhere they may not: another's "no sample" can be a lead that was off, a rail, or a loss.
    Raises RecordingError, also when they are not what the monitor wrote.
    """
    if path.suffix == SEALED or _beside(path, SEALED).is_file():
        raise RecordingError(f"{path.name} is sealed; lead12 records unseal first")
    header, notes = _beside(path, ".hea"), _beside(path, ".atr").is_file()
    if not (header.is_file() and _ours(parse_header(header).comments)):
        return read_recording(path)
    if said := fault(header, notes=notes):
        raise RecordingError(f"{header.stem}: {said}")
    if not notes:
        return read_recording(path)
    found = (
        (mark.sample, mark.sample + int(match[1]))
        for mark in _notes(path)
        if (match := _LOST.match(mark.text))
    )
    return read_recording(path, tuple(found))


def is_own(recording: Recording) -> bool:
    """Whether the monitor wrote it; its times are UTC, and its annotations tell the electrodes."""
    return _ours(recording.comments)


def _ours(comments: tuple[str, ...]) -> bool:
    return any(comment.startswith(ABOUT) for comment in comments)


def whose(recording: Recording) -> Patient:
    """Whom the monitor was told it is of."""
    for comment in recording.comments:
        if comment.startswith(ABOUT):
            # Of another version, or damaged
            with suppress(ValueError, TypeError, AttributeError, RecursionError):
                return Patient(**json.loads(comment.removeprefix(ABOUT)).get("patient", {}))
    return Patient()


def electrodes_off(file: Path, recording: Recording) -> tuple[ElectrodeEvent, ...] | None:
    """When which electrode was off; None where the recording does not say.

    file : as given to ``read``
    """
    if not is_own(recording):
        return None
    events: list[ElectrodeEvent] = []
    since: dict[Electrode, float] = {}
    known = False
    for mark in _notes(file):
        if not mark.text.startswith((_ALL_ON, _OFF)):
            continue
        known = True
        at = mark.sample / SAMPLE_RATE_HZ
        names = mark.text.removeprefix(_OFF).split() if mark.text.startswith(_OFF) else []
        off = [electrode for electrode in Electrode if electrode.name in names]
        events += [_off(one, since.pop(one), at) for one in list(since) if one not in off]
        since |= {electrode: since.get(electrode, at) for electrode in off}
    return (*events, *(_off(one, at, inf) for one, at in since.items())) if known else None


@dataclass(frozen=True, slots=True)
class AlarmSpan:
    """An alarm as the monitor noted it, in seconds of the recording.

    begin_s : None where it was there, or over and not acknowledged, before its first note
    end_s : None where it lasts longer than the recording
    """

    text: str
    priority: Priority
    begin_s: float | None
    end_s: float | None


def alarms(file: Path, recording: Recording) -> tuple[AlarmSpan, ...]:
    """Those that the monitor's own record tells of, as they began; file : as given to ``read``."""
    spans: list[AlarmSpan] = []
    there: dict[str, int] = {}  # text -> place in ``spans``
    for mark in filter(None, map(alarm_of, _notes(file) if is_own(recording) else ())):
        at_s = mark.sample / SAMPLE_RATE_HZ
        k = there.get(mark.text)
        if mark.state is AlarmState.ON:
            if k is None:
                there[mark.text] = len(spans)
                spans.append(AlarmSpan(mark.text, mark.priority, at_s, None))
            else:
                spans[k] = replace(spans[k], priority=mark.priority)
        elif k is not None:
            spans[there.pop(mark.text)] = replace(spans[k], end_s=at_s)
        elif all(span.text != mark.text for span in spans):  # else it was acknowledged
            spans.append(AlarmSpan(mark.text, mark.priority, None, at_s))
    return tuple(spans)


def _off(electrode: Electrode, start_s: float, end_s: float) -> ElectrodeEvent:
    return ElectrodeEvent(electrode, start_s, max(end_s, start_s + 1 / SAMPLE_RATE_HZ), Fault.OFF)


def _beside(file: Path, suffix: str) -> Path:
    """The file of a record named with or without its suffix."""
    return file.with_suffix(suffix) if file.suffix in (".hea", ".dat") else Path(f"{file}{suffix}")


def _notes(file: Path) -> list[Mark]:
    """The record's annotations; none where it has no file of them."""
    notes = _beside(file, ".atr")
    return read_annotations(notes.read_bytes()) if notes.is_file() else []
