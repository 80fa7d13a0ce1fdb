"""What training and quantising say of the weights that they leave."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware.bundle import Bundle
from models.card import card
from models.data.dataset import DataError
from models.data.packed import read_signals
from models.run_folder import read_config
from tools.model import how_good
from tools.models_cli import EMBEDDED, Progress, _measured, _went, reported


def run(folder: Path, **config: Any) -> Path:
    """A run of three epochs, of which the second scored best."""
    told = {"epochs_done": 3.25, "epochs_planned": 80, "ended": "out of time", "took_s": 1800}
    told |= {"kept_epoch": 2, "backend": "tensorflow"}
    history = [{"loss": loss, "score": score} for loss, score in ((3, 0.6), (2, 0.8), (1, 0.7))]
    for name, tree in (
        ("config.json", {"architecture": "alexnet", "keep": "best"} | config),
        ("training.json", told),
        ("history.json", history),
    ):
        (folder / name).write_text(json.dumps(tree))
    (folder / "final.weights.h5").touch()
    return folder


def test_the_figures_are_those_of_the_weights_that_were_kept(tmp_path: Path) -> None:
    assert _went(run(tmp_path)).endswith(
        "3.25 of 80 epochs, out of time, 0.50 h on tensorflow (the same command with more --hours "
        "goes on); epoch 2, the best, is kept; "
        "fold 9, float: loss 2.000, score 0.800"
    )
    assert _went(run(tmp_path, keep="last")).endswith(
        "; after epoch 3: fold 9, float: loss 1.000, score 0.700"
    )
    assert "; watched patients, float" in _went(run(tmp_path, fold=3))


def test_a_network_that_always_says_the_same_is_said_to_tell_nothing_apart() -> None:
    call = {"accuracy": 0.85, "macro_f1": 0.23, "records": 2054}
    said = "call: right 85.0%, macro-F1 0.230 on 2054 records"
    assert how_good({"call": call}) == f"{said}: it does not tell the rhythm groups apart"
    assert how_good({"call": call | {"macro_f1": 0.9}}).endswith("0.900 on 2054 records")


def test_a_bundle_of_earlier_weights_is_told(tmp_path: Path) -> None:
    folder = run(tmp_path)
    (folder / "alexnet.l12").touch()
    os.utime(folder / "alexnet.l12", (1, 1))
    assert _went(folder).endswith("; alexnet.l12 is of earlier weights: run lead12 quantize")


@pytest.mark.parametrize(("f1", "warned"), [(0.23, True), (0.9, False)])
def test_a_bundle_that_tells_nothing_apart_is_told(tmp_path: Path, f1: float, warned: bool) -> None:
    tasks = {"superdiagnostic": {"auc": 0.78}, "rhythm": {"auc": 0.61}}
    systems = {name: {"tasks": tasks, "mate4": {"macro_f1": f1}} for name in ("int8", "float")}
    (tmp_path / "metrics.json").write_text(json.dumps({"systems": systems}))
    said = _measured(tmp_path)
    assert said.startswith("macro AUC super 0.780, rhythm 0.610 (float 0.780, 0.610)")
    assert said.endswith("train it longer") is warned


def test_a_run_of_an_older_release_has_its_architecture_s_name(tmp_path: Path) -> None:
    assert read_config(run(tmp_path))["recipe"] == "alexnet"
    assert read_config(run(tmp_path, recipe="mine"))["recipe"] == "mine"


def test_without_its_reader_packed_data_are_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match="h5py is not installed; run make train-setup"):
        read_signals(tmp_path / "x.h5", ("I",))


def test_only_the_firmware_s_own_card_tells_whose_calls_were_read() -> None:
    own = Bundle.from_bytes(EMBEDDED.read_bytes()).manifest
    run = own["training"]["run"]
    told = {"epochs": 80, "epochs_done": 5.5, "kept_epoch": 3}
    other = {**own, "name": "mate", "training": {**own["training"], "run": {**run, **told}}}
    assert "Fifty calls" in card(own)
    assert "Fifty calls" not in card(other)
    assert "5.5 of 80 epochs (the weights of epoch 3 were the best)" in card(other)
    short = {"epochs": 4, "epochs_done": 4, "brief_for": 80}
    other["training"]["run"] = {**run, **short}
    assert "4 epochs (a brief form of its recipe, which has 80), batch" in card(other)


def test_a_log_has_a_line_for_each_piece_of_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two networks side by side as well, whose steps come in turns."""

    def work(say: Progress) -> None:
        for step in range(3):
            for name in ("a", "b"):
                say(f"{name}: epoch 1/2", step, 3)
        say("a: epoch 2/2", 0, 3)

    assert reported(work) == 0
    assert capsys.readouterr() == ("", "a: epoch 1/2\nb: epoch 1/2\na: epoch 2/2\n")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # to rich, a terminal: there is the bar
    assert reported(work) == 0
    drawn = capsys.readouterr().err
    assert "a: epoch 2/2" in drawn
    assert "a: epoch 2/2\n" not in drawn
