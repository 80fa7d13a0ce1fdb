"""``lead12 hil run``: in order, several at a time, through crashes; what it prints and returns."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.tools.hil_scenarios import written
from tools.cli import app
from tools.hil import runner, virtual
from tools.hil.outcome import Outcome
from tools.hil.scenario import Scenario, load
from tools.hil.virtual import run


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Scenario]:
    """Writes and loads one."""
    return partial(written, tmp_path)


def broken(_: Scenario) -> Outcome:
    raise RuntimeError("the bench broke\nin two lines")


def test_a_scenario_that_crashes_is_one_that_failed(
    scenario: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual, "run", broken)
    (outcome,) = runner.run_all([scenario()])
    assert not outcome.ok
    assert outcome.error == "RuntimeError: the bench broke"
    assert runner.readable(outcome).splitlines()[1].strip() == outcome.error


def test_a_dead_process_is_one_failed_scenario(
    scenario: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others run all the same, in order."""
    scenarios = [scenario(seconds=1, name=name) for name in ("first", "killer", "last")]
    deadly = replace(scenarios[1], about=DEADLY)
    monkeypatch.setattr(runner, "run_one", run_or_die)
    outcomes = list(runner.run_all([scenarios[0], deadly, scenarios[2]], jobs=2))
    assert [outcome.name for outcome in outcomes] == ["first", "killer", "last"]
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert "the process that ran it died" in outcomes[1].error


DEADLY = "kill"


def run_or_die(scenario: Scenario, target: str, baud: int, key: bytes, moments: bool) -> Outcome:
    """In place of ``runner.run_one``, in a process of its own."""
    if scenario.about == DEADLY:
        os._exit(3)
    return runner.failed(scenario, target, "")


def lead12(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["hil", "run", *arguments])


def test_the_command_line(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    good = str(scenario("no samples lost", seconds=2, name="good").path)
    bad = str(scenario("always: rate 5 ± 1", seconds=3, name="bad").path)
    done = lead12(good)
    assert done.exit_code == 0
    first, last = done.stdout.splitlines()
    assert first.startswith("good  ")
    assert " passed " in first
    assert first.endswith(" x real time")
    assert last.startswith("1 scenarios, 1 passed, 0 failed; 2 s of signal in ")
    xml, page = tmp_path / "out" / "hil.xml", tmp_path / "hil.html"
    done = lead12(good, bad, "--json", "--junit", str(xml), "--html", str(page))
    assert "<testsuite" in xml.read_text(encoding="utf-8")
    assert "always: rate 5 ± 1" in page.read_text(encoding="utf-8")
    assert done.exit_code == 1
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["name"], one["ok"]) for one in said] == [("good", True), ("bad", False)]
    assert said[1]["verdicts"][0]["status"] == "failed"
    assert said[0]["digest"] == run(load(Path(good))).digest


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_report_without_room_is_named_and_the_verdict_was_told(
    scenario: Callable[..., Scenario],
) -> None:
    for report in ("--html", "--junit"):
        done = lead12(str(scenario(seconds=1).path), report, "/dev/full")
        assert done.exit_code == 2
        assert done.stderr.strip() == "/dev/full: cannot be written (No space left on device)"
        assert "1 passed, 0 failed" in done.stdout


def test_a_disk_that_fills_up_leaves_no_half_report(
    scenario: Callable[..., Scenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tools.whole_file.os.fsync", full)
    good, new, older = str(scenario(seconds=1).path), tmp_path / "new.xml", tmp_path / "older.xml"
    older.write_text("of yesterday")
    for report in (new, older):
        done = lead12(good, "--junit", str(report))
        assert done.exit_code == 2
        assert done.stderr.strip() == f"{report}: cannot be written (No space left on device)"
    assert not new.exists()
    assert older.read_text() == "of yesterday"


def test_wrong_usage(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    good = str(scenario(seconds=1).path)
    assert lead12(good, "--target", "usb").exit_code == 2
    (tmp_path / "file").touch()
    nowhere = lead12(good, "--junit", str(tmp_path / "file" / "hil.xml"))
    assert nowhere.exit_code == 2
    assert "file: cannot be written (File exists)" in nowhere.stderr
    assert nowhere.stdout == ""  # told before anything was run
    unplugged = lead12(good, good, "--target", f"serial:{tmp_path}/ttyNONE")
    assert (unplugged.exit_code, unplugged.stdout) == (2, "")  # once, and nothing was run
    assert "ttyNONE cannot be opened: it is not there; plug the cable in" in unplugged.stderr
    assert lead12(good, "--target", "serial:/dev/null", "--baud", "0").exit_code == 2
    absent = lead12(str(tmp_path / "absent.yaml"))
    assert absent.exit_code == 2
    assert absent.stderr.strip() == (
        f"{tmp_path}/absent.yaml: cannot be read (No such file or directory); check its name"
    )
