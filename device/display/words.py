"""The fixed words of the screen: confidence, electrodes, their colours and places."""

from __future__ import annotations

from enum import StrEnum

from firmware.findings import Priority
from hal.frontend import Electrode

VERY_LIKELY = 0.95
LIKELY = 0.80


class Naming(StrEnum):
    """Which of the two electrode codes of IEC 60601-2-25 is printed on the cable."""

    AHA = "AHA"
    IEC = "IEC"


# Name and colours of each electrode (IEC 60601-2-25, lead wire codes 2 = AHA and 1 = IEC).
ELECTRODES: dict[Naming, dict[Electrode, tuple[str, str]]] = {
    Naming.AHA: {
        Electrode.RA: ("RA", "white"),
        Electrode.LA: ("LA", "black"),
        Electrode.LL: ("LL", "red"),
        Electrode.RL: ("RL", "green"),
        Electrode.V1: ("V1", "brown/red"),
        Electrode.V2: ("V2", "brown/yellow"),
        Electrode.V3: ("V3", "brown/green"),
        Electrode.V4: ("V4", "brown/blue"),
        Electrode.V5: ("V5", "brown/orange"),
        Electrode.V6: ("V6", "brown/violet"),
    },
    Naming.IEC: {
        Electrode.RA: ("R", "red"),
        Electrode.LA: ("L", "yellow"),
        Electrode.LL: ("F", "green"),
        Electrode.RL: ("N", "black"),
        Electrode.V1: ("C1", "white/red"),
        Electrode.V2: ("C2", "white/yellow"),
        Electrode.V3: ("C3", "white/green"),
        Electrode.V4: ("C4", "white/brown"),
        Electrode.V5: ("C5", "white/black"),
        Electrode.V6: ("C6", "white/violet"),
    },
}

PLACES: dict[Electrode, str] = {
    Electrode.RA: "right arm",
    Electrode.LA: "left arm",
    Electrode.LL: "left leg",
    Electrode.RL: "right leg",
    Electrode.V1: "4th rib gap, right",
    Electrode.V2: "4th rib gap, left",
    Electrode.V3: "between 2 and 4",
    Electrode.V4: "5th rib gap, nipple",
    Electrode.V5: "front of armpit",
    Electrode.V6: "below armpit",
}

LIMBS = (Electrode.RA, Electrode.LA, Electrode.LL, Electrode.RL)

# Before a finding: its priority without grey, colour or blinking.
MARKS = {Priority.HIGH: "!! ", Priority.MEDIUM: "! ", Priority.LOW: "+ "}

PRESS_ON = "press on or replace"


def confidence(probability: float) -> str:
    """The fixed word for a calibrated ``probability``, 0..1: very likely, likely or possible."""
    if probability >= VERY_LIKELY:
        return "very likely"
    return "likely" if probability >= LIKELY else "possible"


def percent(probability: float) -> str:
    """Whole percent, never rounded up across a confidence word nor to certainty: "93%"."""
    return f"{int(probability * 100 + 1e-9)}%"
