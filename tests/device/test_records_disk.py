"""Disks that are full, slow, read-only or gone, and restarts."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.config import Config
from device.instrument import Instrument
from device.records.interface import Why
from device.records.keeper import Keeper
from device.records.segment import ORDER
from device.records.writer import RecordWriter
from firmware.events import Beat
from hal.frontend import FrameBlock, FrontendInfo
from tests.device.powercut import CallsOfOs, seen_by
from tests.device.records_kit import (
    INFO,
    SECTION,
    cut,
    digital,
    feed,
    keeper,
    notes,
    records,
    samples,
    whole,
)
from tests.device.waiting import wait_for


@pytest.fixture
def tmp_path(in_memory: Path) -> Path:
    """These tests sync thousands of times."""
    return in_memory


class Disk(CallsOfOs):
    """Takes nothing while ``error`` is set."""

    error: int = 0

    def forward(self, name: str, real: Any, args: Any, how: Any) -> Any:
        writes = name in ("write", "pwrite", "mkdir", "replace", "fsync")
        if self.error and writes:
            if name in ("write", "pwrite") and len(args[1]) > 1:
                real(args[0], args[1][: len(args[1]) // 2], *args[2:])  # some of it gets there
            raise OSError(self.error, os.strerror(self.error))
        return real(*args, **how)


def test_a_full_disk_is_told_and_what_waits_is_written_when_there_is_room(tmp_path: Path) -> None:
    block, disk = samples(12_000), Disk()
    keep = keeper(tmp_path)
    with seen_by(disk):
        feed(keep, block, 0, 3000)
        assert keep.recording
        disk.error = errno.ENOSPC
        feed(keep, block, 3000, 9000)
        assert keep.failure == f"not recording: the disk of {tmp_path} is full; make room"
        assert not keep.recording
        disk.error = 0
        feed(keep, block, 9000, 12_000)
    assert keep.failure == ""
    assert keep.recording
    keep.close()
    found, begins = whole(tmp_path)
    np.testing.assert_array_equal(found, block.counts[:, ORDER])
    assert begins == [0, 2800]  # what was in doubt is in the second segment, and only there
    assert keep.health()["dropped"] == 0


def test_a_disk_that_is_full_for_longer_leaves_an_honest_gap(tmp_path: Path) -> None:
    block, disk = samples(45_000), Disk()
    keep = keeper(tmp_path)
    with seen_by(disk):
        feed(keep, block, 0, 2000, step=500)
        keep.event(Beat(1999))
        disk.error = errno.ENOSPC
        feed(keep, block, 2000, 40_000, step=500)
        keep.event(Beat(20_000 - 500))
        disk.error = 0
        feed(keep, block, 40_000, 45_000, step=500)
        keep.close()
    found, begins = whole(tmp_path)
    first, lost = begins[1], keep.health()["dropped"]
    kept = len(found) - (45_000 - first)
    assert lost == first - kept > 5000
    np.testing.assert_array_equal(found[:kept], block.counts[:kept, ORDER])
    np.testing.assert_array_equal(found[kept:], block.counts[first:, ORDER])
    said = notes(records(tmp_path / "continuous")[1])
    assert (1, '"', f"lost: {lost} samples before") in said


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errno.EROFS, "cannot be written to; check the disk and who owns it"),
        (errno.EACCES, "cannot be written to; check the disk and who owns it"),
        (errno.EIO, "Input/output error; check the disk"),
    ],
)
def test_other_trouble_is_told_with_what_to_do(tmp_path: Path, error: int, says: str) -> None:
    disk = Disk()
    disk.error = error
    keep = keeper(tmp_path / "records")
    with seen_by(disk):
        feed(keep, samples(1000))
        assert keep.failure.startswith(f"not recording: {tmp_path}/records")
        assert keep.failure.endswith(says)
        keep.close()


def test_a_folder_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    block, keep = samples(6000), keeper(tmp_path / "records")
    feed(keep, block, 0, 1000)
    for path in (tmp_path / "records").rglob("*.*"):
        path.unlink()
    for name in ("continuous", "snapshots"):
        (tmp_path / "records" / name).rmdir()
    feed(keep, block, 1000, 6000)
    keep.close()
    found, begins = whole(tmp_path / "records")
    np.testing.assert_array_equal(found, block.counts[begins[0] :, ORDER])
    assert 500 <= begins[0] <= 1000


def test_a_folder_has_one_monitor(tmp_path: Path) -> None:
    first, second = keeper(tmp_path), keeper(tmp_path)
    block = samples(6000)
    feed(first, block, 0, 500)
    feed(second, block, 0, 500)
    assert (first.failure, "used by another monitor" in second.failure) == ("", True)
    first.close()
    feed(second, block, 500, 6000)
    assert second.failure == ""
    second.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs leave to mount a small disk")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(small)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a small disk")
    try:
        block, keep = samples(16_000), keeper(small / "records")
        (small / "other").write_bytes(bytes(40_000))
        feed(keep, block, 0, 6000)
        assert "is full; make room" in keep.failure
        (small / "other").unlink()
        subprocess.run(["mount", "-o", "remount,size=2m", str(small)], check=True)
        feed(keep, block, 6000, 16_000)
        keep.close()
        found, _ = whole(small / "records")
        np.testing.assert_array_equal(found, block.counts[:, ORDER])
        assert keep.failure == ""
    finally:
        subprocess.run(["umount", str(small)], check=True)


# A slow disk, and the thread in front of it


class SlowKeeper(Keeper):
    """Its disk takes as long as the test says."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.disk = threading.Event()

    def block(self, block: Any) -> None:
        self.disk.wait(30)
        super().block(block)


