"""Measure the filter chain through the simulated ADS1298, and hold it against its limits.

Six chest electrodes carry test signals; the driver reads the chip, so sinc3 droop, input noise
and quantisation are in every figure. ``lead12 bench filters [--json] [--update-docs]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from firmware.filters import FRACTION_BITS, FilterChain
from firmware.fixedpoint import BiquadBank
from firmware.profiles import DIAGNOSTIC, MAINS_HZ, PROFILES, Profile
from hal.clock import VirtualClock
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ, Electrode, FrontendConfig
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials
from hal.simulated import simulated_frontend
from tools.bench.figures import DOCS, Figure, write_section

Wave = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # seconds -> millivolts
Samples = NDArray[np.float64]

RESPONSE_HZ = (0.05, 0.5, 0.67, 1.0, 10.0, 20.0, 40.0, 100.0, 125.0, 150.0)
SINE_MV = 5.0
OFF_NOMINAL_HZ = 0.2  # how far mains strays
EVENT_S = 10.0  # when pulse, step and QRS begin
PULSE_S = 0.1

FLAT = (-0.5, 0.5)  # dB
EDGE = (-3.0, 0.4)
NOTCHED = (None, -20.0)
STOPPED = (None, -60.0)  # what would alias into the network's input
Limits = tuple[float | None, float | None]
RESPONSE_LIMITS: dict[str, dict[float, Limits]] = {
    "diagnostic": {
        **dict.fromkeys((0.05, 0.5, 125.0, 150.0), EDGE),
        **dict.fromkeys((0.67, 1.0, 10.0, 20.0, 40.0, 100.0), FLAT),
    },
    "monitor": {**dict.fromkeys((0.67, 1.0, 20.0, 40.0), EDGE), 10.0: FLAT},
    "model": {
        **dict.fromkeys((0.5, 0.67, 40.0), EDGE),
        **dict.fromkeys((1.0, 10.0, 20.0), FLAT),
        **dict.fromkeys((100.0, 125.0, 150.0), STOPPED),
    },
    "model-50": {
        **dict.fromkeys((0.5, 0.67, 20.0), EDGE),
        **dict.fromkeys((1.0, 10.0), FLAT),
        **dict.fromkeys((40.0, 100.0, 125.0, 150.0), STOPPED),
    },
}
RESPONSE_LIMITS["model-500"] = RESPONSE_LIMITS["model"]
# 0.05 Hz cannot forget 300 mV faster than ln(600) / (2 pi 0.05 Hz) = 20 s; a reset() does at once
STEP_LIMITS_S = {"diagnostic": 25.0, "monitor": 3.0} | dict.fromkeys(
    ("model", "model-500", "model-50"), 5.0
)

SLOW_HZ, FAST_HZ = RESPONSE_HZ[:4], RESPONSE_HZ[4:]  # six channels each at the most
SLOW_SETTLED_S, FAST_SETTLED_S = 40.0, 20.0
MAINS_TONES_HZ = tuple(
    hz + away for hz in MAINS_HZ for away in (-OFF_NOMINAL_HZ, 0.0, OFF_NOMINAL_HZ)
)


class _TestPatient:
    """Limb electrodes at 0 V, so that Wilson's terminal is 0; one wave on each chest electrode."""

    name = "filter test signals"
    duration: int | None = None

    def __init__(self, waves: Sequence[Wave]) -> None:
        self._waves = waves

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        t_s = np.arange(first, first + n) / ANALOG_RATE_HZ
        volts = np.zeros((n, len(Electrode)))
        for number, wave in enumerate(self._waves):
            volts[:, Electrode.V1 + number] = wave(t_s) / 1000
        return ElectrodePotentials(volts, np.zeros((n, len(Electrode)), np.bool_))


