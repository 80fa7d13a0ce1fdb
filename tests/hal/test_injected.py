"""Injected frames: decoded as the driver decodes them, their losses and times kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import pytest

from hal import backends
from hal.ads1298 import wiring
from hal.ads1298.frame import pack, status_word
from hal.clock import VirtualClock
from hal.errors import FrontendError, Reason
from hal.frontend import SAMPLE_NS, Capability, Electrode, FrameBlock, FrontendConfig
from hal.injected import Frames, InjectedFrontend

ORIGIN_NS = 5_000_000_000
RL_LOST = sum(1 << bit for e, bit in wiring.STATUS_BITS.items() if e is not Electrode.RA)


class Sent:
    """A source of what the test hands over."""

    def __init__(self, *frames: Frames) -> None:
        self.frames = [*frames]
        self.waited_ns: list[int] = []

    def receive(self, timeout_ns: int) -> Frames | None:
        self.waited_ns.append(timeout_ns)
        return self.frames.pop(0) if self.frames else None


def frames(first: int, n: int, *, origin_ns: int = ORIGIN_NS, status: int = 0) -> Frames:
    """Counts that tell their index: 10 i + channel."""
    index = first + np.arange(n, dtype=np.int32)
    counts = 10 * index[:, None] + np.arange(8, dtype=np.int32)
    words = np.full(n, status_word() | status, np.uint32)
    return Frames(origin_ns, first, pack(words, counts).tobytes())


def torn(block: Frames, *rows: int) -> Frames:
    """``block`` with some frames that do not begin with 1100."""
    data = bytearray(block.data)
    for row in rows:
        data[27 * row] = 0x0C
    return Frames(block.origin_ns, block.first_index, bytes(data))


def started(*sent: Frames) -> InjectedFrontend:
    frontend = InjectedFrontend(Sent(*sent))
    frontend.configure(FrontendConfig())
    frontend.start()
    return frontend


def read_all(frontend: InjectedFrontend) -> list[FrameBlock]:
    blocks: list[FrameBlock] = []
    with contextlib.suppress(FrontendError):
        while True:
            blocks.append(frontend.read(500, 0.5))
    return blocks


def spans(blocks: list[FrameBlock]) -> list[tuple[int, int, int]]:
    return [(block.first_index, len(block), block.lost_before) for block in blocks]


def test_a_jump_of_the_index_is_so_many_lost_and_times_are_those_due() -> None:
    blocks = read_all(started(frames(0, 50), frames(50, 20), frames(120, 30)))
    assert spans(blocks) == [(0, 50, 0), (50, 20, 0), (120, 30, 50)]
    for block in blocks:
        index = block.first_index + np.arange(len(block))
        assert (block.counts[:, 0] == 10 * index).all()
        assert (block.t_ns == ORIGIN_NS + SAMPLE_NS * index).all()


def test_a_front_end_started_in_the_middle_begins_at_0_with_the_times_that_are() -> None:
    (block,) = read_all(started(frames(7000, 10)))
    assert (block.first_index, block.lost_before) == (0, 0)
    assert block.t_ns[0] == ORIGIN_NS + 7000 * SAMPLE_NS


def test_frames_that_come_again_are_passed_over() -> None:
    blocks = read_all(started(frames(0, 50), frames(0, 50), frames(30, 20), frames(50, 10)))
    assert spans(blocks) == [(0, 50, 0), (50, 10, 0)]


def test_between_two_injections_the_clock_counts() -> None:
    later_ns = ORIGIN_NS + 100 * SAMPLE_NS + 300_000
    blocks = read_all(started(frames(0, 50), frames(0, 50, origin_ns=later_ns)))
    assert spans(blocks) == [(0, 50, 0), (100, 50, 50)]
    assert blocks[1].t_ns[0] == later_ns


def test_a_frame_that_is_none_is_lost_and_eight_are_a_fault_as_for_the_driver() -> None:
    blocks = read_all(started(torn(frames(0, 50), 5, 6)))
    assert spans(blocks) == [(0, 5, 0), (7, 43, 2)]
    frontend = started(torn(frames(0, 50), *range(20, 28)))
    assert len(frontend.read(500, 0.5)) == 20
    with pytest.raises(FrontendError, match="8 frames in a row do not begin with 1100") as caught:
        frontend.read(500, 0.5)
    assert caught.value.reason is Reason.BAD_STATUS


def test_the_right_leg_is_told_from_the_status_word() -> None:
    assert not read_all(started(frames(0, 1)))[0].electrodes_off.any()
    (block,) = read_all(started(frames(0, 1, status=RL_LOST)))
    assert block.electrodes_off[0] >> Electrode.RL & 1
    assert Capability.RL_STATUS not in InjectedFrontend.capabilities  # RLD_STAT is in no frame


def test_silence_says_what_to_start() -> None:
    source = Sent()
    frontend = InjectedFrontend(source)
    frontend.configure(FrontendConfig())
    frontend.start()
    with pytest.raises(FrontendError, match=r"for 0\.25 s; start lead12 hil run") as caught:
        frontend.read(4, 0.25)
    assert caught.value.reason is Reason.DATA_READY_TIMEOUT
    assert source.waited_ns == [250_000_000]


def test_frames_are_returned_at_once_in_portions_of_any_size() -> None:
    source = Sent(frames(0, 50))
    frontend = InjectedFrontend(source)
    frontend.configure(FrontendConfig())
    frontend.start()
    assert [len(frontend.read(4, 0.5)) for _ in range(13)] == [4] * 12 + [2]
    assert len(source.waited_ns) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "over a running monitor's serial line; start lead12 run --frontend injected"),
        ({"source": "bench"}, "over a running monitor's serial line"),
        ({"spi_bus": 1}, "unknown option 'spi_bus'"),
    ],
)
def test_the_registry_builds_it_over_a_source_only(options: dict[str, object], said: str) -> None:
    with pytest.raises(FrontendError, match=said) as caught:
        backends.build("injected", VirtualClock(), options=options)
    assert caught.value.reason is Reason.BAD_CONFIG
    built = backends.build("injected", VirtualClock(), options={"source": Sent()})
    assert isinstance(built, InjectedFrontend)


@pytest.mark.parametrize(
    "call", [InjectedFrontend.self_test, InjectedFrontend.housekeeping], ids=["test", "supplies"]
)
def test_what_needs_the_chip_is_refused(call: Callable[[InjectedFrontend], object]) -> None:
    with pytest.raises(FrontendError, match="have no chip on this board") as caught:
        call(started())
    assert caught.value.reason is Reason.UNSUPPORTED
