"""Records of the monitor in which samples are missing: classified, reported and exported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pydicom
import pyedflib
import pytest
from fhirclient.models.bundle import Bundle

from device.config_sections import RecordsSection
from device.records.interface import Why
from device.records.keeper import Keeper
from device.records.wfdb import ABOUT
from firmware.events import LEADS, Gap, LeadFault, Refusal
from firmware.pipeline import BRIDGE
from hal.clock import VirtualClock
from hal.errors import RecordingError
from hal.frontend import CHANNEL_LEADS, FrontendConfig
from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ
from hal.patient.presets import preset
from hal.patient.record import INDEPENDENT_LEADS, Recording
from hal.patient.recording import read_recording
from hal.simulated import simulated_frontend
from tests.device.records_kit import cut
from tests.tools import pdf
from tests.tools.test_classify import lead12
from tests.tools.test_export import written
from tests.tools.test_study import BEGAN, snapshot
from tools.chain import READ_FRAMES, hear
from tools.classify import classify
from tools.explained import Question
from tools.export.formats import Format
from tools.own_record import read
from tools.report import render
from tools.study import read_study

SECONDS = 20
LOWEST = -(1 << 23)


def kept(
    folder: Path, lost: Sequence[tuple[int, int]] = (), rail: tuple[str, ...] = ()
) -> list[Path]:
    """Segments and a snapshot (the last ten seconds) of ``SECONDS`` with losses at these indices.

    rail : channels at the converter's lower rail during the last three seconds
    """
    frontend = simulated_frontend(preset("af-90"), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig(rl_check_every=0))
    keeper = Keeper(
        folder,
        RecordsSection(min_free_mb=0),
        lambda t_ns: BEGAN + timedelta(microseconds=t_ns // 1000),
        firmware="0",
    )
    keeper.source(info, "")
    frontend.start()
    block = frontend.read(SECONDS * 500, timeout_s=1.0)
    frontend.close()
    block.counts[-1500:, [CHANNEL_LEADS.index(lead) for lead in rail]] = LOWEST
    starts, stops = [0, *(stop for _, stop in lost)], [*(start for start, _ in lost), len(block)]
    for start, stop in zip(starts, stops, strict=True):
        keeper.block(cut(block, start, stop))
    keeper.snapshot(Why.BUTTON, len(block))
    keeper.close()
    return [*sorted((folder / "continuous").glob("*.hea")), *(folder / "snapshots").glob("*.hea")]


def test_three_lost_samples_change_nothing_but_themselves(tmp_path):
    _, whole = kept(tmp_path / "whole")
    _, holed = kept(tmp_path / "holed", [(9000, 9003)])
    one, other = read_study(whole), read_study(holed)
    assert np.flatnonzero(other.lost).tolist() == [4000, 4001, 4002]
    assert not other.present[4000:4003].any()
    assert other.present.sum() == one.present.sum() - 3 * len(LEADS)
    assert other.valid.all()
    assert other.call.label == one.call.label == "AFIB"
    assert other.beats == one.beats
    assert other.measurements.qt_ms == one.measurements.qt_ms
    near = np.abs(np.arange(5000) - 4001) < 15
    assert np.abs(other.uv - one.uv)[~near].max() <= 10
    (result,) = classify([holed])
    assert (result["call"], result["reason"]) == ("AFIB", None)


@pytest.mark.parametrize(("samples", "label"), [(BRIDGE, "AFIB"), (BRIDGE + 1, None)])
def test_as_in_life_twenty_milliseconds_are_bridged(tmp_path, samples, label):
    _, header = kept(tmp_path, [(8000, 8000 + samples)])
    (result,) = classify([header])
    assert result["call"] == label


def test_without_ten_seconds_in_one_piece_there_is_no_call(tmp_path, capsys):
    _, header = kept(tmp_path, [(9000, 9400)])
    study = read_study(header)
    assert (study.last.label, study.last.refusal) == (None, Refusal.STARTING)
    assert (study.last.text, study.last.act) == ("SAMPLES LOST", "record ten seconds in one piece")
    assert study.measurements is study.explanation is None
    page = pdf.Page(render([study]))
    assert "CANNOT ANALYSE: SAMPLES LOST" in page.text
    assert "400 samples lost" in page.text
    assert "Whole recording" not in page.text
    pieces = [
        len(piece) for path in page.paths() if path.stroke == (0, 0, 0) for piece in path.pieces
    ]
    assert (pieces.count(4000), pieces.count(600)) == (2, 5)  # 2 of 10 s, and the last of columns
    code, out, err = lead12(capsys, "classify", header, "--json", "--explain")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert (said["call"], said["reason"], said["text"]) == (None, "starting", "SAMPLES LOST")
    assert said["explanation"] is None


def test_a_long_record_is_called_from_the_pieces_that_are_long_enough(tmp_path):
    segment, _ = kept(tmp_path, [(6000, 6100), (6300, 6310)])  # windows end at 10, 11 and 12 s
    (result,) = classify([segment], why=Question())
    study = read_study(segment)
    assert result["call"] == study.call.label == "AFIB"
    assert (study.last.text, study.explanation) == ("SAMPLES LOST", None)
    ends = [cell["end_s"] for cell in result["explanation"]["windows"]]
    assert max(ends) <= 12  # of the newest window that was seen whole, not of the record


def test_what_was_lost_before_a_segment_is_not_in_it(tmp_path):
    first, second, _ = kept(tmp_path, [(3000, 3600)])  # more than a second ends the segment
    assert read(first).lost == read(second).lost == ()
    assert "lost: 600 samples before" in second.with_suffix(".atr").read_bytes().decode("latin-1")


def test_the_lower_rail_is_no_loss(tmp_path):
    segment, _ = kept(tmp_path, [(9600, 9603)], rail=("V3",))  # format 24: the same value
    recording = read(segment)
    assert recording.lost == ((9600, 9603),)
    v3 = recording.mv[:, INDEPENDENT_LEADS.index("V3")]
    assert v3[9000] == pytest.approx(-400, rel=1e-3)
    study = read_study(segment)
    assert study.last.faults == {"V3": LeadFault.RAILED}
    assert study.valid.tolist() == [lead != "V3" for lead in LEADS]
    assert int(study.lost.sum()) == 3


def test_all_inputs_at_the_lower_rail_are_no_loss(tmp_path):
    segment, _ = kept(tmp_path, rail=CHANNEL_LEADS)
    assert read(segment).lost == ()
    assert read_study(segment).last.refusal is Refusal.SATURATED


def test_a_gap_while_an_electrode_is_off(tmp_path):
    header = snapshot(tmp_path, "v3-off", 18, lost=(7000, 7005))
    study = read_study(header)
    assert np.flatnonzero(study.lost).tolist() == [3000, 3001, 3002, 3003, 3004]
    assert study.last.faults == {"V3": LeadFault.OFF}
    assert study.valid.tolist() == [lead != "V3" for lead in LEADS]


@pytest.mark.parametrize("without", ["comment", "notes"])
def test_a_record_that_does_not_say_what_was_lost_is_refused_in_a_line(tmp_path, capsys, without):
    _, header = kept(tmp_path, [(9000, 9003)])
    if without == "notes":
        header.with_suffix(".atr").unlink()
    else:
        header.write_text(header.read_text().replace(ABOUT, "another: "))
    code, out, err = lead12(capsys, "classify", header)
    assert code == 1
    assert "lead I has 3 missing samples (NaN), the first at 8.000 s" in out + err
    assert len((out + err).splitlines()) == 1


def test_a_record_with_a_gap_is_no_patient(tmp_path):
    _, header = kept(tmp_path, [(9000, 9003)])
    with pytest.raises(RecordingError, match="missing samples"):
        read_recording(header)


def test_what_is_lost_is_a_straight_line_for_the_filters():
    mv = np.linspace(200, 201, 1000)[:, None] * np.arange(1, 9)  # offsets of electrodes
    lost = np.zeros(len(mv), np.bool_)
    lost[:4] = lost[500:520] = True
    holed = np.where(lost[:, None], np.nan, mv)
    leads = dict(zip(INDEPENDENT_LEADS, holed.T, strict=True))
    recording = Recording.from_leads("x", 500, leads, lost=lost)
    np.testing.assert_allclose(recording.mv[4:], mv[4:])
    assert (recording.mv[:4] == mv[4]).all()
    assert recording.lost == ((0, 4), (500, 520))


@pytest.mark.parametrize("row", [100, READ_FRAMES - 1005, READ_FRAMES - 1000])
def test_the_index_jumps_by_what_is_missing(row):
    """At READ_FRAMES the front end is read anew."""
    volts = preset("sinus-70").potentials(0, 12 * ANALOG_RATE_HZ).volts[::ANALOG_OVERSAMPLING]
    mv = 1000 * (volts[:, 1:2] - volts[:, :1]) * np.ones(8)
    lost = np.zeros(len(mv), np.bool_)
    lost[row : row + 25] = True
    leads = dict(zip(INDEPENDENT_LEADS, mv.T, strict=True))
    heard = hear(Recording.from_leads("x", 500, leads, lost=lost), None)
    gaps = [event for event in heard.events if isinstance(event, Gap)]
    assert gaps == [Gap(heard.first + row + 25, 25)]
    assert np.flatnonzero(heard.lost).tolist() == [
        at for at in range(row - 1000, row - 975) if at >= 0
    ]


# -- exports


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory):
    """Three samples lost at eight seconds, one at nine."""
    _, header = kept(tmp_path_factory.mktemp("holed"), [(9000, 9003), (9500, 9501)])
    return read_study(header)


def test_dicom_has_its_padding_where_samples_were_lost(holed, tmp_path):
    ds = pydicom.dcmread(written(holed, Format.DICOM, tmp_path))
    uv = np.frombuffer(ds.WaveformSequence[0].WaveformData, "<i2").reshape(-1, 12)
    assert np.unique(np.nonzero(uv == -32768)[0]).tolist() == [4000, 4001, 4002, 4500]
    texts = [note.get("UnformattedTextValue", "") for note in ds.WaveformAnnotationSequence]
    assert "3 samples lost at 8.000 s" in texts
    assert "1 sample lost at 9.000 s" in texts


def test_edf_notes_when_and_for_how_long(holed, tmp_path):
    with pyedflib.EdfReader(str(written(holed, Format.EDF, tmp_path))) as found:
        notes = [*zip(*(column.tolist() for column in found.readAnnotations()), strict=True)]
    assert (8.0, 0.006, "3 samples lost") in notes
    assert (9.0, 0.002, "1 sample lost") in notes


def test_fhir_has_its_letter_for_what_is_missing(holed, tmp_path):
    found = Bundle(json.loads(written(holed, Format.FHIR, tmp_path).read_text()), strict=True)
    ecg = next(e.resource for e in found.entry if getattr(e.resource, "component", None))
    traces = [c.valueSampledData.data.split() for c in ecg.component if c.code.text in LEADS]
    assert len(traces) == 12
    for trace, uv in zip(traces, holed.uv.T, strict=True):
        assert [k for k, value in enumerate(trace) if value == "E"] == [4000, 4001, 4002, 4500]
        assert int(trace[4003]) == uv[4003]


def test_aecg_says_it_in_words(holed, tmp_path):
    root = ElementTree.parse(written(holed, Format.AECG, tmp_path)).getroot()
    text = root.find("{urn:hl7-org:v3}text")
    assert "3 samples lost at 8.000 s; 1 sample lost at 9.000 s" in text.text