class _Recording:
    """Counts of six waves as the driver reads them, and any chain's output in mV."""

    def __init__(self, waves: Sequence[Wave], seconds: float) -> None:
        frontend = simulated_frontend(_TestPatient(waves), VirtualClock(), bulk=True)
        frontend.open()
        try:
            info = frontend.configure(FrontendConfig(rl_check_every=0))
            frontend.start()
            wanted = round(seconds * SAMPLE_RATE_HZ)
            blocks: list[NDArray[np.int32]] = []
            while wanted:
                blocks.append(frontend.read(wanted, timeout_s=1.0).counts)
                wanted -= len(blocks[-1])
            frontend.stop()
        finally:
            frontend.close()
        self._mv_per_count = info.nv_per_count / 1e6
        columns = [CHANNEL_LEADS.index(f"V{number + 1}") for number in range(len(waves))]
        self._counts = np.concatenate(blocks)[:, columns]

    @property
    def unfiltered(self) -> Samples:
        """MV [n, waves] as the chip gives them."""
        return np.asarray(self._counts * self._mv_per_count)

    def through(self, profile: Profile, mains_hz: int | None) -> Samples:
        """MV [m, waves] behind the chain."""
        chain = FilterChain(profile, mains_hz=mains_hz, channels=self._counts.shape[1])
        return np.asarray(chain.push(self._counts) * self._mv_per_count)


def _sine(f_hz: float, offset_mv: float = 0.0) -> Wave:
    return lambda t_s: offset_mv + SINE_MV * np.sin(2 * np.pi * f_hz * t_s)


def _pulse(height_mv: float) -> Wave:
    return lambda t_s: np.where((t_s >= EVENT_S) & (t_s < EVENT_S + PULSE_S), height_mv, 0.0)


def _step(height_mv: float) -> Wave:
    return lambda t_s: np.where(t_s >= EVENT_S, height_mv, 0.0)


