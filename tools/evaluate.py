"""The whole device, as ``models.evaluate`` measures it: record by record, in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from device.bundles import load_network
from firmware.events import Call
from firmware.network import Network
from firmware.pipeline import WINDOW, Pipeline
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, FrontendConfig
from hal.patient.presets import preset
from hal.patient.record import Recording
from hal.simulated import simulated_frontend
from tools.chain import READ_FRAMES
from tools.classify import classify_recording
from tools.workers import workers

Progress = Callable[[str, int, int], None]
Result = dict[str, Any]
_T = TypeVar("_T")
_R = TypeVar("_R")
AT_ONCE = 64  # records handed to the workers before their answers are waited for


class DeviceChain:
    """Simulated chip, pipeline, network, fusion and refusal; ``jobs`` worker processes."""

    def __init__(self, jobs: int = 1) -> None:
        self._jobs = jobs

    def recordings(
        self, bundle: Path, recordings: Iterable[Recording], total: int, say: Progress
    ) -> list[Result]:
        """What ``lead12 classify`` says of each recording."""
        return self._each(bundle, _classified, recordings, total, say, "device")

    def patients(
        self, bundle: Path, patients: Sequence[tuple[str, int]], seconds: float, say: Progress
    ) -> list[list[Result]]:
        """The calls on the first whole windows of each simulated (preset, seed)."""
        of = [(name, seed, seconds) for name, seed in patients]
        return self._each(bundle, _watched, of, len(of), say, "simulated patients")

    def _each(
        self,
        bundle: Path,
        work: Callable[[_T], _R],
        items: Iterable[_T],
        total: int,
        say: Progress,
        what: str,
    ) -> list[_R]:
        found: list[_R] = []
        if self._jobs <= 1:
            _start(str(bundle))
            for item in items:
                found.append(work(item))
                say(what, len(found), total)
            return found
        source = iter(items)
        with workers(self._jobs, _start, str(bundle)) as pool:
            while some := list(islice(source, AT_ONCE)):
                found += pool.map(work, some, chunksize=4)
                say(what, len(found), total)
        return found


_network: Network | None = None  # one interpreter per worker process


def _start(model: str) -> None:
    global _network
    _network = load_network(model)


def _classified(recording: Recording) -> Result:
    return classify_recording(recording, _network)


def _watched(patient: tuple[str, int, float]) -> list[Result]:
    """Calls on whole windows; one second apart, so that a monitor's every word is counted."""
    name, seed, seconds = patient
    frontend = simulated_frontend(preset(name, seed), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig(rl_check_every=0))
    pipeline = Pipeline(info.nv_per_count, profile=None, network=_network)
    frontend.start()
    found: list[Result] = []
    left = round(seconds * SAMPLE_RATE_HZ)
    try:
        while left:
            block = frontend.read(min(READ_FRAMES, left), timeout_s=1.0)
            left -= len(block)
            events = pipeline.push(block)
            calls = (event for event in events if isinstance(event, Call))
            found += [_said(call) for call in calls if call.span >= WINDOW]
    finally:
        frontend.close()
    return found


def _said(call: Call) -> Result:
    return {
        "call": call.label,
        "text": call.text,
        "reason": call.refusal,
        "findings": [
            {"code": finding.code, "text": finding.text, "priority": finding.priority}
            for finding in call.findings
        ],
        "rate_bpm": call.rate_bpm,
    }
