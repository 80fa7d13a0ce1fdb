"""DICOM: 12-Lead ECG Waveform Storage (PS3.3 A.34.3, CP and CIDs of PS3.16)."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage

from firmware.events import LEADS
from hal.frontend import SAMPLE_RATE_HZ
from tools.export.formats import clipped
from tools.export.kinds import ExportError
from tools.export.wording import Measured, identity, measured, statements
from tools.study import Study

# CID 3001 "ECG Leads": code values of ISO/IEEE 11073-10102, scheme MDC
_LEAD_CODES = dict(
    zip(
        LEADS,
        ("2:1", "2:2", "2:61", "2:62", "2:63", "2:64", "2:3", "2:4", "2:5", "2:6", "2:7", "2:8"),
        strict=True,
    )
)
_IMPLEMENTATION = UID("2.25.301091317754054701858849380333879929932")  # a UUID drawn once


def data_of(study: Study) -> bytes:
    """One file: samples of 1 µV, statements and measurements as annotations."""
    assert study.began is not None
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = TwelveLeadECGWaveformStorage
    meta.MediaStorageSOPInstanceUID = _uid(study, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.ImplementationVersionName = "LEAD12"
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    _patient_and_study(ds, study, study.began)
    ds.AcquisitionContextSequence = Sequence()
    ds.WaveformSequence = Sequence([_waveform(study)])
    ds.WaveformAnnotationSequence = Sequence(_annotations(study))
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _patient_and_study(ds: FileDataset, study: Study, began: datetime) -> None:
    if began.tzinfo is not None:
        ds.TimezoneOffsetFromUTC = began.strftime("%z")
    ds.SpecificCharacterSet = "ISO_IR 192"  # UTF-8
    ds.SOPClassUID = TwelveLeadECGWaveformStorage
    ds.SOPInstanceUID = _uid(study, "instance")
    date, time = began.strftime("%Y%m%d"), began.strftime("%H%M%S.%f")
    ds.StudyDate = ds.ContentDate = date
    ds.StudyTime = ds.ContentTime = time
    ds.AcquisitionDateTime = date + time + (began.strftime("%z") if began.tzinfo else "")
    ds.AccessionNumber = ds.ReferringPhysicianName = ds.StudyID = ""
    ds.Modality = "ECG"
    ds.Manufacturer, ds.ManufacturerModelName = "Lead12", "Lead12"
    ds.DeviceSerialNumber = "unknown"
    ds.SoftwareVersions = [study.device, study.call.model or "no model"]
    patient = study.patient
    for text, apart in ((patient.id, "\\"), (patient.name, "\\^=")):
        if any(sign in text for sign in apart):
            raise ExportError(f"DICOM cannot hold {' '.join(apart)} in the patient's id or name")
    family, _, given = patient.name.partition(",")
    ds.PatientName = f"{family.strip()}^{given.strip()}" if given else family.strip()
    ds.PatientID, ds.PatientSex = patient.id, patient.sex
    ds.PatientBirthDate = patient.born.replace("-", "")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _uid(study, "study"), _uid(study, "series")
    ds.SeriesNumber = ds.InstanceNumber = 1


def _waveform(study: Study) -> Dataset:
    uv = clipped(study)
    item = Dataset()
    item.MultiplexGroupLabel = "RHYTHM"
    item.WaveformOriginality = "ORIGINAL"
    item.NumberOfWaveformChannels = len(LEADS)
    item.NumberOfWaveformSamples = len(uv)
    item.SamplingFrequency = SAMPLE_RATE_HZ
    item.ChannelDefinitionSequence = Sequence(_channel(study, lead) for lead in LEADS)
    item.WaveformBitsAllocated = 16
    item.WaveformSampleInterpretation = "SS"
    item.WaveformPaddingValue = np.int16(-32768).tobytes()
    uv[:, ~study.valid] = -32768
    uv[study.lost] = -32768
    item.WaveformData = uv.astype("<i2").tobytes()
    return item


def _channel(study: Study, lead: str) -> Dataset:
    channel = Dataset()
    channel.ChannelLabel = lead
    channel.ChannelSourceSequence = Sequence([_code(_LEAD_CODES[lead], "MDC", f"Lead {lead}")])
    channel.ChannelSensitivity = "1"
    channel.ChannelSensitivityUnitsSequence = Sequence([_code("uV", "UCUM", "microvolt")])
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    channel.FilterLowFrequency, channel.FilterHighFrequency = "0.05", "150"
    if study.mains_hz:
        channel.NotchFilterFrequency = str(study.mains_hz)
    return channel


def _annotations(study: Study) -> list[Dataset]:
    """PS3.3 C.10.10: the statements as text, each measurement as a coded number."""
    found = []
    for text in statements(study):
        note = Dataset()
        note.UnformattedTextValue = text
        found.append(note)
    for of in measured(study):
        number = Dataset()
        number.ConceptNameCodeSequence = Sequence([_concept(of)])
        number.NumericValue = f"{of.value:g}"
        number.MeasurementUnitsCodeSequence = Sequence([_code(of.unit, "UCUM", of.unit)])
        found.append(number)
    for note in found:
        note.ReferencedWaveformChannels = [1, 0]  # group 1, all of its channels
        note.AnnotationGroupNumber = 1
    return found


def _concept(of: Measured) -> Dataset:
    if of.loinc is None:
        return _code(of.mdc.removeprefix("MDC_ECG_TIME_PD_"), "99LEAD12", of.meaning)
    return _code(of.loinc, "LN", of.meaning)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _uid(study: Study, part: str) -> UID:
    return UID(f"2.25.{identity(study, part).int}")
