"""From electrode millivolts to what the pipeline says: the path every figure is measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from device.bundles import load_model
from firmware.events import LEADS, Beat, Call, Event, Rate, Trace
from firmware.network import Network
from firmware.pipeline import Pipeline
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, Electrode, FrameBlock, FrontendConfig
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials, Patient
from hal.patient.calibration import Wave
from hal.patient.record import INDEPENDENT_LEADS
from hal.simulated import simulated_frontend

Samples = NDArray[np.float64]
BLOCK = 50  # frames: 100 ms, far below what is asked of any latency here
GAIN = FrontendConfig().gain


@dataclass(frozen=True, slots=True)
class Said:
    """An event of the pipeline and when it was known: seconds of signal read by then."""

    at_s: float
    event: Event


@dataclass(frozen=True, slots=True)
class Recording:
    """Frames of a patient as the driver read them from the chip."""

    nv_per_count: float
    blocks: tuple[FrameBlock, ...]

    def leads(self, profile: str, mains_hz: int | None = None) -> Samples:
        """The trace in uV, float64 [n, 12], row = sample index, group delay taken off."""
        pipeline = Pipeline(self.nv_per_count, profile=profile, mains_hz=mains_hz)
        traces = [
            event
            for block in self.blocks
            for event in pipeline.push(block)
            if isinstance(event, Trace)
        ]
        uv = np.concatenate([trace.uv for trace in traces]).astype(np.float64)
        return uv[max(0, -traces[0].first_index) :]

    def said(self, *, mains_hz: int | None = 50, network: bool = True) -> list[Said]:
        """Everything the pipeline says but the trace."""
        pipeline = Pipeline(
            self.nv_per_count,
            profile=None,
            mains_hz=mains_hz,
            network=embedded() if network else None,
        )
        return [
            Said((block.first_index + len(block)) / SAMPLE_RATE_HZ, event)
            for block in self.blocks
            for event in pipeline.push(block)
        ]

    def lead(self, profile: str, name: str) -> Samples:
        """One lead of ``leads``."""
        return self.leads(profile)[:, LEADS.index(name)]


@cache
def embedded() -> Network | None:
    """The firmware's own network."""
    return load_model("").network


def record(patient: Patient, seconds: float, *, gain: int = GAIN, block: int = BLOCK) -> Recording:
    """Read ``seconds`` of a patient through the driver and the simulated chip."""
    frontend = simulated_frontend(patient, VirtualClock(), bulk=True)
    frontend.open()
    try:
        info = frontend.configure(FrontendConfig(gain=gain))
        frontend.start()
        blocks, left = [], round(seconds * SAMPLE_RATE_HZ)
        while left:
            blocks.append(frontend.read(min(block, left), timeout_s=1.0))
            left -= len(blocks[-1])
        frontend.stop()
    finally:
        frontend.close()
    return Recording(info.nv_per_count, tuple(blocks))


class ElectrodeWaves:
    """Waves by electrode, against the body's common mode: what a test circuit's sockets give."""

    duration: int | None = None

    def __init__(self, name: str, waves: Mapping[Electrode, Wave]) -> None:
        self.name = name
        self._waves = waves

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        t = np.arange(first, first + n) / ANALOG_RATE_HZ
        volts = np.zeros((n, len(Electrode)))
        for electrode, wave in self._waves.items():
            volts[:, electrode] = 1e-3 * wave(t)
        return ElectrodePotentials(volts, np.zeros((n, len(Electrode)), np.bool_))


def twelve(weights: Mapping[str, complex]) -> NDArray[np.complex128]:
    """What the 12 leads must show for amplitudes of I, II, V1-V6 (absent: 0)."""
    i, ii, *chest = (weights.get(lead, 0.0) for lead in INDEPENDENT_LEADS)
    derived = (i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2)
    return np.array([*derived, *chest], np.complex128)


def phasors(y: Samples, tones_hz: Sequence[float], from_s: float) -> NDArray[np.complex128]:
    """Amplitude and phase of each tone in each column after ``from_s``, complex [tones, columns].

    Re: the sine's share, Im: the cosine's; offset and slope of the stretch are fitted beside them.
    """
    first = round(from_s * SAMPLE_RATE_HZ)
    y = y[first:]
    t = (first + np.arange(len(y))) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * np.outer(t, tones_hz)
    basis = np.concatenate(
        [np.sin(phase), np.cos(phase), np.ones((len(t), 1)), (t - t.mean())[:, None]], axis=1
    )
    fit = np.linalg.lstsq(basis, y, rcond=None)[0]
    k = len(tones_hz)
    return np.asarray(fit[:k] + 1j * fit[k : 2 * k])


def beats_of(said: Sequence[Said]) -> list[int]:
    """Sample indices of the beats."""
    return [one.event.index for one in said if isinstance(one.event, Beat)]


def rates_of(said: Sequence[Said], from_s: float, to_s: float = np.inf) -> list[float | None]:
    """The rates shown in from_s .. to_s, one a second; None: blank."""
    return [
        one.event.bpm
        for one in said
        if isinstance(one.event, Rate) and from_s <= one.event.index / SAMPLE_RATE_HZ <= to_s
    ]


def calls_of(said: Sequence[Said]) -> list[tuple[float, Call]]:
    """The calls, and when each was known."""
    return [(one.at_s, one.event) for one in said if isinstance(one.event, Call)]
