"""What a report says, as text: the call, measurements, quality, whom and when."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from device.display.words import MARKS, confidence, percent
from firmware.events import LEADS, Call, Refusal
from firmware.findings import Finding, Priority
from firmware.profiles import PROFILES
from hal.frontend import SAMPLE_RATE_HZ, electrodes_in
from tools.own_record import AlarmSpan
from tools.study import PROFILE, Study

NOT_A_DEVICE = "Not a medical device"
UNCONFIRMED = "computer reading, unconfirmed: read the trace"
BLANK = "--"
UNPRINTABLE = "?"  # the page's own fonts are those every PDF reader has: Latin-1 and a little more
_SEXES = {"M": "male", "F": "female"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the call; ``grave``: it must be seen first."""

    text: str
    grave: bool = False


def printable(text: str) -> str:
    """``text`` with ``UNPRINTABLE`` for every character that the standard PDF fonts lack."""
    composed = unicodedata.normalize("NFC", text)
    encoded = (character.encode("cp1252", "ignore") for character in composed)
    return "".join(
        character if code and character.isprintable() else UNPRINTABLE
        for character, code in zip(composed, encoded, strict=True)
    )


def who(study: Study, rows: int) -> list[str]:
    """Patient, recording, its time, and that ``rows`` are drawn; the first line is the heading."""
    patient = study.patient
    about = [f"ID {patient.id}" if patient.id else "", f"born {patient.born}" * bool(patient.born)]
    about.append(_SEXES.get(patient.sex, patient.sex))
    told = "   ".join(filter(None, about))
    heading = patient.name or ("Patient not named" if told else "Patient not given")
    lines = [heading, told, f"Recording {study.name}", when(study), shown(study, rows)]
    lines = [line for line in lines if line]
    if printable("".join(lines)) != unicodedata.normalize("NFC", "".join(lines)):
        lines.append(f"{UNPRINTABLE}: a letter this page cannot print")
    return [printable(line) for line in lines]


def when(study: Study) -> str:
    """Date, time and zone of the first sample shown."""
    if study.began is None:
        return "Time not recorded"
    zone = study.began.strftime("%Z") or "(zone not recorded)"
    return f"{study.began:%Y-%m-%d %H:%M:%S} {zone}"


def shown(study: Study, rows: int) -> str:
    """How much of the recording is drawn, and how much is read where that is more."""
    drawn, read = rows / SAMPLE_RATE_HZ, len(study.uv) / SAMPLE_RATE_HZ
    whole = f" of {study.seconds:.1f} s" if study.seconds - read > 0.05 else ""
    if read - drawn > 0.05:
        return f"Last {drawn:.1f} s drawn, {read:.1f} s read{whole}"
    return f"Last {drawn:.1f} s{whole}" if whole else f"{drawn:.1f} s"


def measurements(study: Study) -> list[tuple[str, str]]:
    """Name and value with its unit, ``BLANK`` where there is none."""
    found, rate = study.measurements, study.last.rate_bpm
    if found is None:
        return [("Rate", _value(rate, " /min")), *((name, BLANK) for name in _INTERVALS)]
    return [
        ("Rate", _value(rate, " /min")),
        ("PR", _value(found.pr_ms, " ms")),
        ("QRS", _value(found.qrs_ms, " ms")),
        ("QT", _value(found.qt_ms, " ms")),
        ("QTc Bazett", _value(found.qtcb_ms, " ms")),
        ("QTc Fridericia", _value(found.qtcf_ms, " ms")),
        ("QRS axis", _value(found.axis_deg, "°")),
    ]


_INTERVALS = ("PR", "QRS", "QT", "QTc Bazett", "QTc Fridericia", "QRS axis")


def median_of(study: Study) -> str:
    """What was measured."""
    found = study.measurements
    return f"median of {found.beats} beats" if found and found.beats else "not measured"


def st_mv(study: Study) -> list[str]:
    """ST at J + 60 ms per lead in millivolts, signed."""
    if study.measurements is None:
        return [BLANK] * len(LEADS)
    return [
        BLANK if uv is None or not valid else f"{uv / 1000:+z.2f}".replace("+0.00", "0.00")
        for uv, valid in zip(study.measurements.st_uv, study.valid, strict=True)
    ]


