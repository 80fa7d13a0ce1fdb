"""A bundle of each form is classified and run by the commands that people use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device.flash.facts import facts
from firmware.bundle import Bundle
from firmware.explain import Explanation
from firmware.inputs import Form, InputContract, Normal
from firmware.network import Network
from hal.patient.recording import read_recording
from models import inputs
from tests.firmware.forms import form_bundle, of_form
from tests.tools.test_classify import lead12, record
from tools.chain import hear
from tools.explain_picture import LEFT, ROW, TINT, TOP, picture
from tools.model import readable, summary
from tools.study import _explained

FORMS = {
    "2048-log": inputs.at(500, 2048, Normal.LOG),
    "50-min-max": inputs.at(50, 500, Normal.MIN_MAX),
    "beat": inputs.BEAT,
    "page": inputs.page(500, 200, every_s=2),
}
every_form = pytest.mark.parametrize("of", FORMS.values(), ids=FORMS.keys())


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("record"), "sinus-70", seconds=13.0)


def bundle(folder: Path, of: InputContract) -> Path:
    path = folder / "network.l12"
    path.write_bytes(form_bundle(of))
    return path


@every_form
def test_it_is_classified_and_explained_or_told_why_not(of, patient, capsys, tmp_path):
    code, out, err = lead12(
        capsys, "classify", str(patient), "--model", str(bundle(tmp_path, of)), "--json",
        "--explain-score", "mate4/SR",
    )  # fmt: skip
    if of.height:
        assert code != 0
        assert "reads a page, on which no lead can be told" in err
        assert len(err.strip().splitlines()) == 1
        return
    assert code == 0
    (result,) = (json.loads(line) for line in out.splitlines())
    assert result["model"] == "rhythm-2.1-test"
    assert sum(result["scores"]["mate4"].values()) == pytest.approx(1, abs=1e-3)
    assert 0.999 < sum(result["explanation"]["leads"].values()) < 1.001
    times = [cell["start_s"] for cell in result["explanation"]["windows"]]
    # Of a median beat seconds from its R peak, else of the record
    low, high = (-0.3, 0.46) if of is inputs.BEAT else (13 - of.samples / of.rate_hz, 13)
    assert all(low <= time < high for time in times)


@pytest.mark.parametrize("name", ["2048-log", "50-min-max", "page"])
def test_the_network_is_shown_the_record_to_its_last_sample(name, patient):
    """However late its filter is."""
    of = replace(FORMS[name], every_s=1)
    heard = hear(read_recording(patient), Network(of_form(of)))
    assert heard.tensor_end == heard.samples == 6500
    assert len(heard.counts) == 5000 + heard.tail


@every_form
def test_a_report_marks_what_was_read_in_the_trace(of):
    network = Network(of_form(of))
    found = _explained(network, network.bundle.golden[0].tensor, "SR")
    if of.form is not Form.WINDOW:
        assert found is None
        return
    assert found is not None
    assert found.relevance.shape == (12, 250)
    assert not found.relevance[:, : 250 - of.samples * 25 // of.rate_hz].any()


@every_form
def test_it_runs(of, patient, capfd, tmp_path):
    code, out, err = lead12(
        capfd, "run", "--record", str(patient), "--speed", "max", "--serial", "-",
        "--display", "none", "--model", str(bundle(tmp_path, of)),
    )  # fmt: skip
    assert code == 0, err
    said = map(json.loads, filter(None, out.splitlines()))
    results = [one for one in said if one["type"] == "result"]
    assert [bool(one["scores"]) for one in results] == [False] * 9 + [True] * 4
    ages = [one.get("scores_age", 0) for one in results[9:]]
    assert ages == ([0, 500, 0, 500] if of.every_s == 2 else [0] * 4)
    assert all(one["rate_bpm"] == pytest.approx(70, abs=2) for one in results[9:])


def test_facts_say_what_a_network_reads(tmp_path):
    def said(of: InputContract) -> dict[str, object]:
        told = facts(Bundle.from_bytes(form_bundle(of)))["input"]
        return {key: told[key] for key in told if key not in ("profile", "rate_hz", "samples")}

    assert said(inputs.TEN_SECONDS) == {"step_uv": 20.0}
    assert said(inputs.BEAT) == {"form": "median-beat", "normal": "z-score"}
    assert said(FORMS["page"]) == {"form": "page", "height": 200, "every_s": 2}
    assert said(replace(FORMS["2048-log"], every_s=5)) == {"normal": "log-scale", "every_s": 5}

    def line(of: InputContract) -> str:
        return next(one for one in readable(summary(str(bundle(tmp_path, of)))) if "input" in one)

    assert line(inputs.TEN_SECONDS) == "input: 10 s at 100 Hz, 20 µV a step, filter model v1"
    assert line(FORMS["2048-log"]) == "input: 4.096 s at 500 Hz, log-scale, filter model-500 v1"
    assert line(inputs.BEAT) == "input: median beat, 0.8 s at 500 Hz, z-score"
    assert line(FORMS["page"]) == "input: page of 500 x 200 pixels, filter model v1, every 2 s"


@pytest.mark.parametrize("name", ["50-min-max", "beat"])
def test_an_explanation_is_drawn_at_its_rate(name, tmp_path):
    of = FORMS[name]
    relevance = np.zeros((12, of.samples * 25 // of.rate_hz), np.int8)
    relevance[6, 7] = 127
    tensor = np.full(of.shape, of.zero, np.int8)
    image = picture(tensor, Explanation("g", "l", 1.0, relevance), of)
    assert image.width == LEFT + 150 * of.samples // of.rate_hz + 8
    top = TOP + 6 * ROW + 5
    assert image.getpixel((LEFT + 7 * 6 + 2, top)) == TINT
    assert (
        image.getpixel((LEFT + 6 * 6 + 2, top)) == image.getpixel((LEFT + 8 * 6 + 2, top)) != TINT
    )
