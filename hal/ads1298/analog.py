"""The analog half of the simulated ADS1298: electrode volts in, counts and comparators out.

Everything is a pure function of (settings, conversion number): however a span is cut into reads,
the same counts come out. Potentials are relative to mid-supply, where RLD holds the body.
Supply and noise figures are those of a plausible board, not of the data sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import registers as reg
from hal.ads1298.wiring import INPUTS, WCT, electrode_on
from hal.frontend import Electrode
from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ, Patient

AVDD_V = 3.0  # against AVSS
DVDD_V = 3.3
TEMPERATURE_C = 31.0
TEMPERATURE_25C_V = 145_300e-6  # unverified, recalled from the data sheet
TEMPERATURE_V_PER_C = 490e-6
RAIL_V = AVDD_V / 2
NOISE_INPUT_V = 0.35e-6  # rms at 500 SPS, before the gain
NOISE_OUTPUT_V = 1.2e-6  # rms at 500 SPS, divided by the gain
NOISE_CHUNK = 1024  # conversions per random stream

# sinc3 with a ratio of 1024 is, to 1e-6, the quadratic B-spline over three DRDY periods; these
# 12 points of it at 2 kHz are within 0.005 dB of the true sinc3 below 200 Hz
_T = (np.arange(12) + 0.5) / ANALOG_OVERSAMPLING
_SPLINE = np.where(
    _T < 1, _T**2 / 2, np.where(_T < 2, (-2 * _T**2 + 6 * _T - 3) / 2, (3 - _T) ** 2 / 2)
)
SINC3_TAPS: tuple[float, ...] = tuple((_SPLINE / _SPLINE.sum()).tolist())
_ROW_TAPS = np.repeat(np.array(SINC3_TAPS), reg.CHANNEL_COUNT).reshape(3, -1)
_HISTORY = len(SINC3_TAPS) - ANALOG_OVERSAMPLING  # points of the earlier conversions


@dataclass(frozen=True, slots=True)
class AnalogSettings:
    """What the registers mean to the analog half."""

    powered: tuple[bool, ...]
    gains: tuple[int, ...]
    muxes: tuple[reg.Mux, ...]
    vref_v: float  # 0: no reference
    rld_on: bool
    rld_sensed: bool
    wct: tuple[Electrode, ...]  # electrodes averaged by the powered WCT amplifiers
    test_v: float  # step of the internal test signal, 0 when external
    test_half_points: int  # analog points per half period; 0 = DC
    lead_off: bool  # DC lead-off currents flow
    comparators: bool
    threshold: float  # positive comparators' level as a fraction of the supply
    sens_p: int
    sens_n: int
    flip: int

    @classmethod
    def of(cls, registers: Mapping[str, int]) -> AnalogSettings:
        """From register values by name. The undefined gain 7 acts as gain 6."""
        config2, config3, loff = registers["CONFIG2"], registers["CONFIG3"], registers["LOFF"]
        channels = [(r, registers[r.name]) for r in reg.CHANNELS]
        vref = reg.VREF_HIGH_V if reg.CONFIG3.get(config3, "VREF_4V") else reg.VREF_V
        amplitude = vref / reg.TEST_DIVIDER * (1 + reg.CONFIG2.get(config2, "TEST_AMP"))
        frequency = reg.CONFIG2.get(config2, "TEST_FREQ")
        half = {reg.TestFrequency.SLOW: 1 << 20, reg.TestFrequency.FAST: 1 << 19}.get(
            reg.TestFrequency(frequency) if frequency != 2 else reg.TestFrequency.DC, 0
        )
        amplifiers = (
            (reg.WCT1, "PD_WCTA", "WCTA"),
            (reg.WCT2, "PD_WCTB", "WCTB"),
            (reg.WCT2, "PD_WCTC", "WCTC"),
        )
        routed = (
            electrode_on(reg.Pin(r.get(registers[r.name], pin)))
            for r, power, pin in amplifiers
            if r.get(registers[r.name], power)
        )
        return cls(
            powered=tuple(not r.get(value, "PD") for r, value in channels),
            gains=tuple(reg.GAINS.get(r.get(value, "GAIN"), 6) for r, value in channels),
            muxes=tuple(reg.Mux(r.get(value, "MUX")) for r, value in channels),
            vref_v=vref if reg.CONFIG3.get(config3, "PD_REFBUF") else 0.0,
            rld_on=bool(reg.CONFIG3.get(config3, "PD_RLD")),
            rld_sensed=bool(reg.CONFIG3.get(config3, "RLD_LOFF_SENS")),
            wct=tuple(electrode for electrode in routed if electrode is not WCT),
            test_v=amplitude if reg.CONFIG2.get(config2, "INT_TEST") else 0.0,
            test_half_points=half * ANALOG_RATE_HZ // reg.F_CLK_HZ,
            lead_off=reg.LOFF.get(loff, "FLEAD_OFF") == reg.LeadOffFrequency.DC,
            comparators=bool(reg.CONFIG4.get(registers["CONFIG4"], "PD_LOFF_COMP")),
            threshold=reg.LEAD_OFF_THRESHOLDS_PERCENT[reg.LOFF.get(loff, "COMP_TH")] / 100,
            sens_p=registers["LOFF_SENSP"],
            sens_n=registers["LOFF_SENSN"],
            flip=registers["LOFF_FLIP"],
        )

    @property
    def sees_electrodes(self) -> bool:
        """Whether any channel is connected to the patient."""
        return any(
            on and mux is reg.Mux.ELECTRODE
            for on, mux in zip(self.powered, self.muxes, strict=True)
        )

    def pull_v(self, electrode: Electrode) -> float:
        """Where the pin of an electrode that is off goes: a rail, or 0 without a current."""
        for n, entry in enumerate(INPUTS):
            flipped = self.flip >> n & 1
            if entry.positive is electrode and self.sens_p >> n & 1 and self.lead_off:
                return -RAIL_V if flipped else RAIL_V
            if entry.negative is electrode and self.sens_n >> n & 1 and self.lead_off:
                return RAIL_V if flipped else -RAIL_V
        return 0.0

    @property
    def body_pull_v(self) -> float:
        """How far the lead-off currents push a body that RLD does not hold: beyond a rail."""
        up = (self.sens_p & ~self.flip).bit_count() + (self.sens_n & self.flip).bit_count()
        down = (self.sens_p & self.flip).bit_count() + (self.sens_n & ~self.flip).bit_count()
        return AVDD_V * float(np.sign(up - down)) if self.lead_off else 0.0


class AnalogFrontEnd:
    """Patient, pins, PGA, sinc3 and noise. Conversion 0 is the first settled one after START.

    The signal begins when the first settled conversion does; earlier conversions see its first
    value from START on, nothing before.
    """

    def __init__(self, patient: Patient, seed: int) -> None:
        self.patient = patient
        self._noise = lru_cache(maxsize=2)(self._noise_chunk)
        self._seed = seed

    @property
    def conversions(self) -> int | None:
        """How many settled conversions the patient's signal lasts; None = for ever."""
        points = self.patient.duration
        return None if points is None else points // ANALOG_OVERSAMPLING

    def right_leg_off(self, settings: AnalogSettings, index: int) -> bool:
        """RLD_STAT at conversion ``index``: the right-leg amplifier has lost its loop."""
        if not (settings.rld_on and settings.rld_sensed):
            return False
        _, off = self._points(max(index, 0) * ANALOG_OVERSAMPLING, 1)
        return bool(off[0, Electrode.RL])

    def lead_off(self, settings: AnalogSettings, index: int) -> tuple[int, int]:
        """LOFF_STATP and LOFF_STATN at conversion ``index``."""
        pins = self._pins(settings, (index + 1) * ANALOG_OVERSAMPLING - 1, 1)
        statp, statn = self._comparators(settings, pins)
        return int(statp[0]), int(statn[0])

    def convert(
        self, settings: AnalogSettings, first: int, n: int
    ) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.uint16]]:
        """Counts int32 [n, 8], LOFF_STATP and LOFF_STATN [n] of conversions first..first+n-1."""
        begin = first * ANALOG_OVERSAMPLING - _HISTORY
        pins = self._pins(settings, begin, n * ANALOG_OVERSAMPLING + _HISTORY)
        volts = self._inputs(settings, pins, begin)
        if begin < -_HISTORY:  # the filter holds nothing from before START
            volts[: -_HISTORY - begin] = 0.0
        # four points of eight channels a row; element by element, so that no sum depends on
        # how time is cut
        rows = volts.reshape(-1, ANALOG_OVERSAMPLING * reg.CHANNEL_COUNT)
        phases = rows[:n] * _ROW_TAPS[0]
        for tap in (1, 2):
            phases += rows[tap : tap + n] * _ROW_TAPS[tap]
        filtered = phases[:, 0:8] + phases[:, 8:16] + phases[:, 16:24] + phases[:, 24:32]
        statp, statn = self._comparators(
            settings, pins[_HISTORY + ANALOG_OVERSAMPLING - 1 :: ANALOG_OVERSAMPLING]
        )
        return self._quantise(settings, filtered, first), statp, statn

    def _points(self, begin: int, n: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Electrode volts and off flags [n, 10]; outside the signal its end values hold."""
        end = begin + n
        duration = self.patient.duration
        low = max(begin, 0) if duration is None else min(max(begin, 0), duration - 1)
        high = max(end, low + 1) if duration is None else max(min(end, duration), low + 1)
        got = self.patient.potentials(low, high - low)
        if (low, high) == (begin, end):
            return got.volts, got.off
        rows = np.clip(np.arange(begin, end), low, high - 1) - low
        return got.volts[rows], got.off[rows]

    def _pins(self, settings: AnalogSettings, begin: int, n: int) -> NDArray[np.float64]:
        """Volts [n, 10] at the chip's electrode pins."""
        volts, off = self._points(begin, n)
        held = settings.rld_on
        if off.any() or not held:
            drifting = off[:, Electrode.RL] if held else np.ones(n, np.bool_)
            volts = volts + drifting[:, None] * settings.body_pull_v
            pulls = np.array([settings.pull_v(electrode) for electrode in Electrode])
            volts = np.where(off, pulls, volts)
        return np.clip(volts, -RAIL_V, RAIL_V)

    def _inputs(
        self, settings: AnalogSettings, pins: NDArray[np.float64], begin: int
    ) -> NDArray[np.float64]:
        """Differential volts [n, 8] behind the input multiplexers."""
        terminal: NDArray[np.float64] | float = 0.0
        if settings.wct:
            terminal = sum(pins[:, electrode] for electrode in settings.wct) / len(settings.wct)
        inputs = np.zeros((len(pins), reg.CHANNEL_COUNT))
        for n, (entry, mux) in enumerate(zip(INPUTS, settings.muxes, strict=True)):
            if mux is reg.Mux.ELECTRODE:
                negative = terminal if entry.negative is WCT else pins[:, entry.negative]
                np.subtract(pins[:, entry.positive], negative, out=inputs[:, n])
            elif mux is reg.Mux.TEST:
                half = settings.test_half_points
                ticks = np.arange(begin, begin + len(pins)) + _HISTORY
                high = ticks // half % 2 == 0 if half else np.ones(len(pins), np.bool_)
                inputs[:, n] = settings.test_v * np.where(high, 0.5, -0.5)
            elif mux is reg.Mux.TEMPERATURE:
                inputs[:, n] = TEMPERATURE_25C_V + TEMPERATURE_V_PER_C * (TEMPERATURE_C - 25)
            elif mux is reg.Mux.MVDD:
                inputs[:, n] = DVDD_V / 4 if n in (2, 3) else AVDD_V / 2
        return inputs  # shorted inputs, and the RLD settings: RLD sits at mid-supply

    def _quantise(
        self, settings: AnalogSettings, volts: NDArray[np.float64], first: int
    ) -> NDArray[np.int32]:
        powered = np.array(settings.powered)
        if not settings.vref_v:
            return np.where(powered, np.full(volts.shape, reg.FULL_SCALE), 0).astype(np.int32)
        gains = np.array(settings.gains, np.float64)
        volts += np.hypot(NOISE_INPUT_V, NOISE_OUTPUT_V / gains) * self._noise_rows(
            first, len(volts)
        )
        volts *= powered * gains * (reg.FULL_SCALE / settings.vref_v)
        np.rint(volts, out=volts)
        return np.clip(volts, -reg.FULL_SCALE - 1, reg.FULL_SCALE).astype(np.int32)

    def _noise_rows(self, first: int, n: int) -> NDArray[np.float64]:
        chunks = range(first // NOISE_CHUNK, (first + n - 1) // NOISE_CHUNK + 1)
        rows = [self._noise(chunk) for chunk in chunks]
        start = first - chunks[0] * NOISE_CHUNK
        return (rows[0] if len(rows) == 1 else np.concatenate(rows))[start : start + n]

    def _noise_chunk(self, chunk: int) -> NDArray[np.float64]:
        """Unit normals [NOISE_CHUNK, 8]; a stream of their own for every chunk."""
        key = np.array([self._seed, chunk & 0xFFFF_FFFF], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key))
        return generator.standard_normal((NOISE_CHUNK, reg.CHANNEL_COUNT))

    @staticmethod
    def _comparators(
        settings: AnalogSettings, pins: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """LOFF_STATP and LOFF_STATN [n] for pin volts [n, 10]."""
        statp = np.zeros(len(pins), np.uint16)
        statn = np.zeros(len(pins), np.uint16)
        level = (settings.threshold - 0.5) * AVDD_V
        if not (settings.lead_off and settings.comparators) or np.abs(pins).max() < level:
            return statp, statn
        for n, entry in enumerate(INPUTS):
            sign = -1.0 if settings.flip >> n & 1 else 1.0
            if settings.sens_p >> n & 1:
                statp |= (sign * pins[:, entry.positive] > level).astype(np.uint16) << np.uint16(n)
            if settings.sens_n >> n & 1 and entry.negative is not WCT:
                statn |= (sign * pins[:, entry.negative] < -level).astype(np.uint16) << np.uint16(n)
        return statp, statn
