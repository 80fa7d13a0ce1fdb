"""What a study says, in the order and words that all formats share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from uuid import UUID

from device.display.words import confidence, percent
from firmware.events import LEADS, Refusal
from hal.frontend import SAMPLE_RATE_HZ
from hal.patient.record import runs
from tools.report_words import alarm_time
from tools.study import Study

WARNING = "Not a medical device. Unconfirmed analysis: to be read by a physician."


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement with its codes.

    loinc : code, None where LOINC's does not say which correction; meaning : in words
    mdc : reference id of ISO/IEEE 11073-10102; unit : UCUM
    """

    name: str
    value: float
    unit: str
    meaning: str
    loinc: str | None
    mdc: str


_NUMBERS = (
    ("rate_bpm", "/min", "Heart rate", "8867-4", "MDC_ECG_HEART_RATE"),
    ("pr_ms", "ms", "P-R interval", "8625-6", "MDC_ECG_TIME_PD_PR"),
    ("qrs_ms", "ms", "QRS duration", "8633-0", "MDC_ECG_TIME_PD_QRS"),
    ("qt_ms", "ms", "Q-T interval", "8634-8", "MDC_ECG_TIME_PD_QT"),
    ("qtcb_ms", "ms", "Q-T interval corrected, Bazett", None, "MDC_ECG_TIME_PD_QTcB"),
    ("qtcf_ms", "ms", "Q-T interval corrected, Fridericia", None, "MDC_ECG_TIME_PD_QTcF"),
    ("axis_deg", "deg", "QRS axis", "8632-2", "MDC_ECG_ANGLE_QRS_FRONT"),
)


def measured(study: Study) -> Iterator[Measured]:
    """What could be measured, and nothing else."""
    of = study.measurements
    for name, unit, meaning, loinc, mdc in _NUMBERS:
        value = getattr(of, name) if of is not None else None
        if value is not None:
            yield Measured(name, round(float(value), 1), unit, meaning, loinc, mdc)


def st_levels(study: Study) -> dict[str, int]:
    """Microvolts at J + 60 ms by lead, of those that could be measured."""
    levels = study.measurements.st_uv if study.measurements is not None else ()
    return {lead: round(uv) for lead, uv in zip(LEADS, levels, strict=False) if uv is not None}


def statements(study: Study) -> list[str]:
    """The call or why there is none, findings, alarms, quality, losses, the model, the warning.

    Where the recording is too short for a call, its alarms come first.
    """
    call = study.call
    said = call.text
    if call.label and call.probability is not None:
        said += f", {confidence(call.probability)} ({percent(call.probability)})"
    elif call.refusal:
        said = f"No call: {call.text}" + (f" ({call.act})" if call.act else "")
    found = [
        f"{finding.text}{f' - {finding.act}' if finding.act else ''}" for finding in call.findings
    ]
    rang = [
        f"Alarm of the monitor, {span.priority}: {span.text}, {alarm_time(study, span)}"
        for span in study.alarms
    ]
    leads = call.refusal is Refusal.STARTING  # no call: what rang is all there is
    return [
        *rang[: len(rang) * leads],
        said,
        *(text for text in found if text != call.text),
        *rang[len(rang) * leads :],
        f"Signal quality {call.quality.name.lower()}",
        *(f"{text} at {start / SAMPLE_RATE_HZ:.3f} s" for start, _, text in losses(study)),
        f"{study.device}, model {call.model or 'none'}",
        WARNING,
    ]


def losses(study: Study) -> list[tuple[int, int, str]]:
    """(first row, row behind the last, "3 samples lost") of each gap."""
    return [
        (start, stop, f"{stop - start} sample{'s' * (stop - start > 1)} lost")
        for start, stop in runs(study.lost)
    ]


def filters(study: Study) -> str:
    """The band of the trace in words."""
    notch = f"{study.mains_hz} Hz" if study.mains_hz else "none"
    return f"0.05-150 Hz, notch {notch}"


def identity(study: Study, part: str) -> UUID:
    """A UUID of version 5 form for ``part``: of the same study always the same."""
    of = (part, study.name, str(study.began), *astuple(study.patient))
    digest = hashlib.sha256("\0".join(of).encode())
    digest.update(study.uv.tobytes())
    return UUID(bytes=digest.digest()[:16], version=5)
