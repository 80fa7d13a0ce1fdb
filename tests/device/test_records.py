"""Records are read back by the wfdb package, sample by sample and word by word."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import wfdb

from device.records.interface import Why
from device.records.segment import LEADS, ORDER
from firmware.events import Beat, ElectrodeChange
from hal.patient.recording import read_recording
from tests.device.records_kit import (
    BEGAN,
    INFO,
    alarm,
    call,
    digital,
    feed,
    keeper,
    notes,
    records,
    samples,
)


def test_the_continuous_record_is_what_went_in(tmp_path: Path) -> None:
    block = samples(3210)
    keep = keeper(tmp_path)
    feed(keep, block, 0, 1500)
    for event in (Beat(700), call(999), ElectrodeChange(1203, 1 << 6), Beat(1199), alarm(1400)):
        keep.event(event)
    feed(keep, block, 1500, 3210)
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
    feed(keep, block, 0, 7000)
    for event in (Beat(1900), Beat(2100), call(6500)):
        keep.event(event)
    keep.snapshot(Why.BUTTON, 7000)
    keep.event(Beat(6950))
    feed(keep, block, 7000, 9000)
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
    keep.close()
