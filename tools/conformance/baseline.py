"""What a lead shows of nothing, of drift and of too much: noise, baseline, overload, saturation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from firmware.events import LeadFault, Quality, Refusal
from hal.frontend import SAMPLE_RATE_HZ
from hal.patient.calibration import (
    Calibration,
    Wave,
    pulses,
    steady,
    together,
    triangular_pulses,
)
from tools.conformance.bench import Recording, Samples, calls_of, rates_of, record
from tools.conformance.clause import EC11, IEC_25, IEC_27, Reading, Row

NOISE_RUNS, NOISE_RUN_S = 10, 10
DRIFT_S = 120
HEART_BPM = 60
QRS = triangular_pulses(1.0, 0.08, every_s=60 / HEART_BPM, at_s=0.3)
AT_S, LASTS_S = 12.0, 10.0  # of an overload
BACK_UV = 500.0  # half a millivolt, 5 mm on paper
RECOVERY_S = 3.0
FLAGGED_S = 5.0
SHOWN_S = 12.0


def rows() -> Iterator[Row]:
    """Every clause of the baseline."""
    yield _noise()
    yield _drift()
    yield from _recovery()
    yield _saturation()


def _noise() -> Row:
    readings = []
    for gain in (6, 1):
        uv = record(Calibration("shorted", {}), NOISE_RUNS * NOISE_RUN_S + 1, gain=gain)
        y = uv.leads("diagnostic")[SAMPLE_RATE_HZ // 2 :]
        runs = y[: NOISE_RUNS * NOISE_RUN_S * SAMPLE_RATE_HZ].reshape(NOISE_RUNS, -1, 12)
        height = np.sort(np.ptp(runs, axis=1).max(axis=1))
        readings.append(
            Reading(f"gain {gain}, 9 of {NOISE_RUNS} runs", float(height[-2]), "µV", 1.0, 30.0)
        )
    return Row(
        f"{IEC_27} 201.12.1.101; {IEC_25}; {EC11}",
        "c d f",
        "Noise referred to the input, all electrodes together: 9 of 10 runs of 10 s",
        "30 µV p-v",
        readings,
        note="worst of 12 leads, diagnostic profile, notch off. The noise of the front end is the "
        "simulator's assumption, without the 51 kΩ ∥ 47 nF of the test circuit: to be measured on "
        "the board (lead12 doctor shows it)",
    )


def _drift() -> Row:
    y = record(Calibration("offset", steady(300.0)), DRIFT_S + 11).leads("diagnostic")
    seconds = y[10 * SAMPLE_RATE_HZ :][: DRIFT_S * SAMPLE_RATE_HZ].reshape(DRIFT_S, -1, 12)
    line = seconds.mean(axis=1)
    rate = np.abs(np.diff(line, axis=0)).max()
    total = np.ptp(line, axis=0).max()
    return Row(
        EC11,
        "d",
        "The baseline stays, two minutes at an offset of 300 mV",
        "10 µV/s, 500 µV in all",
        [
            Reading("drift", float(rate), "µV/s", 0.0, 10.0, 2),
            Reading("in 2 min", float(total), "µV", 0.0, 500.0, 2),
        ],
        note="of the digital chain: the simulated chip does not drift",
    )


def _back_s(y: Samples, end_s: float) -> float | None:
    """Seconds after ``end_s`` until no lead strays BACK_UV from what it shows at the end."""
    period = round(60 / HEART_BPM * SAMPLE_RATE_HZ)
    whole = len(y) // period * period
    beats = y[:whole].reshape(-1, period, y.shape[1])
    away = np.abs(beats - beats[-1]).max(axis=2).ravel() > BACK_UV
    last = np.flatnonzero(away)
    if not len(last):
        return 0.0
    back = (last[-1] + 1) / SAMPLE_RATE_HZ - end_s
    return None if last[-1] >= whole - 2 * period else max(0.0, float(back))


def _recovery() -> Iterator[Row]:
    def overload(t: Samples) -> Samples:
        within = (t >= AT_S) & (t < AT_S + LASTS_S)
        return np.asarray(500.0 * np.sin(2 * np.pi * 60 * t) * within)

    cases: tuple[tuple[str, str, str, Wave, float], ...] = (
        (
            "1 V p-v at 60 Hz for 10 s",
            f"{IEC_25} 201.12.4.105.2; {EC11}",
            "b d",
            overload,
            AT_S + LASTS_S,
        ),
        (
            "a step of the offset from 0 to 300 mV",
            f"{IEC_27} 201.12.1.101.11; {IEC_25} 201.12.4.102.4",
            "a b d",
            lambda t: np.where(t >= AT_S, 300.0, 0.0),
            AT_S,
        ),
        (
            "1 V for 1 s, beyond the converter's range",
            f"{IEC_25} 201.12.4.102.4",
            "b d",
            pulses(1000.0, 1.0, at_s=AT_S),
            AT_S + 1.0,
        ),
    )
    for what, clause, sources, wave, end_s in cases:
        recording = record(Calibration(what, together(QRS, wave)), end_s + 30.0)
        readings = [
            Reading(
                f"{profile} trace",
                _back_s(recording.leads(profile), end_s),
                "s",
                0.0,
                RECOVERY_S,
                2,
            )
            for profile in ("monitor", "diagnostic")
        ]
        readings.append(_rate_back(recording, end_s))
        yield Row(
            clause,
            sources,
            f"The trace is back within 0.5 mV after {what}",
            f"{RECOVERY_S:g} s; rate: {SHOWN_S:g} s [o]",
            readings,
        )


def _rate_back(recording: Recording, end_s: float) -> Reading:
    said = recording.said()
    last = round(recording.blocks[-1].first_index / SAMPLE_RATE_HZ)
    shown = [(t, rates_of(said, t, t)[0]) for t in range(round(end_s), last)]
    wrong = [t for t, bpm in shown if bpm is None or abs(bpm - HEART_BPM) > 6]
    back = None if wrong and wrong[-1] >= last - 2 else max([0.0, *(t + 1 - end_s for t in wrong)])
    return Reading("rate right", back, "s", 0.0, SHOWN_S)


def _saturation() -> Row:
    wave = together(QRS, pulses(1000.0, 30.0, at_s=AT_S))
    recording = record(Calibration("saturated", wave), 75.0)
    said = recording.said()

    def after(
        when: Callable[[set[LeadFault], Refusal | None], bool], from_s: float
    ) -> float | None:
        faults: set[LeadFault] = set()
        for one in said:
            if isinstance(one.event, Quality):
                faults = set(one.event.faults.values())
            for at_s, call in calls_of([one]):
                if at_s > from_s and when(faults, call.refusal):
                    return at_s - from_s
        return None

    end_s = AT_S + 30.0
    called = [
        at
        for at, call in calls_of(said)
        if AT_S + FLAGGED_S < at <= end_s and call.refusal is not Refusal.SATURATED
    ]
    return Row(
        f"{IEC_25} 201.12.4.101",
        "b o",
        "A saturated lead is not shown as an ECG: 1 V on all leads reads SATURATED",
        f"named within {FLAGGED_S:g} s, no call, gone {SHOWN_S:g} s after it ends",
        [
            Reading("named", after(lambda f, _: LeadFault.RAILED in f, AT_S), "s", 0.0, FLAGGED_S),
            Reading(
                "call refused",
                after(lambda _, r: r is Refusal.SATURATED, AT_S),
                "s",
                0.0,
                FLAGGED_S,
            ),
            Reading("calls while saturated", float(len(called)), "", 0.0, 0.0, 0),
            Reading(
                "no longer named",
                after(lambda f, _: LeadFault.RAILED not in f, end_s),
                "s",
                0.0,
                SHOWN_S,
            ),
        ],
    )
