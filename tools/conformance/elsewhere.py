"""Clauses that no software can be asked: they are of copper, of people, or of parts not there."""

from __future__ import annotations

from collections.abc import Iterator

from tools.conformance.clause import EC11, EC57, IEC_25, IEC_27, Row

_BOARD = "needs the board: "
_CLAUSES = (
    (
        f"{IEC_27} 201.12.1.101.3; {IEC_25} 201.12.4.103; {EC11}",
        "a b d",
        "Input impedance, 2.5 MΩ at 10 Hz",
        _BOARD + "the simulated inputs are ideal",
    ),
    (
        f"{IEC_25}; {EC11}",
        "d",
        "Direct current into an electrode: 0.1 µA, 1 µA into the reference",
        _BOARD
        + "the lead-off current is set to 6 nA per electrode (docs/wiring.md), what leaks beside "
        "it is not known",
    ),
    (
        f"{IEC_27}; {IEC_25}; {EC11}",
        "c d",
        "Common mode rejection, 20 V mains through 51 kΩ ∥ 47 nF of imbalance",
        _BOARD + "electrode impedances and the right-leg amplifier's gain are not simulated",
    ),
    (
        f"{IEC_27}; {IEC_25}; {EC11}",
        "d e",
        "Defibrillator protection and recovery within 8 s (5 s)",
        _BOARD + "resistors, clamps and insulation",
    ),
    (
        f"{EC11}; IEC 60601-1",
        "d",
        "Risk current, isolation of the patient connection",
        _BOARD + "see docs/wiring.md: never on a person by way of a computer on mains power",
    ),
    (
        f"{IEC_27}; {IEC_25}",
        "r",
        "Electrosurgery: interference and protection",
        _BOARD + "not simulated",
    ),
    ("IEC 60601-1-2", "r", "Electromagnetic compatibility", _BOARD + "not simulated"),
    (
        f"{IEC_27} 201.12.1.101.6",
        "a",
        "Gain adjustment and its stability over an hour",
        "the gain of the trace is fixed; its stability is the reference's, which is not simulated",
    ),
    (
        f"{IEC_27} 201.12.1.101.9",
        "a",
        "Gain indicator and time base on the display",
        "drawn as 25 mm/s and 10 mm/mV; what a millimetre is, is the panel's",
    ),
    (
        f"{IEC_27} 201.12.1.101.14",
        "a",
        "Cardioversion synchronisation pulse",
        "there is no such output",
    ),
    (
        f"{IEC_27}",
        "c",
        "Depletion of the battery: warning 5 min before, safe shutdown",
        "there is no battery gauge",
    ),
    (
        f"{IEC_27}; IEC 60601-1-8",
        "r",
        "Alarms: priorities, sound, light, limits, pause",
        "conditions and delays: docs/alarms.md; sound and light were not tried on a board",
    ),
    (
        f"{IEC_25}; {EC11}",
        "d",
        "Paper: speed, trace width, hysteresis; 1 mV standardising voltage",
        "pages are PDF: docs/report.md; what a printer makes of them is its own",
    ),
    (
        f"{EC57}",
        "h",
        "ST segment measurement",
        "ST at J+60 ms is measured; no set with its truth was at hand: docs/measurements.md",
    ),
)


def rows() -> Iterator[Row]:
    """Each with the reason."""
    for clause, sources, asks, why in _CLAUSES:
        yield Row(clause, sources, asks, "", why=why)
