"""HL7 aECG: the annotated ECG of HL7 version 3 (implementation guide of 21 March 2005)."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import BytesIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from firmware.events import LEADS
from hal.frontend import SAMPLE_RATE_HZ
from tools.export.formats import clipped
from tools.export.wording import identity, measured, statements
from tools.study import Study

_V3 = "urn:hl7-org:v3"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CPT, _ACT, _MDC = "2.16.840.1.113883.6.12", "2.16.840.1.113883.5.4", "2.16.840.1.113883.6.24"
_SEX = {"M": "M", "F": "F", "": "UN"}


def data_of(study: Study) -> bytes:
    """One document with one series; samples of 1 µV, a straight line where some were lost."""
    assert study.began is not None
    begin = study.began
    end = begin + timedelta(seconds=len(study.uv) / SAMPLE_RATE_HZ)
    ElementTree.register_namespace("", _V3)
    ElementTree.register_namespace("xsi", _XSI)
    root = Element(_tag("AnnotatedECG"), {"type": "Observation", "classCode": "OBS"})
    _add(root, "id", root=str(identity(study, "document")))
    _add(root, "code", code="93000", codeSystem=_CPT, codeSystemName="CPT-4")
    _add(root, "text").text = "; ".join(statements(study))
    _period(root, begin, end)
    _subject(root, study)
    series = _add(_add(root, "component"), "series")
    _add(series, "id", root=str(identity(study, "series")))
    _add(series, "code", code="RHYTHM", codeSystem=_ACT)
    _period(series, begin, end)
    _device(series, study)
    for variable, value, unit in _filters(study):
        control = _add(_add(series, "controlVariable"), "controlVariable")
        _add(control, "code", code=variable, codeSystem=_MDC, codeSystemName="MDC")
        inner = _add(_add(control, "component"), "controlVariable")
        code = "MDC_ECG_CTL_VBL_ATTR_FILTER_CUTOFF_FREQ"
        if "NOTCH" in variable:
            code = "MDC_ECG_CTL_VBL_ATTR_FILTER_NOTCH_FREQ"
        _add(inner, "code", code=code, codeSystem=_MDC, codeSystemName="MDC")
        _value(inner, "PQ", value=value, unit=unit)
    _sequences(series, study, begin)
    _annotations(series, study, begin)
    ElementTree.indent(root, " ")
    file = BytesIO()
    ElementTree.ElementTree(root).write(file, encoding="UTF-8", xml_declaration=True)
    return file.getvalue()


def _tag(name: str) -> str:
    return f"{{{_V3}}}{name}"


def _add(parent: Element, name: str, **attributes: str) -> Element:
    return SubElement(parent, _tag(name), attributes)


def _value(parent: Element, kind: str, name: str = "value", **attributes: str) -> Element:
    return SubElement(parent, _tag(name), {f"{{{_XSI}}}type": kind, **attributes})


def _time(at: datetime) -> str:
    """HL7 TS to the millisecond, with the zone where it is known."""
    zone = at.strftime("%z") if at.tzinfo else ""
    return at.strftime("%Y%m%d%H%M%S.") + f"{at.microsecond // 1000:03d}{zone}"


def _period(parent: Element, begin: datetime, end: datetime) -> None:
    period = _add(parent, "effectiveTime")
    _add(period, "low", value=_time(begin), inclusive="true")
    _add(period, "high", value=_time(end), inclusive="false")


def _subject(root: Element, study: Study) -> None:
    """The guide wants a trial; its ids are nil for a record of none."""
    event = _add(_add(root, "componentOf"), "timepointEvent")
    performed = _add(_add(event, "componentOf"), "subjectAssignment")
    subject = _add(_add(performed, "subject"), "trialSubject")
    patient = study.patient
    nameless: dict[str, str] = {"nullFlavor": "NI"}
    _add(subject, "id", **({"root": "", "extension": patient.id} if patient.id else nameless))
    if patient.id:
        del subject[-1].attrib["root"]
    person = _add(subject, "subjectDemographicPerson")
    if patient.name:
        _add(person, "name").text = patient.name
    _add(person, "administrativeGenderCode", code=_SEX[patient.sex])
    if patient.born:
        _add(person, "birthTime", value=patient.born.replace("-", ""))
    trial = _add(_add(performed, "componentOf"), "clinicalTrial")
    _add(trial, "id", **nameless)


def _device(series: Element, study: Study) -> None:
    author = _add(_add(series, "author"), "seriesAuthor")
    device = _add(author, "manufacturedSeriesDevice")
    _add(device, "id", nullFlavor="NI")
    _add(device, "manufacturerModelName").text = "Lead12"
    _add(device, "softwareName").text = f"{study.device}, model {study.call.model or 'none'}"


def _filters(study: Study) -> list[tuple[str, str, str]]:
    found = [
        ("MDC_ECG_CTL_VBL_ATTR_FILTER_HIGH_PASS", "0.05", "Hz"),
        ("MDC_ECG_CTL_VBL_ATTR_FILTER_LOW_PASS", "150", "Hz"),
    ]
    if study.mains_hz:
        found.append(("MDC_ECG_CTL_VBL_ATTR_FILTER_NOTCH", str(study.mains_hz), "Hz"))
    return found


def _sequences(series: Element, study: Study, begin: datetime) -> None:
    of_set = _add(_add(series, "component"), "sequenceSet")
    times = _add(_add(of_set, "component"), "sequence")
    _add(times, "code", code="TIME_ABSOLUTE", codeSystem=_ACT)
    steps = _value(times, "GLIST_TS")
    _add(steps, "head", value=_time(begin))
    _add(steps, "increment", value=f"{1 / SAMPLE_RATE_HZ:g}", unit="s")
    for lead, uv, valid in zip(LEADS, clipped(study).T, study.valid, strict=True):
        if not valid:
            continue  # a list of digits has no word for "not measured"
        sequence = _add(_add(of_set, "component"), "sequence")
        code = f"MDC_ECG_LEAD_{lead.upper()}"
        _add(sequence, "code", code=code, codeSystem=_MDC, codeSystemName="MDC")
        samples = _value(sequence, "SLIST_PQ")
        _add(samples, "origin", value="0", unit="uV")
        _add(samples, "scale", value="1", unit="uV")
        _add(samples, "digits").text = " ".join(map(str, uv.tolist()))


def _annotations(series: Element, study: Study, begin: datetime) -> None:
    found = _add(_add(series, "subjectOf"), "annotationSet")
    _add(found, "activityTime", value=_time(begin))
    for of in measured(study):
        note = _annotation(found, of.mdc)
        _value(note, "PQ", value=f"{of.value:g}", unit=of.unit)
    whole = _annotation(found, "MDC_ECG_INTERPRETATION")
    for text in statements(study):
        inner = _annotation(whole, "MDC_ECG_INTERPRETATION_STATEMENT")
        _value(inner, "ST").text = text


def _annotation(parent: Element, code: str) -> Element:
    note = _add(_add(parent, "component"), "annotation")
    _add(note, "code", code=code, codeSystem=_MDC, codeSystemName="MDC")
    return note
