"""``lead12 classify --explain``: its part of the line, its pictures, and its checks."""

from __future__ import annotations

import importlib.util
import json
import os

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from device.bundles import load_network, read_bundle
from firmware.events import LEADS
from firmware.explain import Explanation, explain
from firmware.network import Network
from hal.patient.recording import read_recording
from models.evaluate.saliency import likeness
from models.inputs import TEN_SECONDS
from tests.tools.test_classify import lead12, record
from tools.bench.explain import random_network, simulated, simulated_cases
from tools.chain import hear
from tools.classify import classify
from tools.explain_picture import LEFT, PAPER, PER_SECOND, ROW, TINT, TOP, picture
from tools.explained import Question
from tools.study import read_study


def test_the_line_says_which_leads_and_cells_spoke_for_the_call(tmp_path, capsys):
    file = record(tmp_path, "af-90")
    code, out, _ = lead12(
        capsys, "classify", file, "--json", "--explain", "--explain-png", tmp_path
    )
    result = json.loads(out)
    found = result["explanation"]
    assert code == 0
    assert (found["group"], found["label"]) == ("mate4", result["call"])
    assert list(found["leads"]) == list(LEADS)
    assert sum(found["leads"].values()) == pytest.approx(1, abs=1e-3)
    assert len(found["windows"]) == 10
    for cell in found["windows"]:
        assert 0 <= cell["start_s"] < cell["end_s"] <= 10
        assert cell["end_s"] - cell["start_s"] == pytest.approx(0.04)
        assert 0 < cell["share"] < found["leads"][cell["lead"]]
    assert Image.open(tmp_path / "af-90.png").width > 1000


