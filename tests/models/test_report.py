"""From records to pages: the whole evaluation on a tiny data set, and what is written of it."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from firmware.bundle import Bundle
from models.architectures import ARCHITECTURES
from models.card import card
from models.data import packed
from models.data.dataset import LEADS8
from models.evaluate.fold import Fold, only
from models.evaluate.seeds import seeds, spread
from models.evaluate.system import HEADLINES
from models.evaluate.targets import BUNDLE, find
from models.evaluate.whole import evaluate
from models.groups import GROUPS, OUTPUTS
from models.metrics import macro_auc, sigmoid
from models.report.accuracy import accuracy
from models.report.blocks import Heading, Items, Picture, Table, Text, html, markdown
from models.report.goals import Goal, goals
from models.report.plots import plots
from models.report.tables import number, spanned
from models.report.write import write_docs, write_page
from models.run_folder import FINAL, write
from models.train import load_network, predict, quiet_keras
from tests.models.data_folders import EIGHT, LEADS, twelve, write_csv, write_packed
from tools.cli import app
from tools.evaluate import DeviceChain

EMBEDDED = Path(__file__).parents[2] / "firmware" / "embedded.l12"
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)

# labels, mate4, age, sex, fold, beats per minute
RECORDS = [
    ("NORM|SR", "SR", 30, "F", 9, 70),
    ("IMI|STE_|SR", "SR", 70, "M", 9, 75),
    ("NDT|SBRAD", "SB", 61, "F", 9, 45),
    ("LVH|STACH", "GSVT", 55, "M", 9, 130),
    ("CRBBB|AFIB", "AFIB", 82, "F", 9, 95),
    ("PACE", "", 77, "M", 9, 60),
    ("NORM|SR", "SR", 44, "F", 1, 66),
]
EXTERNAL = [
    ("164889003", "CPSC2018", 5000, 100),
    ("426177001", "Ningbo", 5000, 52),
    ("57054005|426783006", "Ningbo", 5000, 80),
    ("426783006", "Ningbo", 3000, 80),
]


def heart_uv(bpm: float, rate_hz: int, samples: int) -> np.ndarray:
    """R waves in every lead, [samples, 8]."""
    t = np.arange(samples) / rate_hz
    phase = (t * bpm / 60 + 0.3) % 1 - 0.5
    beat = 1000 * np.exp(-((phase * 60 / bpm) ** 2) / 0.0004)
    noise = np.random.default_rng(int(bpm)).normal(0, 10, (samples, 8))
    return np.asarray(beat[:, None] * np.linspace(0.5, 1.2, 8) + noise)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven records of PTB-XL and four of others, packed."""
    folder = tmp_path_factory.mktemp("data")
    rows = [
        {
            "record_id": f"P{i}",
            "source_dataset": "PTB-XL",
            "labels": labels,
            "mate4": mate4,
            "age": age,
            "sex": sex,
            "patient_id": i,
            "strat_fold": fold,
        }
        for i, (labels, mate4, age, sex, fold, _) in enumerate(RECORDS)
    ]
    write_csv(folder / f"{packed.PTBXL}.csv", rows)
    steps = np.stack([heart_uv(record[-1], 100, 1000).T / 5 for record in RECORDS])
    write_packed(folder, packed.PTBXL, np.rint(steps).astype(np.int16), 5.0, 100, LEADS8)
    others = [
        {
            "record_id": f"E{i}",
            "source_dataset": source,
            "age": "",
            "sex": "",
            "labels": labels,
            "label_system": "SNOMED-CT",
            "valid_samples": valid,
        }
        for i, (labels, source, valid, _) in enumerate(EXTERNAL)
    ]
    write_csv(folder / f"{packed.EXTERNAL}.csv", others)
    leads12 = np.stack([twelve(heart_uv(record[-1], 500, 5000)).T for record in EXTERNAL])
    assert [LEADS[i] for i in EIGHT] == list(LEADS8)
    write_packed(
        folder, packed.EXTERNAL, np.rint(leads12).astype(np.int16), 1.0, 500, packed.LEADS12
    )
    return folder


