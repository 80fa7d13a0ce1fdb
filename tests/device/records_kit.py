"""Samples, events and readers for the tests of the records."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from device.config_sections import RecordsSection
from device.records.keeper import Keeper
from device.records.reading import about_record
from device.records.seal_key import printed
from firmware.alarms import Alarm, AlarmEvent, AlarmState
from firmware.events import Call, QualityGrade, Refusal
from firmware.findings import Priority
from hal.frontend import FrameBlock, FrontendInfo

BEGAN = datetime(2026, 11, 21, 11, 23, 12, 500_000, UTC)
INFO = FrontendInfo("ads1298", "ADS1298 id 0x92", 2.4e9 / 6 / (2**23 - 1), 6)
SECTION = RecordsSection(min_free_mb=0)
HOSPITAL = X25519PrivateKey.from_private_bytes(sha256(b"who may read the records").digest())
SEALED = replace(SECTION, seal_to=printed(HOSPITAL.public_key().public_bytes_raw()))


def utc_of(t_ns: int) -> datetime:
    """The clock of the tests."""
    return BEGAN + timedelta(microseconds=t_ns // 1000)


def keeper(folder: Path, section: RecordsSection = SECTION, **how: Any) -> Keeper:
    """One that knows its front end."""
    how = {"utc_of": utc_of, "firmware": "0.3.0", "boot": "boot-1"} | how
    made = Keeper(folder, section, **how)
    made.source(INFO, "model-1")
    return made


def samples(n: int, *, seed: int = 1, off: int = 0) -> FrameBlock:
    """Every 24-bit value may come, the rails too."""
    counts = np.random.default_rng(seed).integers(-(1 << 23), 1 << 23, (n, 8))
    return FrameBlock(
        0,
        np.arange(n) * 2_000_000,
        np.ascontiguousarray(counts, dtype=np.int32),
        np.full(n, 0xC00000, np.uint32),
        np.full(n, off, np.uint16),
    )


def cut(block: FrameBlock, first: int, end: int) -> FrameBlock:
    """The samples at these indices."""
    rows = slice(first - block.first_index, end - block.first_index)
    return FrameBlock(
        first, block.t_ns[rows], block.counts[rows], block.status[rows], block.electrodes_off[rows]
    )


def feed(to: Keeper, block: FrameBlock, first: int = 0, end: int = -1, step: int = 50) -> None:
    """Hand samples over as the ring gives them."""
    end = len(block) if end < 0 else end
    for at in range(first, end, step):
        to.block(cut(block, at, min(at + step, end)))


def call(index: int, label: str | None = "AFIB") -> Call:
    """What is said of a window."""
    return Call(
        index, 5000, label, "ATRIAL FIBRILLATION" if label else "V3 OFF", 0.934,
        None if label else Refusal.ELECTRODE_OFF, "", {}, 88.0, 0.2, QualityGrade.GOOD, {}, 0,
        "model-1",
    )  # fmt: skip


def alarm(index: int, state: AlarmState = AlarmState.ON) -> AlarmEvent:
    """Of high priority."""
    return AlarmEvent(
        index, Alarm("asystole", "ASYSTOLE?", "check patient", Priority.HIGH, index, state=state)
    )


def records(folder: Path) -> list[Path]:
    """What has a header, by number."""
    found = [path.with_suffix("") for path in folder.glob("*.hea")]
    return sorted(found, key=lambda path: path.name.split("_")[1])


def digital(record: Path) -> Any:
    """As the wfdb package reads it."""
    return wfdb.rdrecord(str(record), physical=False)


def notes(record: Path) -> list[tuple[int, str, str]]:
    """Annotations as the wfdb package reads them."""
    found = wfdb.rdann(str(record), "atr")
    return list(zip(found.sample.tolist(), found.symbol, found.aux_note, strict=True))


def whole(folder: Path) -> tuple[NDArray[np.int32], list[int]]:
    """All segments one behind the other, and where each begins; none may hold a sample twice."""
    parts, begins = [], []
    for record in records(folder / "continuous"):
        about, length = about_record(record)
        begins.append(about["first_index"])
        found = digital(record).d_signal
        assert len(found) == length
        if len(parts):
            assert begins[-1] >= begins[-2] + len(parts[-1])
        parts.append(found)
    return np.concatenate(parts), begins
