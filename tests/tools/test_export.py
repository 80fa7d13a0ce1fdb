"""``lead12 export``: each format is opened again by software that did not write it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyedflib
import pytest
from fhirclient.models.bundle import Bundle

from firmware.events import LEADS
from tests.tools.test_classify import lead12, record
from tools.export.formats import export
from tools.export.kinds import SUFFIX, ExportError, Format
from tools.study import Patient, Study, read_study

BEGAN = datetime(2026, 5, 17, 14, 3, 0, 250_000, tzinfo=UTC)
WHO = Patient("4711", "Müller, Jörg", "1950-02-28", "M")


@pytest.fixture(scope="module")
def af(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Atrial fibrillation, V3 never measured."""
    found = read_study(record(tmp_path_factory.mktemp("af"), "af-90"), patient=WHO)
    valid = found.valid.copy()
    valid[LEADS.index("V3")] = False
    return replace(found, began=BEGAN, valid=valid)


def written(study: Study, kind: Format, folder: Path) -> Path:
    path = folder / f"x{SUFFIX[kind]}"
    export(study, kind, path)
    return path


# -- DICOM, read by dcmtk and judged by dicom3tools

needs_dcmtk = pytest.mark.skipif(not shutil.which("dcm2json"), reason="dcmtk is not installed")
needs_verifier = pytest.mark.skipif(
    not shutil.which("dciodvfy"), reason="dicom3tools is not installed"
)


@needs_dcmtk
def test_dcmtk_reads_the_samples_the_leads_and_the_patient(af, tmp_path):
    path = written(af, Format.DICOM, tmp_path)
    ran = subprocess.run(["dcm2json", path], capture_output=True, check=True)
    ds = json.loads(ran.stdout)
    assert ds["00100010"]["Value"][0]["Alphabetic"] == "Müller^Jörg"
    assert ds["0008002A"]["Value"] == ["20260517140300.250000+0000"]
    (group,) = ds["54000100"]["Value"]
    assert group["003A001A"]["Value"] == [500]
    channels = group["003A0200"]["Value"]
    assert [channel["003A0203"]["Value"][0] for channel in channels] == list(LEADS)
    codes = [channel["003A0208"]["Value"][0]["00080100"]["Value"][0] for channel in channels]
    assert codes[:3] == ["2:1", "2:2", "2:61"]
    data = np.frombuffer(base64.b64decode(group["54001010"]["InlineBinary"]), "<i2")
    uv = data.reshape(-1, 12)
    assert (uv[:, af.valid] == af.uv[:, af.valid]).all()
    assert (uv[:, LEADS.index("V3")] == -32768).all()  # the padding value: not measured
    notes = ds["0040B020"]["Value"]
    texts = [note["00700006"]["Value"][0] for note in notes if "00700006" in note]
    assert texts[0].startswith("ATRIAL FIBRILLATION")
    assert "Not a medical device" in texts[-1]
    rate = next(
        n
        for n in notes
        if n.get("0040A043", {}).get("Value", [{}])[0].get("00080100", {}).get("Value")
        == ["8867-4"]
    )
    assert rate["0040A30A"]["Value"][0] == pytest.approx(af.measurements.rate_bpm, abs=0.06)


@needs_verifier
@pytest.mark.parametrize("nameless", [False, True])
def test_the_object_is_a_valid_12_lead_ecg(af, tmp_path, nameless):
    study = replace(af, patient=Patient()) if nameless else af
    path = written(study, Format.DICOM, tmp_path)
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr
    assert "TwelveLeadECG" in said
    assert "Error" not in said


# -- aECG: the order and number of elements of PORT_MT020001 (2003-12)

_CHILDREN = {
    "AnnotatedECG": "id code text? effectiveTime componentOf component",
    "timepointEvent": "componentOf",
    "subjectAssignment": "subject componentOf",
    "trialSubject": "id subjectDemographicPerson?",
    "subjectDemographicPerson": "name? administrativeGenderCode? birthTime?",
    "clinicalTrial": "id",
    "series": "id code effectiveTime author controlVariable* component subjectOf",
    "seriesAuthor": "manufacturedSeriesDevice",
    "manufacturedSeriesDevice": "id manufacturerModelName softwareName",
    "sequenceSet": "component*",
    "sequence": "code value",
    "annotationSet": "activityTime component*",
    "annotation": "code value? component*",
}
_V3 = "{urn:hl7-org:v3}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def _in_order(element: ElementTree.Element) -> None:
    name = element.tag.removeprefix(_V3)
    if name in _CHILDREN:
        left = [child.tag.removeprefix(_V3) for child in element]
        for wanted in _CHILDREN[name].split():
            bare = wanted.rstrip("?*")
            n = 0
            while left and left[0] == bare:
                left.pop(0)
                n += 1
            assert n == 1 or wanted[-1] == "*" or (wanted[-1] == "?" and n == 0), (name, wanted)
        assert not left, (name, left)
    for child in element:
        _in_order(child)