def test_a_file_in_place_of_the_folder_of_pictures_is_wrong_usage(tmp_path, capsys):
    (tmp_path / "out").touch()
    code, out, err = lead12(capsys, "classify", "r.csv", "--explain-png", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "--explain-png" in err


def test_a_full_disk_leaves_no_half_of_a_picture(tmp_path, capsys, monkeypatch):
    file, out = record(tmp_path, "af-90"), tmp_path / "out"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = lead12(capsys, "classify", file, "--explain-png", out)
    assert (code, err) == (
        1,
        f"lead12: {out / 'af-90.png'}: No space left on device; make room, and do it again\n",
    )
    assert list(out.iterdir()) == []


def test_nothing_is_explained_unless_asked(tmp_path):
    (result,) = classify([record(tmp_path, "sinus-70")])
    assert "explanation" not in result


def test_of_a_long_record_the_newest_ten_seconds_are_explained(tmp_path):
    (result,) = classify([record(tmp_path, "sinus-70", seconds=14.5)], why=Question())
    for cell in result["explanation"]["windows"]:
        assert 4.5 <= cell["start_s"] < cell["end_s"] <= 14.5


def test_no_call_has_no_explanation_but_a_score_has(tmp_path):
    file = record(tmp_path, "sinus-70", seconds=6.0)  # too short for a call
    (called,) = classify([file], why=Question())
    (asked,) = classify([file], why=Question("superclasses/NORM"))
    (silent,) = classify([file], model="none", why=Question())
    assert called["explanation"] is silent["explanation"] is None
    assert asked["explanation"]["label"] == "NORM"


def test_that_there_is_nothing_to_explain_is_said(tmp_path, capsys):
    file = record(tmp_path, "sinus-70", seconds=6.0)
    code, out, err = lead12(capsys, "classify", file, "--explain")
    assert code == 0
    assert "no call" in out
    assert err == "lead12: sinus-70: nothing was called, so there is nothing to explain\n"


def test_jobs_do_not_change_an_explanation(tmp_path):
    files = [record(tmp_path, name) for name in ("af-140", "sinus-120")]
    one, two = (list(classify(files, jobs=jobs, why=Question())) for jobs in (1, 2))
    assert one == two


@pytest.mark.parametrize(
    ("score", "said"),
    [("MI", "say GROUP/LABEL"), ("mate4/VF", "has no label VF"), ("x/y", "has no group x")],
)
def test_a_score_that_is_not_there_is_one_line(tmp_path, capsys, score, said):
    file = record(tmp_path, "sinus-70")
    code, out, err = lead12(capsys, "classify", file, "--explain-score", score)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert said in err


def test_people_are_told_the_leads(tmp_path, capsys):
    _, out, _ = lead12(capsys, "classify", record(tmp_path, "af-90"), "--explain")
    assert " AFIB from " in out
    assert out.count("%") >= 4


def test_the_picture_tints_the_cell_that_counts_and_no_other():
    relevance = np.zeros((12, 250), np.int8)
    relevance[LEADS.index("V1"), 100] = 127
    image = picture(
        np.zeros((1000, 12), np.int8), Explanation("g", "l", 1.0, relevance), TEN_SECONDS
    )
    middle = LEFT + round(4.02 * PER_SECOND)
    tops = [TOP + row * ROW + 5 for row in range(12)]
    tinted = [
        lead for lead, y in zip(LEADS, tops, strict=True) if image.getpixel((middle, y)) == TINT
    ]
    assert tinted == ["V1"]
    assert image.getpixel((middle + 12, tops[6])) == PAPER


@pytest.mark.train
@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
def test_other_weights_give_other_explanations():
    """Adebayo et al., NeurIPS 2018: a map that survives random weights shows the input only."""
    network = Network(read_bundle())
    cases = [case for case in simulated_cases(network) if case.group == "superclasses"][::2]
    other = random_network(network, [case.tensor for case in cases], seed=1)
    alike, again = [], []
    for case in cases:
        found = explain(network, case.tensor, case.group, case.label).relevance
        random = explain(other, case.tensor, case.group, case.label)
        alike.append(likeness(found, random.relevance))
        louder = np.clip(case.tensor * 1.05, -127, 127).astype(np.int8)
        again.append(likeness(found, explain(network, louder, case.group, case.label).relevance))
    assert np.mean(alike) < 0.3 < np.mean(again)


def test_a_simulated_patient_is_the_same_each_time():
    network = Network(read_bundle())
    np.testing.assert_array_equal(*(simulated(network, "lbbb-70", 2) for _ in range(2)))


def test_the_picture_has_a_bar_as_tall_as_a_millivolt_of_its_trace():
    tensor = np.full((1000, 12), 50, np.int8)  # 50 steps of 20 uV
    image = picture(tensor, Explanation("g", "l", 1.0, np.zeros((12, 250), np.int8)), TEN_SECONDS)
    column = [image.getpixel((LEFT - 8, TOP + y)) != PAPER for y in range(ROW)]
    trace = [image.getpixel((LEFT + 60, TOP + y)) != PAPER for y in range(ROW)]
    assert trace.index(True) == column.index(True)
    assert len(column) - 1 - column[::-1].index(True) == ROW // 2  # from zero


@pytest.mark.parametrize("seconds", [10.0, 14.5])
def test_a_window_has_the_time_of_what_it_shows(tmp_path, seconds):
    """The network's filter is 140 ms late; neither times nor the report's rows may be."""
    file = record(tmp_path, "pvc-70", seconds=seconds)
    network, recording = load_network(""), read_recording(file)
    heard = hear(recording, network)
    assert heard.tensor is not None
    shown = heard.tensor[:, LEADS.index("II")].astype(float)
    rows = np.arange(50, 950)  # of the window, 100 Hz

    def alike(mv: NDArray[np.float64], begin: int) -> float:
        return float(np.corrcoef(shown[rows], mv[begin + 5 * rows])[0, 1])

    told = heard.tensor_end - 5000
    times = {late: alike(recording.mv[:, 1], told + late) for late in range(-140, 141, 5)}
    assert max(times, key=times.__getitem__) == 0
    uv = read_study(file).uv[:, LEADS.index("II")].astype(float)
    places = {late: alike(uv, late) for late in range(-140, 141, 5)}
    assert max(places, key=places.__getitem__) == 0


def test_an_extrasystole_is_named_when_it_was(tmp_path):
    (result,) = classify([record(tmp_path, "pvc-70")], why=Question("statements/PVC"))
    for cell in result["explanation"]["windows"][:4]:
        assert 4.3 < cell["start_s"] < cell["end_s"] < 4.7  # its R peak is at 4.47 s
