"""How a lead follows: frequency response, impulse, square wave, mains notch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from firmware.events import LEADS
from hal.frontend import SAMPLE_RATE_HZ
from hal.patient.calibration import Calibration, pulses, sine, together, triangular_pulses
from hal.patient.record import INDEPENDENT_LEADS
from tools.conformance.bench import Samples, phasors, record, twelve
from tools.conformance.clause import EC11, IEC_25, IEC_27, Reading, Row

POINTS_HZ = (0.05, 0.67, 1.0, 10.0, 40.0, 100.0, 125.0, 150.0)
TONE_MV = 0.5  # p-v, each; all at once on every lead
WEIGHTS = {lead: -0.5 if lead == "II" else 1.0 for lead in INDEPENDENT_LEADS}
SETTLED_S, SECONDS = 24.0, 64.0  # two periods of 0.05 Hz after five time constants of it

EDGE_DB = (-3.0, 0.4)
MIDDLE_DB = (-0.92, 0.83)  # ±10 %
UPPER_DB = (-3.1, 0.83)  # +10/-30 %

PULSE_AT_S, PULSE_S, PULSE_MV = 10.0, 0.1, 3.0
EDGE_S = 0.02  # behind an edge: a band that ends at 150 Hz overshoots there
NOTCH_OFF_HZ = 0.2  # how far mains strays
QRS_AT_S, STEP_AT_S = 6.0, 5.0


def rows() -> Iterator[Row]:
    """Every clause of response."""
    yield from _frequency()
    yield _triangle()
    yield from _impulse()
    yield _square()
    yield from _notch()


def _frequency() -> Iterator[Row]:
    """All points at once, all leads: the least and the largest of the 12."""
    tones = together(*(sine(TONE_MV, hz) for hz in POINTS_HZ))
    reversed_half = together(*(sine(-0.5 * TONE_MV, hz) for hz in POINTS_HZ))
    waves = {lead: reversed_half if lead == "II" else tones for lead in INDEPENDENT_LEADS}
    recording = record(Calibration("tones", waves), SECONDS)
    gains = {}
    for profile in ("diagnostic", "monitor"):
        seen = np.abs(phasors(recording.leads(profile), POINTS_HZ, SETTLED_S))
        meant = np.abs(twelve(WEIGHTS)) * TONE_MV * 500
        gains[profile] = dict(zip(POINTS_HZ, 20 * np.log10(seen / meant), strict=True))

    def points(profile: str, limits: dict[float, tuple[float, float]]) -> list[Reading]:
        readings = []
        for hz, (low, high) in limits.items():
            db = gains[profile][hz]
            beyond = [(low - db.min(), db.min()), (db.max() - high, db.max())]
            readings.append(Reading(f"{hz:g} Hz", float(max(beyond)[1]), "dB", low, high, 2))
        return readings

    how = "sines of 0.5 mV p-v on all 12 leads at once; the worst lead is given"
    yield Row(
        f"{IEC_27} 201.12.1.101.8; {IEC_25}",
        "a i r",
        "Diagnostic profile, 0.67 to 40 Hz",
        "±10 % (-0.92 .. 0.83 dB)",
        points("diagnostic", dict.fromkeys((0.67, 1.0, 10.0, 40.0), MIDDLE_DB)),
        note=how,
    )
    yield Row(
        f"{IEC_27} 201.12.1.101.8; {IEC_25}",
        "a r",
        "Diagnostic profile, 40 to 150 Hz",
        "+10/-30 % (-3.1 .. 0.83 dB)",
        points("diagnostic", dict.fromkeys((100.0, 125.0, 150.0), UPPER_DB)),
    )
    yield Row(
        IEC_25,
        "e f",
        "Diagnostic profile, lower edge of the band it claims",
        "-3 .. 0.4 dB",
        points("diagnostic", {0.05: EDGE_DB}),
    )
    outside = [
        Reading(f"{hz:g} Hz", float(gains["monitor"][hz].max()), "dB", digits=2)
        for hz in (0.05, 100.0, 125.0, 150.0)
    ]
    yield Row(
        f"{IEC_27} 201.12.1.101.8",
        "a e i",
        "Monitor profile, the band it claims: 0.67 to 40 Hz",
        "-3 .. 0.4 dB, the other points for information",
        points("monitor", dict.fromkeys((0.67, 1.0, 10.0, 40.0), EDGE_DB)) + outside,
    )


def _triangle() -> Row:
    """Test E: narrow triangles, a little off 1 per second so that samples fall all over them."""
    height_mv, period_s = 1.5, 1.00007
    readings = []
    for foot_ms in (20.0, 200.0):
        wave = triangular_pulses(height_mv, foot_ms / 1e3, every_s=period_s, at_s=0.3)
        y = record(Calibration("test E", {"V3": wave}), 32.0).lead("diagnostic", "V3")
        peaks = []
        for n in range(2, 30):
            at = round((0.3 + n * period_s) * SAMPLE_RATE_HZ)
            beat = y[at - 100 : at + 200]
            peaks.append(beat.max() - np.median(y[at - 100 : at - 20]))
        low = 100 * (min(peaks) / (1e3 * height_mv) - 1)
        readings.append(Reading(f"{foot_ms:g} ms at its foot", float(low), "%", -12.0, 5.0, 1))
    return Row(
        f"{IEC_25}; {EC11}",
        "f r",
        "Test E: the peak of a triangle of 1.5 mV, 20 ms wide, once a second",
        "-12 % (and no more than 5 % too high)",
        readings,
        note="the lowest of 28 peaks as sampled; 200 ms for comparison",
    )


def _after_pulse(y: Samples) -> tuple[float, float]:
    """Displacement in uV and steepest slope in uV/s over any 200 ms, behind the pulse's end."""
    line = y[round((PULSE_AT_S - 2) * SAMPLE_RATE_HZ) : round((PULSE_AT_S - 0.5) * SAMPLE_RATE_HZ)]
    behind = y[round((PULSE_AT_S + PULSE_S + EDGE_S) * SAMPLE_RATE_HZ) :] - line.mean()
    width = SAMPLE_RATE_HZ // 5
    ramp = (np.arange(width) - (width - 1) / 2) / SAMPLE_RATE_HZ
    slope = np.convolve(behind, -ramp, mode="valid") / (ramp**2).sum()
    return float(np.abs(behind).max()), float(np.abs(slope).max())