@pytest.fixture(scope="module")
def found(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The embedded network on those."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return evaluate(EMBEDDED, data, DeviceChain(), robust_records=1, people=1)


def test_every_part_was_measured_on_the_right_records(
    found: dict[str, Any], embedded: Bundle
) -> None:
    assert (found["records"], found["patients"]) == (6, 6)
    assert found["bundle"]["id"] == embedded.id
    assert found["systems"].keys() == {"device", "int8"}
    for system in found["systems"].values():
        assert system["mate4"]["records"] == 5
        assert system["tasks"]["all"]["records"] == 6
    assert found["answers"]["no_group_fits"]["records"] == 1
    assert found["danger"]["fold 9"].keys() == {"paced", "acute infarction"}
    simulated = found["danger"]["simulated"]
    assert simulated["VF or VT"]["plain_sinus"] == []
    assert simulated["asystole"]["no_call"] == simulated["asystole"]["records"] > 0
    assert found["robustness"]["rows"]["V1 off"]["records"] == 6
    assert found["robustness"]["rows"]["wander 1 mV"]["records"] == 1
    assert found["robustness"]["rows"]["none"]["all"]["loss"] == 0
    assert found["robustness"]["rows"]["V1-V6 off"]["no_call"]
    for figures in found["speed"]["runtimes"].values():
        assert 0 < figures["median_ms"] <= figures["p99_ms"]
        assert figures["peak_rss_mib"] >= figures["python_rss_mib"] > 0


def test_other_sources_are_measured_apart(found: dict[str, Any]) -> None:
    external = found["external"]
    assert external["records"] == 4
    assert external["sources"] == {"CPSC2018": 1, "Ningbo": 3}
    assert sum(map(sum, external["mate4"]["confusion"])) == 4
    assert external["answers"]["reasons"]["short"] == 1
    assert found["danger"]["external"]["acute infarction"]["records"] == 1
    assert found["bradycardia"]["external"]["labelled_sb_rate_bpm"] == pytest.approx(
        [52] * 3, abs=1
    )


def test_the_json_is_json(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_goals_stand_beside_what_was_measured(found: dict[str, Any]) -> None:
    of = {goal.text: goal for goal in goals(found)}
    assert of["thousand parameters"].value == pytest.approx(408, abs=1)
    assert of["thousand parameters"].met
    assert of["int8 minus float, macro AUC all"].met is None
    assert not Goal("", 0.9359, 0.936).met  # rounding for print does not help
    assert Goal("", 0.936, 0.936).met
    assert not Goal("", 0.0051, 0.005, at_least=False).met


@pytest.mark.train
@needs_tensorflow
def test_seeds_are_measured_beside_the_chosen_one(
    found: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    """Two untrained students, one of them with a bundle."""
    keras = quiet_keras()
    for seed in range(2):
        keras.utils.set_random_seed(seed)
        run = tmp_path / f"student-{seed}"
        run.mkdir()
        (run / "config.json").write_text(json.dumps({"architecture": "separable"}))
        write(run / FINAL, ARCHITECTURES["separable"](OUTPUTS, None))
    shutil.copy(EMBEDDED, tmp_path / "student-1" / BUNDLE)
    dataset = packed.load_ptbxl(data)
    fold9 = only(dataset, np.flatnonzero(dataset.fold == 9))
    tensors = np.random.default_rng(0).integers(-50, 50, (len(fold9), 1000, 12)).astype(np.int8)
    on = Fold(fold9, tensors)
    of = seeds(find(tmp_path), on, DeviceChain(), lambda *_: None, found["systems"])
    assert of["chosen"] == "1"
    assert of["per_seed"]["0"].keys() == {"float"}
    assert of["per_seed"]["1"].keys() == found["systems"].keys()
    device = found["systems"]["device"]
    assert of["per_seed"]["1"]["device"]["all"] == device["tasks"]["all"]["auc"]
    p = sigmoid(predict(load_network(tmp_path / "student-0"), tensors)[:, GROUPS[2].columns])
    float_auc = macro_auc(on.truth["statements"], p)
    assert of["per_seed"]["0"]["float"]["all"] == pytest.approx(float_auc)


def test_the_spread_over_seeds_is_that_of_a_sample() -> None:
    per_seed = {
        str(seed): {"device": dict.fromkeys(HEADLINES, value)}
        for seed, value in enumerate((0.92, 0.93, 0.94))
    }
    per_seed["0"]["float"] = dict.fromkeys(HEADLINES, 0.9)
    found = spread(per_seed)
    assert found.keys() == {"device"}  # one seed is no spread
    assert found["device"]["all"] == {
        "mean": pytest.approx(0.93),
        "sd": pytest.approx(0.01),
        "seeds": 3,
    }


@needs_matplotlib
def test_pages_are_whole_and_always_the_same(
    found: dict[str, Any], embedded: Bundle, tmp_path: Path
) -> None:
    page = write_page(found, tmp_path / "out").read_text()
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == found
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert len(sources) == 5
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    first = {path: path.read_bytes() for path in write_docs(found, embedded.manifest, tmp_path)}
    again = {path: path.read_bytes() for path in write_docs(found, embedded.manifest, tmp_path)}
    assert first == again
    text = (tmp_path / "accuracy.md").read_text()
    for name in re.findall(r"\]\((accuracy/[a-z-]+\.png)\)", text):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "models" / "rhythm.md").read_text() == card(embedded.manifest, found)


@needs_matplotlib
def test_every_table_has_as_many_cells_as_columns_and_every_picture_is_drawn(
    found: dict[str, Any],
) -> None:
    drawn = plots(found)
    for block in accuracy(found):
        if isinstance(block, Table):
            assert {len(row) for row in block.rows} <= {len(block.head)}, block.head
        if isinstance(block, Picture):
            assert block.name in drawn


def test_blocks_as_markdown_and_as_html() -> None:
    blocks = [
        Heading("T", 1),
        Text("**a** < `b`"),
        Items(["x"]),
        Table(["h"], [["<c>"]]),
        Picture("p", "alt"),
    ]
    assert markdown(blocks, "f") == (
        "# T\n\n**a** < `b`\n\n- x\n\n| h |\n| --- |\n| <c> |\n\n![alt](f/p.png)\n"
    )
    page = html(blocks, {"p": b"\x89PNG"})
    assert "<title>T</title>" in page
    assert "<p><b>a</b> &lt; <code>b</code></p>" in page
    assert "<td>&lt;c&gt;</td>" in page
    assert 'src="data:image/png;base64,iVBORw=="' in page


def test_numbers_that_were_not_measured_are_dashes() -> None:
    assert number(None) == number(float("nan")) == "-"
    assert number(-0.0001) == "0.000"
    assert spanned(0.5, [0.4, 0.6], 2) == "0.50 (0.40-0.60)"
    assert spanned(0.5, None) == "0.500"


def test_the_command_says_what_is_missing_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "no.l12"), "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"lead12: {tmp_path / 'no.l12'} is missing; give a bundle or the folder of a training"
    ]
    done = CliRunner().invoke(app, ["evaluate", str(EMBEDDED), "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
