"""FHIR R4B: a bundle with the ECG as an Observation of sampled data, its call and measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
from fhir.resources.R4B.bundle import Bundle

from firmware.events import LEADS
from hal.frontend import SAMPLE_RATE_HZ
from tools.export.formats import clipped
from tools.export.wording import Measured, filters, identity, measured, st_levels, statements
from tools.study import Study

_LOINC, _MDC, _UCUM = (
    "http://loinc.org",
    "urn:oid:2.16.840.1.113883.6.24",
    "http://unitsofmeasure.org",
)
# MDC lead codes of ISO/IEEE 11073-10102: 131072 + the lead's number
_LEADS = dict(zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))
_PERIOD_MS = 1000 / SAMPLE_RATE_HZ
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_GENDER = {"M": "male", "F": "female", "": "unknown"}


def data_of(study: Study) -> bytes:
    """A collection bundle: Patient (if anything is known), Device, Observations."""
    bundle = Bundle.model_validate(_bundle(study))
    return f"{bundle.model_dump_json(indent=1)}\n".encode()


def _bundle(study: Study) -> dict[str, Any]:
    patient, device = _patient(study), _device(study)
    around = {"status": "preliminary", "device": _reference(study, "device")}
    if patient is not None:
        around["subject"] = _reference(study, "patient")
    if study.began is not None:
        around["effectiveDateTime"] = _when(study)
    ecg = {
        "resourceType": "Observation",
        **around,
        "category": [{"coding": [{"system": _CATEGORY, "code": "procedure"}]}],
        "code": _concept(_LOINC, "11524-6", "EKG study"),
        "interpretation": [{"text": text} for text in statements(study)],
        "method": {"text": f"12 leads at {SAMPLE_RATE_HZ} Hz, {filters(study)}"},
        "component": [*_traces(study), *_st(study)],
    }
    numbers = {
        of.name: {
            "resourceType": "Observation",
            **around,
            "category": [{"coding": [{"system": _CATEGORY, "code": "vital-signs"}]}],
            "code": _measured(of),
            "valueQuantity": _quantity(of.value, of.unit),
        }
        for of in measured(study)
    }
    parts = {"device": device, "ecg": ecg, **numbers}
    if patient is not None:
        parts = {"patient": patient, **parts}
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": identity(study, "bundle").urn},
        "entry": [
            {"fullUrl": identity(study, part).urn, "resource": resource}
            for part, resource in parts.items()
        ],
    }


def _patient(study: Study) -> dict[str, Any] | None:
    of = study.patient
    if not (of.id or of.name or of.born or of.sex):
        return None
    family, _, given = (word.strip() for word in of.name.partition(","))
    found: dict[str, Any] = {"resourceType": "Patient", "gender": _GENDER[of.sex]}
    if of.id:
        found["identifier"] = [{"value": of.id}]
    if of.name:
        found["name"] = [{"family": family} | ({"given": given.split()} if given else {})]
    if of.born:
        found["birthDate"] = of.born
    return found


def _device(study: Study) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "deviceName": [{"name": "Lead12", "type": "model-name"}],
        "version": [{"value": study.device}, {"value": study.call.model or "no model"}],
        "note": [{"text": "Not a medical device."}],
    }


def _traces(study: Study) -> list[dict[str, Any]]:
    """SampledData of 1 µV, E for a lost sample; a lead not measured has a reason instead."""
    found: list[dict[str, Any]] = []
    for lead, uv, valid in zip(LEADS, clipped(study).T, study.valid, strict=True):
        code = _concept(_MDC, str(131_072 + _LEADS[lead]), f"MDC_ECG_LEAD_{lead.upper()}")
        trace: dict[str, Any] = {"code": code | {"text": lead}}
        if valid:
            trace["valueSampledData"] = {
                "origin": _quantity(0, "uV"),
                "period": _PERIOD_MS,
                "factor": 1,
                "dimensions": 1,
                "data": " ".join(np.where(study.lost, "E", uv.astype(str)).tolist()),
            }
        else:
            system = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
            trace["dataAbsentReason"] = _concept(system, "error", "Error")
        found.append(trace)
    return found


def _st(study: Study) -> list[dict[str, Any]]:
    return [
        {"code": {"text": f"ST at J+60 ms, {lead}"}, "valueQuantity": _quantity(uv, "uV")}
        for lead, uv in st_levels(study).items()
    ]


def _measured(of: Measured) -> dict[str, Any]:
    coded = _concept(_LOINC, of.loinc, of.meaning) if of.loinc else {}
    return coded | {"text": of.meaning}


def _reference(study: Study, part: str) -> dict[str, str]:
    return {"reference": identity(study, part).urn}


def _when(study: Study) -> str:
    """With the zone FHIR wants beside a time of day; the day alone where there is no zone."""
    assert study.began is not None
    if study.began.tzinfo is None:
        return study.began.date().isoformat()
    return study.began.isoformat(timespec="milliseconds")


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": _UCUM, "code": unit}