def test_a_slow_disk_never_holds_up_the_monitor_and_what_is_dropped_is_counted(
    tmp_path: Path,
) -> None:
    slow = SlowKeeper(tmp_path, SECTION, lambda t_ns: None, firmware="0", boot="b")
    writer = RecordWriter(slow, most_waiting=2000)
    writer.source(INFO, "model-1")
    block = samples(4000)
    for at in range(0, 3000, 100):
        writer.block(cut(block, at, at + 100))
    health = writer.health()
    assert (health["waiting"], health["dropped"]) == (2000, 1000)
    assert writer.failure == "the disk is too slow: 2 s are not recorded; use a faster one"
    slow.disk.set()
    wait_for("the backlog", lambda: not writer.health()["waiting"] or None)
    for at in range(3000, 4000, 100):
        writer.block(cut(block, at, at + 100))
    writer.snapshot(Why.BUTTON, 4000)
    writer.close()
    found, begins = whole(tmp_path)
    assert begins == [0, 3000]
    np.testing.assert_array_equal(found[2000:], block.counts[3000:, ORDER])
    assert writer.saved_at == 4000


def test_a_defect_in_the_thread_is_told(tmp_path: Path) -> None:
    class Broken(Keeper):
        def block(self, block: Any) -> None:
            raise ZeroDivisionError("a defect")

    writer = RecordWriter(Broken(tmp_path, SECTION, lambda t_ns: None, firmware="0"))
    writer.block(samples(10))
    writer.close()
    assert not writer.recording
    assert writer.failure.startswith("not recording: ZeroDivisionError: a defect (tests/device/")
    assert writer.failure.endswith("); restart the monitor")


def test_what_the_front_end_gave_last_comes_to_the_disk_without_more(tmp_path: Path) -> None:
    keep = keeper(tmp_path)
    feed(keep, samples(450))
    keep.snapshot(Why.ALARM, 450)
    keep.idle()
    assert digital(records(tmp_path / "continuous")[0]).sig_len == 450
    assert not records(tmp_path / "snapshots")  # ten seconds may still come
    for _ in range(10):
        keep.idle()
    assert digital(records(tmp_path / "snapshots")[0]).sig_len == 450


# Restarts


def test_a_restart_writes_what_is_not_on_the_disk_yet_and_nothing_twice(tmp_path: Path) -> None:
    block = samples(5000)
    killed = keeper(tmp_path)
    feed(killed, block, 0, 2950)
    killed._lock.close()  # as the kernel does
    after = keeper(tmp_path)
    feed(after, block, 0, 5000)  # the ring's last seconds, then what follows
    after.close()
    found, begins = whole(tmp_path)
    np.testing.assert_array_equal(found, block.counts[:, ORDER])
    assert begins == [0, 2800]
    last = notes(records(tmp_path / "continuous")[1])
    assert not [text for _, _, text in last if "lost" in text]


