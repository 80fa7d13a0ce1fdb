"""A recording through the whole device chain: simulated chip, driver, pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from firmware.events import Call, Event, Refusal
from firmware.inputs import Form
from firmware.network import Network
from firmware.pipeline import CALL_EVERY, WINDOW, Pipeline
from firmware.profiles import PROFILES
from hal.clock import VirtualClock
from hal.errors import FrontendError, Reason
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ, FrameBlock, Frontend, FrontendConfig
from hal.patient import Patient
from hal.patient.electrodes import ElectrodeEvent, WithElectrodeFaults
from hal.patient.record import runs
from hal.patient.recording import RecordedPatient, Recording
from hal.simulated import simulated_frontend

READ_FRAMES = 5000
TAIL = PROFILES["model"].delay_samples  # mirrored behind the recording, at the least
_MARGIN = 5  # samples: lengths are rounded to the chip's and the analog grid


@dataclass(frozen=True, slots=True)
class Heard:
    """What the pipeline said of a recording.

    first : sample index at which the recording begins; before it is its mirror image
    samples : of the recording, at 500 Hz; missing : how many it lacks to a whole window
    counts : int32 [n, 8], raw, of the last window (less if the recording is shorter) and
        ``tail`` rows behind it; lost : bool [n], rows that were never sampled
    tensor : what the network saw last, int8 as its bundle says; None without a network, and where
        there were never ten seconds in one piece
    tensor_end : row of the recording behind the last sample in it, at 500 Hz
    """

    events: tuple[Event, ...]
    first: int
    samples: int
    missing: int
    counts: NDArray[np.int32]
    tail: int
    lost: NDArray[np.bool_]
    nv_per_count: float
    tensor: NDArray[np.int8] | None
    tensor_end: int


def hear(
    recording: Recording,
    network: Network | None,
    *,
    mains_hz: int | None = 50,
    electrodes: Sequence[ElectrodeEvent] = (),
) -> Heard:
    """The recording as the patient of a simulated chip; ``mains_hz`` as in Pipeline.

    electrodes : what happened to them, in seconds of the recording

    What the recording lost is missing here, too: the sample index jumps.

    The record mirrored about its start settles the filters before it, and its length makes a
    window end on the record's last sample although the network's filter is late. A record of
    less than 10 s is filled up with its mirror image before its start.
    """
    samples = int(recording.duration_s * SAMPLE_RATE_HZ)
    missing = max(0, WINDOW - samples)
    late = _late(network)
    tail = max(TAIL, late)
    lead_in = 2 * CALL_EVERY + missing + -(samples + missing + tail) % CALL_EVERY
    patient = RecordedPatient(
        recording,
        lead_in_s=lead_in / SAMPLE_RATE_HZ,
        tail_s=(tail + _MARGIN) / SAMPLE_RATE_HZ,
    )
    before_s = lead_in / SAMPLE_RATE_HZ
    shifted = [
        replace(e, start_s=e.start_s + before_s if e.start_s else 0.0, end_s=e.end_s + before_s)
        for e in electrodes
    ]
    felt: Patient = WithElectrodeFaults(patient, shifted) if shifted else patient
    frontend = simulated_frontend(felt, VirtualClock(), bulk=True)
    frontend.open()
    # Nobody is there to lose the right leg: the look at it would only cut the reads short.
    info = frontend.configure(FrontendConfig(rl_check_every=0))
    pipeline = Pipeline(
        info.nv_per_count,
        profile=None,
        mains_hz=mains_hz,
        network=network,
        first_call=lead_in - missing + WINDOW + tail,
    )
    events: list[Event] = []
    counts = np.zeros((0, CHANNELS), np.int32)
    end = lead_in + samples + tail
    keep = min(samples, WINDOW) + tail
    to_index = SAMPLE_RATE_HZ / recording.rate_hz
    lost = np.zeros(end, np.bool_)
    for start, stop in recording.lost:
        lost[lead_in + round(start * to_index) : lead_in + round(stop * to_index)] = True
    for block in _blocks(frontend):
        for piece in _pieces(block, lost):
            events += pipeline.push(piece)
        inside = block.counts[: max(0, end - block.first_index)]
        counts = np.concatenate([counts, inside])[-keep:]
    calls = [event for event in events if isinstance(event, Call)]
    scored = [call.index + 1 - call.scores_age for call in calls if call.scores]
    return Heard(
        events=tuple(events),
        first=lead_in,
        samples=samples,
        missing=missing,
        counts=counts,
        tail=tail,
        lost=lost[-keep:],
        nv_per_count=info.nv_per_count,
        tensor=pipeline.tensor,
        tensor_end=(scored[-1] if scored else end) - late - lead_in,
    )


def _late(network: Network | None) -> int:
    """How far what the network reads is behind the samples; a median beat is of these."""
    if network is None or network.bundle.input.form is Form.MEDIAN_BEAT:
        return 0
    return PROFILES[network.bundle.input.profile].delay_samples


def in_words(call: Call) -> Call:
    """A call on a recording: where it waits for ten seconds, they will not come."""
    if call.refusal is not Refusal.STARTING:
        return call
    return replace(call, text="SAMPLES LOST", act="record ten seconds in one piece")


def _pieces(block: FrameBlock, lost: NDArray[np.bool_]) -> Iterator[FrameBlock]:
    """What of ``block`` there is; ``lost`` from index 0 on."""
    gone = lost[block.first_index : block.first_index + len(block)]
    if not gone.any():
        yield block
        return
    there = np.ones(len(block), np.bool_)
    there[: len(gone)] = ~gone
    for start, stop in runs(there):
        yield replace(
            block,
            first_index=block.first_index + start,
            t_ns=block.t_ns[start:stop],
            counts=block.counts[start:stop],
            status=block.status[start:stop],
            electrodes_off=block.electrodes_off[start:stop],
        )


def _blocks(frontend: Frontend) -> Iterator[FrameBlock]:
    """All there are."""
    frontend.start()
    try:
        while True:
            yield frontend.read(READ_FRAMES, timeout_s=1.0)
    except FrontendError as error:
        if error.reason is not Reason.END_OF_SIGNAL:
            raise
    finally:
        frontend.close()
