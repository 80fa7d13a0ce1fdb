"""The power goes at any call: what is left opens, and lacks no more than the last second."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.config_sections import RecordsSection
from device.flash import files
from device.records import keeper as keeper_module
from device.records import segment
from device.records.interface import Why
from device.records.keeper import Keeper
from device.records.reading import about_record, fault
from device.records.segment import ORDER
from device.records.snapshot import twelve
from firmware.events import Beat
from hal.frontend import SAMPLE_RATE_HZ
from tests.device.powercut import Disk, Recorder, Shelf, cuts, seen_by
from tests.device.records_kit import (
    HOSPITAL,
    SEALED,
    SECTION,
    call,
    cut,
    digital,
    feed,
    keeper,
    notes,
    records,
    samples,
)
from tools.unsealing import unseal

SIGNAL, LATER = samples(2600, seed=5), samples(60, seed=9)
SEGMENT = 1100
SNAPSHOT_AT = 1300
BEATS = range(150, len(SIGNAL), 350)


def _play(keep: Keeper, given: Callable[[int], None]) -> None:
    """Five seconds: three segments, beats told late, a snapshot in the middle."""
    for end in range(50, len(SIGNAL) + 1, 50):
        given(end)
        keep.block(cut(SIGNAL, end - 50, end))
        for beat in BEATS:
            if end - 150 <= beat < end - 100:
                keep.event(Beat(beat))
        if end % 500 == 0:
            keep.event(call(end - 1))
        if end == SNAPSHOT_AT:
            keep.snapshot(Why.BUTTON, end)
    keep.close()


def _recorded(shelf: Shelf, section: RecordsSection) -> tuple[Recorder, list[tuple[int, int]]]:
    """What was done to the disk, and after how many calls how many samples were given."""
    root = shelf.make({})
    recorder = Recorder(root)
    given: list[tuple[int, int]] = []
    with seen_by(recorder):
        _play(
            keeper(root, section, segment_samples=SEGMENT),
            lambda end: given.append((len(recorder.ops), end)),
        )
    return recorder, given


_read: dict[tuple[object, ...], Any] = {}


def _by_wfdb(read: Callable[[Path], Any], record: Path, *suffixes: str) -> Any:
    """What ``read`` makes of files, which takes its time: once of the same bytes."""
    key = (read, *(record.with_suffix(suffix).read_bytes() for suffix in suffixes))
    if key not in _read:
        _read[key] = read(record)
    return _read[key]


def _judge(root: Path, given: int, section: RecordsSection) -> None:
    """What is there opens as it is, and whole once a device has started."""
    if section is SEALED:
        _judge_sealed(root, given)
        return
    for folder in (root / "continuous", root / "snapshots"):
        for record in records(folder):
            assert len(_by_wfdb(digital, record, ".hea", ".dat").d_signal)
    after = keeper(root, boot="boot-2")
    feed(after, LATER)
    after.close()
    _judge_whole(root, given)


def _judge_sealed(root: Path, given: int) -> None:
    """A device that starts goes on beside what it cannot read; the hospital can."""
    after = keeper(root, SEALED, boot="boot-2")
    feed(after, LATER)
    after.close()
    assert {path.suffix for path in root.rglob("*") if path.is_file()} == {".sealed"}
    out = root / "out"
    assert [one for one in unseal(root, HOSPITAL, out) if one.damaged] == []
    _judge_whole(out, given)


def _judge_whole(root: Path, given: int) -> None:
    """No record is damaged; samples and annotations are those that were given, up to a second."""
    next_index, beats, calls = 0, set(), set()
    for record in (*records(root / "continuous"), *records(root / "snapshots")):
        assert fault(record.with_suffix(".hea")) == ""
    for record in records(root / "continuous")[:-1]:
        about, length = about_record(record)
        found = _by_wfdb(digital, record, ".hea", ".dat").d_signal
        said = _by_wfdb(notes, record, ".hea", ".atr")
        assert about["first_index"] == next_index, "a gap, or samples that are there twice"
        assert len(found) == length
        want = SIGNAL.counts[next_index : next_index + length, ORDER]
        np.testing.assert_array_equal(found, want)
        assert [sample for sample, _, _ in said] == sorted(sample for sample, _, _ in said)
        for sample, symbol, text in said:
            told = beats if symbol == "N" else calls
            if symbol == "N" or text.startswith("call"):
                assert sample + next_index not in told
                told.add(sample + next_index)
        next_index += length
    assert next_index >= given - SAMPLE_RATE_HZ, f"{next_index} of {given} are left"
    sure = given - SAMPLE_RATE_HZ
    assert beats >= {beat for beat in BEATS if beat < sure - 150}  # told 150 samples late
    assert calls >= set(range(499, sure, 500))
    for record in records(root / "snapshots"):
        found = _by_wfdb(digital, record, ".hea", ".dat").d_signal
        said = _by_wfdb(notes, record, ".hea", ".atr")
        np.testing.assert_array_equal(found, twelve(SIGNAL.counts[: found.shape[0]]))
        assert said[-1] == (SNAPSHOT_AT, '"', "snapshot: button")
    kept = {path.suffix for path in root.rglob("*") if path.is_file()}
    assert kept <= {".hea", ".dat", ".atr"}


def _survey(
    in_memory: Path, section: RecordsSection = SECTION, enough: int = 1000
) -> tuple[int, int, list[str]]:
    """Cuts, distinct disks, and what was wrong, not much more than ``enough`` of it."""
    shelf = Shelf(in_memory)
    recorder, given = _recorded(shelf, section)
    bad: list[str] = []
    seen: set[tuple[frozenset[tuple[str, int]], int]] = set()
    places = 0
    for where, disks in cuts(recorder):
        if len(bad) >= enough:
            break
        places += 1
        until = max((end for at, end in given if at <= where.at), default=0)
        for disk in disks:
            key = frozenset((path, hash(data)) for path, data in disk.items()), until
            if key not in seen:
                seen.add(key)
                bad += _look(shelf, disk, until, str(where), section)
    return places, len(seen), bad


def _look(shelf: Shelf, disk: Disk, until: int, where: str, section: RecordsSection) -> list[str]:
    try:
        _judge(shelf.make(disk), until, section)
    except Exception as error:
        sizes = {path: len(data) for path, data in disk.items()}
        return [f"{where}: {error!r}; {sizes}"]
    return []


@pytest.mark.parametrize("section", [SECTION, SEALED], ids=["plain", "sealed"])
def test_a_power_cut_at_any_write_loses_at_most_a_second(
    section: RecordsSection, in_memory: Path
) -> None:
    places, disks, bad = _survey(in_memory, section)
    print(f"\n{places} cuts, {disks} disks left behind", end="")
    assert bad == []
    assert places > (75 if section is SEALED else 150)


# The simulator finds what it is there to find

REAL_WRITE = files.write


def _write_unsynced(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    REAL_WRITE(path, data, sync=False, mode=mode)


def _overwrite_unsynced(path: Path, data: bytes, offset: int) -> None:
    fd = files.os.open(path, os.O_WRONLY)
    files.os.pwrite(fd, data, offset)
    os.close(fd)


def _save_in_place(path: Path, data: bytes, *, mode: int) -> None:
    REAL_WRITE(path, data, mode=mode)
    files.sync_folder(path.parent)


@pytest.mark.parametrize(
    ("where", "name", "instead"),
    [
        (files, "write", _write_unsynced),
        (files, "overwrite", _overwrite_unsynced),
        (files, "save", _save_in_place),
        (segment, "UNSURE", 0),  # zeros at the end are taken for samples
        (keeper_module, "FLUSH", 700),
    ],
    ids=["write", "overwrite", "save", "zeros", "seldom"],
)
def test_a_record_that_is_synced_too_little_is_found(
    where: Any, name: str, instead: Any, in_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, instead)
    assert _survey(in_memory, enough=1)[2]
    if name in ("overwrite", "save", "FLUSH"):
        assert _survey(in_memory, SEALED, enough=1)[2]
