"""Signal quality against people: CinC 2011 set a, and ordinary records that must not be refused.

The thresholds of ``firmware.quality`` were set on one seeded half of set a (PhysioNet/CinC
Challenge 2011, Silva et al.); only the other half is scored. "Acceptable" is FAIR or GOOD there:
no lead lost. ``lead12 bench quality [--data FOLDER] [--json]``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firmware.events import QualityGrade
from firmware.quality import QualityMeter
from hal.frontend import CHANNELS
from tools.bench.figures import Figure
from tools.bench.recordings import Packed, packed, plain_counts

NV_PER_COUNT = 2.4e9 / 6 / ((1 << 23) - 1)  # 2.4 V reference, gain 6
MAINS_HZ = 50
HALF_SEED = 2011


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


def measure(data: Path) -> list[Figure]:
    """Every figure."""
    people, meter = (np.array(each) for each in cinc2011(data))
    part = f"CinC 2011, the half not tuned on, {len(people)} records"
    accuracy = 100 * float(np.mean(people == meter))
    return [
        Figure(part, "agreement with people", accuracy, "%"),
        Figure(part, "acceptable ones accepted", 100 * float(np.mean(meter[people])), "%"),
        Figure(part, "unacceptable ones refused", 100 * float(np.mean(~meter[~people])), "%"),
        Figure("ordinary records", "graded BAD", 100 * false_bad_share(data), "%", high=2.0),
    ]
