"""The capture file: all that passed is in it, whatever happens to the disk and the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal import backends, capture_file
from hal.ads1298.chip import SimulatedChip
from hal.ads1298.wire import ChipSpi
from hal.capture import CapturedSpi, Recorder
from hal.capture_file import (
    CaptureReader,
    Event,
    Fell,
    Part,
    PinName,
    PinSet,
    Quiet,
    Refused,
    Restart,
    Settings,
    Transfer,
)
from hal.clock import RealClock, VirtualClock
from hal.errors import FrontendError, Reason, RecordingError
from hal.frontend import FrontendConfig
from hal.linux_gpio import Pins
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from hal.spi import Edge
from tests.hal.ads1298_bench import BenchPatient
from tests.hal.fake_board import Board, with_gpiod

SECOND = 1_000_000_000


def captured(file: Path, frames: int = 600, clock: VirtualClock | None = None) -> None:
    """A simulated front end, run from power-up to close."""
    frontend = simulated_frontend(preset("sinus-70", 1), clock or VirtualClock(), capture=file)
    frontend.configure(FrontendConfig())
    frontend.start()
    while frames > 0:
        frames -= len(frontend.read(min(frames, 50), 0.1))
    frontend.stop()
    frontend.close()


def events_of(file: Path) -> list[Event]:
    return list(CaptureReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("capture") / "whole.l12cap"
    captured(file)
    return file


def test_all_that_passes_on_a_boards_wires_is_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(5 * SECOND)
    chip = SimulatedChip(BenchPatient(), clock, 1)
    answers: list[tuple[int, bytes, bytes]] = []  # as seen on the far side of spidev
    exchange = chip.exchange

    def seen(mosi: bytes, mode: int, byte_ns: int) -> bytes:
        begin_ns, miso = clock.now_ns(), exchange(mosi, mode, byte_ns)
        answers.append((begin_ns, mosi, miso))
        return miso

    monkeypatch.setattr(chip, "exchange", seen)
    with_gpiod(Board(chip, clock, Pins()), monkeypatch, tmp_path)
    file = tmp_path / "board.l12cap"
    frontend = backends.build("ads1298", clock, options={"capture": str(file)})
    frontend.configure(FrontendConfig(gain=4))
    frontend.start()
    block = frontend.read(20, 0.1)
    frontend.close()

    events = events_of(file)
    assert events[0] == Part(5 * SECOND, "ads1298", "/dev/spidev0.0", 1, 2_000_000)
    assert isinstance(events[1], Settings)
    assert events[1].fields["gain"] == 4
    transfers = [event for event in events if isinstance(event, Transfer)]
    assert [(e.t_ns, e.mosi, e.miso) for e in transfers] == answers
    assert all(e.took_ns == len(e.mosi) * 4000 for e in transfers)  # 8 bits at 2 MHz
    edges = [event for event in events if isinstance(event, Fell)]
    assert [edge.edge_ns for edge in edges][3:] == block.t_ns.tolist()
    assert [edge.sequence for edge in edges] == list(range(23))
    assert sum(isinstance(event, Restart) for event in events) == 1
    pins = [(event.pin, event.asserted) for event in events if isinstance(event, PinSet)]
    down, reset, start = PinName.POWER_DOWN, PinName.RESET, PinName.START
    assert pins[:3] == [(start, False), (reset, False), (down, True)]
    assert pins[3:] == [(down, False), (reset, True), (reset, False), (down, True)]
    assert [event.t_ns for event in events] == sorted(event.t_ns for event in events)


def test_the_same_run_gives_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    captured(tmp_path / "again.l12cap")
    assert (tmp_path / "again.l12cap").read_bytes() == whole.read_bytes()


def test_a_refused_transfer_is_captured_and_still_raised(tmp_path: Path) -> None:
    class Refusing(ChipSpi):
        def transfer(self, mosi: bytes) -> bytes:
            raise FrontendError(Reason.BUS, "no such wire", act="look", register="ID", expected=1)

    clock = VirtualClock()
    recorder = Recorder(tmp_path / "r.l12cap", clock)
    spi = CapturedSpi(Refusing(SimulatedChip(BenchPatient(), clock)), recorder, clock)
    with pytest.raises(FrontendError, match="no such wire; look"):
        spi.transfer(b"\x11")
    recorder.close()
    (event,) = events_of(tmp_path / "r.l12cap")
    assert isinstance(event, Refused)
    assert event.call == "transfer 11"
    again = event.raised()
    assert (str(again), again.reason, again.act) == ("no such wire; look", Reason.BUS, "look")
    assert (again.register, again.expected, again.got) == ("ID", 1, None)


# --- the format ---------------------------------------------------------------------------

GAPS = st.one_of(st.integers(0, 3000), st.integers(0, 10**10), st.integers(0, 10**15))
BYTES = st.binary(min_size=1, max_size=60)
ZEROS = st.integers(1, 60).map(bytes)
STEPS = st.one_of(
    st.tuples(st.just("transfer"), st.integers(0, 10**8), st.one_of(BYTES, ZEROS)),
    st.tuples(st.just("edge"), st.integers(0, 2**31 - 1), st.integers(-(10**9), 10**6)),
    st.tuples(st.just("quiet"), st.booleans()),
    st.tuples(st.just("restart")),
    st.tuples(st.just("pin"), st.sampled_from(PinName), st.booleans()),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(GAPS, STEPS), max_size=40))
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, tuple]]
) -> None:
    file = tmp_path_factory.mktemp("codec") / "x.l12cap"
    clock = VirtualClock(10**15)
    recorder = Recorder(file, clock)
    expected: list[Event] = []
    for gap_ns, (kind, *rest) in steps:
        clock.advance_ns(gap_ns)
        now = clock.now_ns()
        if kind == "transfer":
            took_ns, mosi = rest
            miso = bytes(byte ^ 0x5A for byte in mosi)
            recorder.transfer(now, took_ns, mosi, miso)
            expected.append(Transfer(now, took_ns, mosi, miso))
        elif kind == "edge":
            sequence, age_ns = rest
            recorder.edge(now, Edge(sequence, now + age_ns))
            expected.append(Fell(now, sequence, now + age_ns))
        elif kind == "quiet":
            recorder.quiet(now, *rest)
            expected.append(Quiet(now, *rest))
        elif kind == "restart":
            recorder.restart()
            expected.append(Restart(now))
        else:
            recorder.pin(*rest)
            expected.append(PinSet(now, *rest))
    recorder.close()
    assert events_of(file) == expected


def test_a_file_cut_off_anywhere_reads_up_to_its_last_whole_block(
    whole: Path, tmp_path: Path
) -> None:
    events, data = events_of(whole), whole.read_bytes()
    reader, ends = CaptureReader(whole), [capture_file.HEADER.size]
    for _ in reader:
        if reader.whole_bytes != ends[-1]:
            ends.append(reader.whole_bytes)
    ends.append(len(data))
    assert len(ends) >= 3
    cut = tmp_path / "cut.l12cap"
    lengths = {end + d for end in ends for d in (-1, 0, 1, 7, 15, 16, 17)} | set(
        range(12, len(data), 997)
    )
    for n in sorted(n for n in lengths if 12 <= n <= len(data)):
        cut.write_bytes(data[:n])
        reader = CaptureReader(cut)
        got = list(reader)
        assert got == events[: len(got)]
        assert reader.whole_bytes == max(end for end in ends if end <= n)
        assert bool(reader.damage) == (n not in ends)
    assert not reader.damage
    assert got == events


def test_a_damaged_byte_ends_the_reading_and_is_told(whole: Path, tmp_path: Path) -> None:
    events, data = events_of(whole), bytearray(whole.read_bytes())
    file = tmp_path / "damaged.l12cap"
    for at in [*range(12, 40), *range(40, len(data), 331)]:
        data[at] ^= 0x10
        file.write_bytes(data)
        data[at] ^= 0x10
        reader = CaptureReader(file)
        got = list(reader)
        assert got == events[: len(got)]
        assert len(got) < len(events)
        assert reader.damage


def test_events_that_are_none_are_damage_even_under_a_right_checksum(tmp_path: Path) -> None:
    file = tmp_path / "odd.l12cap"
    for raw in (
        b"\x00" * 5,
        b"\xff" * 5,
        b"\x04",
        capture_file.TRANSFER.pack(4, 0, 0, 27) + bytes(26),
        capture_file.PIN.pack(9, 0, 6),
        capture_file.TEXT.pack(10, 0, 2) + b"{}",
        capture_file.TEXT.pack(1, 0, 4) + b"null",
        capture_file.TEXT.pack(1, 0, 9) + b'{"a": 1}',
    ):
        file.write_bytes(capture_file.header() + capture_file.pack_block(0, raw))
        reader = CaptureReader(file)
        assert list(reader) == []
        assert reader.damage == "damaged from byte 12 on"


def test_what_is_no_capture_is_refused_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "x"
    for data in (b"", b"\x89L12", b"$version 12345678", bytes(1000)):
        file.write_bytes(data)
        with pytest.raises(RecordingError, match="is not a capture; make one: lead12 hil capture"):
            CaptureReader(file)
    file.write_bytes(capture_file.HEADER.pack(capture_file.MAGIC, 2, 0))
    with pytest.raises(RecordingError, match="version 2, this firmware reads 1; update"):
        CaptureReader(file)


# --- files and disks ----------------------------------------------------------------------


def test_a_run_that_begins_anew_goes_on_behind_the_last_whole_block(
    whole: Path, tmp_path: Path
) -> None:
    file = tmp_path / "twice.l12cap"
    file.write_bytes(whole.read_bytes()[:-5])  # the machine died
    before = events_of(file)
    captured(file, 30, VirtualClock(60 * SECOND))
    reader = CaptureReader(file)
    events = list(reader)
    assert not reader.damage
    assert events[: len(before)] == before
    assert isinstance(events[len(before)], Part)
    assert events[len(before)].t_ns == 60 * SECOND


def test_a_file_that_cannot_be_begun_is_refused_before_anything_runs(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("do not lose me")
    for file, why in (
        (tmp_path / "no" / "x.l12cap", "No such file"),
        (tmp_path, "Is a directory"),
        (other, "is not a capture"),
    ):
        with pytest.raises(FrontendError, match=why) as caught:
            simulated_frontend(preset("sinus-70", 1), VirtualClock(), capture=file)
        assert caught.value.reason is Reason.BAD_CONFIG
        assert "\n" not in str(caught.value)
    assert other.read_text() == "do not lose me"


FULL_DISK = """
import resource, sys
from pathlib import Path
from hal.clock import VirtualClock
from hal.frontend import FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend

resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
frontend = simulated_frontend(preset("sinus-70", 1), VirtualClock(), capture=Path(sys.argv[1]))
frontend.configure(FrontendConfig())
frontend.start()
samples = 0
while samples < 3000:
    block = frontend.read(min(50, 3000 - samples), 0.1)
    assert block.first_index == samples and block.lost_before == 0
    samples += len(block)
frontend.stop()
frontend.close()
print(samples)
"""


def test_on_a_full_disk_the_front_end_goes_on_and_one_line_says_so(tmp_path: Path) -> None:
    file = tmp_path / "full.l12cap"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(file)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "3000\n"
    assert done.stderr == (
        f"capture: {file}: File too large; nothing more is captured, all else goes on\n"
    )
    reader = CaptureReader(file)
    assert sum(isinstance(event, Fell) for event in reader) > 400
    assert reader.damage == "cut off within its last block"


def test_a_disk_that_takes_nothing_is_not_waited_for(tmp_path: Path) -> None:
    class Clock(RealClock):
        def now_ns(self) -> int:
            return now

    now = 0
    told: list[str] = []
    fifo = tmp_path / "stuck"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # and never read
    recorder = Recorder(fifo, Clock(), told.append)

    def record() -> None:
        nonlocal now
        for n in range(200):
            now = n * SECOND
            recorder.transfer(now, 0, bytes(20_000), os.urandom(20_000))

    recording = Thread(target=record, daemon=True)
    recording.start()
    recording.join(30)
    assert not recording.is_alive()
    os.close(reading)
    recorder.close()
    assert told == [
        f"capture: {fifo}: the disk is too slow; nothing more is captured, all else goes on"
    ]