def test_the_aecg_follows_the_schema_and_holds_the_samples(af, tmp_path):
    root = ElementTree.parse(written(af, Format.AECG, tmp_path)).getroot()
    assert root.tag == _V3 + "AnnotatedECG"
    _in_order(root)
    series = root.find(f"{_V3}component/{_V3}series")
    assert series.find(f"{_V3}effectiveTime/{_V3}low").get("value") == "20260517140300.250+0000"
    sequences = series.findall(f".//{_V3}sequence")
    head, *leads = sequences
    assert head.find(f"{_V3}value").get(_TYPE) == "GLIST_TS"
    assert head.find(f"{_V3}value/{_V3}increment").attrib == {"value": "0.002", "unit": "s"}
    names = [lead.find(f"{_V3}code").get("code") for lead in leads]
    assert names == [f"MDC_ECG_LEAD_{lead.upper()}" for lead in LEADS if lead != "V3"]
    for name, lead in zip(names, leads, strict=True):
        value = lead.find(f"{_V3}value")
        assert value.find(f"{_V3}scale").attrib == {"value": "1", "unit": "uV"}
        digits = [int(digit) for digit in value.find(f"{_V3}digits").text.split()]
        k = [lead.upper() for lead in LEADS].index(name.removeprefix("MDC_ECG_LEAD_"))
        assert digits == af.uv[:, k].tolist()
    said = {
        note.find(f"{_V3}code").get("code"): note.find(f"{_V3}value")
        for note in root.iter(f"{_V3}annotation")
    }
    assert float(said["MDC_ECG_TIME_PD_QRS"].get("value")) == af.measurements.qrs_ms


# -- EDF+, read by pyedflib


def _notes(reader: pyedflib.EdfReader) -> list[tuple[float, str]]:
    onsets, _, texts = reader.readAnnotations()
    return list(zip(onsets.tolist(), texts.tolist(), strict=True))


def test_pyedflib_reads_the_samples_to_the_microvolt_and_every_note(af, tmp_path):
    with pyedflib.EdfReader(str(written(af, Format.EDF, tmp_path))) as found:
        assert found.getSignalLabels() == [f"ECG {lead}" for lead in LEADS]
        assert set(found.getSampleFrequencies()) == {500}
        for k in range(len(LEADS)):
            np.testing.assert_allclose(found.readSignal(k), af.uv[:, k], atol=1e-6)
        assert found.getStartdatetime().replace(microsecond=0) == datetime(2026, 5, 17, 14, 3)
        assert found.getBirthdate() == "28 feb 1950"
        assert (found.getPatientCode(), found.getPatientName()) == ("4711", "Muller, Jorg")
        notes = _notes(found)
    beats = [onset for onset, text in notes if text == "N"]
    assert beats == pytest.approx([row / 500 for row in af.beats])
    texts = [text for _, text in notes]
    assert any(text.startswith("ATRIAL FIBRILLATION") for text in texts)
    assert "V3 not measured" in texts
    assert any(text.endswith("to be read by a physician.") for text in texts)


def test_an_edf_without_a_time_says_so(af, tmp_path):
    path = written(replace(af, began=None, uv=af.uv[:4750]), Format.EDF, tmp_path)
    with pyedflib.EdfReader(str(path)) as found:
        notes = _notes(found)
        assert (found.readSignal(0)[4750:] == 0).all()
    assert (0.0, "Time of recording not known") in notes
    assert (9.5, "Recording ends") in notes


# -- FHIR, read by the SMART client


def test_the_smart_client_reads_the_bundle(af, tmp_path):
    found = Bundle(json.loads(written(af, Format.FHIR, tmp_path).read_text()), strict=True)
    by_url = {entry.fullUrl: entry.resource for entry in found.entry}
    patient, device, ecg, *numbers = by_url.values()
    assert (patient.name[0].family, patient.birthDate.isostring) == ("Müller", "1950-02-28")
    assert by_url[ecg.subject.reference] is patient
    assert by_url[ecg.device.reference] is device
    assert ecg.status == "preliminary"
    assert ecg.code.coding[0].code == "11524-6"
    traces = {c.code.text: c for c in ecg.component if c.code.text in LEADS}
    assert set(traces) == set(LEADS)
    for k, lead in enumerate(LEADS):
        trace = traces[lead]
        if not af.valid[k]:
            assert (trace.valueSampledData, trace.dataAbsentReason.coding[0].code) == (
                None,
                "error",
            )
            continue
        assert trace.valueSampledData.period == 2
        assert [int(v) for v in trace.valueSampledData.data.split()] == af.uv[:, k].tolist()
    said = {number.code.text: number.valueQuantity.value for number in numbers}
    assert said["QRS duration"] == af.measurements.qrs_ms
    assert "P-R interval" not in said  # atrial fibrillation has none


