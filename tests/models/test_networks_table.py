"""The table of networks: from made-up runs, made-up figures, and a device that is cut off."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterable
from copy import deepcopy
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from firmware.bundle import Bundle
from hal.patient.record import Recording
from models.architectures import ARCHITECTURES
from models.data.dataset import Dataset, Metadata
from models.data.labels import CNN_TE, MATE4, STATEMENTS, SUPERCLASSES
from models.evaluate.compare import (
    OURS,
    PIECE,
    Subject,
    device_results,
    differences,
    figures,
    macro_aucs,
    subjects,
    training,
)
from models.evaluate.fold import HEAVY_MACS, MOST_MACS, SOME, Fold, watched
from models.report.networks import ahead, goals, page, picture, ran, shortfalls
from models.report.published import PAPERS, PUBLISHED
from tools.bench.figures import DOCS
from tools.bench.networks import Bench, add_training, tried
from tools.bench.networks import figures as as_figures
from tools.bench.trained import run

EMBEDDED = resources.files("firmware") / "embedded.l12"


def system(auc: float, f1: float = 0.7) -> dict[str, Any]:
    """Figures of one system, the same for both tasks."""
    of = {"records": 20, "labels": 5, "auc": auc, "interval": [auc - 0.01, auc + 0.01]}
    of |= {"map": 0.6, "accuracy": 0.8, "f1": f1, "sensitivity": 0.8, "specificity": 0.9}
    label = {"share": 0.1, "auprc": 0.5, "threshold": 0.4, "precision": 0.5, "recall": 0.5}
    te = {"labels": {name: label | {"f1": 0.5} for name in CNN_TE}, "correlation": -0.5}
    of["g_mean"] = 0.85
    return {
        "superdiagnostic": of,
        "rhythm": dict(of),
        "mate4": {"accuracy": 0.9, "macro_f1": 0.8},
        "cnn_te": te,
        "called": 18,
    }


def row(name: str, auc: float, macs: int, **changed: Any) -> dict[str, Any]:
    """A network that was trained whole, measured whole, and that the monitor ran."""
    int8 = system(auc)
    int8["less_float"] = {
        task: {"difference": -0.001, "interval": [-0.002, 0.0]}
        for task in ("superdiagnostic", "rhythm")
    }
    return {
        "name": name,
        "architecture": name,
        "paper": "A paper",
        "input": "window",
        "training": {
            "epochs": 20, "planned": 20, "ended": "as planned", "chosen": False, "seconds": 7200.0,
            "hardware": "a processor", "finished": True,
        },
        "parameters": 1_234_567,
        "macs": macs,
        "bytes": 400_000,
        "not_int8": {},
        "records": 20,
        "of_records": 20,
        "systems": {"float": system(auc + 0.001), "int8": int8, "device": system(auc)},
        "ours": {"macs": 30_000_000, "auc": {"superdiagnostic": 0.93, "rhythm": 0.93}},
        "speed": {"ai_edge_litert": {"median_ms": 0.7, "peak_rss_mib": 50.0}},
        "device_run": {"exit": 0, "results": 30, "scored": 21, "said": "SINUS", "error": ""},
    } | changed  # fmt: skip


def table(*rows: dict[str, Any]) -> dict[str, Any]:
    """As ``measure`` returns it; our own network comes first."""
    return {
        "format": 1,
        "data": {"name": "PTB-XL", "sha256": "0", "fold": 9},
        "machine": "a machine",
        "rows": [row(OURS, 0.93, 30_000_000), *rows],
    }


UNTRAINED = {
    "name": "cnn-te", "architecture": "cnn-te", "paper": "CNN-TE", "input": "window",
    "training": {}, "parameters": 10_968_413, "macs": 3_008_600_000,
}  # fmt: skip


def test_a_heavy_network_is_watched_on_some_records_the_same_every_time() -> None:
    dataset = cast("Dataset", SimpleNamespace(fold=np.arange(5000) % 10))
    every = watched(dataset, 1_000)
    np.testing.assert_array_equal(every, np.arange(9, 5000, 10))
    some = watched(dataset, 10 * HEAVY_MACS)
    assert len(some) == len(set(some) & set(every)) == SOME
    assert len(watched(dataset, 2 * HEAVY_MACS)) == MOST_MACS // (2 * HEAVY_MACS)
    np.testing.assert_array_equal(some, watched(dataset, 10 * HEAVY_MACS))
    assert set(watched(dataset, 1_000, 30)) <= set(some)


def test_trainings_on_the_small_set_have_a_table_where_there_are_any() -> None:
    scores = {"superclass_auc": 0.811, "rhythm_auc": 0.722, "statement_auc": 0.733}
    one = {"recipe": "a-small", "architecture": "a", "on": "small", "start": None} | scores
    one |= {"trunk": "free", "records": 1790, "epochs": 20.0, "brief": True}
    other = one | {"recipe": "a-more", "start": "a-rest", "trunk": "frozen", "brief": False}
    said = page(table() | {"transfer": [one, other]})
    figures = "0.811 | 0.722 | 0.733 |"
    assert f"| a-small | small, 1 790 records | scratch | all | 20, brief | {figures}" in said
    assert f"| a-more | small, 1 790 records | a-rest | the last layer | 20 | {figures}" in said
    assert "Transfer" not in page(table())


def test_folds_of_patients_have_a_table_where_there_are_any() -> None:
    spread = {"auc": {"mean": 0.877, "sd": 0.0321}, "f1": {"mean": 0.5, "sd": 0.1}}
    tested = {"recipe": "mayo", "architecture": "mayo-alvd", "epochs": 12.25, "task": "MI"}
    found = table() | {"folds": [tested | {"folds": 10} | spread]}
    assert "| mayo | 10 | 12.2 | 0.877 ± 0.032 | 0.500 ± 0.100 |" in page(found)
    assert "Ten folds" not in page(table())


def test_what_falls_short_is_a_sentence_each() -> None:
    lossy = row("alexnet", 0.93, 100_000_000)
    lossy["systems"]["int8"]["less_float"]["rhythm"]["difference"] = -0.02
    half = row("vgg11-bn", 0.90, 100_000_000, records=5)
    half["training"] |= {"epochs": 3.5, "chosen": True}
    failed = {"exit": 1, "results": 0, "scored": 0, "said": None, "error": "lead12: no"}
    other = row("crnn-gru", 0.93, 100_000_000, not_int8={"TANH float32": 2}, device_run=failed)
    other["speed"] = {"tflite_runtime": {"error": "unknown op"}}
    silent = {"exit": 0, "results": 30, "scored": 0, "said": None, "error": ""}
    better = row("resnet18", 0.94, 100_000_000, device_run=silent)
    better["training"] |= {"epochs": 20.0, "planned": 80, "brief": True}
    unquantised = UNTRAINED | {"name": "mate", "training": half["training"] | {"finished": True}}
    found = shortfalls(table(lossy, half, other, better, UNTRAINED, unquantised))
    assert found == [
        "`alexnet`: int8 loses 0.020 of macro AUC, rhythm.",
        "`vgg11-bn`: trained 3.5 of 20 epochs.",
        "`vgg11-bn`: its epoch was chosen on fold 9 itself, which flatters it a little.",
        "`vgg11-bn`: measured on 5 of 20 records.",
        "`crnn-gru`: not int8: TANH float32 (2).",
        "`crnn-gru`: tflite_runtime did not run it: unknown op.",
        "`crnn-gru`: the monitor did not run it: lead12: no.",
        "`resnet18`: trained 20 of 80 epochs, brief.",
        "`lead12` lies 0.010 of macro AUC behind `resnet18`, super-diagnostic.",
        "`lead12` lies 0.010 of macro AUC behind `resnet18`, rhythm.",
        "`resnet18`: the monitor did not run it: 0 of 30 lines with scores.",
        "`cnn-te`: not trained here; 3.01 GMAC per record, 3.0 h an epoch at the others' pace.",
        "`mate`: trained, but not quantised; 3.01 GMAC per record.",
    ]
    assert shortfalls(table(row("alexnet", 0.92, 100_000_000))) == ["Nothing of what was wanted."]


def test_a_network_at_chance_has_nothing_that_int8_could_lose() -> None:
    coin = row("vgg16-page", 0.5, 250_000_000_000)
    for of in coin["systems"]["int8"]["less_float"].values():
        of["difference"] = -0.04
    found = table(row("mate", 0.92, 1_000_000), coin)
    assert goals(found)[0].value == -0.001
    assert shortfalls(found)[0] == (
        "`vgg16-page`: its float network may be at chance, super-diagnostic (0.501, 0.491-0.511): "
        "int8 less float, -0.040, is not counted above."
    )
    coin["systems"]["float"]["rhythm"]["interval"] = [0.501, 0.511]
    assert goals(found)[0].text == "int8 less float, macro AUC, worst: vgg16-page, rhythm"
    assert "`vgg16-page`: int8 loses 0.040 of macro AUC, rhythm." in shortfalls(found)


def test_rows_of_an_earlier_state_of_the_chain_are_told() -> None:
    found = table(row("new", 0.9, 1, code="b"), row("old", 0.9, 1, code="a")) | {"code": "b"}
    said = [one for one in shortfalls(found) if "earlier state" in one]
    assert said == ["Measured behind an earlier state of firmware and chip: lead12, old."]


def test_what_was_measured_before_stays_where_no_run_is_at_hand() -> None:
    float_and_int8 = row(OURS, 0.93, 30, sha256="s", training={"epochs": 20})
    bench = Bench(records(2), None, cast(Any, None), "b", {OURS: float_and_int8}, lambda *_: None)
    assert bench.row(Subject(OURS, "residual")) is float_and_int8
    again = row(OURS, 0.93, 30, training={})
    del again["systems"]["float"], again["systems"]["int8"]["less_float"]
    add_training(again, float_and_int8)
    assert again["systems"] == float_and_int8["systems"]
    assert [*again["systems"]] == ["float", "int8", "device"]
    assert again["training"] == {"epochs": 20}
    fewer = row(OURS, 0.93, 30, records=10)
    del fewer["systems"]["float"]
    add_training(fewer, float_and_int8)
    assert "float" not in fewer["systems"]


def test_goals_are_held_against_the_worst() -> None:
    small = row("mate-shipped", 0.935, 10_000_000)
    good = {goal.text: goal for goal in goals(table(row("alexnet", 0.92, 100_000_000)))}
    assert all(goal.met for goal in good.values())
    values = [goal.value for goal in goals(table(small, UNTRAINED))]
    assert values == pytest.approx([-0.001, -0.005, -0.005, 1, 0, 1])
    assert [goal.met for goal in goals(table(small, UNTRAINED))][3] is False
    assert all(goal.value is None for goal in goals(table(UNTRAINED))[1:4])  # nobody to lead
    texts = [goal.text for goal in goals(table(UNTRAINED))[1:4]]
    assert all(text.endswith(("no other measured", "none measured")) for text in texts)
    assert len(as_figures(table(UNTRAINED))) == 3
    assert [one.ok for one in as_figures(table(small))][-1]


def test_ahead_is_who_needs_less_and_scores_more() -> None:
    rows = [row("a", 0.94, 10), row("b", 0.92, 10), row("c", 0.94, 40_000_000)]
    assert ahead(rows) == ["a"]


def test_the_page_has_a_row_for_every_network_and_the_papers_figures() -> None:
    resnet = row("resnet18", 0.92, 350_000_000)
    text = page(table(resnet, UNTRAINED))
    assert "| lead12 | A paper | window | 1 234 567 | 30.0 | 400 | none | 0.70 | 50 |" in text
    assert "| cnn-te | CNN-TE | window | 10 968 413 | 3008.6 | - | - | - | - | - |" in text
    assert "| resnet18 | 350.0 | 11.67 | 0.9200 | -0.0100 | no |" in text
    assert "| cnn-te | not trained here | - | - |" in text
    begun = UNTRAINED | {"training": resnet["training"] | {"epochs": 0, "finished": False}}
    assert "| cnn-te | not trained here | - | - |" in page(table(begun))
    assert "| lead12 | 20 of 20 epochs | 2.00 h | a processor |" in text
    assert "F1 0.751, MAP 0.789, G-mean 0.839" in text
    assert "F1 0.700, MAP 0.600, G-mean 0.850" in text
    assert "0.920 (0.910-0.930)" in text
    assert picture(table(resnet))[:4] == b"\x89PNG"


def test_the_papers_figures_are_of_networks_that_are_here() -> None:
    assert set(PUBLISHED) <= set(ARCHITECTURES)


def test_every_paper_is_cited_by_the_name_in_its_column() -> None:
    assert {of.paper for of in ARCHITECTURES.values()} == {*PAPERS, "Lead12"}
    assert all(any(of.where.startswith(name) for name in PAPERS) for of in PUBLISHED.values())
    text = page(table())
    assert all(f"- *{name}*: {cited}\n" in text for name, cited in PAPERS.items())


def test_the_page_in_docs_is_that_of_its_figures() -> None:
    found = json.loads((DOCS / "networks.json").read_text())
    assert (DOCS / "networks.md").read_text() == page(found)


FINAL = "final.weights.h5"


def a_run(folder: Path, architecture: str, *files: str, **keys: str) -> Path:
    """A run folder with empty ``files``, and ``keys`` in its config."""
    folder.mkdir(parents=True)
    config = {"architecture": architecture, "epochs": 9, **keys}
    (folder / "config.json").write_text(json.dumps(config))
    for name in files:
        (folder / name).touch()
    return folder


def test_every_architecture_has_a_row_and_the_first_quantised_run_is_taken(tmp_path: Path) -> None:
    def taken(name: str) -> Subject:
        return next(one for one in subjects(tmp_path, embedded) if one.name == name)

    with resources.as_file(EMBEDDED) as embedded:
        a_run(tmp_path / "a0", "alexnet", FINAL, "x.l12", records="small")  # on a part
        other = a_run(tmp_path / "a1", "alexnet", FINAL, "x.l12", recipe="mine")
        assert taken("alexnet").run == other
        begun = a_run(tmp_path / "b", "alexnet", recipe="alexnet")
        assert taken("alexnet").run == begun
        done = a_run(tmp_path / "c", "alexnet", FINAL, recipe="alexnet")
        assert taken("alexnet").run == done
        (begun / "alexnet.l12").touch()
        assert taken("alexnet").bundle == begun / "alexnet.l12"

        twin = a_run(tmp_path / "deep" / "student-0", "residual", FINAL)
        shutil.copy(embedded, twin / "rhythm.l12")
        (tmp_path / "junk").mkdir()
        (tmp_path / "junk" / "config.json").write_text("{}")
        rows = subjects(tmp_path, embedded)
        assert rows[0] == Subject(OURS, "residual", twin, embedded)
        names = [name for name, of in ARCHITECTURES.items() if of.device and name != "residual"]
        assert [one.name for one in rows[1:]] == names
        assert taken("cnn-te") == Subject("cnn-te", "cnn-te")
        assert [one.run for one in subjects(None, embedded)] == [None] * len(rows)


def test_a_run_says_how_far_it_came(tmp_path: Path) -> None:
    half = Subject("a", "alexnet", a_run(tmp_path / "a", "alexnet", keep="best"))
    said = {"epochs_done": 3.5, "ended": "out of time", "took_s": 60.0}
    said |= {"processor": "P", "devices": ["cpu:0"]}
    (tmp_path / "a" / "training.json").write_text(json.dumps(said))
    assert training(half) == {
        "epochs": 3.5, "planned": 9, "brief": False, "ended": "out of time", "chosen": True,
        "seconds": 60.0, "hardware": "P (cpu:0)", "finished": False,
    }  # fmt: skip
    old = training(Subject("b", "alexnet", a_run(tmp_path / "b", "alexnet", FINAL)))
    assert (old["epochs"], old["seconds"], old["finished"]) == (9, None, True)
    assert not old["chosen"]
    brief = training(Subject("d", "alexnet", a_run(tmp_path / "d", "alexnet", brief_for=80)))
    assert (brief["planned"], brief["brief"]) == (80, True)
    assert training(Subject("c", "alexnet")) == {}


def records(n: int) -> Dataset:
    """Records without a signal: labels in turn, two of a patient."""
    rows = [
        {"record_id": f"r{i}", "patient_id": f"p{i // 2}", "source": "PTB-XL"} for i in range(n)
    ]
    supers, statements, mate4 = (
        np.zeros((n, len(labels)), np.uint8) for labels in (SUPERCLASSES, STATEMENTS, MATE4)
    )
    for i in range(n):
        supers[i, i % 5] = mate4[i, i % 4] = 1
        statements[i, STATEMENTS.index(("SR", "AFIB", "STACH")[i % 3])] = 1
    return Dataset(
        steps=np.zeros((n, 8, 1000), np.int16),
        lsb_uv=1.0,
        meta=Metadata.from_rows(rows),
        mate4=mate4,
        superclasses=supers,
        statements=statements,
        fold=np.full(n, 9),
        digest="0",
    )


@pytest.fixture
def on() -> Fold:
    return Fold(records(40), np.zeros((40, 1000, 12), np.int8))


def test_figures_of_scores_that_know_and_of_some_that_do_not(on: Fold) -> None:
    known = {name: y * 0.8 + 0.1 for name, y in on.truth.items()}
    blind = deepcopy(known) | {"superclasses": np.full((40, 5), 0.5)}
    found = figures(on, known)
    assert found["superdiagnostic"]["auc"] == found["rhythm"]["map"] == 1
    assert found["superdiagnostic"]["f1"] == found["superdiagnostic"]["g_mean"] == 1
    assert found["rhythm"]["labels"] == 3
    assert found["mate4"] == {"accuracy": 1, "macro_f1": 1}
    assert macro_aucs(on, blind) == {"superdiagnostic": 0.5, "rhythm": 1}
    less = differences(on, blind, known)
    assert less["superdiagnostic"] == {"difference": -0.5, "interval": [-0.5, -0.5]}
    assert less["rhythm"]["difference"] == 0


class CutOff:
    """A device that answers each record by its name, and may fail at one."""

    def __init__(self, fails_at: int = -1) -> None:
        self.asked: list[str] = []
        self.fails_at = fails_at

    def recordings(
        self, bundle: Path, recordings: Iterable[Recording], total: int, say: Any
    ) -> list[dict[str, Any]]:
        del bundle, total, say
        out = []
        for one in recordings:
            self.asked.append(one.name)
            if len(self.asked) == self.fails_at:
                raise KeyboardInterrupt
            out.append({"call": one.name, "reason": None, "scores": None, "rate_bpm": 60})
        return out

    patients = None


def test_what_the_device_said_is_kept_and_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    n = PIECE + 20
    on = Fold(records(n), np.zeros((n, 1, 12), np.int8))

    def ask(device: CutOff) -> list[dict[str, Any]]:
        return device_results("x", Path("x.l12"), on, device, "key", lambda *_: None)

    with pytest.raises(KeyboardInterrupt):
        ask(CutOff(fails_at=PIECE + 5))
    (kept,) = (tmp_path / "lead12").glob("scores-*.jsonl")
    lines = kept.read_text().splitlines()
    assert len(lines) == PIECE
    kept.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:7])  # the last was cut off
    again = CutOff()
    found = ask(again)
    assert again.asked == [f"r{i}" for i in range(PIECE - 1, n)]
    assert [one["call"] for one in found] == [f"r{i}" for i in range(n)]
    assert found[0] == {"call": "r0", "reason": None, "scores": {}}
    assert ask(CutOff(fails_at=1)) == found


def test_the_monitor_itself_runs_a_bundle_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.bench.networks.SECONDS", 13)
    with resources.as_file(EMBEDDED) as embedded:
        found = tried(embedded)
    assert (found["exit"], found["results"], found["error"]) == (0, 13, "")
    assert 3 <= found["scored"] < 13  # the first ten seconds have none
    assert ran({"device_run": found})
    broken = tmp_path / "broken.l12"
    broken.write_bytes(b"PK")
    found = tried(broken)
    assert found["exit"] == 1
    assert found["error"].startswith(f"lead12: {broken}")
    assert not ran({"device_run": found})


def test_runs_that_are_no_folder_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"records": None, "jobs": 1, "as_json": False, "update_docs": False}
    assert run("networks", tmp_path / "none", tmp_path, **options) == 1
    said = capsys.readouterr().err
    assert said == (
        f"lead12: {tmp_path}/none is no folder of trainings; "
        "give what lead12 train --out was given\n"
    )
    assert run("saliency", tmp_path / "none", tmp_path, **options) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.train
@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
def test_costs_counted_in_the_graph_are_those_of_the_file() -> None:
    from models.evaluate.cost import cost
    from models.evaluate.op_types import op_types
    from models.train import quiet_keras

    keras = quiet_keras()
    ours = op_types(Bundle.from_bytes(EMBEDDED.read_bytes()).model)
    assert cost(ARCHITECTURES["residual"](93, 1000)) == (411_613, ours.macs)
    signal = keras.Input((10, 4))
    x = keras.layers.Conv1D(3, 5, padding="same")(signal)
    x = keras.layers.DepthwiseConv1D(3, padding="valid")(x)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    network = keras.Model(signal, keras.layers.Dense(6)(keras.layers.Flatten()(x)))
    convolutions = 10 * 5 * 4 * 3 + 8 * 3 * 3
    attention = 3 * 8 * 3 * 8 + 2 * 8 * 8 * 8 + 8 * 8 * 3
    assert cost(network)[1] == convolutions + attention + 24 * 6
