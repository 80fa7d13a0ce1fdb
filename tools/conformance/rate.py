"""The heart rate meter: accuracy, what is a QRS and what is not, tall T waves, mains and drift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hal.frontend import Electrode
from hal.patient import Patient
from hal.patient.calibration import Calibration, sine, together, triangle, triangular_pulses
from hal.patient.presets import preset
from tools.conformance.bench import ElectrodeWaves, beats_of, rates_of, record
from tools.conformance.clause import EC13, IEC_27, Reading, Row

ACCURACY = f"{IEC_27} 201.12.1.101.15"
RATES_BPM = (30, 60, 80, 120, 200, 240, 300)
HEIGHTS_UV = (500, 1000, 2000, 5000)
WIDTHS_MS = (40, 70, 100, 120)
FROM_S, TO_S = 12.0, 20.0
T_STEP_UV, T_MOST_UV = 200, 2000
LIMIT = "±10 % or ±5 bpm, the larger; never blank"


def rows() -> Iterator[Row]:
    """Every clause of the rate meter."""
    yield _rates()
    yield from _detected()
    yield from _ignored()
    yield from _tall_t()
    yield from _disturbed()


def allowed_bpm(bpm: float) -> float:
    """What the rate may be off at ``bpm``."""
    return max(5.0, 0.1 * bpm)


def rate_reading(name: str, shown: Sequence[float | None], bpm: float) -> Reading:
    """The rate shown that is farthest from ``bpm``; blank once is blank, and beyond the limit."""
    off = allowed_bpm(bpm)
    known = [rate for rate in shown if rate is not None]
    worst = max(known, key=lambda rate: abs(rate - bpm)) if known else None
    return Reading(name, worst if len(known) == len(shown) else None, "bpm", bpm - off, bpm + off)


def measured(name: str, patient: Patient, bpm: float, *, mains_hz: int | None = 50) -> Reading:
    """The rate of ``patient`` in the seconds FROM_S .. TO_S."""
    shown = rates_of(record(patient, TO_S).said(mains_hz=mains_hz), FROM_S)
    return rate_reading(name, shown, bpm)


def _rates() -> Row:
    return Row(
        ACCURACY,
        "a e r",
        "Heart rate, triangular QRS of 1 mV and 70 ms",
        LIMIT,
        [measured(f"{bpm}:", preset(f"qrs-1000uv-70ms-{bpm}bpm"), bpm) for bpm in RATES_BPM],
        note=f"worst of the numbers shown from {FROM_S:g} to {TO_S:g} s",
    )


def _detected() -> Iterator[Row]:
    for uv in HEIGHTS_UV:
        yield Row(
            ACCURACY,
            "a e r",
            f"A QRS of {uv / 1000:g} mV and 40 to 120 ms is counted, 80 bpm",
            LIMIT,
            [measured(f"{ms} ms", preset(f"qrs-{uv}uv-{ms}ms-80bpm"), 80) for ms in WIDTHS_MS],
            note="height in lead II and the chest leads, two thirds of it in lead I",
        )
    wave = triangular_pulses(0.5, 0.1, every_s=0.75, at_s=0.3)
    limbs = (Electrode.RA, Electrode.LA, Electrode.LL)
    chest = rates_of(record(ElectrodeWaves("V2", {Electrode.V2: wave}), TO_S).said(), FROM_S)
    yield Row(
        ACCURACY,
        "b r",
        "A QRS of 0.5 mV and 100 ms with one limb electrode driven against all others",
        LIMIT,
        [
            *(measured(e.name, ElectrodeWaves(e.name, {e: wave}), 80) for e in limbs),
            Reading("V2 alone, for information", chest[-1], "bpm"),
        ],
        note="the detector leaves the largest channel out, so that one bad electrode is harmless: "
        "what only one chest lead shows is not a beat to it",
    )


def _ignored() -> Iterator[Row]:
    for asks, name in (
        ("Pulses of 1 mV and 10 ms are not counted", "qrs-1000uv-10ms-80bpm"),
        ("A QRS of 0.15 mV and 100 ms is not counted", "qrs-150uv-100ms-80bpm"),
    ):
        said = record(preset(name), TO_S).said()
        rates = [bpm for bpm in rates_of(said, FROM_S) if bpm is not None]
        yield Row(
            f"{ACCURACY}; {EC13}",
            "a r",
            asks,
            "no beat, no rate",
            [
                Reading("beats", float(len(beats_of(said))), "", 0.0, 0.0, 0),
                Reading("seconds with a rate", float(len(rates)), "", 0.0, 0.0, 0),
            ],
        )


def _tall_t() -> Iterator[Row]:
    tallest = 0
    readings = []
    for uv in range(0, T_MOST_UV + 1, T_STEP_UV):
        reading = measured(f"{uv / 1000:g} mV", preset(f"t-{uv}uv"), 80)
        if uv in (400, 800, 1200):
            readings.append(reading)
        if not reading.ok:
            break
        tallest = uv
    readings.append(Reading("tallest without error", tallest / 1000, "mV", 1.2))
    yield Row(
        f"{IEC_27} 201.12.1.101.17",
        "b e",
        "T waves up to 1.2 mV behind a QRS of 1 mV are not counted",
        f"80 bpm, {LIMIT}",
        readings,
        note=f"QRS 100 ms, T 180 ms, QT 350 ms; in steps of {T_STEP_UV / 1000:g} mV up to "
        f"{T_MOST_UV / 1000:g} mV",
    )


def _disturbed() -> Iterator[Row]:
    qrs = triangular_pulses(0.5, 0.1, every_s=0.75, at_s=0.3)
    yield Row(
        f"{IEC_27}; {EC13}",
        "r",
        "The rate stays with mains of 100 µV p-v on a QRS of 0.5 mV",
        LIMIT,
        [
            measured(
                f"{hz} Hz", Calibration("mains", together(qrs, sine(0.1, hz))), 80, mains_hz=hz
            )
            for hz in (50, 60)
        ],
    )
    yield Row(
        f"{IEC_27}; {EC13}",
        "r",
        "The rate stays with a drift of 4 mV p-v, triangular, 0.1 Hz, on a QRS of 0.5 mV",
        LIMIT,
        [measured("0.1 Hz", Calibration("drift", together(qrs, triangle(4.0, 0.1))), 80)],
    )
