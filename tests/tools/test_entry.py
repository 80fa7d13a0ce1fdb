"""Where ``lead12`` begins, and how it is stopped."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tools import cli

HEADER = "# rate_hz=500\nI_mV,II_mV,V1_mV,V2_mV,V3_mV,V4_mV,V5_mV,V6_mV\n"


@pytest.mark.parametrize("where", ["tools.cli", "tools.listen"])
def test_ctrl_c_while_lead12_starts_is_one_line(where: str) -> None:
    starts = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {where!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "sys.argv = ['lead12', 'listen', '/dev/ttyNONE']\n"
        "from tools.entry import main\n"
        "assert not {'typer', 'numpy'} & {*sys.modules}\n"
        "main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", starts], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "lead12: stopped\n")


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' PR_SET_PDEATHSIG")
def test_workers_do_not_outlive_a_command_that_is_killed(tmp_path: Path) -> None:
    running, _ = classifying(tmp_path)
    running.kill()
    try:
        _, said = running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("a worker still holds the pipes")
    assert said == ""


def test_it_tells_its_version() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"lead12 {metadata.version('lead12')}\n")


@pytest.mark.parametrize(
    ("number", "act"), [(errno.EROFS, "name another place"), (errno.ENOSPC, "make room")]
)
def test_a_disk_that_takes_nothing_is_told_with_what_to_do(
    number: int, act: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app() -> None:
        raise OSError(number, os.strerror(number), "/mnt/page.pdf")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"/mnt/page.pdf: {os.strerror(number)}; " in line
    assert act in line


def test_a_sentence_of_ours_is_all_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app() -> None:
        raise FileNotFoundError(errno.ENOENT, "holds no records; name another folder", "/mnt")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == "lead12: /mnt: holds no records; name another folder\n"


def test_the_command_begins_where_ctrl_c_is_expected() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="lead12")
    assert command.value == "tools.entry:main"


def classifying(folder: Path) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """``lead12 classify`` of many files by two workers, and its first line."""
    file = folder / "0.csv"
    file.write_text(HEADER + 5000 * "0,0,0,0,0,0,0,0\n")
    starts = "from tools.entry import main; main()"
    command = [sys.executable, "-c", starts, "classify", *[file] * 500, "--json", "--jobs", "2"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    return running, json.loads(running.stdout.readline())


def test_sigterm_ends_a_command_and_all_its_processes(tmp_path: Path) -> None:
    running, first = classifying(tmp_path)
    assert first["record"] == "0"
    running.terminate()
    try:
        rest, said = running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("a process of its own still holds the pipes")
    assert (running.returncode, said) == (143, "lead12: stopped\n")
    assert len(rest.splitlines()) < 499


WAITING = r"""
import os, signal
from tools import cli, entry
from tools.workers import workers

def work(n):
    os.write(1, b"begun\n")
    signal.pause()

def main():
    with workers(2) as pool:
        running = [pool.submit(work, n) for n in range(10)]
        os.write(1, b"begun\n")
        for one in running:
            one.result()

cli.main = main
entry.main()
"""


def test_ctrl_c_ends_work_that_nobody_waits_for_any_more() -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert [running.stdout.readline() for _ in range(3)] == ["begun\n"] * 3
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    try:
        _, said = running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        pytest.fail("the rest of the work was waited for")
    assert (running.returncode, said) == (130, "lead12: stopped\n")


def test_a_library_that_is_not_there_is_named_and_a_defect_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacks(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr(cli, "app", lambda: lacks("psutil"))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lead12: psutil is not installed here; run: make dev")
    monkeypatch.setattr(cli, "app", lambda: lacks("device.nowhere"))
    with pytest.raises(ModuleNotFoundError):
        cli.main()


@pytest.mark.parametrize(
    "asked",
    [("run", "--duration"), ("hil", "capture", "x.l12cap", "--duration"),
     ("hil", "vcd", "x.l12cap", "-o", "x.vcd", "--from")],
)  # fmt: skip
@pytest.mark.parametrize("seconds", ["inf", "1e300", "nan"])
def test_more_seconds_than_there_are_is_a_mistake_of_the_command(
    asked: tuple[str, ...], seconds: str
) -> None:
    done = CliRunner().invoke(cli.app, [*asked, seconds])
    assert done.exit_code == 2
    assert "Invalid value" in done.stderr
