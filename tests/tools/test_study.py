"""A study: the last ten seconds as the device reads them, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from device.config_sections import RecordsSection
from device.patient import Patient
from device.records.interface import Why
from device.records.keeper import Keeper
from device.records.wfdb import NOTE, Mark, annotation_bytes
from firmware.alarms import Alarms
from firmware.events import LEADS, QualityGrade, Refusal
from firmware.findings import Priority
from firmware.pipeline import Pipeline
from hal.clock import VirtualClock
from hal.errors import RecordingError
from hal.frontend import FrontendConfig
from hal.patient.presets import preset
from hal.patient.recording import read_recording
from hal.simulated import simulated_frontend
from tests.device.records_kit import cut
from tests.tools.pdf import Page
from tests.tools.test_classify import record
from tools.classify import classify
from tools.export.wording import statements
from tools.own_record import alarms
from tools.report import render
from tools.report_words import alarm_time
from tools.study import EDGE, Study, _alarms, read_study

BEGAN = datetime(2026, 5, 17, 14, 3, tzinfo=UTC)


def snapshot(
    folder: Path,
    name: str,
    at_s: int,
    patient: Patient | None = None,
    lost: tuple[int, int] = (0, 0),
) -> Path:
    """The ten seconds before ``at_s`` of a preset, kept by the monitor's own keeper.

    lost : indices (first, end) of samples that never came, both within one full second
    """
    frontend = simulated_frontend(preset(name), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig())
    keeper = Keeper(
        folder,
        RecordsSection(min_free_mb=0),
        lambda t_ns: BEGAN + timedelta(microseconds=t_ns // 1000),
        firmware="0",
    )
    keeper.source(info, "")
    if patient:
        keeper.set_patient(patient)
    pipeline, alarms = Pipeline(info.nv_per_count), Alarms()
    frontend.start()
    done = 0
    while done < at_s * 500:
        block = frontend.read(500, timeout_s=1.0)
        done = block.first_index + len(block)
        holed = block.first_index <= lost[0] < lost[1] <= done
        spans = [(block.first_index, lost[0]), (lost[1], done)]
        for first, end in spans if holed else [(block.first_index, done)]:
            if first == end:
                continue
            piece = cut(block, first, end)
            keeper.block(piece)
            for event in pipeline.push(piece):
                keeper.event(event)
                for change in alarms.push(event):
                    keeper.event(change)
    keeper.snapshot(Why.BUTTON, done)
    keeper.block(frontend.read(500, timeout_s=1.0))
    keeper.close()
    frontend.close()
    (header,) = (folder / "snapshots").glob("*.hea")
    return header


def sharpest(study: Study, row: int, about: int = 15) -> int:
    """Row of the largest deflection of V4 near ``row``."""
    first = max(0, row - about)
    piece = study.uv[first : row + about, LEADS.index("V4")].astype(float)
    return first + int(np.argmax(np.abs(piece - np.median(piece))))


@pytest.mark.parametrize(("name", "seconds"), [("af-90", 10.0), ("sinus-70", 17.3)])
def test_the_call_is_that_of_classify(tmp_path, name, seconds):
    file = record(tmp_path, name, seconds=seconds)
    (said,) = classify([file])
    study = read_study(file)
    assert study.call.label == said["call"] is not None
    assert study.call.probability == pytest.approx(said["probability"], abs=1e-4)
    assert study.explanation is not None
    assert study.explanation.label == study.last.label
    assert study.measurements is not None
    assert study.seconds == pytest.approx(seconds)


def test_the_trace_is_the_recording_in_microvolts(tmp_path):
    file = record(tmp_path, "sinus-70", seconds=12.0)
    study = read_study(file)
    volts = read_recording(file).mv[-5000:, 1] * 1000
    ours = study.uv[:, LEADS.index("II")]
    assert study.uv.shape == (5000, 12)
    gain, offset = np.polyfit(volts, ours, 1)
    assert gain == pytest.approx(1, abs=0.03)  # of R peaks between two samples
    assert np.std(ours - (gain * volts + offset)) < 0.15 * np.std(volts)
    assert (study.uv[:, 0] + study.uv[:, 2] - study.uv[:, 1]).__abs__().max() <= 1
    assert study.valid.all()
    assert study.present.all()


def test_beats_are_where_the_r_peaks_are(tmp_path):
    study = read_study(record(tmp_path, "sinus-70"))
    assert len(study.beats) in (11, 12)
    for row in study.beats[1:-1]:
        assert abs(sharpest(study, row) - row) <= 6  # 12 ms


def test_a_recording_that_begins_on_an_r_peak_does_not_drift(tmp_path):
    peak = read_study(record(tmp_path, "sinus-70")).beats[3]
    began_s = 5.0 + peak / 500  # record() begins at 5 s
    file = record(tmp_path, "sinus-70", start_s=began_s)
    study = read_study(file)
    added = study.uv[:, 1] - read_recording(file).mv[:, 1] * 1000
    medians = np.median(added.reshape(5, 1000), axis=1)  # of two seconds each
    assert np.ptp(medians) < 30


def test_less_than_ten_seconds_is_neither_called_nor_measured(tmp_path):
    study = read_study(record(tmp_path, "sinus-70", seconds=6.0))
    assert (study.call.label, study.call.refusal) == (None, Refusal.STARTING)
    assert study.call is study.last
    assert study.call.text == "TOO SHORT"
    assert study.call.rate_bpm is study.measurements is study.explanation is None
    assert len(study.uv) == 3000


def test_of_a_long_recording_the_last_ten_seconds_have_their_own_call(tmp_path):
    from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ
    from tests.tools.test_classify import write_wfdb

    parts = [("sinus-70", 25), ("af-140", 12)]
    volts = [
        preset(name).potentials(10_000, s * ANALOG_RATE_HZ).volts[::ANALOG_OVERSAMPLING]
        for name, s in parts
    ]
    study = read_study(write_wfdb(tmp_path / "turned", np.concatenate(volts)))
    assert study.call.label == "SR"
    assert study.last.label == study.explanation.label == "AFIB"


@pytest.mark.parametrize(
    ("written", "began"),
    [
        ("14:03:09.250 17/05/2026", datetime(2026, 5, 17, 14, 3, 11, 250_000)),
        ("9:05:00 01/12/1999", datetime(1999, 12, 1, 9, 5, 2)),
        ("14:03:09", None),  # no date
        ("05-Feb-2020 11:39:16", None),  # when the file was made, in the Challenges' records
        ("14:03:09 31/02/2026", None),
    ],
)
def test_the_header_says_when_it_began(tmp_path, written, began):
    file = record(tmp_path, "sinus-70", seconds=12.0)
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([f"{first} {written}", *others, ""]))
    assert read_study(file).began == began  # two seconds in, and without a zone


def test_a_snapshot_of_the_monitor_tells_time_patient_and_electrodes(tmp_path):
    whose = Patient("4711", "Muster, Eva", "1950-02-28", "F")
    header = snapshot(tmp_path, "v3-off", 18, whose)
    study = read_study(header)
    assert study.began is not None
    assert study.began.tzinfo is UTC
    assert abs(study.began - (BEGAN + timedelta(seconds=8))) < timedelta(seconds=1)
    assert study.patient == whose
    assert read_study(header, patient=Patient("other")).patient == Patient("other")
    assert study.electrodes_told
    off = 7 * 500  # from 15 s of the patient's time
    v3 = LEADS.index("V3")
    assert study.valid.tolist() == [lead != "V3" for lead in LEADS]
    first_gap = int(np.argmin(study.present[:, v3]))
    assert off - 2 * EDGE <= first_gap <= off
    assert not study.present[first_gap:, v3].any()
    assert study.last.faults == {"V3": "off"}
    assert np.ptp(study.uv[first_gap - EDGE : first_gap, v3]) < 500  # nothing of the fall
    assert study.last.quality is QualityGrade.POOR


def test_what_rang_leads_where_it_is_too_short_for_a_call(tmp_path):
    study = read_study(snapshot(tmp_path, "vf", 8))
    assert study.last.text == "TOO SHORT"
    [alarm] = study.alarms
    assert (alarm.text, alarm.priority, alarm.end_s) == ("VF OR VT?", Priority.HIGH, None)
    assert 3 < alarm.begin_s < 8
    when = f"from {study.began + timedelta(seconds=alarm.begin_s):%H:%M:%S}"
    assert statements(study)[0] == f"Alarm of the monitor, high: VF OR VT?, {when}"
    text = Page(render([study])).text
    assert "!! VF OR VT?" in text
    assert f"alarm, high, {when}" in text
    assert text.index("VF OR VT?") < text.index("CANNOT ANALYSE: TOO SHORT")
    assert alarm_time(replace(study, began=None), alarm) == f"from {alarm.begin_s:.1f} s"


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        ([(1, "on"), (3, "off")], []),  # over before the last ten seconds
        ([(1, "on"), (7, "off")], [(-4, 2)]),
        ([(1, "on"), (6, "latched"), (8, "off")], [(-4, 1)]),  # acknowledged at 8 s
        ([(6, "on"), (7, "latched"), (9, "on")], [(1, 2), (4, None)]),
        ([(6, "latched"), (9, "off")], [(None, 1)]),  # of before the recording
    ],
)
def test_alarms_of_the_seconds_shown_are_told(tmp_path, notes, told):
    file = record(tmp_path, "sinus-70", 15)
    header = file.with_suffix(".hea")
    header.write_text(f"{header.read_text()}# lead12: {{}}\n")
    marks = [Mark(s * 500, NOTE, f"alarm {state}: VF OR VT? (high)") for s, state in notes]
    file.with_suffix(".atr").write_bytes(annotation_bytes(marks))
    spans = _alarms(alarms(header, read_recording(header)), 15.0, np.zeros((5000, 12), np.int32))
    assert [(span.begin_s, span.end_s) for span in spans] == told


def test_without_a_limb_electrode_there_is_no_call_and_the_leads_end(tmp_path):
    study = read_study(snapshot(tmp_path, "ra-off", 18))
    assert (study.last.refusal, study.last.text) == (Refusal.ELECTRODE_OFF, "RA OFF")
    assert not study.valid.any()
    assert study.present[:3000].all()
    assert not study.present[3600:].any()


def test_other_recordings_do_not_tell_of_electrodes(tmp_path):
    study = read_study(record(tmp_path, "sinus-70"))
    assert not study.electrodes_told
    assert study.began is None
    assert not study.patient


def test_the_notch_is_the_one_asked_for(tmp_path):
    file = record(tmp_path, "mains-60")
    hum = {
        hz: np.abs(np.fft.rfft(read_study(file, model="none", mains_hz=hz).uv[:, 1])[600])
        for hz in (50, 60, None)
    }
    assert hum[60] < 0.1 * hum[None] < hum[50]


def test_no_network_is_no_call(tmp_path):
    study = read_study(record(tmp_path, "sinus-70"), model="none")
    assert study.last.refusal is Refusal.NO_MODEL
    assert study.explanation is None


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(RecordingError, match="does not exist"):
        read_study(tmp_path / "absent")