def _value(value: float | None, unit: str) -> str:
    return BLANK if value is None else f"{value:z.0f}{unit}"


def headline(call: Call) -> tuple[str, str]:
    """The call or why there is none, and below it how sure it is or what to do."""
    if call.label is not None:
        sure = call.probability
        return call.text, "" if sure is None else f"{confidence(sure)}, {percent(sure)}"
    if call.refusal is Refusal.OTHER_RHYTHM:
        return call.text, call.act
    same = [finding for finding in call.findings if finding.text == call.text]
    if same:  # an alarm of its own
        return f"{MARKS[same[0].priority]}{call.text}", f"cannot analyse: {call.act}"
    return f"CANNOT ANALYSE: {call.text}", call.act


def findings(call: Call) -> list[Line]:
    """The short list, the gravest first."""
    return [_line(finding) for finding in call.findings if finding.text != call.text]


def _line(finding: Finding) -> Line:
    sure = finding.probability
    how = "measured" if sure is None else f"{confidence(sure)}, {percent(sure)}"
    act = f"   {finding.act}" if finding.act else ""
    text = f"{MARKS[finding.priority]}{finding.text}   {how}{act}"
    return Line(text, finding.priority is Priority.HIGH)


def alarms(study: Study) -> list[Line]:
    """What rang while these seconds were recorded, the gravest first."""
    return [
        Line(
            f"{MARKS[span.priority]}{printable(span.text)}   "
            f"alarm, {span.priority}, {alarm_time(study, span)}",
            span.priority is Priority.HIGH,
        )
        for span in study.alarms
    ]


def alarm_time(study: Study, span: AlarmSpan) -> str:
    """When it was there: time of day, or seconds from the first row where nobody knows it."""
    begin = "" if span.begin_s is None else f"from {_at(study, span.begin_s)}"
    end = "" if span.end_s is None else f"until {_at(study, span.end_s)}"
    return " ".join(filter(None, (begin, end)))


def _at(study: Study, seconds: float) -> str:
    if study.began is None:
        return f"{seconds:.1f} s"
    return f"{study.began + timedelta(seconds=seconds):%H:%M:%S}"


def whole_recording(study: Study) -> str:
    """The call on all of a recording that is longer than what is shown; "" where it is not."""
    if study.call == study.last:
        return ""
    text, sure = headline(study.call)
    return f"Whole recording, {study.seconds:.0f} s: {text}, {sure}".rstrip(", ")


def lead_names(study: Study) -> list[str]:
    """Each lead's name, with what is wrong with it."""
    names = []
    for lead, valid in zip(LEADS, study.valid, strict=True):
        fault = study.last.faults.get(lead, "" if valid else "off")
        fault = fault or "doubtful" * (lead in study.last.doubtful)
        names.append(f"{lead} {fault}".strip())
    return names


def scales(study: Study) -> str:
    """Speed, gain and filter."""
    notch = f"notch {study.mains_hz} Hz" if study.mains_hz else "no notch"
    band = PROFILES[PROFILE].band.replace("-", "\u2013")
    return f"25 mm/s   10 mm/mV   {band}, {notch}"


def signal(study: Study) -> str:
    """Quality, what cannot be read well, what was never sampled, the electrodes that are off."""
    off = " ".join(electrode.name for electrode in electrodes_in(study.last.electrodes_off))
    names = [name for name in lead_names(study) if " " in name]
    faults = {name.split()[1] for name in names}
    if len(names) == len(LEADS) and len(faults) == 1:
        names = [f"all leads {faults.pop()}"]
    said = [
        f"quality {study.last.quality.name.lower()}",
        ", ".join(names),
        f"{lost} sample{'s' * (lost > 1)} lost" if (lost := int(study.lost.sum())) else "",
        f"electrodes off: {off}" if off else "electrodes all on" * study.electrodes_told,
    ]
    return "   ".join(filter(None, said))


def made_by(study: Study) -> str:
    """Device, network, and what it is not."""
    model = f"network {study.last.model}" if study.last.model else "no network"
    return f"{study.device}   {printable(model)}   {UNCONFIRMED}"
