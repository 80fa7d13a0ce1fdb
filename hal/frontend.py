"""The one seam to hardware: what every front end gives, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Flag, IntEnum, auto
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 500
CHANNELS = 8
SAMPLE_NS = 1_000_000_000 // SAMPLE_RATE_HZ
CHANNEL_LEADS = ("V6", "I", "II", "V2", "V3", "V4", "V5", "V1")  # TI's reference wiring, ch1..ch8


class Electrode(IntEnum):
    """The ten electrodes; the value is the bit in ``FrameBlock.electrodes_off``."""

    RA = 0
    LA = 1
    LL = 2
    RL = 3
    V1 = 4
    V2 = 5
    V3 = 6
    V4 = 7
    V5 = 8
    V6 = 9


def electrode_mask(electrodes: Iterable[Electrode]) -> int:
    """Bits of ``electrodes``, as in ``FrameBlock.electrodes_off``."""
    mask = 0
    for electrode in electrodes:
        mask |= 1 << electrode
    return mask


def electrodes_in(mask: int) -> tuple[Electrode, ...]:
    """The electrodes whose bits are set in ``mask``, in the order of the enum."""
    return tuple(electrode for electrode in Electrode if mask >> electrode & 1)


class Capability(Flag):
    """What a front end can do beyond delivering frames."""

    NONE = 0
    ELECTRODE_STATUS = auto()  # chest and limb electrodes, in every frame
    RL_STATUS = auto()  # the right-leg electrode too
    SELF_TEST = auto()  # internal test signal and shorted inputs
    HOUSEKEEPING = auto()  # temperature and supplies
    SIMULATED = auto()
    BULK = auto()  # may run faster than real time


@dataclass(frozen=True, slots=True)
class FrontendConfig:
    """What the instrument asks of a front end. The rate is always 500 SPS, eight channels."""

    gain: int = 6
    lead_off_current_na: int = 6  # 6, 12, 18 or 24 (LOFF.ILEAD_OFF)
    lead_off_threshold_percent: float = 95.0  # comparator, positive side (LOFF.COMP_TH)
    rl_check_every: int = 500  # frames between readings of RLD_STAT; 0 = never


@dataclass(frozen=True, slots=True)
class FrontendInfo:
    """What was found and set: for ``doctor``, the serial hello and the record header."""

    name: str  # "ads1298"
    detail: str  # "ADS1298 id 0x92 on simulated SPI mode 1"
    nv_per_count: float  # 47.684 at gain 6 and 2.4 V; 1 count in nanovolts, input-referred
    gain: int
    registers: dict[str, int] = field(default_factory=dict)  # as read back


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of a self-test or of ``doctor``: its evidence, and what to do if it failed."""

    name: str
    ok: bool
    evidence: str
    act: str = ""


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Chip temperature and supplies, measured by the chip itself (MUX settings)."""

    temperature_c: float
    avdd_v: float
    dvdd_v: float


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """A run of consecutive samples; a gap always starts a new block.

    first_index : sample index at the ADC of row 0: the clock of everything downstream
    t_ns : int64 [n], monotonic time of each data-ready edge
    counts : int32 [n, 8], C-contiguous, channel order of the wiring, 24-bit range
    status : uint32 [n], the 24-bit status word of each frame
    electrodes_off : uint16 [n], bit per Electrode, 1 = off
    lost_before : samples lost between the previous block and this one, >= 0
    """

    first_index: int
    t_ns: NDArray[np.int64]
    counts: NDArray[np.int32]
    status: NDArray[np.uint32]
    electrodes_off: NDArray[np.uint16]
    lost_before: int = 0

    def __len__(self) -> int:
        return len(self.counts)


class Frontend(Protocol):
    """Call order: open, configure, start, read..., stop, close. close may follow any of them.

    Every method raises FrontendError with its reason; none returns half a result.
    """

    capabilities: Capability

    def open(self) -> None: ...

    def configure(self, config: FrontendConfig) -> FrontendInfo:
        """Power up, check the identity, write and verify the settings."""
        ...

    def start(self) -> None:
        """Begin conversions; the first settled sample is index 0."""
        ...

    def read(self, max_frames: int, timeout_s: float) -> FrameBlock:
        """Wait for data and return 1..max_frames consecutive samples.

        Raises FrontendError(DATA_READY_TIMEOUT) when none came in ``timeout_s``,
        FrontendError(BAD_STATUS) when the frames are not frames,
        FrontendError(END_OF_SIGNAL) when a finite source is exhausted.
        """
        ...

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def self_test(self) -> list[Check]:
        """Internal 1 mV square and shorted-input noise. Needs SELF_TEST; call while stopped."""
        ...

    def housekeeping(self) -> Housekeeping:
        """Needs HOUSEKEEPING; call while stopped."""
        ...
