"""Banks of CMSIS-DSP filters: one per channel, blocks of any length, state kept between blocks.

Numbers are q31: int32 whose full scale is 2**31. Results do not depend on how a signal is cut
into blocks. CMSIS-DSP's accumulators wrap rather than saturate, so the caller keeps headroom: no
value between two stages may reach full scale (``firmware.filters`` states how it does).

Three traps of the ``cmsisdsp`` package shape this file. Initialising an instance twice leaks its
first state, so a reset builds a new one. A block longer than the state was sized for writes past
its end, so long blocks are cut. A strided coefficient array is read as if it were contiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cmsisdsp
import numpy as np
from numpy.typing import NDArray

MAX_BLOCK = 5000  # samples per call into CMSIS-DSP; longer input is cut

_POST_SHIFT = 1  # biquad coefficients are stored halved: q30

Q31 = NDArray[np.int32]


def _coefficients(values: Sequence[int]) -> Q31:
    return np.ascontiguousarray(values, dtype=np.int32)


class BiquadBank:
    """Cascaded biquads (``arm_biquad_cas_df1_32x64_q31``): 32-bit samples, 64-bit output state.

    sections_q30 : each (b0, b1, b2, -a1, -a2), gain 1 = 2**30
    """

    def __init__(self, sections_q30: Sequence[Sequence[int]], channels: int) -> None:
        self._sections = len(sections_q30)
        self._coefficients = _coefficients([c for section in sections_q30 for c in section])
        self._instances = [self._instance() for _ in range(channels)]

    def _instance(self) -> Any:
        instance = cmsisdsp.arm_biquad_cas_df1_32x64_ins_q31()
        state = np.zeros(4 * self._sections, dtype=np.int64)
        cmsisdsp.arm_biquad_cas_df1_32x64_init_q31(
            instance, self._sections, self._coefficients, state, _POST_SHIFT
        )
        return instance

    def reset(self, channel: int) -> None:
        """Forget the past of ``channel``: as if its input had always been 0."""
        self._instances[channel] = self._instance()

    def process(self, x: Q31) -> Q31:
        """Filter int32 [channels, n], C-contiguous, into a new array of that shape."""
        y = np.empty_like(x)
        for channel, instance in enumerate(self._instances):
            y[channel] = cmsisdsp.arm_biquad_cas_df1_32x64_q31(instance, x[channel])
        return y


class FirBank:
    """A symmetric FIR (``arm_fir_q31``); gain 1 = 2**31, every tap below 1."""

    def __init__(self, taps_q31: Sequence[int], channels: int) -> None:
        self._taps = _coefficients(taps_q31)
        self._instances = [self._instance() for _ in range(channels)]

    def _instance(self) -> Any:
        instance = cmsisdsp.arm_fir_instance_q31()
        state = np.zeros(len(self._taps) + MAX_BLOCK - 1, dtype=np.int32)
        cmsisdsp.arm_fir_init_q31(instance, len(self._taps), self._taps, state)
        return instance

    def reset(self, channel: int) -> None:
        """Forget the past of ``channel``: as if its input had always been 0."""
        self._instances[channel] = self._instance()

    def process(self, x: Q31) -> Q31:
        """Filter int32 [channels, n], C-contiguous, into a new array of that shape."""
        y = np.empty_like(x)
        for start in range(0, x.shape[1], MAX_BLOCK):
            part = slice(start, start + MAX_BLOCK)
            for channel, instance in enumerate(self._instances):
                y[channel, part] = cmsisdsp.arm_fir_q31(instance, x[channel, part])
        return y


class DecimatorBank:
    """A symmetric FIR that keeps every ``factor``-th output (``arm_fir_decimate_q31``).

    Output k is the FIR's output at input k * factor. It appears once input k * factor + factor - 1
    is in, because CMSIS-DSP takes whole groups; samples of an unfinished group wait here.
    """

    def __init__(self, taps_q31: Sequence[int], factor: int, channels: int) -> None:
        self._taps = _coefficients(taps_q31)
        self._factor = factor
        self._waiting = np.empty((channels, 0), dtype=np.int32)
        self._instances = [self._instance() for _ in range(channels)]

    def _instance(self) -> Any:
        instance = cmsisdsp.arm_fir_decimate_instance_q31()
        block = MAX_BLOCK - MAX_BLOCK % self._factor
        state = np.zeros(len(self._taps) + block - 1, dtype=np.int32)
        cmsisdsp.arm_fir_decimate_init_q31(
            instance, len(self._taps), self._factor, self._taps, state
        )
        return instance

    def reset(self, channel: int) -> None:
        """Forget the past of ``channel``, as if its input had been 0; the grouping stays."""
        self._instances[channel] = self._instance()
        self._waiting[channel] = 0

    def process(self, x: Q31) -> Q31:
        """Filter int32 [channels, n], C-contiguous, into a new array [channels, m]."""
        x = np.concatenate([self._waiting, x], axis=1)
        outputs = x.shape[1] // self._factor
        self._waiting = x[:, outputs * self._factor :].copy()
        y = np.empty((len(x), outputs), dtype=np.int32)
        step = MAX_BLOCK // self._factor
        for start in range(0, outputs, step):
            stop = min(start + step, outputs)
            part = slice(start * self._factor, stop * self._factor)
            for channel, instance in enumerate(self._instances):
                y[channel, start:stop] = cmsisdsp.arm_fir_decimate_q31(instance, x[channel, part])
        return y
