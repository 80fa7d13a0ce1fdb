"""What the pipeline says, in the order in which it knows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from firmware.findings import Finding, Priority
from firmware.measurements import Measurements

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


class QualityGrade(IntEnum):
    """Bars on the screen."""

    BAD = 0
    POOR = 1
    FAIR = 2
    GOOD = 3


class LeadFault(StrEnum):
    """Why a lead cannot be read."""

    OFF = "off"  # an electrode it needs is off
    RAILED = "railed"
    FLAT = "flat"
    NOISY = "noisy"  # muscle or motion
    MAINS = "mains"
    WANDER = "wander"


class Refusal(StrEnum):
    """Why there is no call."""

    STARTING = "starting"  # fewer than 10 s since the start or since a gap
    ELECTRODE_OFF = "electrode_off"
    NO_SIGNAL = "no_signal"  # flat with electrodes on: asystole or a broken cable
    VENTRICULAR = "ventricular"  # VF or VT suspected: no network here knows them
    LEADS_FLAT = "leads_flat"  # some leads dead, others not
    SATURATED = "saturated"
    NOISE = "noise"
    NOT_ECG = "not_ecg"  # a signal, but none that a heart makes
    OTHER_RHYTHM = "other_rhythm"  # one that no group of the call fits; the text names it
    DISAGREES = "disagrees"  # the network's best label and the measured rate exclude each other
    UNSURE = "unsure"  # the network's best label is below its threshold
    NO_MODEL = "no_model"


@dataclass(frozen=True, slots=True)
class Trace:
    """Filtered leads for screen and record.

    first_index : sample index (500 Hz) of row 0, group delay already taken off
    uv : int32 [n, 12], microvolts, lead order of LEADS
    valid : bool [12], False while an electrode the lead needs is off
    """

    first_index: int
    uv: NDArray[np.int32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gap:
    """``lost`` samples are missing before ``index``.

    restarted : filters and window began anew; False when the gap was short enough to bridge
    """

    index: int
    lost: int
    restarted: bool = True


@dataclass(frozen=True, slots=True)
class ElectrodeChange:
    """The set of electrodes that are off changed at ``index`` (bit mask over Electrode)."""

    index: int
    off: int


@dataclass(frozen=True, slots=True)
class Beat:
    """A QRS complex; ``index`` is its R peak (or main deflection)."""

    index: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Signal quality over the last seconds: per lead and overall.

    faults : only leads that have one
    acceptable : as a 12-lead ECG, to people who grade such records; None before ten seconds
    doubtful : leads that a reader should not rely on, fault or none
    """

    index: int
    grade: QualityGrade
    faults: dict[str, LeadFault]
    acceptable: bool | None = None
    doubtful: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """Heart rate; ``bpm`` is None when unknown, never 0."""

    index: int
    bpm: float | None
    irregularity: float | None  # RR differences over RR: 0.01 sinus, 0.14 AF; None if unknown


@dataclass(frozen=True, slots=True)
class Rest:
    """Share of the last four seconds in which the trace is level: fibrillation has little of it.

    None when not known. Said before the call of each second.
    """

    index: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Call:
    """What the instrument says of the last window.

    index : last sample of the evidence; span : its length in samples
    label : MATE group or None when refused; text : as shown ("ATRIAL FIBRILLATION")
    probability : calibrated, of ``label`` (of the best one when refused); None without scores,
        and for a rhythm outside the groups
    refusal : None when there is a call; act : what to do about a refusal ("press on or replace")
    scores : {group: {label: probability}}, given even when refused, {} if nothing could be run
    scores_age : samples since the window they are of; 0 but for a network that is run seldom
    findings : the short list, the gravest first; () where the evidence cannot be read
    doubtful : leads that a reader should not rely on, fault or none
    """

    index: int
    span: int
    label: str | None
    text: str
    probability: float | None
    refusal: Refusal | None
    act: str
    scores: dict[str, dict[str, float]]
    rate_bpm: float | None
    irregularity: float | None
    quality: QualityGrade
    faults: dict[str, LeadFault]
    electrodes_off: int
    model: str
    findings: tuple[Finding, ...] = ()
    doubtful: tuple[str, ...] = ()
    scores_age: int = 0

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings without which the call must not be said, beyond what ``text`` names."""
        grave = (f for f in self.findings if f.priority is not Priority.LOW)
        return tuple(finding for finding in grave if finding.text != self.text)

    @property
    def headline(self) -> str:
        """``text`` with the first warning: a high one in front of it, a medium one behind."""
        if not self.warnings:
            return self.text
        first = self.warnings[0]
        said = (
            (first.text, self.text) if first.priority is Priority.HIGH else (self.text, first.text)
        )
        return " + ".join(said)


Event = Trace | Gap | ElectrodeChange | Beat | Quality | Rate | Rest | Measurements | Call
