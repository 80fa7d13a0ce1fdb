"""A ring that is damaged at rest or under both hands: begun anew, told, and gone on with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from device.acquire import Acquisition
from device.ring import RingReader, RingWriter
from device.segment import HEADER_BYTES, SLOT, RingError, Word
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_NS, SAMPLE_RATE_HZ, FrameBlock, FrontendConfig, FrontendInfo
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tests.device.bedside import Bedside, part
from tests.device.test_ring import INFO, assert_same, drain, make_block

SLOTS = 64
BYTES = HEADER_BYTES + SLOTS * SLOT.itemsize
S = 1_000_000_000


def zeros(path: Path) -> None:
    path.write_bytes(bytes(BYTES))


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(BYTES))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("my thesis " * 1000)


def folder(path: Path) -> None:
    path.unlink()
    (path / "in").mkdir(parents=True)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent)


NO_RINGS = (zeros, noise, empty, text, folder, pipe, link)


def write_ten(path: Path) -> None:
    writer = RingWriter(path, 0, SLOTS)
    writer.describe(INFO)
    writer.write(make_block(0, 10))
    writer.close()


@pytest.mark.parametrize("damage", NO_RINGS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", ["lead12.ring", "lead12-4711.ring", "thesis.ring"])
def test_what_is_no_ring_is_put_aside_where_the_name_is_ours(
    tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    path = tmp_path / name
    for _ in range(2):  # what was put aside before makes way
        write_ten(path)
        damage(path)
        before = os.lstat(path).st_ino
        if name == "thesis.ring":
            with pytest.raises(RingError, match=r"delete it|cannot be opened"):
                RingWriter(path, 0, SLOTS)
            assert os.lstat(path).st_ino == before
            return
        writer = RingWriter(path, 0, SLOTS)
        assert writer.found.startswith(f"{path} ")
        assert writer.found.endswith(f"; it is now {name}.damaged")
        assert os.lstat(f"{path}.damaged").st_ino == before
        writer.write(make_block(0, 3))
        assert_same(RingReader(path).read(SLOTS), make_block(0, 3))
        writer.close()


_COUNTERS = 8 * Word.RESERVED
AT_REST = {  # where -> what is written there
    "version": (8, bytes(8)),
    "counters": (8 * Word.PUBLISHED, b"\xff" * 8),
    "more than there are": (_COUNTERS, 2 * (4000).to_bytes(8, "little")),
    "reader's place": (8 * Word.READER, b"\5"),
    "one index": (HEADER_BYTES + 4 * SLOT.itemsize, b"\xff"),
    "zeros from the middle": (HEADER_BYTES + 320, bytes(BYTES - HEADER_BYTES - 320)),
    "cut": (BYTES - 1, b""),
}


@pytest.mark.parametrize("damage", AT_REST)
def test_damaged_ring_is_made_anew_and_that_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.ring"
    write_ten(path)
    at, junk = AT_REST[damage]
    data = path.read_bytes()
    path.write_bytes(data[:at] + junk + (data[at + len(junk) :] if junk else b""))
    writer = RingWriter(path, 10 * SAMPLE_NS, SLOTS)
    assert (writer.found, writer.next_index) == (f"{path} was damaged; it is made anew", 0)


def test_whole_ring_is_gone_on_with_and_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.ring"
    write_ten(path)
    writer = RingWriter(path, 10 * SAMPLE_NS, SLOTS)
    assert (writer.found, writer.next_index) == ("", 10)


@pytest.mark.parametrize(
    "damage", [zeros, noise, text, folder, pipe, link, Path.unlink], ids=lambda one: one.__name__
)
def test_writer_notices_within_a_second_that_readers_find_something_else(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "lead12.ring"
    writer = RingWriter(path, 0, SLOTS)
    writer.describe(INFO)
    writer.write(make_block(0, 10))
    damage(path)
    with pytest.raises(RingError, match="is made anew"):
        writer.write(make_block(10, 1, lost=0)) or writer.heartbeat(S + 20 * SAMPLE_NS)


def test_both_ends_come_back_from_any_bytes_in_the_ring(tmp_path: Path) -> None:
    """300 times: some bytes of the file change under both; each begins anew when it is told to."""
    rng = np.random.default_rng(7)
    for trial in range(300):
        path = tmp_path / f"lead12-{trial}.ring"
        now_ns, index = trial * S, 0
        writer, reader = RingWriter(path, now_ns, SLOTS), RingReader(path)
        writer.describe(INFO)
        renewed = 0
        for step in range(14):
            now_ns += S
            if step == 3:
                at = int(rng.integers(0, BYTES)) if trial % 2 else int(rng.integers(0, 400))
                junk = bytes(int(rng.integers(8, 700))) if trial % 3 else rng.bytes(
                    int(rng.integers(1, 700))
                )  # fmt: skip
                with path.open("r+b") as file:
                    file.seek(at)
                    file.write(junk[: BYTES - at])
            if step == 7 and trial % 5 == 0:  # both are started again
                writer.close()
                reader.close()
                writer = RingWriter(path, now_ns, SLOTS)
                reader = RingReader(path)
            index = writer.next_index
            block = make_block(index, 5)
            block.t_ns[:] = now_ns + np.arange(5)
            try:
                writer.write(block)
            except RingError:
                writer.close()
                writer = RingWriter(path, now_ns, SLOTS)
                writer.describe(INFO)
                renewed += 1
            with contextlib.suppress(RingError):
                if reader.replaced():
                    reader.close()
                    reader = RingReader(path)
                reader.status()
                assert reader.info() in (INFO, None)
                got = drain(reader)
                reader.commit()
            account = reader.account
            assert account.processed + account.lost == account.next_index
        assert renewed <= 1, trial
        assert [block.lost_before for block in got] == [0] * len(got), trial
        assert (got[0].first_index, sum(map(len, got))) == (index, 5), trial
        counts = np.concatenate([block.counts for block in got])
        np.testing.assert_array_equal(counts, block.counts)
        writer.close()
        reader.close()
        path.unlink()


def test_index_that_is_damaged_is_no_loss_of_samples(tmp_path: Path) -> None:
    """One sample alone has nothing to contradict it but the loss that the writer noted."""
    path = tmp_path / "a.ring"
    writer, reader = RingWriter(path, 0, SLOTS), RingReader(path)
    writer.write(make_block(0, 5))
    assert_same(reader.read(SLOTS), make_block(0, 5))
    writer.write(make_block(5, 1))
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES + 5 * SLOT.itemsize)
        file.write((1 << 40).to_bytes(8, "little"))
    assert reader.read(SLOTS) is None
    for index in (6, 7):
        writer.write(make_block(index, 1))
        reader.read(SLOTS)
    writer.write(make_block(8, 2))
    assert_same(reader.read(SLOTS), make_block(8, 2))
    assert (reader.account.next_index, reader.account.position) == (10, 10)


def test_acquire_ends_with_its_ring_and_the_next_one_makes_another(
    tmp_path: Path, clock: VirtualClock
) -> None:
    path, log = tmp_path / "lead12.ring", []

    def acquire(stopping: Callable[[], bool]) -> None:
        ring = RingWriter(path, clock.now_ns())
        log.append(ring.found)
        acquisition = Acquisition(
            lambda: simulated_frontend(preset("sinus-70"), clock),
            FrontendConfig(), ring, clock, lambda line: None,
        )  # fmt: skip
        try:
            acquisition.run(stopping)
        finally:
            ring.close()

    acquire(lambda: clock.now_ns() > 2 * S)

    def damage() -> bool:
        with path.open("r+b") as file:
            file.write(b"LEAD13RB")
        return False

    began_ns = clock.now_ns()
    with pytest.raises(RingError, match="was damaged; it is made anew"):
        acquire(damage)
    assert clock.now_ns() < began_ns + 2 * S
    end_ns = clock.now_ns() + 2 * S
    acquire(lambda: clock.now_ns() > end_ns)
    no_ring = "is not a usable Lead12 ring: it does not begin with the ring's mark"
    assert log == ["", "", f"{path} {no_ring}; it is now lead12.ring.damaged"]
    status = RingReader(path).status()
    assert status.samples > SAMPLE_RATE_HZ
    assert status.lost == 0


def test_monitor_goes_on_with_the_ring_that_was_made_anew(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock]
) -> None:
    """What it says meanwhile is the fault of the ring; then results come again."""
    info, whole = signal_20s
    bedside.write(part(whole, 0, 5000))
    monitor = bedside.monitor()
    monitor.run(bedside.until("result", index=4999))
    bedside.path.unlink()
    text(bedside.path)
    monitor = bedside.monitor()

    def renewed() -> bool:
        host = bedside.hosts[-1]
        host.read()
        if bedside.path.stat().st_size < 1 << 20 and host.of("event", part="ring"):
            bedside.path.unlink()
            bedside.writer = RingWriter(bedside.path, 0)
            bedside.writer.describe(info)
            bedside.write(part(whole, 0, 5000))
        return bool(host.of("result", index=4999))

    monitor.run(renewed)
    host = bedside.hosts[-1]
    (fault, well) = host.of("event", event="fault", part="ring")
    assert "is not a usable Lead12 ring" in fault["text"]
    assert well["text"] == ""
    assert host.of("result", index=4999)[0]["call"] == "SR"
    assert bedside.account() == (5000, 0)
