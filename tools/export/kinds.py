"""The formats by name."""

from __future__ import annotations

from enum import StrEnum


class ExportError(ValueError):
    """A study that cannot be written as asked; one line for the user."""


class Format(StrEnum):
    """What ``lead12 export`` writes."""

    DICOM = "dicom"
    AECG = "aecg"
    EDF = "edf"
    FHIR = "fhir"


SUFFIX = {Format.DICOM: ".dcm", Format.AECG: ".xml", Format.EDF: ".edf", Format.FHIR: ".json"}