def _qrs(t_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """A triangle of 1 mV, 40 ms wide, centred on EVENT_S: steep, as an R wave."""
    return np.asarray(np.maximum(0.0, 1 - np.abs(t_s - EVENT_S) / 0.02))


def _gain_db(y: Samples, f_hz: float, rate_hz: float, settled_s: float) -> float:
    """Amplitude of ``f_hz`` after ``settled_s``, re SINE_MV; the whole output where it aliases."""
    first = round(settled_s * rate_hz)
    y = y[first:]
    if f_hz >= rate_hz / 2:
        return float(20 * np.log10(np.sqrt(2) * y.std() / SINE_MV))
    phase = 2 * np.pi * f_hz * (first + np.arange(len(y))) / rate_hz
    basis = np.stack([np.sin(phase), np.cos(phase), np.ones_like(phase)], axis=1)
    fit = np.linalg.lstsq(basis, y, rcond=None)[0]
    return float(20 * np.log10(np.hypot(fit[0], fit[1]) / SINE_MV))


def _peak_s(y: Samples, rate_hz: float) -> float:
    """Time of the maximum, by the parabola through it and its neighbours."""
    k = int(y.argmax())
    before, top, after = y[k - 1 : k + 2]
    return float(k + 0.5 * (before - after) / (before - 2 * top + after)) / rate_hz


def _undershoot_and_slope(y: Samples, delay_s: float) -> tuple[float, float]:
    """UV below the line, and steepest uV/s over any 200 ms, from 20 ms behind a pulse's end.

    The first 20 ms belong to the edge itself: a band that ends at 150 Hz overshoots there.
    """
    end = EVENT_S + PULSE_S + delay_s + 0.02
    line = y[round((EVENT_S - 2) * SAMPLE_RATE_HZ) : round((EVENT_S - 0.5) * SAMPLE_RATE_HZ)].mean()
    behind = (y[round(end * SAMPLE_RATE_HZ) :] - line) * 1000
    width = SAMPLE_RATE_HZ // 5
    ramp = (np.arange(width) - (width - 1) / 2) / SAMPLE_RATE_HZ
    slopes = np.convolve(behind, -ramp, mode="valid") / (ramp**2).sum()
    return float(-behind.min()), float(np.abs(slopes).max())


def _recovery_s(y: Samples, rate_hz: float) -> float:
    """Seconds after the step until the output stays within 0.5 mV."""
    return float(np.flatnonzero(np.abs(y) > 0.5)[-1] + 1) / rate_hz - EVENT_S


def _hour_at_offset(profile: Profile) -> tuple[float, float]:
    """Drift (LSB of q31) and largest output (counts), minutes 10 to 70 after a 300 mV step."""
    rate_hz = SAMPLE_RATE_HZ // profile.decimation
    bank = BiquadBank(profile.sections_q30, 1)
    offset = round(300 / 400 * (2**23 - 1)) << FRACTION_BITS
    minute = np.full((1, 60 * rate_hz), offset, dtype=np.int32)
    for _ in range(10):
        bank.process(minute)
    hour = np.concatenate([bank.process(minute) for _ in range(60)], axis=1)
    return float(hour.max() - hour.min()), float(np.abs(hour).max()) / 2**FRACTION_BITS


class _Signals:
    """The recordings that every chain is measured on."""

    def __init__(self) -> None:
        self.slow = _Recording([_sine(f_hz) for f_hz in SLOW_HZ], 80.0)
        self.fast = _Recording([_sine(f_hz) for f_hz in FAST_HZ], 30.0)
        self.mains = _Recording([_sine(f_hz) for f_hz in MAINS_TONES_HZ], 30.0)
        self.events = _Recording(
            [_sine(10, 300.0), _sine(10, -300.0), _step(300.0), _pulse(0.3), _pulse(3.0), _qrs],
            50.0,
        )


class _Bench:
    """Measures one chain and collects its figures."""

    def __init__(self, profile: Profile, mains_hz: int | None, signals: _Signals) -> None:
        self._profile, self._mains_hz, self._signals = profile, mains_hz, signals
        self._chain = profile.name + (f", notch {mains_hz}" if mains_hz else "")
        self._rate_hz = SAMPLE_RATE_HZ / profile.decimation
        self._delay_s = profile.delay_samples / SAMPLE_RATE_HZ
        self._events = self._through(signals.events)
        self.figures: list[Figure] = []
        self._response()
        self._mains()
        self._offset_and_step()
        self._pulses()
        self._qrs()

    def _through(self, recording: _Recording) -> Samples:
        return recording.through(self._profile, self._mains_hz)

    def _add(self, name: str, value: float, unit: str, limits: Limits = (None, None)) -> None:
        self.figures.append(Figure(self._chain, name, value, unit, *limits))

    def _response(self) -> None:
        for recording, tones_hz, settled_s in (
            (self._signals.slow, SLOW_HZ, SLOW_SETTLED_S),
            (self._signals.fast, FAST_HZ, FAST_SETTLED_S),
        ):
            y = self._through(recording)
            for column, f_hz in enumerate(tones_hz):
                limits = RESPONSE_LIMITS[self._profile.name].get(f_hz, (None, None))
                gain_db = _gain_db(y[:, column], f_hz, self._rate_hz, settled_s)
                self._add(f"{f_hz:g} Hz", gain_db, "dB", limits)

    def _mains(self) -> None:
        y = self._through(self._signals.mains)
        for column, f_hz in enumerate(MAINS_TONES_HZ):
            notched = self._mains_hz is not None and abs(f_hz - self._mains_hz) < 1
            if notched or not self._profile.takes_notch:
                gain_db = _gain_db(y[:, column], f_hz, self._rate_hz, FAST_SETTLED_S)
                self._add(f"{f_hz:g} Hz", gain_db, "dB", NOTCHED if notched else STOPPED)

    def _offset_and_step(self) -> None:
        column = FAST_HZ.index(10.0)
        plain = self._through(self._signals.fast)[:, column]
        plain_db = _gain_db(plain, 10.0, self._rate_hz, FAST_SETTLED_S)
        for column, offset in ((0, "+300"), (1, "-300")):
            gain_db = _gain_db(self._events[:, column], 10.0, self._rate_hz, SLOW_SETTLED_S)
            change = 100 * (10 ** ((gain_db - plain_db) / 20) - 1)
            self._add(f"gain change with {offset} mV offset", change, "%", (-5.0, 5.0))
        recovery_s = _recovery_s(self._events[:, 2], self._rate_hz)
        limit_s = STEP_LIMITS_S[self._profile.name]
        self._add("300 mV step: back within 0.5 mV", recovery_s, "s", (None, limit_s))
        if self._mains_hz is None:
            drift_lsb, left = _hour_at_offset(self._profile)
            self._add("hour at 300 mV: drift", drift_lsb, "LSB of q31", (None, 1.0))
            self._add("hour at 300 mV: left of it", left, "count", (None, 0.5))

    def _pulses(self) -> None:
        if self._profile.name != DIAGNOSTIC.name:
            return
        below, slope = _undershoot_and_slope(self._events[:, 3], self._delay_s)
        self._add("300 uV, 100 ms pulse: undershoot", below, "uV", (None, 100.0))
        self._add("300 uV, 100 ms pulse: slope behind", slope, "uV/s", (None, 250.0))
        if self._mains_hz is None:  # the notch's own ringing scales with the pulse: see below
            below, slope = _undershoot_and_slope(self._events[:, 4], self._delay_s)
            self._add("3 mV, 100 ms pulse: undershoot", below, "uV", (None, 100.0))
            self._add("3 mV, 100 ms pulse: slope behind", slope, "uV/s", (None, 250.0))

    def _qrs(self) -> None:
        y = self._events[:, 5]
        came_s = _peak_s(self._signals.events.unfiltered[:, 5], SAMPLE_RATE_HZ)
        delay_ms = 1000 * (_peak_s(y, self._rate_hz) - came_s)
        label_ms = 1000 * self._delay_s
        self._add("delay of a QRS peak", delay_ms, "ms", (label_ms - 1.5, label_ms + 1.5))
        if self._mains_hz is not None:
            without = self._signals.events.through(self._profile, None)[:, 5]
            change_uv = np.abs(y - without) * 1000
            later = round((EVENT_S + self._delay_s + 0.2) * SAMPLE_RATE_HZ)
            largest, rest = float(change_uv.max()), float(change_uv[later:].max())
            self._add("notch changes a 1 mV, 40 ms QRS by", largest, "uV", (None, 50.0))
            self._add("notch still rings 0.2 s after it by", rest, "uV", (None, 5.0))


def measure(profiles: Sequence[Profile] = tuple(PROFILES.values())) -> list[Figure]:
    """Every figure of every chain; the same ones each time."""
    signals = _Signals()
    figures: list[Figure] = []
    for profile in profiles:
        for mains_hz in (None, *MAINS_HZ) if profile.takes_notch else (None,):
            figures += _Bench(profile, mains_hz, signals).figures
    return figures


def _markdown(figures: Sequence[Figure]) -> str:
    chains = list(dict.fromkeys(figure.part for figure in figures))
    rows = list(dict.fromkeys((figure.name, figure.unit) for figure in figures))
    rows.sort(key=lambda row: float(row[0].split()[0]) if row[1] == "dB" else np.inf)
    cells = {(figure.name, figure.part): figure for figure in figures}
    lines = [f"| | {' | '.join(chains)} |", "|---" * (len(chains) + 1) + "|"]
    for name, unit in rows:
        row = [f"{name}, {unit}"]
        for chain in chains:
            figure = cells.get((name, chain))
            if figure is None:
                row.append("")
            else:
                row.append(f"{figure.value:z.2f}" + (f" ({figure.limit})" if figure.limit else ""))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def write_docs(figures: Sequence[Figure]) -> None:
    """Rewrite the table of docs/filters.md."""
    write_section(DOCS / "filters.md", "filters", _markdown(figures))
