"""Pacemakers: the rate counts beats, not pulses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hal.patient import Patient
from hal.patient.calibration import Calibration
from hal.patient.generator import Rhythm, RhythmPatient
from hal.patient.pacing import Pulse, WithPacing
from hal.patient.presets import preset
from hal.patient.rhythm import atria
from tools.conformance.bench import Said, beats_of, calls_of, rates_of, record
from tools.conformance.clause import EC13, IEC_27, Reading, Row
from tools.conformance.rate import LIMIT, rate_reading

CLAUSE = f"{IEC_27} 201.12.1.101.13; {EC13}"
HEIGHTS_MV = (2.0, 20.0, 250.0, 700.0)  # and the other sign
WIDTHS_MS = (0.1, 2.0)
EVERY_S = 0.8  # 75 per minute
PACED_BPM, ESCAPE_BPM = 60, 30
SECONDS, FROM_S = 15.0, 10.0
FOUND_S = 11.0
# suffix of the simulator's names, what it is, and of pulses of our own: overshoot, seconds apart
WAYS = (
    ("", "no overshoot", 0.0, (0.0,)),
    ("-overshoot", "overshoot of 25 %, at most 2 mV, decaying in 50 ms", 0.25, (0.0,)),
    ("-double", "in pairs 150 ms apart", 0.0, (0.0, 0.15)),
    ("-double-overshoot", "in pairs 150 ms apart, overshoot", 0.25, (0.0, 0.15)),
)
_WORSE = "pulses of 0.1 and 2 ms, both signs, the worst; the converter clips at 400 mV"


def rows() -> Iterator[Row]:
    """Beats that follow the pulses, beats that do not, and none at all."""
    for way, what, overshoot, pair in WAYS:
        yield _followed(way, what)
        yield _escaping(what, overshoot, pair)
        yield _alone(what, overshoot, pair)
    yield _standstill()
    yield _named()


def pulsed(patient: Patient, pulse: Pulse, pair: Sequence[float] = (0.0,)) -> Patient:
    """``patient`` with pulses like clockwork, whatever its heart does."""

    def times_s(start_s: float, stop_s: float) -> list[float]:
        low, high = int(np.ceil((start_s - pair[-1]) / EVERY_S)), int(np.ceil(stop_s / EVERY_S))
        times = [n * EVERY_S + later for n in range(max(low, 0), high) for later in pair]
        return [t for t in times if start_s <= t < stop_s]

    return WithPacing(patient, pulse, times_s)


def _pulses(height_mv: float, overshoot: float) -> list[Pulse]:
    tail = min(2.0, overshoot * height_mv)
    return [Pulse(sign * height_mv, ms, tail) for sign in (1, -1) for ms in WIDTHS_MS]


def _worst(readings: Sequence[Reading]) -> Reading:
    """The first that is beyond its limits, else the last."""
    return next((reading for reading in readings if not reading.ok), readings[-1])


def _followed(way: str, what: str) -> Row:
    readings = []
    for height in HEIGHTS_MV:
        names = [
            f"pacer-{sign}{height:g}mv-{round(1e3 * ms)}us{way}"
            for sign in ("", "neg")
            for ms in WIDTHS_MS
        ]
        shown = [rates_of(record(preset(name, 1), SECONDS).said(), FROM_S) for name in names]
        readings.append(_worst([rate_reading(f"±{height:g} mV", bpm, PACED_BPM) for bpm in shown]))
    return Row(
        CLAUSE,
        "d e",
        f"Pulses, {what}, that beats follow, {PACED_BPM} bpm",
        LIMIT,
        readings,
        note=_WORSE,
    )


def _escaping(what: str, overshoot: float, pair: Sequence[float]) -> Row:
    heart = preset(f"qrs-1000uv-100ms-{ESCAPE_BPM}bpm")
    readings = []
    for height in HEIGHTS_MV:
        found = [
            rate_reading(f"±{height:g} mV", rates_of(_said(heart, pulse, pair), FROM_S), ESCAPE_BPM)
            for pulse in _pulses(height, overshoot)
        ]
        readings.append(_worst(found))
    return Row(
        CLAUSE,
        "d e",
        f"Pulses at 75 per minute, {what}, that no beat follows; a QRS of 1 mV at {ESCAPE_BPM} bpm",
        f"{ESCAPE_BPM} bpm, {LIMIT}",
        readings,
        note=_WORSE,
    )


def _alone(what: str, overshoot: float, pair: Sequence[float]) -> Row:
    flat = Calibration("flat", {})
    readings = []
    for height in HEIGHTS_MV:
        found = [
            Reading(
                f"±{height:g} mV", float(len(beats_of(_said(flat, pulse, pair)))), "", 0.0, 0.0, 0
            )
            for pulse in _pulses(height, overshoot)
        ]
        readings.append(_worst(found))
    return Row(
        CLAUSE,
        "d e",
        f"Pulses at 75 per minute, {what}, on a flat line",
        "no beats",
        readings,
        note=f"beats counted in {SECONDS:g} s",
    )


def _said(patient: Patient, pulse: Pulse, pair: Sequence[float] = (0.0,)) -> list[Said]:
    return record(pulsed(patient, pulse, pair), SECONDS).said()


def _standstill() -> Row:
    """P waves and pulses, but no ventricles."""
    p_waves = RhythmPatient("standstill", Rhythm((atria(85),)), 1)
    said = {
        "P waves": record(p_waves, SECONDS).said(),
        "P waves and pulses": _said(p_waves, Pulse(20.0, 0.5)),
    }
    readings = [
        Reading(f"{name}: ASYSTOLE?", _first(one, "asystole"), "s", 0.0, FOUND_S)
        for name, one in said.items()
    ]
    readings += [
        Reading(
            "seconds with a rate",
            float(sum(bpm is not None for bpm in rates_of(one, 0.0))),
            "",
            0.0,
            0.0,
            0,
        )
        for one in said.values()
    ]
    return Row(
        IEC_27,
        "o",
        "Ventricular standstill, P waves at 85 per minute, has no rate and reads ASYSTOLE?",
        f"{FOUND_S:g} s, no rate",
        readings,
        note="P waves of 0.1 mV, with and without ineffective pulses",
    )


def _named() -> Row:
    paced = record(preset("pacer-20mv-500us", 1), SECONDS).said()
    first = next((at for at, call in calls_of(paced) if call.text == "PACED RHYTHM"), None)
    flat = Calibration("flat", {})
    return Row(
        CLAUSE,
        "o",
        "Paced beats read PACED RHYTHM, pulses on a flat line ASYSTOLE? (0.5 ms)",
        f"{FOUND_S:g} s",
        [
            Reading("paced, 20 mV", first, "s", 0.0, FOUND_S),
            *(
                Reading(
                    f"alone, {mv:g} mV",
                    _first(_said(flat, Pulse(mv, 0.5)), "asystole"),
                    "s",
                    0.0,
                    FOUND_S,
                )
                for mv in (2.0, 20.0, 250.0)
            ),
        ],
    )


def _first(said: Sequence[Said], code: str) -> float | None:
    """When a finding was first there."""
    found = (at for at, call in calls_of(said) if any(f.code == code for f in call.findings))
    return next(found, None)
