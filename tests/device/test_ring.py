"""The ring: exact accounts under every interleaving, deaths of either side, foreign files."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from device import ring
from device.ring import SLOTS, ReaderAccount, RingReader, RingWriter, WriterState
from device.segment import HEADER_BYTES, SLOT, RingError, Word
from hal.frontend import SAMPLE_NS, SAMPLE_RATE_HZ, FrameBlock, FrontendInfo
from tests.device.waiting import wait_for

SMALL = 32
INFO = FrontendInfo("ads1298", "ADS1298 id 0x92", 47.68371582, 6, {"ID": 0x92})


def make_block(index: int, n: int, lost: int = 0) -> FrameBlock:
    """A block whose every value tells its index."""
    rows = np.arange(index, index + n)
    return FrameBlock(
        first_index=index,
        t_ns=rows * SAMPLE_NS,
        counts=np.repeat(rows.astype(np.int32)[:, None], 8, axis=1) * np.arange(1, 9, dtype="i4"),
        status=(rows & 0xFFFFFF).astype(np.uint32),
        electrodes_off=(rows & 0x3FF).astype(np.uint16),
        lost_before=lost,
    )


def assert_same(got: FrameBlock, want: FrameBlock) -> None:
    for name in ("t_ns", "counts", "status", "electrodes_off"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name), name)
    assert (got.first_index, got.lost_before) == (want.first_index, want.lost_before)


def drain(reader: RingReader) -> list[FrameBlock]:
    return list(iter(lambda: reader.read(SLOTS), None))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.ring"


def test_holds_two_minutes() -> None:
    assert SLOTS / SAMPLE_RATE_HZ >= 120
    assert SLOT.itemsize == 64


operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, SMALL), st.sampled_from([0, 0, 0, 1, 7])),
        st.tuples(st.just("read"), st.integers(1, SMALL)),
        st.tuples(st.just("commit")),
        st.tuples(st.just("kill reader")),
        st.tuples(st.just("kill writer")),
        st.tuples(st.just("history"), st.integers(1, SMALL)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(operations)
def test_account_is_exact_under_any_interleaving(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple]
) -> None:
    path = tmp_path_factory.mktemp("ring") / "model.ring"
    writer = RingWriter(path, 0, SMALL)
    reader = RingReader(path)
    written: list[int] = []  # index of the sample at each position
    committed = account = ReaderAccount()
    for step in steps:
        match step:
            case ("write", n, lost):
                first = writer.next_index + lost
                writer.write(make_block(first, n, lost))
                written += range(first, first + n)
            case ("read", n):
                oldest = len(written) - SMALL
                block = reader.read(n)
                before, account = account, reader.account
                if block is None:
                    assert before.position == len(written)
                    assert account == before
                    continue
                k = len(block)
                start = account.position - k
                # Nothing is skipped but what was overwritten, and little more.
                assert start == before.position if before.position >= oldest else start >= oldest
                assert start - before.position == account.overrun - before.overrun
                assert start <= max(before.position, oldest + SMALL // 16)
                assert written[start : start + k] == list(
                    range(block.first_index, account.next_index)
                )
                assert_same(block, make_block(block.first_index, k, block.lost_before))
                assert block.first_index - block.lost_before == before.next_index
            case ("commit",):
                reader.commit()
                committed = account
            case ("kill reader",):
                reader.close()
                reader = RingReader(path)
                account = committed
                assert reader.account == committed
            case ("kill writer",):
                next_index = writer.next_index
                writer.close()
                writer = RingWriter(path, next_index * SAMPLE_NS, SMALL)
                assert writer.next_index == next_index
            case ("history", n):
                told = list(
                    itertools.chain(
                        *(range(b.first_index, b.first_index + len(b)) for b in reader.history(n))
                    )
                )
                start = max(committed.position - n, len(written) - SMALL, 0)
                assert told == written[start : committed.position]
                assert reader.account == account
        status = reader.status()
        assert (status.samples, status.samples + status.lost) == (len(written), writer.next_index)
        assert account.processed + account.lost == account.next_index
    drain(reader)
    assert reader.account.next_index == (written[-1] + 1 if written else 0)
    assert reader.account.processed + reader.account.overrun == len(written)
    writer.close()
    reader.close()


def test_gap_starts_a_block_and_is_counted(path: Path) -> None:
    writer, reader = RingWriter(path, 0, SMALL), RingReader(path)
    writer.write(make_block(0, 5))
    writer.write(make_block(8, 4, lost=3))
    assert [(b.first_index, len(b), b.lost_before) for b in drain(reader)] == [(0, 5, 0), (8, 4, 3)]
    assert reader.account.lost == reader.status().lost == 3
    assert reader.status().lost_estimated == 0


def test_estimated_losses_are_told_apart(path: Path) -> None:
    writer, reader = RingWriter(path, 0, SMALL), RingReader(path)
    writer.write(make_block(0, 2))
    writer.write(make_block(12, 1, lost=10), estimated=True)
    writer.write(make_block(14, 1, lost=1))
    status = reader.status()
    assert (status.samples, status.lost, status.lost_estimated) == (4, 11, 10)


@pytest.mark.parametrize(("first", "lost"), [(1, 0), (0, 1), (5, 4), (0, -1)])
def test_block_that_does_not_follow_is_refused(path: Path, first: int, lost: int) -> None:
    writer = RingWriter(path, 0, SMALL)
    with pytest.raises(ValueError, match="does not follow"):
        writer.write(make_block(first, 1, lost))


def test_status_info_and_fault_reach_the_reader(path: Path) -> None:
    writer, reader = RingWriter(path, 7, SMALL), RingReader(path)
    assert (reader.info(), reader.status().state) == (None, WriterState.STARTING)
    writer.describe(INFO)
    writer.say(WriterState.FAULT, 9, "no chip on /dev/spidev0.0; check the cable · äöü")
    status = reader.status()
    assert reader.info() == INFO
    assert (status.state, status.heartbeat_ns) == (WriterState.FAULT, 9)
    assert status.fault == "no chip on /dev/spidev0.0; check the cable · äöü"
    writer.say(WriterState.FAULT, 9, "x" * 5000)
    assert 900 < len(reader.status().fault) < 1024
    writer.say(WriterState.RUNNING, 10)
    assert reader.status().fault == ""


def test_recent_ring_is_continued_and_an_old_one_replaced(path: Path) -> None:
    with_samples = RingWriter(path, 0, SMALL)
    with_samples.write(make_block(0, 10))
    with_samples.close()
    reader = RingReader(path)
    age_ns = 9 * SAMPLE_NS + SMALL * SAMPLE_NS
    RingWriter(path, age_ns - 1, SMALL).close()
    assert not reader.replaced()
    fresh = RingWriter(path, age_ns, SMALL)
    assert fresh.next_index == 0
    assert reader.replaced()
    assert RingReader(path).status().samples == 0


def test_clock_that_went_back_means_another_boot(path: Path) -> None:
    writer = RingWriter(path, 0, SMALL)
    writer.write(make_block(0, 10))
    writer.close()
    assert RingWriter(path, 3 * SAMPLE_NS, SMALL).next_index == 0


def test_second_writer_is_refused(path: Path) -> None:
    writer = RingWriter(path, 0, SMALL)
    with pytest.raises(RingError, match="in use by another acquire"):
        RingWriter(path, 0, SMALL)
    writer.close()
    RingWriter(path, 0, SMALL).close()


def test_bystander_begins_at_the_newest_and_leaves_no_trace(path: Path) -> None:
    writer, monitor = RingWriter(path, 0, SMALL), RingReader(path)
    writer.write(make_block(0, 10))
    bystander = RingReader(path, resume=False)
    assert bystander.read(SMALL) is None
    writer.write(make_block(12, 3, lost=2))
    block = bystander.read(SMALL)
    assert block is not None
    assert (block.first_index, len(block), block.lost_before) == (12, 3, 2)
    with pytest.raises(ValueError, match="resuming"):
        bystander.commit()
    assert sum(map(len, drain(monitor))) == 13


def test_foreign_files_are_refused_by_both_sides(path: Path) -> None:
    path.write_text("my thesis " * 1000)
    for use in (lambda: RingReader(path), lambda: RingWriter(path, 0, SMALL)):
        with pytest.raises(RingError, match=r"not a usable Lead12 ring.*delete it"):
            use()
    assert path.read_text().startswith("my thesis")
    with pytest.raises(RingError, match=r"does not exist; is acquire running\?"):
        RingReader(path.with_name("none"))
    with pytest.raises(RingError, match="cannot be"):
        RingWriter(path.parent / "no" / "folder", 0, SMALL)


@pytest.mark.parametrize(
    ("word", "value", "why"),
    [
        (Word.VERSION, 99, "layout 99, not 1"),
        (Word.SLOTS, SMALL + 1, "slots but is"),
        (Word.SLOTS, -1, "slots but is"),
        (Word.PUBLISHED, 10_000, "impossible counters"),
        (Word.READER, 5, "reader's place"),
    ],
)
def test_damaged_header_is_refused_by_the_reader_and_replaced_by_the_writer(
    path: Path, word: Word, value: int, why: str
) -> None:
    writer = RingWriter(path, 0, SMALL)
    writer.write(make_block(0, 10))
    writer.close()
    with path.open("r+b") as file:
        file.seek(8 * word)
        file.write(value.to_bytes(8, "little", signed=True))
    with pytest.raises(RingError, match=why):
        RingReader(path)
    if word is not Word.READER:
        assert RingWriter(path, 0, SMALL).next_index == 0


def test_truncated_ring_is_refused(path: Path) -> None:
    RingWriter(path, 0, SMALL).close()
    os.truncate(path, HEADER_BYTES + 3)
    with pytest.raises(RingError, match="slots but is"):
        RingReader(path)
    os.truncate(path, 100)
    with pytest.raises(RingError, match="too short"):
        RingReader(path)


def test_damaged_slots_are_left_out_and_counted(path: Path) -> None:
    writer, reader = RingWriter(path, 0, SMALL), RingReader(path)
    writer.write(make_block(0, 10))
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES + 5 * SLOT.itemsize)
        file.write((77).to_bytes(8, "little") + bytes(SLOT.itemsize - 8))
    assert_same(reader.read(5), make_block(0, 5))
    assert reader.read(SMALL) is None
    writer.write(make_block(10, 4))
    assert_same(reader.read(SMALL), make_block(10, 4, lost=5))
    assert reader.account == ReaderAccount(position=14, next_index=14, overrun=5)


class KilledError(Exception):
    """Stands for SIGKILL at one point of the code."""


def at_fence(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> None:
    """Let ``act`` happen at the ``number``-th memory fence from here, and at no other."""
    fences = itertools.count(1)
    monkeypatch.setattr(ring, "fence", lambda: act() if next(fences) == number else None)


def die() -> None:
    raise KilledError


def test_samples_overwritten_while_they_are_copied_are_not_delivered(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = RingWriter(path, 0, SMALL), RingReader(path)
    writer.write(make_block(0, SMALL))

    def overtake(flags: NDArray[np.int64]) -> NDArray[np.int64]:
        monkeypatch.undo()
        writer.write(make_block(SMALL, 20))
        return np.flatnonzero(flags)

    # The last thing a reader does between knowing what to copy and copying it.
    monkeypatch.setattr(np, "flatnonzero", overtake)
    block = reader.read(10)
    assert block is not None
    assert block.first_index >= 20
    assert reader.account.overrun == block.lost_before == block.first_index
    assert_same(block, make_block(block.first_index, len(block), block.lost_before))


def test_reader_killed_within_a_commit_resumes_from_the_one_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = RingWriter(path, 0, SMALL), RingReader(path)
    for first in (0, 10, 20):
        writer.write(make_block(first, 10))
        reader.read(10)
        if first < 20:
            reader.commit()
    at_fence(monkeypatch, 1, die)
    with pytest.raises(KilledError):
        reader.commit()
    monkeypatch.undo()
    assert RingReader(path).account == ReaderAccount(20, 20, 0)


@pytest.mark.parametrize("fence", [1, 2])
def test_slots_spoiled_by_a_killed_writer_are_not_delivered(
    path: Path, monkeypatch: pytest.MonkeyPatch, fence: int
) -> None:
    writer, reader = RingWriter(path, 0, SMALL), RingReader(path)
    writer.write(make_block(0, SMALL))
    at_fence(monkeypatch, fence, die)
    with pytest.raises(KilledError):
        writer.write(make_block(SMALL, 8))
    monkeypatch.undo()
    writer.close()
    successor = RingWriter(path, SMALL * SAMPLE_NS, SMALL)
    assert successor.next_index == SMALL
    successor.write(make_block(SMALL, 1))
    blocks = drain(reader)
    assert blocks[0].first_index >= 8
    assert blocks[0].lost_before == blocks[0].first_index == reader.account.overrun
    assert reader.account.next_index == SMALL + 1


WRITE_FOREVER = """
    import sys
    from pathlib import Path
    from device.ring import RingWriter
    from tests.device.test_ring import make_block

    writer = RingWriter(Path(sys.argv[1]), int(sys.argv[3]), int(sys.argv[2]))
    k = 0
    while True:
        k += 1
        lost, n = (2 if k % 11 == 0 else 0), 1 + k % 7
        writer.write(make_block(writer.next_index + lost, n, lost))
