"""What the ADS1298 can find out about itself: test signal, noise, temperature, supplies.

Each measurement changes registers and runs the chip for a while; the caller restores them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import registers as reg
from hal.frontend import SAMPLE_NS, Check, FrameBlock, Housekeeping

TEST_FRAMES = 1024  # two periods of the 1.953 Hz square
NOISE_FRAMES = 1000
SUPPLY_FRAMES = 64
TEST_TOLERANCE = 0.05
RATE_TOLERANCE = 0.03  # of the chip's oscillator and the host's clock together
NOISE_LIMIT_UV = 2.0  # rms; about 0.5 uV is typical at 500 SPS and gain 6
MUX_GAIN = 1  # supplies and temperature exceed the range of gain 6

# unverified: recalled from the data sheet, not found in a source
TEMPERATURE_25C_UV = 145_300.0
TEMPERATURE_UV_PER_C = 490.0
AVDD_PER_MVDD = 2.0  # channels 1, 2, 5-8 measure (AVDD + AVSS)/2; AVSS taken as 0
DVDD_PER_MVDD = 4.0  # channels 3 and 4

Measure = Callable[[Mapping[str, int], int], list[FrameBlock]]
"""Blocks of so many settled samples, with these registers changed."""


def _muxed(gain: int, muxes: Mapping[int, reg.Mux] | reg.Mux) -> dict[str, int]:
    channels = enumerate(reg.CHANNELS, start=1)
    return {
        r.name: r.encode(
            GAIN=reg.GAIN_CODES[gain],
            MUX=muxes if isinstance(muxes, reg.Mux) else muxes.get(n, reg.Mux.SHORTED),
        )
        for n, r in channels
    }


def run_checks(measure: Measure, gain: int) -> list[Check]:
    """Test signal, data-ready rate and input noise, at ``gain``."""
    square = _muxed(gain, reg.Mux.TEST)
    square["CONFIG2"] = reg.CONFIG2.encode(INT_TEST=1, TEST_FREQ=reg.TestFrequency.FAST)
    blocks = measure(square, TEST_FRAMES)
    shorted = measure(_muxed(gain, reg.Mux.SHORTED), NOISE_FRAMES)
    uv_per_count = reg.volts_per_count(gain) * 1e6
    return [
        _test_signal(_counts(blocks) * uv_per_count),
        _rate(blocks),
        _noise(_counts(shorted) * uv_per_count),
    ]


def _test_signal(uv: NDArray[np.float64]) -> Check:
    """Step of the internal square: upper plateau less lower one, whatever sign and offset."""
    ordered = np.sort(uv, axis=0)
    half = len(uv) // 2
    step_mv = (np.median(ordered[half:], axis=0) - np.median(ordered[:half], axis=0)) / 1e3
    expected_mv = reg.VREF_V / reg.TEST_DIVIDER * 1e3
    wrong = np.flatnonzero(np.abs(step_mv / expected_mv - 1) > TEST_TOLERANCE) + 1
    return Check(
        "test signal",
        not len(wrong),
        f"{expected_mv:g} mV step reads "
        + ", ".join(f"{mv:.3f}" for mv in step_mv)
        + " mV on channels 1-8",
        f"channel {', '.join(map(str, wrong))}: check VREF and its capacitors" * bool(len(wrong)),
    )


def _counts(blocks: list[FrameBlock]) -> NDArray[np.int32]:
    return np.concatenate([block.counts for block in blocks])


def _rate(blocks: list[FrameBlock]) -> Check:
    last = blocks[-1]
    samples = last.first_index + len(last) - 1 - blocks[0].first_index
    mean_ns = (int(last.t_ns[-1]) - int(blocks[0].t_ns[0])) / samples
    ok = abs(mean_ns / SAMPLE_NS - 1) <= RATE_TOLERANCE
    return Check(
        "data-ready rate",
        ok,
        f"{1e9 / mean_ns:.2f} per second over {samples} samples, {1e9 / SAMPLE_NS:g} expected",
        "" if ok else "check the chip's clock (CLKSEL) and the DRDY wire",
    )


def _noise(uv: NDArray[np.float64]) -> Check:
    """Inputs shorted inside the chip: little noise, but some, or the channel is dead."""
    rms = np.std(uv, axis=0)
    ok = bool((rms <= NOISE_LIMIT_UV).all() and (rms > 0).all())
    return Check(
        "input noise",
        ok,
        f"shorted inputs: {rms.min():.2f} to {rms.max():.2f} uV rms, "
        f"above 0 and up to {NOISE_LIMIT_UV:g} allowed",
        "" if ok else "check AVDD, VREF and their capacitors, and shielding",
    )


def measure_housekeeping(measure: Measure) -> Housekeeping:
    """Temperature on channel 1, (AVDD + AVSS)/2 on channel 2, DVDD/4 on channel 3, at gain 1.

    The temperature and supply formulas are unverified.
    """
    muxes = {1: reg.Mux.TEMPERATURE, 2: reg.Mux.MVDD, 3: reg.Mux.MVDD}
    blocks = measure(_muxed(MUX_GAIN, muxes), SUPPLY_FRAMES)
    volts = _counts(blocks).mean(axis=0) * reg.volts_per_count(MUX_GAIN)
    return Housekeeping(
        temperature_c=float((volts[0] * 1e6 - TEMPERATURE_25C_UV) / TEMPERATURE_UV_PER_C + 25),
        avdd_v=float(volts[1] * AVDD_PER_MVDD),
        dvdd_v=float(volts[2] * DVDD_PER_MVDD),
    )
