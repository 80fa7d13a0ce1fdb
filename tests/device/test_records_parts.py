"""What a record is made of, what is lost, and what is deleted when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device.config_sections import RecordsSection
from device.flash import files
from device.patient import Patient
from device.records.folder import RecordFolder, new_name
from device.records.interface import Why
from device.records.keeper import AGAIN, told
from device.records.reading import about_record
from device.records.segment import FRAME, ORDER
from device.records.wfdb import NONE_24, NONE_32
from firmware.events import Beat
from hal.errors import RecordingError
from hal.patient.recording import read_recording
from tests.device.records_kit import (
    call,
    cut,
    digital,
    feed,
    keeper,
    notes,
    records,
    samples,
    whole,
)


@pytest.fixture
def tmp_path(in_memory: Path) -> Path:
    """These tests sync thousands of times."""
    return in_memory


def test_a_short_loss_is_filled_with_no_sample_and_a_long_one_ends_the_segment(
    tmp_path: Path,
) -> None:
    keep, block = keeper(tmp_path), samples(9000)
    for first, end in ((0, 3000), (3007, 6000), (6600, 9000)):
        feed(keep, block, first, end)
    keep.snapshot(Why.BUTTON, 7000)
    keep.close()
    one, two = records(tmp_path / "continuous")
    found = digital(one).d_signal
    assert len(found) == 6000
    assert (found[3000:3007] == NONE_24).all()
    np.testing.assert_array_equal(found[3007:], block.counts[3007:6000, ORDER])
    assert (3000, '"', "lost: 7 samples") in notes(one)
    assert about_record(two)[0]["first_index"] == 6600
    assert (1, '"', "lost: 600 samples before") in notes(two)
    (snapshot,) = records(tmp_path / "snapshots")
    leads = digital(snapshot).d_signal
    assert (leads[1000:1007] == NONE_32).all()
    assert (leads[4000:4600] == NONE_32).all()
    assert [text for _, _, text in notes(snapshot) if text.startswith("lost")] == [
        "lost: 7 samples", "lost: 600 samples"
    ]  # fmt: skip
    with pytest.raises(RecordingError, match="missing samples"):
        read_recording(snapshot)


def test_segments_follow_each_other_and_late_beats_are_in_the_right_one(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path, segment_samples=2000), samples(5000)
    for end in range(50, 5001, 50):
        keep.block(cut(block, end - 50, end))
        if end >= 150:
            keep.event(Beat(end - 150))
    keep.close()
    found, begins = whole(tmp_path)
    np.testing.assert_array_equal(found, block.counts[:, ORDER])
    assert begins == [0, 2000, 4000]
    beats: list[int] = []
    for record, begin in zip(records(tmp_path / "continuous"), begins, strict=True):
        beats += [begin + at for at, symbol, _ in notes(record) if symbol == "N"]
    assert beats == list(range(0, 4851, 50))


def test_alarms_are_kept_from_twenty_seconds_before_to_ten_after(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path), samples(40_000)
    feed(keep, block, 0, 15_000, step=500)
    keep.snapshot(Why.ALARM, 15_000)
    feed(keep, block, 15_000, 22_000, step=500)
    keep.snapshot(Why.ALARM, 22_000)
    feed(keep, block, 22_000, 24_000, step=500)
    keep.snapshot(Why.ALARM, 24_000)  # another one meanwhile
    feed(keep, block, 24_000, 40_000, step=500)
    keep.close()
    one, two = records(tmp_path / "snapshots")
    assert one.name.endswith("_alarm")
    about, length = about_record(one)
    assert (about["first_index"], length, about["at"]) == (5000, 15_000, 10_000)
    assert (10_000, '"', "snapshot: alarm") in notes(one)
    about, length = about_record(two)
    assert (about["first_index"], length) == (12_000, 17_000)


def test_a_call_that_comes_and_goes_is_kept_once_a_minute(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path), samples(40_000)
    feed(keep, block, 0, 6000, step=500)
    for index in (6000, 6000 + AGAIN - 1, 6000 + AGAIN):
        keep.snapshot(Why.CALL, index)
        feed(keep, block, 6000, index, step=500)
    keep.close()
    assert len(records(tmp_path / "snapshots")) == 2


def test_whom_a_snapshot_is_of_is_in_its_header_and_nowhere_else(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path), samples(3000)
    keep.set_patient(Patient(id="4711", name="Doe, Jo", born="1950-02-03", sex="F"))
    feed(keep, block, 0, 1000)
    keep.snapshot(Why.BUTTON, 1000)
    keep.set_patient(Patient())
    feed(keep, block, 1000, 3000)
    keep.snapshot(Why.COMMAND, 3000)
    keep.close()
    one, two = records(tmp_path / "snapshots")
    assert about_record(one)[0]["patient"]["name"] == "Doe, Jo"
    assert "patient" not in about_record(two)[0]
    told = [path for path in tmp_path.rglob("*") if path.is_file() and b"Doe" in path.read_bytes()]
    assert told == [one.with_suffix(".hea")]


def test_an_alarms_seconds_are_of_the_patient_who_had_it(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path), samples(4000)
    keep.set_patient(Patient(name="Doe, Jo"))
    feed(keep, block, 0, 2000)
    keep.snapshot(Why.ALARM, 1500)  # lasts ten seconds more
    keep.set_patient(Patient(name="Roe, Ann"))
    feed(keep, block, 2000, 4000)
    keep.close()
    (one,) = records(tmp_path / "snapshots")
    about, length = about_record(one)
    assert (about["patient"]["name"], length) == ("Doe, Jo", 2000)


DOE, ROE = Patient(name="Doe, Jo"), Patient(name="Roe, Ann")


def test_a_snapshot_holds_no_sample_and_no_call_of_the_patient_before(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path), samples(16_000)
    keep.set_patient(DOE)
    feed(keep, block, 0, 6000, step=500)
    keep.set_patient(ROE)
    keep.event(Beat(5900))
    feed(keep, block, 6000, 7000, step=500)
    keep.event(call(6499, None))  # on nine seconds of Doe
    keep.snapshot(Why.COMMAND, 7000)
    keep.snapshot(Why.ALARM, 7000)
    feed(keep, block, 7000, 11_000, step=500)
    for index in (10_998, 10_999):
        keep.event(call(index))
    feed(keep, block, 11_000, 16_000, step=500)
    keep.snapshot(Why.COMMAND, 16_000)
    keep.close()
    found = []
    for record in records(tmp_path / "snapshots"):
        about, length = about_record(record)
        first = about["first_index"]
        calls = [first + at for at, _, said in notes(record) if "call" in said]
        found.append((about["patient"]["name"], about["kind"], first, first + length, calls))
    assert found == [
        ("Roe, Ann", "command", 6000, 7000, []),
        ("Roe, Ann", "alarm", 6000, 12_000, [10_999]),
        ("Roe, Ann", "command", 11_000, 16_000, []),
    ]


def test_another_patient_ends_what_an_alarm_is_kept_for(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path), samples(9000)
    keep.set_patient(DOE)
    feed(keep, block, 0, 6000, step=500)
    keep.snapshot(Why.ALARM, 5500)
    keep.set_patient(ROE)
    feed(keep, block, 6000, 9000, step=500)
    keep.close()
    (record,) = records(tmp_path / "snapshots")
    about, length = about_record(record)
    assert (about["patient"]["name"], about["first_index"], length) == ("Doe, Jo", 0, 6000)
    for segment in records(tmp_path / "continuous"):
        assert "patient" not in about_record(segment)[0]


def test_a_new_ring_is_all_of_the_same_patient(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path), samples(3000)
    feed(keep, block)
    keep.set_patient(DOE)
    feed(keep, replace(block, t_ns=block.t_ns + 60_000_000_000))  # counted anew
    keep.snapshot(Why.COMMAND, 2500)
    keep.close()
    (record,) = records(tmp_path / "snapshots")
    assert about_record(record)[1] == 2500


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    keep = keeper(tmp_path / "records")
    feed(keep, samples(3000))
    keep.snapshot(Why.BUTTON, 3000)
    keep.close()
    for path in (tmp_path / "records").rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), path


# What is deleted when


def _some(folder: Path, why: str, number: int, size: int) -> Path:
    record = folder / new_name(number, None, why)
    for suffix in (".hea", ".atr", ".dat"):
        files.write(record.with_suffix(suffix), bytes(size))
    return record


def test_the_oldest_segments_go_first_and_never_a_snapshot(tmp_path: Path) -> None:
    folder = RecordFolder(tmp_path)
    folder.prepare()
    made = [_some(folder.continuous, "", n, 1000 * FRAME) for n in (9, 10, 11, 1_000_000)]
    taken = _some(folder.snapshots, "alarm", 1, 10)
    folder.make_room(2000 * FRAME, 0)
    assert [one.path for one in folder.segments()] == made[2:]
    with pytest.raises(OSError, match="No space left"):
        folder.make_room(2000 * FRAME, 1 << 60)
    assert folder.segments() == []
    assert [one.path for one in folder.taken()] == [taken]


def test_where_a_link_leads_to_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "records").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="Too many levels") as raised:
        RecordFolder(tmp_path / "records").prepare()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    said = f"not recording: {tmp_path}/records is a link; name the folder itself"
    assert told(raised.value, tmp_path) == said


def test_snapshots_that_nobody_asked_for_go_first(tmp_path: Path) -> None:
    folder = RecordFolder(tmp_path)
    folder.prepare()
    for number, why in enumerate(("button", "alarm", "call", "command", "alarm"), 1):
        _some(folder.snapshots, why, number, 10)
    kept = []
    for most in (4, 3, 2, 1):
        folder.forget_snapshots(most)
        kept.append([one.number for one in folder.taken()])
    assert kept == [[1, 3, 4, 5], [1, 4, 5], [1, 4], [4]]


def test_hours_are_kept_by_their_samples(tmp_path: Path) -> None:
    section = RecordsSection(min_free_mb=0, continuous_hours=3000 / 500 / 3600)
    keep = keeper(tmp_path, section, segment_samples=1000)
    feed(keep, samples(10_000))
    keep.close()
    assert len(records(tmp_path / "continuous")) == 4  # six seconds, and the one that grew


@pytest.mark.parametrize("utc_of", [lambda t_ns: None])
def test_without_a_clock_the_numbers_keep_the_order(
    tmp_path: Path, utc_of: Callable[[int], None]
) -> None:
    keep = keeper(tmp_path, utc_of=utc_of)
    feed(keep, samples(3000))
    keep.snapshot(Why.BUTTON, 3000)
    keep.close()
    (one,), (two,) = records(tmp_path / "continuous"), records(tmp_path / "snapshots")
    assert (one.name, two.name) == ("00000000T000000Z_000001", "00000000T000000Z_000002_button")
    assert digital(one).base_datetime is None


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    folder = RecordFolder(tmp_path)
    folder.prepare()
    alien = folder.continuous / new_name(7, None)
    alien.with_suffix(".hea").write_text("no header")
    (folder.continuous / "notes.txt").write_text("mine")
    keep = keeper(tmp_path)
    feed(keep, samples(900))
    keep.close()
    assert keep.failure == ""
    assert (folder.continuous / "notes.txt").read_text() == "mine"
    assert alien.with_suffix(".hea").read_text() == "no header"
    assert folder.segments()[1].number == 8
