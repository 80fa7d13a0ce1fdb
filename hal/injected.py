"""Front end ``injected``: ADS1298 frames that a bench made, decoded as if they came by SPI.

They come over the serial line to the monitor process, which hands them on as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from hal.ads1298 import registers as reg
from hal.ads1298.decode import FrameDecoder
from hal.ads1298.frame import FRAME_BYTES
from hal.ads1298.settings import settings_for
from hal.errors import FrontendError, Reason
from hal.frontend import (
    SAMPLE_NS,
    Capability,
    Check,
    FrameBlock,
    FrontendConfig,
    FrontendInfo,
    Housekeeping,
)

MAX_FRAMES = 64  # handed over at once


@dataclass(frozen=True, slots=True)
class Frames:
    """Consecutive frames of one injection.

    origin_ns : when its frame 0 was due on this machine's monotonic clock; no two share one
    first_index : of the first of these · data : 27 bytes of each, 1 to 64
    """

    origin_ns: int
    first_index: int
    data: bytes

    def __len__(self) -> int:
        return len(self.data) // FRAME_BYTES

    def due_ns(self, n: int) -> int:
        """When frame ``n`` of these was due, at 500 per second."""
        return self.origin_ns + (self.first_index + n) * SAMPLE_NS


@runtime_checkable
class FrameSource(Protocol):
    """Where frames come from."""

    def receive(self, timeout_ns: int) -> Frames | None:
        """The next that were handed over, within ``timeout_ns``, or None."""
        ...


class InjectedFrontend:
    """A ``Frontend`` over a ``FrameSource``, which stays open when this is closed.

    t_ns of a sample is the time at which it was due, not that of its arrival. RL is told from the
    lead-off pattern of the status word alone: RLD_STAT is in no frame.
    """

    capabilities = Capability.ELECTRODE_STATUS

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._configured = self._running = False

    def open(self) -> None:
        """Nothing to open."""

    def configure(self, config: FrontendConfig) -> FrontendInfo:
        """The settings that the bench must have made its frames with."""
        self._configured = self._running = False
        settings = settings_for(config)
        self._configured = True
        return FrontendInfo(
            name="injected",
            detail="ADS1298 frames injected over the serial line",
            nv_per_count=reg.volts_per_count(config.gain) * 1e9,
            gain=config.gain,
            registers=settings,
        )

    def start(self) -> None:
        """The next frame that comes is index 0."""
        if not self._configured:
            raise FrontendError(
                Reason.BAD_CONFIG, "start before configure", act="call configure first"
            )
        self._decoder = FrameDecoder()
        self._origin_ns: int | None = None  # of the injection that is being read
        self._shift = 0  # from its index to that of this front end
        self._next = 0  # index expected next
        self._last_ns = 0  # when the sample before that was due
        self._running = True

    def read(self, max_frames: int, timeout_s: float) -> FrameBlock:
        """As the contract; what has come is returned at once."""
        if not self._running:
            raise FrontendError(Reason.BAD_CONFIG, "read before start", act="call start first")
        if max_frames < 1:
            raise FrontendError(
                Reason.BAD_CONFIG, f"{max_frames} frames asked for", act="ask for 1 or more"
            )
        while (block := self._decoder.pop(max_frames)) is None:
            frames = self._source.receive(round(timeout_s * 1e9))
            if frames is None:
                raise FrontendError(
                    Reason.DATA_READY_TIMEOUT,
                    f"no frames on the serial line for {timeout_s:g} s",
                    act="start lead12 hil run --target, or check the cable",
                )
            self._take(frames)
        return block

    def _take(self, frames: Frames) -> None:
        first_ns = frames.due_ns(0)
        if self._origin_ns is None:
            self._shift = -frames.first_index
        elif frames.origin_ns != self._origin_ns:  # another injection: the clock counts between
            between = max(0, round((first_ns - self._last_ns) / SAMPLE_NS) - 1)
            self._shift = self._next + between - frames.first_index
        first, n = frames.first_index + self._shift, len(frames)
        if first < self._next:
            return  # had already
        index = first + np.arange(n)
        self._decoder.push(index, first_ns + SAMPLE_NS * np.arange(n), frames.data)
        self._origin_ns, self._next = frames.origin_ns, first + n
        self._last_ns = frames.due_ns(n - 1)

    def stop(self) -> None:
        self._running = False

    def close(self) -> None:
        self._running = False

    def self_test(self) -> list[Check]:
        """Not possible: the chip is the bench's."""
        raise _unsupported("self-test")

    def housekeeping(self) -> Housekeeping:
        """Not possible: the chip is the bench's."""
        raise _unsupported("housekeeping")


def _unsupported(what: str) -> FrontendError:
    return FrontendError(
        Reason.UNSUPPORTED,
        f"no {what}: injected frames have no chip on this board",
        act="test the chip with --frontend ads1298",
    )
