"""What a reader of an export must know to read it right: units, scale, leads, and where it ends."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pydicom
import pyedflib
import pytest

from firmware.events import LEADS
from tests.tools.test_classify import record
from tests.tools.test_export import BEGAN, written
from tools.export.formats import Format
from tools.study import Study, read_study

V3 = "{urn:hl7-org:v3}"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Sinus rhythm, V3 off, and one artefact of 50 mV in V1."""
    found = read_study(record(tmp_path_factory.mktemp("units"), "sinus-70"), model="none")
    uv, valid = found.uv.copy(), found.valid.copy()
    valid[LEADS.index("V3")] = False
    uv[100, LEADS.index("V1")] = 50_000
    return replace(found, began=BEGAN, uv=uv, valid=valid)


def test_dicom_is_of_microvolts_and_its_leads_have_their_codes(study, tmp_path):
    ds = pydicom.dcmread(io.BytesIO(written(study, Format.DICOM, tmp_path).read_bytes()))
    (group,) = ds.WaveformSequence
    codes = {}
    for channel in group.ChannelDefinitionSequence:
        (unit,), (source,) = channel.ChannelSensitivityUnitsSequence, channel.ChannelSourceSequence
        assert (unit.CodeValue, float(channel.ChannelSensitivity)) == ("uV", 1)
        assert float(channel.ChannelSensitivityCorrectionFactor) == 1
        codes[channel.ChannelLabel] = source.CodeValue
    assert codes == {  # DICOM PS3.16, CID 3001
        "I": "2:1", "II": "2:2", "III": "2:61", "aVR": "2:62", "aVL": "2:63", "aVF": "2:64",
        "V1": "2:3", "V2": "2:4", "V3": "2:5", "V4": "2:6", "V5": "2:7", "V6": "2:8",
    }  # fmt: skip
    uv = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12)
    assert (uv[:, LEADS.index("V3")] == -32768).all()  # padding: not measured
    assert (uv[:, LEADS.index("II")] == study.uv[:, LEADS.index("II")]).all()
    assert uv[100, LEADS.index("V1")] == 32767


def test_fhir_is_of_microvolts(study, tmp_path):
    bundle = json.loads(written(study, Format.FHIR, tmp_path).read_text())
    ecg = next(e["resource"] for e in bundle["entry"] if "component" in e["resource"])
    traces = [c["valueSampledData"] for c in ecg["component"] if "valueSampledData" in c]
    assert len(traces) == 11
    for trace in traces:
        assert float(trace.get("factor", 1)) == 1
        assert (float(trace["origin"]["value"]), trace["origin"]["code"]) == (0, "uV")


def test_aecg_is_of_microvolts_from_the_first_sample_on(study, tmp_path):
    root = ElementTree.parse(written(study, Format.AECG, tmp_path)).getroot()
    (head,) = root.iter(f"{V3}head")
    assert head.get("value") == "20260517140300.250+0000"
    scales = [scale.attrib for scale in root.iter(f"{V3}scale")]
    assert scales == [{"value": "1", "unit": "uV"}] * 11


def test_what_is_beyond_16_bits_ends_there_and_does_not_wrap(study, tmp_path):
    with pyedflib.EdfReader(str(written(study, Format.EDF, tmp_path))) as found:
        v1 = found.readSignal(LEADS.index("V1"))
        assert found.getPhysicalDimension(0).strip() == "uV"
    assert v1[100] == pytest.approx(32_767)
    assert v1[99] == pytest.approx(study.uv[99, LEADS.index("V1")])
