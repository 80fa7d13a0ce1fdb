"""Records are read back by the wfdb package, sample by sample and word by word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from device.config import RecordsSection
from device.records.interface import Why
from device.records.keeper import SEGMENT, Keeper
from device.records.segment import LEADS, ORDER
from firmware.alarms import Alarm, AlarmEvent, AlarmState
from firmware.events import Beat, Call, ElectrodeChange, QualityGrade, Refusal
from firmware.findings import Priority
from hal.frontend import FrameBlock, FrontendInfo
from hal.patient.recording import read_recording

BEGAN = datetime(2026, 11, 21, 11, 23, 12, 500_000, UTC)
INFO = FrontendInfo("ads1298", "ADS1298 id 0x92", 2.4e9 / 6 / (2**23 - 1), 6)
FREE = RecordsSection(min_free_mb=0)


def utc_of(t_ns: int) -> datetime:
    return BEGAN + timedelta(microseconds=t_ns // 1000)


def keeper(folder: Path, section: RecordsSection = FREE, **how: Any) -> Keeper:
    how = {"utc_of": utc_of, "firmware": "0.3.0", "boot": "boot-1"} | how
    made = Keeper(folder, section, **how)
    made.source(INFO, "model-1")
    return made


def samples(n: int, *, first: int = 0, seed: int = 1, off: int = 0) -> FrameBlock:
    """Every 24-bit value may come, the rails too."""
    counts = np.random.default_rng(seed).integers(-(1 << 23), 1 << 23, (first + n, 8))[first:]
    index = np.arange(first, first + n)
    return FrameBlock(
        first,
        index * 2_000_000,
        np.ascontiguousarray(counts, dtype=np.int32),
        np.full(n, 0xC00000, np.uint32),
        np.full(n, off, np.uint16),
    )


def cut(block: FrameBlock, first: int, end: int) -> FrameBlock:
    rows = slice(first - block.first_index, end - block.first_index)
    return FrameBlock(
        first, block.t_ns[rows], block.counts[rows], block.status[rows], block.electrodes_off[rows]
    )


def feed(to: Keeper, block: FrameBlock, step: int = 50) -> None:
    end = block.first_index + len(block)
    for first in range(block.first_index, end, step):
        to.block(cut(block, first, min(first + step, end)))


def call(index: int, label: str | None = "AFIB") -> Call:
    return Call(
        index, 5000, label, "ATRIAL FIBRILLATION" if label else "V3 OFF", 0.934,
        None if label else Refusal.ELECTRODE_OFF, "", {}, 88.0, 0.2, QualityGrade.GOOD, {}, 0,
        "model-1",
    )  # fmt: skip


def alarm(index: int, state: AlarmState = AlarmState.ON) -> AlarmEvent:
    return AlarmEvent(
        index, Alarm("asystole", "ASYSTOLE?", "check patient", Priority.HIGH, index, state=state)
    )


def records(folder: Path) -> list[Path]:
    return sorted(path.with_suffix("") for path in folder.glob("*.hea"))


def digital(record: Path) -> Any:
    return wfdb.rdrecord(str(record), physical=False)


def notes(record: Path) -> list[tuple[int, str, str]]:
    found = wfdb.rdann(str(record), "atr")
    return list(zip(found.sample.tolist(), found.symbol, found.aux_note, strict=True))


def test_the_continuous_record_is_what_went_in(tmp_path: Path) -> None:
    block = samples(3210)
    keep = keeper(tmp_path)
    feed(keep, cut(block, 0, 1500))
    for event in (Beat(700), call(999), ElectrodeChange(1203, 1 << 6), Beat(1199), alarm(1400)):
        keep.event(event)
    feed(keep, cut(block, 1500, 3210))
    keep.event(Beat(3150))
    keep.event(call(3205, None))
    keep.close()
    (record,) = records(tmp_path / "continuous")
    assert record.name == "20261121T112312Z_000001"
    found = digital(record)
    assert found.sig_name == list(LEADS)
    np.testing.assert_array_equal(found.d_signal, block.counts[:, ORDER])
    assert found.base_datetime == BEGAN.replace(tzinfo=None)
    assert (found.fs, found.units) == (500, ["mV"] * 8)
    assert found.adc_gain == pytest.approx([1e6 / INFO.nv_per_count] * 8)
    assert found.checksum == [int(c) for c in block.counts[:, ORDER].sum(0).astype(np.int16)]
    assert notes(record) == [
        (1, '"', "electrodes: all on"),
        (700, "N", ""),
        (999, '"', "call AFIB 0.93: ATRIAL FIBRILLATION"),
        (1199, "N", ""),
        (1203, '"', "electrodes off: V3"),
        (1400, '"', "alarm on: ASYSTOLE? (high)"),
        (3150, "N", ""),
        (3205, '"', "no call (electrode_off): V3 OFF"),
    ]
    assert keep.failure == ""


def test_a_record_that_still_grows_can_be_read(tmp_path: Path) -> None:
    block = samples(2000)
    keep = keeper(tmp_path)
    feed(keep, block)
    keep.event(Beat(1950))
    (record,) = records(tmp_path / "continuous")
    found = digital(record)
    assert 1500 <= found.sig_len <= 2000
    np.testing.assert_array_equal(found.d_signal, block.counts[: found.sig_len, ORDER])
    assert notes(record)[0] == (1, '"', "electrodes: all on")
    assert len(read_recording(record).comments) == 1
    keep.close()


def test_a_snapshot_holds_twelve_leads_to_the_last_bit(tmp_path: Path) -> None:
    block = samples(9000)
    keep = keeper(tmp_path)
    feed(keep, cut(block, 0, 7000))
    for event in (Beat(1900), Beat(2100), call(6500)):
        keep.event(event)
    keep.snapshot(Why.BUTTON, 7000)
    keep.event(Beat(6950))
    feed(keep, cut(block, 7000, 9000))
    (record,) = records(tmp_path / "snapshots")
    assert record.name == "20261121T112316Z_000002_button"
    found = digital(record)
    one, two = (block.counts[2000:7000, ORDER[i]].astype(np.int64) for i in (0, 1))
    want = np.column_stack(
        [
            one, two, two - one, -(one + two), 2 * one - two, 2 * two - one,
            block.counts[2000:7000, ORDER[2:]],
        ]
    )  # fmt: skip
    np.testing.assert_array_equal(found.d_signal, want)
    assert found.baseline == [int(m) for m in np.median(want, axis=0)]
    mv = wfdb.rdrecord(str(record)).p_signal
    np.testing.assert_allclose(mv[:, 1] - mv[:, 0] - mv[:, 2], (mv[:, 1] - mv[:, 0] - mv[:, 2])[0])
    goldberger = mv[:, 3:6].sum(axis=1)
    np.testing.assert_allclose(goldberger, goldberger[0])
    per_count = INFO.nv_per_count / 1e6
    assert np.ptp(mv[:, 4]) == pytest.approx(np.ptp(one - two / 2) * per_count)
    assert found.base_datetime == (BEGAN + timedelta(seconds=4)).replace(tzinfo=None)
    assert notes(record) == [
        (1, '"', "electrodes: all on"),
        (100, "N", ""),
        (4500, '"', "call AFIB 0.93: ATRIAL FIBRILLATION"),
        (4950, "N", ""),
        (5000, '"', "snapshot: button"),
    ]
    assert "model-1" in found.comments[0]
    assert SEGMENT > 9000
    keep.close()
