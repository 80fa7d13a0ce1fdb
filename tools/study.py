"""One recording as the device reads it: what the report prints and the exports carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.bundles import load_network
from device.instrument import firmware_version
from device.patient import Patient
from firmware.call import WINDOW_S, decide_recording
from firmware.events import LEADS, Beat, Call, ElectrodeChange, LeadFault, Refusal
from firmware.explain import CELL_MS, Explanation, explain
from firmware.filters import COUNT_MAX, COUNT_MIN, FilterChain
from firmware.findings import Priority
from firmware.inputs import Form
from firmware.leads import channels_lost, leads_lost, twelve_leads
from firmware.measurements import Measurements
from firmware.network import Network
from firmware.pipeline import WINDOW
from firmware.profiles import PROFILES
from hal.frontend import SAMPLE_RATE_HZ
from hal.patient.electrodes import ElectrodeEvent
from hal.patient.record import runs
from hal.patient.recording import Recording
from tools.chain import Heard, hear, in_words
from tools.own_record import AlarmSpan, alarms, electrodes_off, is_own, read, whose

PROFILE = "diagnostic"
NOBODY = Patient()
EDGE = 10  # samples before an electrode counts as off that its fall has spoiled already, filtered


@dataclass(frozen=True, slots=True)
class Study:
    """The last ten seconds of a recording (less if it is shorter), and what is said of them.

    began : time of the first row; without a zone where the recording does not tell it, None where
        it tells no time and date
    uv : int32 [n, 12] microvolts at 500 Hz in the order of ``firmware.events.LEADS``, diagnostic
        band (0.05-150 Hz, notch at ``mains_hz``)
    present : bool [n, 12], False while a lead cannot be read: an electrode of it is off, or it is
        railed; valid : bool [12], False for leads of which anything is missing so
    electrodes_told : whether the recording says which electrodes were off
    lost : bool [n], rows that were never sampled: ``present`` nowhere, yet no reason to call a lead
        not ``valid``; ``uv`` has a straight line there
    beats : rows of the R peaks
    call : as ``lead12 classify`` makes it, of the whole recording; refused as STARTING with the
        text "TOO SHORT" and without a rate below ten seconds
    last : the call on these seconds alone; the same as ``call`` where they are the recording
    measurements : None below ten seconds, and where nothing was measured
    explanation : of ``last``'s label, in cells of all ten seconds; None where nothing was called,
        and where it was not read in the trace
    alarms : of the monitor that made the recording, while these seconds lasted, the gravest first;
        their times count from the first row
    seconds : length of the whole recording
    device : "Lead12 0.3.0"
    """

    name: str
    file: Path
    began: datetime | None
    uv: NDArray[np.int32]
    present: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    electrodes_told: bool
    mains_hz: int | None
    beats: tuple[int, ...]
    call: Call
    last: Call
    measurements: Measurements | None
    explanation: Explanation | None
    alarms: tuple[AlarmSpan, ...]
    patient: Patient
    seconds: float
    device: str


def read_study(
    path: str | Path,
    *,
    model: str = "",
    mains_hz: int | None = 50,
    patient: Patient = NOBODY,
) -> Study:
    """Put a WFDB or CSV recording through the device chain.

    model : path of a bundle, "" for the embedded one, "none" for no network
    mains_hz : 50, 60, or None for no notch
    patient : whom it is of; where nothing is said, whom a record of the monitor says

    Raises RecordingError for a file that cannot be read, BundleError for a model that cannot.
    """
    path = Path(path)
    network, recording = load_network(model), read(path)
    electrodes = electrodes_off(path, recording)
    found = study(path, recording, electrodes, network, mains_hz, patient)
    return replace(found, alarms=_alarms(alarms(path, recording), recording.duration_s, found.uv))


def _explained(network: Network, tensor: NDArray[np.int8], label: str) -> Explanation | None:
    """Of the last ten seconds; before a shorter window nothing counts."""
    if network.bundle.input.form is not Form.WINDOW:
        return None
    found = explain(network, tensor, network.rule.group, label)
    before = max(0, WINDOW_S * 1000 // CELL_MS - found.relevance.shape[1])
    return replace(found, relevance=np.pad(found.relevance, ((0, 0), (before, 0))))


def study(
    file: Path,
    recording: Recording,
    electrodes: Sequence[ElectrodeEvent] | None,
    network: Network | None,
    mains_hz: int | None,
    patient: Patient,
) -> Study:
    """``read_study`` of what has been read; ``electrodes`` None where it does not tell of them."""
    heard = hear(recording, network, mains_hz=mains_hz, electrodes=electrodes or ())
    rows = min(heard.samples, WINDOW)
    start = heard.first + heard.samples - rows
    calls = [event for event in heard.events if isinstance(event, Call)]
    short = heard.missing > 0
    last = in_words(calls[-1])
    call = in_words(decide_recording(calls, network.rule if network else None))
    if short:
        call = last = _too_short(last)
    explanation = None
    if last.label and network is not None and heard.tensor is not None:
        explanation = _explained(network, heard.tensor, last.label)
    measured = [event for event in heard.events if isinstance(event, Measurements)]
    began = recording.began
    if began is not None:
        began += timedelta(seconds=(heard.samples - rows) / SAMPLE_RATE_HZ)
        began = began.replace(tzinfo=UTC) if is_own(recording) else began
    off = _electrodes_off(heard, start, len(heard.counts))
    railed = [last.faults.get(lead) is LeadFault.RAILED for lead in LEADS]
    readable = ~_lost(off[:rows], leads_lost) & ~np.array(railed)
    lost = heard.lost[:rows]
    beats = (event.index - start for event in heard.events if isinstance(event, Beat))
    return Study(
        name=recording.name,
        file=file,
        began=began,
        uv=_trace(heard, ~_lost(off, channels_lost), mains_hz),
        present=readable & ~lost[:, None],
        valid=readable.all(axis=0),
        lost=lost,
        electrodes_told=electrodes is not None,
        mains_hz=mains_hz,
        beats=tuple(row for row in beats if 0 <= row < rows),
        call=call,
        last=last,
        measurements=measured[-1] if measured and not short else None,
        explanation=explanation,
        alarms=(),
        patient=patient or whose(recording),
        seconds=recording.duration_s,
        device=f"Lead12 {firmware_version()}",
    )


def _alarms(
    spans: Sequence[AlarmSpan], seconds: float, uv: NDArray[np.int32]
) -> tuple[AlarmSpan, ...]:
    """Those of the seconds shown, by their priority."""
    start_s = seconds - len(uv) / SAMPLE_RATE_HZ
    shown = [
        replace(
            span,
            begin_s=None if span.begin_s is None else span.begin_s - start_s,
            end_s=None if span.end_s is None else span.end_s - start_s,
        )
        for span in spans
        if span.end_s is None or span.end_s >= start_s
    ]
    return tuple(sorted(shown, key=lambda span: list(Priority).index(span.priority)))


def _too_short(call: Call) -> Call:
    """A part of the window was mirrored: scores and rate are no evidence."""
    return replace(
        call,
        label=None,
        text="TOO SHORT",
        probability=None,
        refusal=Refusal.STARTING,
        act="record ten seconds",
        rate_bpm=None,
        irregularity=None,
        findings=(),
    )


def _trace(heard: Heard, on: NDArray[np.bool_], mains_hz: int | None) -> NDArray[np.int32]:
    """The kept window, filtered as if the mean of what is ``on`` had been there for ever.

    Not as the pipeline would have it: two mirrored seconds before a recording leave up to half a
    millivolt of the filter's own drift in its first seconds.
    """
    counts = np.zeros_like(heard.counts)
    for channel, column in enumerate(heard.counts.T):
        for start, stop in runs(on[:, channel]):
            piece = column[start:stop]
            counts[start:stop, channel] = piece - round(float(piece.mean()))
    chain = FilterChain(PROFILES[PROFILE], mains_hz=mains_hz)
    zero = np.zeros((1, counts.shape[1]), np.int32)
    counts = np.concatenate([zero, np.clip(counts, COUNT_MIN, COUNT_MAX)])
    filtered = twelve_leads(chain.push(counts))[1 + chain.delay_samples :]
    rows = filtered[: len(heard.counts) - heard.tail]
    uv: NDArray[np.int32] = np.rint(rows * (heard.nv_per_count / 1000)).astype(np.int32)
    return uv


def _electrodes_off(heard: Heard, start: int, rows: int) -> NDArray[np.int64]:
    """Electrodes off as bits, int64 [rows], from sample index ``start`` on."""
    off = np.zeros(rows, np.int64)
    for event in heard.events:
        if isinstance(event, ElectrodeChange):
            row = event.index - start
            off[max(0, row - EDGE) : max(0, row)] |= event.off
            off[max(0, row) :] = event.off
    return off


def _lost(off: NDArray[np.int64], lost: Callable[[int], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """``leads_lost`` or ``channels_lost`` of each row."""
    states, which = np.unique(off, return_inverse=True)
    of_state: NDArray[np.bool_] = np.stack([lost(int(state)) for state in states])
    return of_state[which.reshape(-1)]
