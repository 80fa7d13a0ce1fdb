"""Signal quality against people: CinC 2011 set a, and ordinary records that must not be refused.

The thresholds of ``firmware.quality`` were set on one seeded half of set a (PhysioNet/CinC
Challenge 2011, Silva et al.); only the other half is scored. "Acceptable" is FAIR or GOOD there:
no lead lost. ``lead12 bench quality [--data FOLDER] [--json]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from device.bundles import read_bundle
from firmware.events import Call, QualityGrade, Refusal
from firmware.network import Network
from firmware.pipeline import Pipeline
from firmware.quality import QualityMeter
from hal.clock import VirtualClock
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ, FrameBlock, FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tools.bench.figures import Figure
from tools.bench.recordings import Packed, chip_counts, frames_of, packed, plain_counts

NV_PER_COUNT = 2.4e9 / 6 / ((1 << 23) - 1)  # 2.4 V reference, gain 6
MAINS_HZ = 50
HALF_SEED = 2011
SIMULATED = 20  # persons each


def grade(record: Packed) -> QualityGrade:
    """Grade at the record's end, of an ideal converter: set a holds what no chip could show."""
    meter = QualityMeter(NV_PER_COUNT, MAINS_HZ)
    meter.push(0, plain_counts(record, NV_PER_COUNT), np.ones(CHANNELS, np.bool_))
    return meter.at(len(record.mv))[0]


def cinc2011(data: Path, *, every: int = 1) -> tuple[list[bool], list[bool]]:
    """Of the half not tuned on: was each record called acceptable, by people and by the meter."""
    records = list(packed(data, "cinc2011_quality"))
    held = np.random.default_rng(HALF_SEED).permutation(len(records)) >= len(records) // 2
    by_people, by_meter = [], []
    for record in [record for record, kept in zip(records, held, strict=True) if kept][::every]:
        if "indeterminate" not in record.labels:
            by_people.append("acceptable" in record.labels)
            by_meter.append(grade(record) >= QualityGrade.FAIR)
    return by_people, by_meter


def cinc2011_accuracy(data: Path, *, every: int = 1) -> float:
    """Share of the half not tuned on where the meter agrees with people."""
    by_people, by_meter = cinc2011(data, every=every)
    return float(np.mean(np.equal(by_people, by_meter)))


def false_bad_share(data: Path, *, every: int = 1) -> float:
    """Share of ordinary records that would be refused."""
    grades = [grade(record) for record in packed(data, "ecg_500hz", every=every)]
    return float(np.mean([one is QualityGrade.BAD for one in grades]))


def _suspected(frames: Sequence[FrameBlock], nv_per_count: float, network: Network) -> bool:
    """Whether VF or VT is suspected in the last window."""
    pipeline = Pipeline(nv_per_count, profile=None, network=network)
    events = [event for block in frames for event in pipeline.push(block)]
    return [e.refusal for e in events if isinstance(e, Call)][-1] is Refusal.VENTRICULAR


def ventricular_shares(data: Path) -> tuple[float, float]:
    """Shares suspected of VF or VT: of ordinary records, and of simulated VF and VT."""
    network = Network(read_bundle())
    real = [
        _suspected([frames_of(chip_counts(record)[1])], NV_PER_COUNT, network)
        for record in packed(data, "ecg_500hz")
    ]
    simulated = [
        _suspected(list(_simulated(name, seed)), NV_PER_COUNT, network)
        for name in ("vf", "vt-160")
        for seed in range(SIMULATED)
    ]
    return float(np.mean(real)), float(np.mean(simulated))


def _simulated(name: str, seed: int) -> Iterator[FrameBlock]:
    frontend = simulated_frontend(preset(name, seed), VirtualClock(), bulk=True)
    frontend.open()
    frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    for _ in range(12):
        yield frontend.read(SAMPLE_RATE_HZ, timeout_s=1.0)
    frontend.close()


def measure(data: Path) -> list[Figure]:
    """Every figure."""
    ordinary, ventricular = ventricular_shares(data)
    people, meter = (np.array(each) for each in cinc2011(data))
    part = f"CinC 2011, the half not tuned on, {len(people)} records"
    accuracy = 100 * float(np.mean(people == meter))
    return [
        Figure(part, "agreement with people", accuracy, "%"),
        Figure(part, "acceptable ones accepted", 100 * float(np.mean(meter[people])), "%"),
        Figure(part, "unacceptable ones refused", 100 * float(np.mean(~meter[~people])), "%"),
        Figure("ordinary records", "graded BAD", 100 * false_bad_share(data), "%", high=2.0),
        Figure("ordinary records", "suspected of VF or VT", 100 * ordinary, "%", high=0.5),
        Figure("simulated VF and VT", "suspected", 100 * ventricular, "%", low=95.0),
    ]