"""


def start_writer(path: Path, slots: int, now_ns: int = 0) -> subprocess.Popen[bytes]:
    code = textwrap.dedent(WRITE_FOREVER)
    return subprocess.Popen([sys.executable, "-c", code, str(path), str(slots), str(now_ns)])


def test_reader_in_another_process_never_sees_half_a_sample(path: Path) -> None:
    child = start_writer(path, 64)  # so small that the writer keeps lapping the reader
    try:
        wait_for("the ring", lambda: path.exists() and path.stat().st_size > HEADER_BYTES)
        reader = RingReader(path)
        for _ in range(4000):
            if (block := reader.read(48)) is not None:
                assert_same(block, make_block(block.first_index, len(block), block.lost_before))
        wait_for("an overrun", lambda: reader.read(48) is not None and reader.account.overrun)
    finally:
        child.kill()
        child.wait()
    drain(reader)
    status = reader.status()
    assert reader.account.next_index == status.samples + status.lost
    assert reader.account.processed + reader.account.overrun == status.samples


def test_killed_writer_is_followed_by_one_that_goes_on(path: Path) -> None:
    RingWriter(path, 0).close()
    reader = RingReader(path)
    for _ in range(3):
        before = reader.status()
        child = start_writer(path, SLOTS, before.heartbeat_ns)
        wait_for("samples", lambda seen=before.samples: reader.status().samples > seen + 500)
        child.send_signal(signal.SIGKILL)
        child.wait()
        for block in drain(reader):
            assert_same(block, make_block(block.first_index, len(block), block.lost_before))
        status = reader.status()
        assert reader.account.processed == status.samples > before.samples
        assert reader.account.lost == status.lost
    assert not reader.replaced()