def test_nobody_is_made_up(af, tmp_path):
    path = written(replace(af, patient=Patient(), began=None), Format.FHIR, tmp_path)
    found = json.loads(path.read_text())
    assert [e["resource"]["resourceType"] for e in found["entry"]][:2] == ["Device", "Observation"]
    assert "subject" not in found["entry"][1]["resource"]
    assert "effectiveDateTime" not in found["entry"][1]["resource"]


# -- all of them


@pytest.mark.parametrize("kind", Format)
def test_the_same_study_gives_the_same_bytes(af, tmp_path, kind):
    (tmp_path / "a").mkdir()
    assert (
        written(af, kind, tmp_path).read_bytes() == written(af, kind, tmp_path / "a").read_bytes()
    )


@pytest.mark.parametrize("kind", [Format.DICOM, Format.AECG])
def test_what_must_be_dated_asks_for_the_date(af, tmp_path, kind):
    with pytest.raises(ExportError, match="--began"):
        export(replace(af, began=None), kind, tmp_path / f"x{SUFFIX[kind]}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.hea", "x.dat", "x", "x.pdf"])
def test_only_a_name_of_the_format_is_written(af, tmp_path, name):
    (tmp_path / name).write_bytes(b"kept")
    with pytest.raises(ExportError, match=r"let it end in \.edf"):
        export(af, Format.EDF, tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"kept"


def test_a_folder_that_is_not_there_and_what_is_no_file(af, tmp_path):
    with pytest.raises(FileNotFoundError) as absent:
        export(af, Format.EDF, tmp_path / "nowhere" / "x.edf")
    assert absent.value.filename == str(tmp_path / "nowhere" / "x.edf")
    os.mkfifo(tmp_path / "x.edf")
    with pytest.raises(OSError, match="is no plain file"):
        export(af, Format.EDF, tmp_path / "x.edf")
    assert not (tmp_path / "x.edf").is_file()


def test_a_link_stays_one_and_nobody_else_may_read(af, tmp_path):
    (tmp_path / "x.edf").symlink_to(tmp_path / "there.edf")
    export(af, Format.EDF, tmp_path / "x.edf")
    assert (tmp_path / "x.edf").is_symlink()
    assert (tmp_path / "there.edf").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", Format)
def test_a_full_disk_leaves_what_was_there(af, tmp_path, monkeypatch, kind):
    path = written(af, kind, tmp_path)
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export(af, kind, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("kind", "who"),
    [
        (Format.EDF, Patient(id="Ж-17")),
        (Format.EDF, Patient(id="4711 a")),
        (Format.EDF, Patient(name="Иванов, Иван")),
        (Format.DICOM, Patient(id="A\\B")),
        (Format.DICOM, Patient(name="A^B=C")),
    ],
)
def test_whom_a_format_cannot_hold_is_refused_not_altered(af, tmp_path, kind, who):
    with pytest.raises(ExportError, match="cannot hold"):
        written(replace(af, patient=who), kind, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_two_corrections_of_qt_can_be_told_apart(tmp_path):
    study = replace(read_study(record(tmp_path, "sinus-70")), began=BEGAN)
    (tmp_path / "out").mkdir()
    found = json.loads(written(study, Format.FHIR, tmp_path / "out").read_text())
    said = [entry["resource"]["code"] for entry in found["entry"][2:]]
    qtc = [code for code in said if "corrected" in code["text"]]
    assert [code["text"][-10:] for code in qtc] == ["ed, Bazett", "Fridericia"]
    assert not any("coding" in code for code in qtc)


def test_the_command_writes_all_and_names_what_it_could_not(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    files = [record(tmp_path, "sinus-70"), tmp_path / "absent.hea"]
    code, out, err = lead12(
        capsys, "export", *files, "-f", "dicom", "-o", tmp_path / "out",
        "--began", "2026-05-17T14:03:00+02:00",
    )  # fmt: skip
    assert code == 1
    assert out == f"{tmp_path / 'out' / 'sinus-70.dcm'}\n"
    assert "absent" in err
    assert len(err.splitlines()) == 1


def test_what_setup_does_not_bring_is_told_with_what_does(af, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "edfio", None)
    monkeypatch.delitem(sys.modules, "tools.export.edf", raising=False)
    with pytest.raises(ExportError, match=r"edf needs edfio, .* run: make dev, or pip install "):
        written(af, Format.EDF, tmp_path)
    assert list(tmp_path.iterdir()) == []
