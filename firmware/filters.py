"""From counts to filtered counts in fixed point, block by block.

Scale: counts (24 bits) are shifted left by FRACTION_BITS = 4, so q31 full scale is 16 times the
chip's +-400 mV. The largest value any 24-bit input can produce anywhere in a profile is below
5 times +-400 mV (the sum of absolute impulse responses, asserted in the tests), so nothing
overflows whatever comes in, railed inputs with a 300 mV offset included, and nothing needs to
saturate.

Start: the first sample after a reset is subtracted from all that follow. The high-pass has gain
exactly 0 at 0 Hz, so this equals a filter that has felt the first sample for ever: the electrode
offset is gone at once, without a transient.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from firmware.coefficients import NOTCH_Q30
from firmware.fixedpoint import BiquadBank, DecimatorBank, FirBank
from firmware.profiles import MAINS_HZ, Profile
from hal.frontend import CHANNELS

FRACTION_BITS = 4
COUNT_MIN, COUNT_MAX = -(1 << 23), (1 << 23) - 1

_HALF = 1 << FRACTION_BITS - 1


class FilterChain:
    """One profile over all channels.

    profile : what to filter
    mains_hz : 50, 60 or None (no notch); without effect where the profile removes mains itself

    Row k of the output since ``reset()`` belongs to the input sample k * decimation -
    delay_samples since that reset. Raises ValueError for another ``mains_hz``.
    """

    def __init__(self, profile: Profile, *, mains_hz: int | None, channels: int = CHANNELS) -> None:
        if mains_hz is not None and mains_hz not in MAINS_HZ:
            raise ValueError(f"mains_hz is {mains_hz}; set it to 50, 60 or None")
        self.profile = profile
        self.decimation = profile.decimation
        self.delay_samples = profile.delay_samples
        self._channels = channels
        self._sections = list(profile.sections_q30)
        if mains_hz is not None and profile.takes_notch:
            self._sections.append(NOTCH_Q30[mains_hz])
        self.reset()

    def reset(self, channels: Iterable[int] | None = None) -> None:
        """Start again from the next sample: after a gap, or when an electrode is back.

        channels : only these, keeping the others and the decimator's grouping; None = all
        """
        if channels is None:
            self._banks: list[FirBank | DecimatorBank | BiquadBank] = []  # built when first used
            self._origin = np.zeros(self._channels, dtype=np.int32)
            self._starting = list(range(self._channels))
            return
        for channel in channels:
            for bank in self._banks:
                bank.reset(channel)
            self._starting.append(channel)

    def _build(self) -> list[FirBank | DecimatorBank | BiquadBank]:
        banks: list[FirBank | DecimatorBank | BiquadBank] = []
        if self.decimation > 1:
            banks.append(DecimatorBank(self.profile.fir_q31, self.decimation, self._channels))
        elif self.profile.fir_q31:
            banks.append(FirBank(self.profile.fir_q31, self._channels))
        banks.append(BiquadBank(self._sections, self._channels))
        return banks

    def push(self, counts: NDArray[np.int32]) -> NDArray[np.int32]:
        """Filter the next samples: int32 [n, channels] counts in, int32 [m, channels] counts out.

        n >= 0 is free and does not change a bit of the result; m = n, or what decimation leaves.
        One count stays one count (FrontendInfo.nv_per_count), rounded to nearest.
        Raises ValueError for another shape or type and for values beyond 24 bits.
        """
        if counts.dtype != np.int32 or counts.ndim != 2 or counts.shape[1] != self._channels:
            raise ValueError(
                f"counts are {counts.dtype} {list(counts.shape)}; pass int32 [n, {self._channels}]"
            )
        if not len(counts):
            return np.empty((0, self._channels), dtype=np.int32)
        if counts.min() < COUNT_MIN or counts.max() > COUNT_MAX:
            raise ValueError(
                f"counts reach {counts.min()}..{counts.max()}; pass 24-bit values "
                f"({COUNT_MIN}..{COUNT_MAX}) as the converter gives them"
            )
        if not self._banks:
            self._banks = self._build()
        if self._starting:
            self._origin[self._starting] = counts[0, self._starting]
            self._starting = []
        x = np.subtract(counts.T, self._origin[:, None], order="C")
        x <<= FRACTION_BITS
        for bank in self._banks:
            x = bank.process(x)
        x += _HALF
        x >>= FRACTION_BITS
        return np.ascontiguousarray(x.T)
