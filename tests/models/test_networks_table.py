"""The bench of networks: from made-up runs, made-up scores, and a device that is cut off."""

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
from models.data.labels import MATE4, STATEMENTS, SUPERCLASSES
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
from models.report.networks import ran
from tests.models.test_networks_page import row
from tools.bench.networks import CODE, Bench, _digest, add_training, tried
from tools.bench.trained import run

EMBEDDED = resources.files("firmware") / "embedded.l12"


def test_a_heavy_network_is_watched_on_some_records_the_same_every_time() -> None:
    dataset = cast("Dataset", SimpleNamespace(fold=np.arange(5000) % 10))
    every = watched(dataset, 1_000)
    np.testing.assert_array_equal(every, np.arange(9, 5000, 10))
    some = watched(dataset, 10 * HEAVY_MACS)
    assert len(some) == len(set(some) & set(every)) == SOME
    assert len(watched(dataset, 2 * HEAVY_MACS)) == MOST_MACS // (2 * HEAVY_MACS)
    np.testing.assert_array_equal(some, watched(dataset, 10 * HEAVY_MACS))
    assert set(watched(dataset, 1_000, 30)) <= set(some)


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


def test_what_makes_the_answers_has_a_digest_what_only_refuses_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("hal/a.py", "firmware/network.py", "firmware/tflite_file.py", *CODE[2:])
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr("tools.bench.networks.ROOT", tmp_path)
    digests = [_digest()]
    for name in names:
        (tmp_path / name).write_text("changed")
        digests.append(_digest())
    changed = [
        name
        for name, one, next_ in zip(names, digests[:-1], digests[1:], strict=True)
        if one != next_
    ]
    assert changed == [name for name in names if name != "firmware/tflite_file.py"]


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
