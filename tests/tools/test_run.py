"""``lead12 run`` and the command line around it: what is refused, in one line each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.test_classify import lead12, record


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "sinus-7000"], "from 20 to 300 bpm"),
        (["--preset", "af-9O"], "did you mean af-90"),
        (["--record", "absent"], "does not exist"),
        (["--preset", "af-90", "--record", "absent"], "give one of them"),
        (["--frontend", "ads1289", "--duration", "1"], "ads1298"),
        (["--display", "oled"], "oled"),
        (["--display", "png:/proc/x/y"], "choose another folder"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--speed", "max", "--frontend", "ads1298"], "cannot run faster"),
        (
            ["--speed", "max", "--serial", "/dev/nosuch"],
            "serial /dev/nosuch: it is not there; plug",
        ),
        (
            ["--speed", "max", "--serial", "/dev/null"],
            "serial /dev/null: it is not a serial port; ",
        ),
        (["--speed", "max", "--model", "absent.l12", "--duration", "1"], "absent.l12"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_a_failure(arguments, said, capsys, tmp_path):
    code, _, err = lead12(capsys, "run", *arguments)
    assert code != 0
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert "Errno" not in err


def test_a_recording_runs_once_and_ends(tmp_path, capfd):
    path = record(tmp_path, "af-90", seconds=14.0)
    code, out, err = lead12(
        capfd, "run", "--record", path, "--speed", "max", "--serial", "-", "--display", "none"
    )
    assert code == 0
    results = [json.loads(line) for line in out.splitlines() if line]
    calls = [r["call"] for r in results if r["type"] == "result"]
    assert calls[-1] == "AFIB"
    assert len(calls) == 14
    assert "14.0 s of signal, 0 samples lost" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("to", "code", "said"),
    [
        ("/dev/full", 1, ["serial -: no room is left for the messages; make some"]),
        ("nobody", 0, []),  # as behind "| head"
    ],
)
def test_messages_that_find_no_room_are_a_failure(to: str, code: int, said: list[str]) -> None:
    starts = "from tools.entry import main; main()"
    command = [sys.executable, "-c", starts, "run", "--speed", "max", "--duration", "5"]
    reader, writer = os.pipe()
    os.close(reader)
    with open(to if to.startswith("/") else os.dup(writer), "wb") as out:
        os.close(writer)
        done = subprocess.run(
            [*command, "--serial", "-", "--display", "none"],
            stdout=out, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == code
    assert done.stderr.splitlines()[1:] == said


def test_the_same_run_gives_the_same_bytes(tmp_path, capfd):
    def once(folder: str) -> tuple[str, list[bytes]]:
        pictures = tmp_path / folder
        _, out, _ = lead12(
            capfd, "run", "--preset", "v3-off", "--speed", "max", "--duration", "18",
            "--serial", "-", "--display", f"png:{pictures}",
        )  # fmt: skip
        return out, [path.read_bytes() for path in sorted(pictures.iterdir())]

    first = once("a")
    assert first == once("b")
    assert len(first[1]) > 10


def test_presets_can_be_listed(capsys):
    code, out, _ = lead12(capsys, "run", "--preset", "list")
    assert code == 0
    assert "af-90" in out