def test_what_a_killed_monitor_had_not_written_is_written_by_the_next_with_its_beats(
    tmp_path: Path, signal_20s: tuple[FrontendInfo, FrameBlock]
) -> None:
    info, block = signal_20s
    config = Config().override({"model.path": "none"})
    kept: list[list[tuple[int, str]]] = []
    for name, ends in (("undisturbed", (9000,)), ("killed", (7100, 9000))):
        at, past = 0, list[FrameBlock]()
        for end in ends:
            keep = keeper(tmp_path / name)
            instrument = Instrument(config, recorder=keep, history=lambda past=past: past)
            instrument.connect(info)
            for first in range(at, end, 5):
                instrument.process(cut(block, first, first + 5))
            at, past = end, [cut(block, max(0, end - 6000), end)]
            if end == ends[-1]:
                keep.close()
            else:
                keep._lock.close()
        found, begins = whole(tmp_path / name)
        np.testing.assert_array_equal(found, block.counts[:9000, ORDER])
        kept.append([])
        for record, begin in zip(records(tmp_path / name / "continuous"), begins, strict=True):
            kept[-1] += [(begin + at, said) for at, symbol, said in notes(record) if at > 1]
    beats = [[at for at, said in marks if not said] for marks in kept]
    assert len(beats[0]) > 15
    np.testing.assert_allclose(beats[1], beats[0], atol=5)
    calls = [[mark for mark in marks if mark[1].startswith("no call")] for marks in kept]
    assert [at for at, _ in calls[1]] == [at for at, _ in calls[0]] == list(range(499, 9000, 500))


def test_the_same_indices_of_another_start_of_the_system_are_other_samples(tmp_path: Path) -> None:
    for boot, seed in (("boot-1", 1), ("boot-2", 2)):
        keep = keeper(tmp_path, boot=boot)
        feed(keep, samples(800, seed=seed))
        keep.close()
    first, second = (digital(record).d_signal for record in records(tmp_path / "continuous"))
    np.testing.assert_array_equal(first, samples(800, seed=1).counts[:, ORDER])
    np.testing.assert_array_equal(second, samples(800, seed=2).counts[:, ORDER])


def test_a_new_ring_counts_anew(tmp_path: Path) -> None:
    keep, block = keeper(tmp_path), samples(2000)
    feed(keep, block)
    later = replace(block, t_ns=block.t_ns + 60_000_000_000)
    feed(keep, later)
    keep.close()
    assert [digital(record).sig_len for record in records(tmp_path / "continuous")] == [2000] * 2


CHILD = """
import sys, time
from pathlib import Path
from device.records.writer import RecordWriter
from tests.device.records_kit import INFO, cut, keeper, samples
writer = RecordWriter(keeper(Path(sys.argv[1])))
writer.source(INFO, "model-1")
block = samples(100_000)
for at in range(0, 100_000, 50):
    writer.block(cut(block, at, at + 50))
    while writer.health()["waiting"] > 450:
        time.sleep(0.0001)
    print(at + 50, flush=True)
"""


@pytest.mark.parametrize("after", [1, 700, 3333, 20_001])
def test_a_process_that_is_killed_leaves_all_but_the_last_second(
    after: int, tmp_path: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    while (given := int(child.stdout.readline())) < after:
        pass
    child.send_signal(signal.SIGKILL)
    given = int(([given, *child.stdout.read().split()])[-1])
    child.wait()
    block = samples(100_000)
    keep = keeper(tmp_path, boot="boot-2")
    feed(keep, samples(50))
    keep.close()
    left = 0
    for record in records(tmp_path / "continuous")[:-1]:
        found = digital(record).d_signal
        np.testing.assert_array_equal(found, block.counts[left : left + len(found), ORDER])
        left += len(found)
    assert left >= given - 500


def test_a_folder_of_another_user_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"{tmp_path} belongs to root", f"sudo chown -R lead12:lead12 {tmp_path}"
    monkeypatch.setattr("device.records.keeper.owner_fault", lambda folder: told)
    disk = Disk()
    disk.error = errno.EACCES
    keep = keeper(tmp_path / "records")
    with seen_by(disk):
        feed(keep, samples(1000))
        assert keep.failure.endswith(f"cannot be written to; {told[0]}; {told[1]}")
        keep.close()