def _impulse() -> Iterator[Row]:
    wave = pulses(PULSE_MV, PULSE_S, at_s=PULSE_AT_S)
    recording = record(Calibration("impulse", {"V2": wave}), 20.0)
    displacement, slope = _after_pulse(recording.lead("diagnostic", "V2"))
    monitor, monitor_slope = _after_pulse(recording.lead("monitor", "V2"))
    yield Row(
        f"{IEC_27} 201.12.1.101.8; {IEC_25}; {EC11}",
        "a d i r",
        "Diagnostic profile: a pulse of 3 mV and 100 ms (300 µV·s) leaves the baseline alone",
        "100 µV [r], 300 µV/s",
        [
            Reading("displacement", displacement, "µV", 0.0, 100.0),
            Reading("slope", slope, "µV/s", 0.0, 300.0),
            Reading("monitor profile, for information: displacement", monitor, "µV", digits=0),
            Reading("slope", monitor_slope, "µV/s", digits=0),
        ],
        note="notch off, from 20 ms behind the edge. The monitor profile is causal, claims 0.67 Hz "
        "and is labelled MONITOR: not for ST",
    )


def _square() -> Row:
    """A step of 1 mV; its height is taken at the edge, from the line its droop comes from."""
    step = pulses(1.0, 1000.0, at_s=STEP_AT_S)
    y = record(Calibration("step", {"V2": step}), STEP_AT_S + 10.0).lead("diagnostic", "V2") / 1e3
    behind = y[round(STEP_AT_S * SAMPLE_RATE_HZ) :]
    t = np.arange(len(behind)) / SAMPLE_RATE_HZ
    plateau = slice(25, SAMPLE_RATE_HZ)  # 50 ms to 1 s
    _, height = np.polyfit(t[plateau], np.log(behind[plateau]), 1)
    below = np.flatnonzero(behind < np.exp(height - 1.0))
    tau_s = float(below[below > 25][0] / SAMPLE_RATE_HZ) if (below > 25).any() else None
    return Row(
        IEC_25,
        "f o",
        "Diagnostic profile: a step of 1 mV keeps its height, its edge and its plateau",
        "height ±5 %, overshoot 10 % [o], time constant 3.2 s",
        [
            Reading("height", 100 * float(np.exp(height) - 1), "%", -5.0, 5.0, 2),
            Reading("overshoot", 100 * float(behind[:25].max() - 1), "%", -5.0, 10.0),
            Reading("time constant", tau_s, "s", 3.2, digits=2),
        ],
        note="time constant as vendors state it for a 0.05 Hz band",
    )


def _notch() -> Iterator[Row]:
    for profile in ("diagnostic", "monitor"):
        readings = []
        for mains in (50, 60):
            tones = [mains - NOTCH_OFF_HZ, float(mains), mains + NOTCH_OFF_HZ]
            waves = {lead: sine(2.0, hz) for lead, hz in zip(LEADS[6:9], tones, strict=True)}
            y = record(Calibration("mains", waves), 12.0).leads(profile, mains)[:, 6:9]
            left = [np.abs(phasors(y[:, n : n + 1], [hz], 4.0))[0, 0] for n, hz in enumerate(tones)]
            depth = -20 * np.log10(max(left) / 1e3)
            readings.append(Reading(f"{mains} Hz ±0.2 Hz", float(depth), "dB", 20.0))
        yield Row(
            IEC_25,
            "f",
            f"Mains notch, {profile} profile: its depth",
            "20 dB",
            readings,
            note="the least of nominal and 0.2 Hz to either side",
        )
    yield _ringing()


def _ringing() -> Row:
    """What the notch adds to a steep QRS and behind it, against the same chain without it."""
    wave = triangular_pulses(1.0, 0.04, every_s=100.0, at_s=QRS_AT_S)
    recording = record(Calibration("QRS", {"V2": wave}), 10.0)
    column = LEADS.index("V2")
    added: list[float] = []
    rest: list[float] = []
    later = round((QRS_AT_S + 0.1) * SAMPLE_RATE_HZ)
    for profile in ("diagnostic", "monitor"):
        plain = recording.leads(profile)[:, column]
        for mains in (50, 60):
            change = np.abs(recording.leads(profile, mains)[:, column] - plain)
            added.append(float(change.max()))
            rest.append(float(change[later:].max()))
    return Row(
        f"{IEC_25} 201.12.4.105.3",
        "b r",
        "The notch does not ring behind a QRS (1 mV, 40 ms)",
        "50 µV [r], 10 µV after 100 ms [o]",
        [
            Reading("most it changes the trace", _worst(added), "µV", 0.0, 50.0),
            Reading("100 ms behind the onset and later", _worst(rest), "µV", 0.0, 10.0),
        ],
        note="worst of both profiles and both notches; a triangle, not the standard's ANE20000",
    )


def _worst(values: Sequence[float]) -> float:
    return max(values)
