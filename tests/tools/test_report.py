"""``lead12 report``: what is on the page, measured on the PDF."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.patient import Patient
from firmware.events import LEADS, LeadFault, Refusal
from firmware.findings import Finding, Priority
from tests.tools import pdf
from tests.tools.test_classify import lead12, record
from tools.report import TITLE, render
from tools.report_layout import SHEETS, arrange
from tools.study import Study, read_study

SCALE = 0.005  # of a length
BLACK = (0, 0, 0)
PAPERS = tuple(SHEETS)


@pytest.fixture(scope="module")
def af(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(record(tmp_path_factory.mktemp("report"), "af-90"))


@pytest.fixture(scope="module")
def pages(af: Study) -> dict[str, pdf.Page]:
    return {paper: pdf.Page(render([af], paper)) for paper in PAPERS}


def page_of(study: Study, paper: str = "a4") -> pdf.Page:
    return pdf.Page(render([study], paper))


def curves(page: pdf.Page, points: int) -> list[NDArray[np.float64]]:
    """The black polylines of at least so many points: the traces."""
    return [
        piece
        for path in page.paths()
        if path.stroke == BLACK
        for piece in path.pieces
        if len(piece) >= points
    ]


def pulses(page: pdf.Page) -> list[NDArray[np.float64]]:
    return [piece for piece in curves(page, 6) if len(piece) == 6]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_calibration_pulse_is_one_millivolt_and_a_fifth_of_a_second(pages, paper):
    found = pulses(pages[paper])
    assert len(found) >= 4
    for pulse in found:
        wide = pulse[3, 0] - pulse[2, 0]
        high = pulse[0, 1] - pulse[2, 1]
        assert high == pytest.approx(10, rel=SCALE)
        assert wide == pytest.approx(5, rel=SCALE)


@pytest.mark.parametrize("paper", PAPERS)
def test_the_grid_is_of_millimetres(pages, paper):
    straight = [
        piece
        for path in pages[paper].paths()
        if path.stroke not in (BLACK, None)
        for piece in path.pieces
        if len(piece) == 2
    ]
    for axis in (0, 1):
        level = [line[0, axis] for line in straight if np.ptp(line[:, axis]) < 0.01]
        at = np.unique(np.round(level, 3))
        steps = np.diff(at)
        expected = 5 if paper == "a5" and axis == 0 else 1  # dots are drawn along the other way
        assert len(at) > 20
        assert steps == pytest.approx(expected, rel=SCALE)


def test_traces_are_to_scale(af, pages):
    sheet = SHEETS["a4"]
    strip = max(curves(pages["a4"], 4000), key=lambda curve: -curve[:, 1].mean())  # the upper: II
    seconds = np.arange(5000) / 500
    assert np.polyfit(seconds, strip[:, 0], 1)[0] == pytest.approx(25, rel=SCALE)
    assert np.ptp(strip[:, 0]) == pytest.approx(4999 / 500 * 25, rel=SCALE)
    mv = af.uv[:, LEADS.index("II")] / 1000
    assert np.polyfit(mv, -strip[:, 1], 1)[0] == pytest.approx(10, rel=SCALE)
    assert strip[0, 0] == pytest.approx(sheet.left + 10, abs=0.01)


@pytest.mark.parametrize("paper", PAPERS)
def test_each_lead_is_at_its_place_and_its_time(af, pages, paper):
    """Rows of four: the leads follow each other in time, one below the other at the same time."""
    page = pages[paper]
    rows = round(SHEETS[paper].column_s * 500)
    found = [curve for curve in curves(page, 100) if len(curve) == rows]
    assert len(found) == 12
    first = 5000 - 4 * rows
    order = (0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11)
    for number, (curve, lead) in enumerate(zip(found, order, strict=True)):
        start = first + number % 4 * rows
        uv = af.uv[start : start + rows, lead]
        assert np.corrcoef(uv, -curve[:, 1])[0, 1] > 0.9999, LEADS[lead]
        left = SHEETS[paper].left + 10 + number % 4 * SHEETS[paper].column_s * 25
        assert curve[0, 0] == pytest.approx(left, abs=0.01)
        (name,) = [box for box in page.where(LEADS[lead]) if near(box, curve)]
        assert name


def near(box: tuple[float, float, float, float], curve: NDArray[np.float64]) -> bool:
    """Whether a word belongs to a strip: at its beginning, above its middle."""
    left, _, _, bottom = box
    return bool(
        -1 < left - curve[0, 0] < 17 and -0.5 < np.median(curve[:, 1]) - bottom < 40
        and bottom > SHEETS["a5"].top
    )  # fmt: skip


def test_what_carried_the_call_is_marked_where_it_is(af):
    assert af.explanation is not None
    relevance = np.zeros_like(af.explanation.relevance)
    relevance[LEADS.index("V2"), 130] = 127  # V2 is drawn from 5.0 s to 7.5 s: 5.20 to 5.24 s
    page = page_of(replace(af, explanation=replace(af.explanation, relevance=relevance)))
    (mark,) = [p for p in page.paths() if p.stroke == (255, 204, 92)]
    x = mark.pieces[0][:, 0]
    left = SHEETS["a4"].left + 10 + 5.2 * 25
    assert (x.min(), x.max()) == pytest.approx((left, left + 1), abs=0.02)
    assert "100%" in page.text
    v2 = [c for c in curves(page, 100) if len(c) == 1250][6]
    at = np.round((x - v2[0, 0]) * 20).astype(int)
    assert mark.pieces[0][:, 1] == pytest.approx(v2[at, 1], abs=0.01)


def test_a_lead_that_is_off_is_a_gap_with_its_name(af):
    present = af.present.copy()
    v3 = LEADS.index("V3")
    present[2800:, v3] = False
    last = replace(af.last, faults={"V3": LeadFault.OFF}, electrodes_off=1 << 6)
    page = page_of(replace(af, present=present, valid=present.all(axis=0), last=last))
    lengths = sorted(len(curve) for curve in curves(page, 100))
    assert lengths == [300, *[1250] * 11, 5000, 5000]
    assert "V3 off" in page.text.replace("\r\n", " ")
    assert "electrodes off: V3" in page.text


def test_what_is_too_tall_is_cut_at_the_grid_and_said(af):
    uv = af.uv.copy()
    uv[3000:3010, LEADS.index("V1")] = 90_000
    page = page_of(replace(af, uv=uv))
    sheet = SHEETS["a4"]
    for curve in curves(page, 100):
        assert curve[:, 1].min() >= sheet.top
        assert curve[:, 1].max() <= sheet.top + sheet.grid_height
    arrows = [p for p in page.paths() if p.stroke is None and len(p.pieces[0]) in (3, 4)]
    assert len(arrows) == 1  # in its place; the second rhythm strip has given way
    assert "traces cross" in page.text


def crossings(study: Study, paper: str) -> int:
    """Columns of pixels in which a trace is above the one over it."""
    layout = arrange(study.uv, study.present, LEADS, SHEETS[paper])
    lines = np.full((len(layout.rows), len(study.uv)), np.nan)
    for number, row in enumerate(layout.rows):
        for strip in row.strips:
            lines[number, strip.first : strip.stop] = row.baseline - strip.mv * 10
    return int((np.diff(lines, axis=0) <= 0).sum())


@pytest.mark.parametrize("lead", ["V1", "V2", "V3", "V4", "V5", "V6", "II", "III", "aVF"])
def test_tall_qrs_do_not_cross_the_leads_around_them(af, lead):
    uv = af.uv.copy()
    column = uv[:, LEADS.index(lead)]
    uv[:, LEADS.index(lead)] = column * (4500 / np.ptp(column))
    tall = replace(af, uv=uv)
    assert crossings(tall, "a4") == 0
    assert "traces cross" not in page_of(tall).text


def test_without_readable_limb_ii_another_is_the_rhythm_strip(af):
    present = af.present.copy()
    present[:, LEADS.index("II")] = False
    layout = arrange(af.uv, present, LEADS, SHEETS["a4"])
    assert LEADS[layout.rows[3].strips[0].lead] == "I"


def test_a_short_recording_shows_all_leads_and_when_they_begin(tmp_path):
    study = read_study(record(tmp_path, "sinus-70", seconds=4.0))
    page = page_of(study)
    assert sorted(len(curve) for curve in curves(page, 100)) == [*[1250] * 12, 2000, 2000]
    assert "CANNOT ANALYSE: TOO SHORT" in page.text
    assert "V6 at 1.5 s" in page.text.replace("\r\n", " ")
    assert "--" in page.text


def test_numbers_and_words(af):
    assert af.measurements is not None
    measured = replace(
        af.measurements, beats=14, pr_ms=None, qrs_ms=91.6, qt_ms=379.5, qtcb_ms=460.4,
        qtcf_ms=431.5, axis_deg=-0.3,
        st_uv=(-4.0, 126.0, None, *[0.0] * 9),
    )  # fmt: skip
    last = replace(af.last, probability=0.9499, rate_bpm=91.4)
    study = replace(
        af, measurements=measured, last=last, call=last,
        began=datetime(2026, 5, 17, 9, 3, 4, tzinfo=UTC),
        patient=Patient("A-1", "M\u00fcller, Zo\u00eb", "1950-02-28", "F"),
    )  # fmt: skip
    text = page_of(study).text.replace("\r\n", "\n")
    for words in (
        "91 /min", "PR --", "92 ms", "380 ms", "460 ms", "432 ms", "0\u00b0", "median of 14 beats",
        "0.00", "+0.13", "ATRIAL FIBRILLATION", "likely, 94%", "M\u00fcller, Zo\u00eb", "ID A-1",
        "born 1950-02-28", "female", "2026-05-17 09:03:04 UTC", "Recording af-90",
        "0.05\u2013150 Hz, notch 50 Hz", "25 mm/s", "10 mm/mV", "quality good",
        af.last.model, af.device, "Not a medical device", "marked: what carried the call",
    ):  # fmt: skip
        assert words in text, words
    assert "-0.00" not in text
    assert "very likely" not in text
    assert "electrodes all on" not in text  # the recording does not say


def refused(study: Study, **how: object) -> Study:
    last = replace(study.last, label=None, probability=None, findings=(), **how)
    return replace(study, last=last, call=last, explanation=None, measurements=None)


def test_a_refusal_says_why_and_what_to_do(af):
    study = refused(af, refusal=Refusal.NOISE, text="MOVEMENT", act="hold still", rate_bpm=None)
    text = page_of(study).text
    assert "CANNOT ANALYSE: MOVEMENT" in text
    assert "hold still" in text
    assert "no call to explain" in text
    assert "/min" not in text
    assert "marked:" not in text


def test_an_alarm_stands_first(af):
    high = Finding("vf_vt", "VF OR VT?", "check patient now", Priority.HIGH, None)
    study = refused(af, refusal=Refusal.VENTRICULAR, text="VF OR VT?", act=high.act)
    study = replace(study, last=replace(study.last, findings=(high,)))
    page = page_of(replace(study, call=study.last))
    assert "!! VF OR VT?" in page.text
    mi = Finding("mi", "POSSIBLE MI", "symptoms? call ahead", Priority.HIGH, 0.97)
    last = replace(af.last, findings=(mi,))
    page = page_of(replace(af, last=last, call=last))
    assert "very likely, 97%" in page.text
    assert page.where("!! POSSIBLE MI")[0][1] < page.where("ATRIAL FIBRILLATION")[0][1]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_longest_list_stays_above_the_grid_and_in_its_column(af, paper):
    findings = tuple(
        Finding(f"f{n}", f"FINDING OF 21 LETTERS {n}", "what is to be done", Priority.HIGH, 0.5)
        for n in range(8)
    )
    last = replace(af.last, findings=findings)
    study = replace(af, last=last, call=replace(last, text="ANOTHER"), seconds=3600.0)
    page = page_of(study, paper)
    (whole,) = page.where("Whole recording, 3600 s: ANOTHER")
    assert whole[3] < SHEETS[paper].top
    (right,) = page.where("ST at J+60 ms")
    for number in range(8):
        (box,) = page.where(f"LETTERS {number}")
        assert box[2] < right[0]


def test_letters_that_the_page_lacks_are_shown_as_such(af):
    patient = Patient("\u2116 7", "\u0418\u0432\u0430\u043d\u043e\u0432, Zoe\u0308 \U0001f600")
    text = page_of(replace(af, patient=patient, name="a\x07b")).text
    assert "??????, Zo\u00eb ?" in text
    assert "ID ? 7" in text
    assert "Recording a?b" in text
    assert "?: a letter this page cannot print" in text
    assert "cannot print" not in page_of(af).text


def test_a_very_long_name_is_cut_visibly(af):
    page = page_of(replace(af, patient=Patient(name="Longname-" * 12), name="r" * 300))
    assert "\u2026" in page.text
    (measured,) = page.where("QTc Bazett")
    assert max(box[2] for box in page.where("Longname-")) < measured[0]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_same_study_is_the_same_bytes_and_the_title_is_nobodys(af, paper):
    study = replace(af, patient=Patient("42", "Muster, Eva"))
    data = render([study], paper)
    assert data == render([study], paper)
    page = pdf.Page(data)
    assert page.title["Title"] == TITLE
    assert "Muster" not in str(page.title)
    assert page.size == pytest.approx((SHEETS[paper].width, SHEETS[paper].height), abs=0.1)


def test_it_is_vectors_all_over(af):
    assert b"/Subtype /Image" not in render([af])


def test_one_page_per_recording_in_their_order_and_a_line_for_the_bad_one(tmp_path, capsys):
    files = [record(tmp_path, name) for name in ("sinus-70", "sinus-40")]
    out = tmp_path / "both.pdf"
    code, said, err = lead12(
        capsys, "report", files[0], tmp_path / "absent", files[1], "-o", out,
        "--patient-name", "Muster, Eva", "--patient-id", "4711",
    )  # fmt: skip
    assert (code, err.count("\n")) == (1, 1)
    assert "absent.hea does not exist" in err
    assert said == f"{out}: 2 pages\n"
    data = out.read_bytes()
    pages = [pdf.Page(data, number) for number in range(2)]
    assert pages[0].pages == 2
    assert "Recording sinus-70" in pages[0].text
    assert "Recording sinus-40" in pages[1].text
    assert all("Muster, Eva" in page.text for page in pages)
    assert "Muster" not in said + err
    assert not list(tmp_path.glob(".both*"))


def test_nothing_to_print_leaves_what_was_there(tmp_path, capsys):
    out = tmp_path / "kept.pdf"
    out.write_bytes(b"before")
    code, said, err = lead12(capsys, "report", tmp_path / "absent", "-o", out)
    assert (code, said, err.count("\n")) == (1, "", 1)
    assert out.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (lambda folder: folder, "is a folder"),
        (lambda folder: folder / "page.csv", "let it end in .pdf"),
        (lambda folder: folder / "absent" / "a.pdf", "there is no folder"),
    ],
)
def test_where_no_pdf_can_be_is_told_before_the_work(
    tmp_path, capsys, out: Callable[[Path], Path], said
):
    file = record(tmp_path, "sinus-70")
    before = file.with_suffix(".dat").read_bytes()
    code, _, err = lead12(capsys, "report", file, "-o", out(tmp_path))
    assert code == 2
    assert said in " ".join(err.replace("\u2502", " ").split())
    assert file.with_suffix(".dat").read_bytes() == before


def test_a_disk_that_takes_nothing_is_one_line(tmp_path, capsys, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    out = tmp_path / "a.pdf"
    (tmp_path / "r.csv").write_text(CSV.getvalue())
    code, said, err = lead12(capsys, "report", tmp_path / "r.csv", "-o", out)
    assert (code, said) == (1, "")
    assert err == f"lead12: {out}: No space left on device; make room, and do it again\n"


def test_nan_is_one_line(tmp_path, capsys):
    (tmp_path / "r.csv").write_text(CSV.getvalue().replace("0.5,", "nan,", 1))
    code, _, err = lead12(capsys, "report", tmp_path / "r.csv", "-o", tmp_path / "a.pdf")
    assert (code, err.count("\n")) == (1, 1)
    assert "missing samples (NaN)" in err


CSV = io.StringIO()
CSV.write("# rate_hz=500\nI_mV,II_mV,V1_mV,V2_mV,V3_mV,V4_mV,V5_mV,V6_mV\n")
for _row in range(600):
    CSV.write(f"0.5,{_row % 100 / 100},0,0,0,0,0,0\n")


@pytest.mark.data
def test_real_recordings_of_all_kinds_fit_on_the_page(recordings):
    names = ("A0002", "LUDB_044", "PTBXL_00279", "PTBXL_00385", "JS45544", "Q0026", "SPH00005")
    studies = [read_study(recordings / "wfdb" / name) for name in names]
    for paper in PAPERS:
        data = render(studies, paper)
        for number, study in enumerate(studies):
            page = pdf.Page(data, number)
            assert page.pages == len(names)
            assert f"Recording {study.name}" in page.text
            assert len(pulses(page)) >= 4
    for study in studies:
        assert crossings(study, "a4") == 0, study.name
