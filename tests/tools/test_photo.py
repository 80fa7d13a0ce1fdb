"""Photos of the report: read back to the trace that was printed, or refused in one line."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from firmware.events import LEADS
from hal.errors import RecordingError
from hal.frontend import Electrode
from hal.patient.record import INDEPENDENT_LEADS
from models.architectures import ARCHITECTURES
from models.data.photos import GRADES, photograph
from tests.tools.test_classify import lead12, record
from tools.classify import readable
from tools.photo.as_page import as_page
from tools.photo.picture import DPI, read_picture
from tools.photo.read import Read, read_page
from tools.report import render
from tools.study import Study, read_study

pypdfium2 = pytest.importorskip("pypdfium2")
SECOND = 500


def sheet(study: Study, paper: str = "a4") -> NDArray[np.uint8]:
    with pypdfium2.PdfDocument(render([study], paper)) as document:
        return np.asarray(document[0].render(scale=DPI / 72).to_pil().convert("RGB"))


def taken(page: NDArray[np.uint8], grade: str, seed: int = 0) -> NDArray[np.uint8]:
    jpeg = photograph(page, GRADES[grade], np.random.default_rng(seed))
    return np.asarray(Image.open(io.BytesIO(jpeg)))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(record(tmp_path_factory.mktemp("photo"), "pvc-70"))


@pytest.fixture(scope="module")
def page(study: Study) -> NDArray[np.uint8]:
    return sheet(study)


def off_uv(read: Read, study: Study, lead: str, seconds: slice) -> float:
    """Root mean square of what was read less what was printed, about their medians."""
    rows = slice(round(seconds.start * SECOND), round(seconds.stop * SECOND))
    a = 1000 * read.recording.mv[rows, INDEPENDENT_LEADS.index(lead)]
    b = study.uv[rows, LEADS.index(lead)].astype(float)
    return float(np.sqrt((((a - np.median(a)) - (b - np.median(b))) ** 2).mean()))


PRINTED = {
    "I": slice(0, 2.5), "II": slice(0, 10), "V1": slice(0, 10), "V2": slice(5, 7.5),
    "V3": slice(5, 7.5), "V4": slice(7.5, 10), "V5": slice(7.5, 10), "V6": slice(7.5, 10),
}  # fmt: skip


@pytest.fixture(scope="module")
def clean(page: NDArray[np.uint8]) -> Read:
    return read_page(page, "clean")


@pytest.mark.parametrize(("grade", "limit_uv"), [(None, 40), ("easy", 40), ("hard", 90)])
def test_what_was_printed_is_read_back(study, page, clean, grade, limit_uv):
    read = clean if grade is None else read_page(taken(page, grade), "photo")
    assert read.recording.rate_hz == SECOND
    assert read.recording.mv.shape == (5000, 8)
    assert (read.electrodes, read.recording.lost) == ((), ())
    assert read.page.lined
    for lead, seconds in PRINTED.items():
        assert off_uv(read, study, lead, seconds) < limit_uv, lead
    assert read.read_s == {lead: 10.0 if lead in ("II", "V1") else 2.5 for lead in LEADS}


def test_what_is_not_printed_follows_the_rhythm_strips(study, clean):
    """The ectopic beats of V5 are in its first 7.5 seconds, too."""
    v5 = 1000 * clean.recording.mv[:3750, INDEPENDENT_LEADS.index("V5")]
    assert np.corrcoef(v5, study.uv[:3750, LEADS.index("V5")])[0, 1] > 0.9


def test_a_page_upside_down_is_read(study, page):
    read = read_page(np.rot90(page, 2).copy(), "photo")
    assert off_uv(read, study, "II", PRINTED["II"]) < 40


def test_a_hard_black_and_white_scan_is_read_without_its_grid(study, page):
    black = np.where(page.max(axis=2, keepdims=True) > 128, 255, 0).astype(np.uint8)
    read = read_page(np.repeat(black, 3, axis=2), "scan")
    assert not read.page.lined
    assert off_uv(read, study, "II", PRINTED["II"]) < 60


def test_a_lead_that_is_not_there_is_an_electrode_off_and_a_gap_in_all_is_a_loss(study):
    present = study.present.copy()
    present[:, LEADS.index("V3")] = False
    present[2000:2500] = False
    read = read_page(sheet(replace(study, present=present)), "photo")
    assert [event.electrode for event in read.electrodes] == [Electrode.V3]
    assert read.read_s["V3"] == 0
    ((start, stop),) = read.recording.lost
    assert (start, stop) == pytest.approx((2000, 2500), abs=12)


def test_the_rhythm_strips_are_known_by_what_they_show(study):
    """II cannot be read here: the report takes another limb lead for its strip."""
    present = study.present.copy()
    present[:, LEADS.index("II")] = False
    read = read_page(sheet(replace(study, present=present)), "photo")
    assert read.read_s["II"] == 0
    assert read.read_s["I"] == 10
    assert off_uv(read, study, "II", slice(0, 2.5)) < 60  # of I and III


CHEQUERS = np.kron(np.indices((20, 30)).sum(axis=0) % 2, np.ones((60, 60))) * 255


def strange(name: str, page: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    if name == "blank":
        return np.full((1200, 1600, 3), 250, np.uint8)
    if name == "fur":
        fur = rng.normal(128, 60, (75, 100, 3)).clip(0, 255).astype(np.uint8)
        return np.asarray(Image.fromarray(fur).resize((1600, 1200), Image.Resampling.BICUBIC))
    if name == "chequers":
        return np.repeat(CHEQUERS[:, :, None], 3, axis=2).astype(np.uint8)
    picture = page.copy()
    if name == "one mark covered":
        picture[500:640, 80:180] = 255
    if name == "another laboratory":  # its grid and traces, in our marks' stead nothing
        picture[:, :180] = 255
        picture[:, -180:] = 255
    if name == "no pulses":
        picture[560:2290, 190:310] = 255
    if name == "two pages in one":  # the strips of another patient
        picture[1700:2290, 310:3300] = np.roll(picture[1700:2290, 310:3300], 200, axis=1)
    if name == "far away":
        return np.asarray(Image.fromarray(picture).resize((800, 566), Image.Resampling.BOX))
    return picture


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("blank", "no ECG grid found"),
        ("fur", "no ECG grid found"),
        ("chequers", "no ECG grid found"),
        ("one mark covered", "no ECG grid found"),
        ("another laboratory", "no ECG grid found"),
        ("no pulses", "no calibration pulses"),
        ("two pages in one", "contradict each other"),
        ("far away", "too small in the picture"),
    ],
)
def test_what_is_no_readable_page_is_refused_in_a_line(page, name, why):
    with pytest.raises(RecordingError, match=why) as refused:
        read_page(strange(name, page), "photo")
    assert "\n" not in str(refused.value)
    assert refused.value.act


def test_a_short_recording_and_a_small_paper_are_refused(study, tmp_path):
    short = read_study(record(tmp_path, "sinus-70", seconds=4.0))
    with pytest.raises(RecordingError, match=r"the page shows 4\.0 s"):
        read_page(sheet(short), "photo")
    with pytest.raises(RecordingError, match="no ECG grid found"):
        read_page(sheet(study, "a5"), "photo")


def test_a_page_for_the_image_network_has_its_rows_in_place(clean):
    contract = ARCHITECTURES["page"].input
    image = as_page(clean.page, clean.rows, contract)
    assert image.shape == contract.shape
    ink = image[:, 20:520, 0] == 127
    for row in range(5):
        band = ink[58 * row : 58 * (row + 1)]
        assert band.any(axis=0).mean() > 0.98
        assert np.median(band.argmax(axis=0)) == pytest.approx(29, abs=4)


def test_classify_takes_pictures_beside_recordings(study, page, tmp_path, capsys):
    Image.fromarray(taken(page, "medium")).save(tmp_path / "photo.jpg", quality=90)
    Image.new("RGB", (400, 300), "white").save(tmp_path / "blank.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (tmp_path / "two.pdf").write_bytes(render([study, study]))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    names = ["photo.jpg", "blank.png", "broken.jpg", "two.pdf", "broken.pdf", "absent.jpg"]
    code, out, err = lead12(capsys, "classify", *(tmp_path / name for name in names), "--json")
    results = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (1, "")
    photo, blank, broken, first, second, no_pdf, absent = results
    assert photo["source"] == first["source"] == "photo"
    assert photo["call"] == first["call"] == second["call"] == "SR"
    assert photo["read_s"]["II"] == 10
    assert "from a photo: II V1 for 10 s, the other leads in part" in readable(photo)
    assert (first["record"], second["record"]) == ("two.pdf page 1", "two.pdf page 2")
    assert "no ECG grid found" in blank["error"]
    assert "cannot be read" in broken["error"]
    assert "no PDF" in no_pdf["error"]
    assert "does not exist" in absent["error"]


def test_without_pdfium_the_line_says_what_to_do(study, tmp_path, monkeypatch):
    (tmp_path / "one.pdf").write_bytes(render([study]))
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(RecordingError, match=r"pypdfium2 is not installed \(run: make dev, or pip"):
        read_picture(tmp_path / "one.pdf")


def test_a_turned_phone_is_believed(page, tmp_path):
    """The picture is stored lying on its side, with a note how to hold it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(np.rot90(page)).save(path, exif=exif)
    assert read_picture(path).shape == page.shape


def test_the_same_seed_takes_the_same_photo(page):
    hard = replace(GRADES["hard"], wide=640)
    first, again, other = (
        photograph(page[::4, ::4], hard, np.random.default_rng(k)) for k in (1, 1, 2)
    )
    assert first == again != other
