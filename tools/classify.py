"""``lead12 classify``: recordings through the whole device chain, as fast as the machine can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device.bundles import load_network
from device.display.words import MARKS
from device.link import messages
from firmware.call import decide_recording
from firmware.events import LEADS, Call, Event
from firmware.intervals import measure_recording
from firmware.measurements import Measurements
from firmware.network import Network
from hal.errors import HalError
from hal.frontend import SAMPLE_RATE_HZ, electrodes_in
from hal.patient.electrodes import ElectrodeEvent
from hal.patient.recording import NoRecordingError, Recording
from tools.chain import hear, in_words
from tools.explained import Question, explained
from tools.own_record import electrodes_off, read
from tools.photo.picture import KINDS, is_picture, pages_in, read_picture
from tools.photo.read import read_page
from tools.workers import workers

TOLD_LEADS = 3  # of an explanation, in the line for people


def classify(
    files: Sequence[Path], *, model: str = "", jobs: int = 1, why: Question | None = None
) -> Iterator[dict[str, Any]]:
    """One result per file, in input order; a file that cannot be read gives {"record", "error"}.

    model : path of a bundle, "" for the embedded one. Raises BundleError when it cannot be used.
    why : adds "explanation"; raises NetworkError for a score that the bundle does not have

    A photo or scan of a report is read back into its recording first; a PDF gives a result a page.
    """
    load_network(model)  # fails here, once, rather than in every worker
    sheets = [sheet for file in files for sheet in _sheets(file)]
    if jobs <= 1 or len(sheets) <= 1:
        _start_worker(model, why)
        yield from map(_classify_sheet, sheets)
        return
    with workers(jobs, _start_worker, model, why) as pool:
        chunk = max(1, min(16, len(sheets) // jobs))
        yield from pool.map(_classify_sheet, sheets, chunksize=chunk)


_network: Network | None = None  # one interpreter per worker process
_why: Question | None = None


def _start_worker(model: str, why: Question | None) -> None:
    global _network, _why
    _network, _why = load_network(model), why


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A file, or page ``number`` of ``pages`` of a picture."""

    path: Path
    number: int = 0
    pages: int = 0  # 0: a recording


def _sheets(path: Path) -> list[_Sheet]:
    if not is_picture(path):
        return [_Sheet(path)]
    pages = pages_in(path)
    return [_Sheet(path, number, pages) for number in range(pages)]


def _classify_sheet(sheet: _Sheet) -> dict[str, Any]:
    path = sheet.path
    record = path.stem if path.suffix in (".hea", ".dat", ".mat", ".csv") else path.name
    record += f" page {sheet.number + 1}" if sheet.pages > 1 else ""
    said: dict[str, Any] = {"record": record, "file": str(path)}
    try:
        if sheet.pages:
            found = read_page(read_picture(path, sheet.number), record)
            said |= {"source": "photo", "read_s": found.read_s}
            return said | classify_recording(found.recording, _network, _why, found.electrodes)
        recording = read(path)
        off = electrodes_off(path, recording) or ()
        return said | classify_recording(recording, _network, _why, off)
    except NoRecordingError:
        wrong = f"{path} is no recording and no picture that is read"
        return said | {"error": f"{wrong}; give a WFDB record, a .csv, or {KINDS}"}
    except HalError as error:
        return said | {"error": str(error)}


def classify_recording(
    recording: Recording,
    network: Network | None,
    why: Question | None = None,
    electrodes: Sequence[ElectrodeEvent] = (),
) -> dict[str, Any]:
    """One recording as the patient of a simulated chip; the JSON object of the contract.

    electrodes : what happened to them, in seconds of the recording

    A record of less than 10 s is filled up for the scores, and never called.
    """
    heard = hear(recording, network, electrodes=electrodes)
    windows = [event for event in heard.events if isinstance(event, Call)]
    call = in_words(decide_recording(windows, network.rule if network else None))
    short = heard.missing > 0
    said: dict[str, Any] = {
        "model": call.model,
        "call": None if short else call.label,
        "text": "TOO SHORT" if short else call.headline,
        "reason": "short" if short else call.refusal,
        "probability": _rounded(call.probability, 4),
        "findings": [
            {
                "code": finding.code,
                "text": finding.text,
                "priority": finding.priority,
                "probability": _rounded(finding.probability, 4),
            }
            for finding in (() if short else call.findings)
        ],
        "scores": {
            group: {label: round(p, 5) for label, p in labels.items()}
            for group, labels in call.scores.items()
        },
        "rate_bpm": _rounded(call.rate_bpm, 1),
        "irregularity": _rounded(call.irregularity, 3),
        "quality": call.quality.name.lower(),
        "faults": dict(call.faults),
        "doubtful": list(call.doubtful),
        "electrodes_off": [electrode.name for electrode in electrodes_in(call.electrodes_off)],
        "measurements": None if short else _measured(heard.events),
        "seconds": round(recording.duration_s, 3),
        "windows": len(windows),
    }
    if why is not None:
        shown = replace(call, label=said["call"])
        said["explanation"] = explained(
            why, recording.name, shown, network, heard.tensor, heard.tensor_end / SAMPLE_RATE_HZ
        )
    return said


def _measured(events: Sequence[Event]) -> dict[str, Any] | None:
    """Of the recording; ST by lead."""
    windows = [event for event in events if isinstance(event, Measurements)]
    said = messages.measurements(measure_recording(windows))
    return said and {**said, "st_uv": dict(zip(LEADS, said["st_uv"], strict=True))}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def readable(result: dict[str, Any]) -> str:
    """One result as a line for people."""
    if "error" in result:
        return f"{result['record']}: ERROR {result['error']}"
    rate = "--" if result["rate_bpm"] is None else f"{result['rate_bpm']:.0f}"
    sure = "" if result["probability"] is None else f" {result['probability']:.0%}"
    said = f"{result['call']}{sure}" if result["call"] else f"no call ({result['reason']})"
    off = f"  off: {' '.join(result['electrodes_off'])}" if result["electrodes_off"] else ""
    found = "".join(
        f"  {MARKS[finding['priority']]}{finding['text']}" for finding in result["findings"]
    )
    why = ""
    if explanation := result.get("explanation"):
        told = sorted(explanation["leads"].items(), key=lambda item: -item[1])[:TOLD_LEADS]
        why = f"  {explanation['label']} from " + " ".join(f"{name} {p:.0%}" for name, p in told)
    part = ""
    if read_s := result.get("read_s"):
        most = max(read_s.values())
        whole = " ".join(lead for lead, seconds in read_s.items() if seconds > most - 0.5)
        part = f"  from a photo: {whole} for {most:g} s, the other leads in part"
    told = f"{said}{found}  {rate}/min  quality {result['quality']}{off}{why}{part}"
    return f"{result['record']}: {told}"
