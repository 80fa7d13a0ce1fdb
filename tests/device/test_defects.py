"""What nobody expected: one line for a person, a traceback for the journal only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from device import defects, last_words, monitor
from device.config import Config
from device.display.canvas import Canvas


def caught(*arguments: object) -> Exception:
    try:
        Canvas(*arguments, grey=True)  # type: ignore[arg-type]
    except TypeError as error:
        return error
    raise AssertionError


def test_line_says_what_and_where_of_ours() -> None:
    error = caught("a", "b")
    assert defects.told(error).startswith("TypeError: ")
    assert defects.place(error).startswith("device/display/canvas.py:")
    assert defects.told(error).endswith(f" ({defects.place(error)})")
    assert defects.told(ValueError("several\nlines\n" + 999 * "x")).startswith(
        "ValueError: several lines xxx"
    )
    assert len(defects.told(ValueError(999 * "x"))) == defects.MOST
    assert defects.told(ValueError()) == "ValueError"


def test_traceback_goes_to_the_journal_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = caught("a", "b")
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    defects.to_journal(error)
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")  # of who started the terminal
    defects.to_journal(error)
    assert capfd.readouterr().err == ""
    found = os.fstat(sys.stderr.fileno())
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    defects.to_journal(error)
    assert capfd.readouterr().err.count("Traceback") == 1


def test_monitor_that_breaks_says_so_in_one_line_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the panel's\nthread")

    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(monitor, "open_display", broken)
    assert monitor.main([Config().to_json()]) == 1
    said = capfd.readouterr().err
    assert said.startswith(
        "monitor: RuntimeError: the panel's thread (tests/device/test_defects.py"
    )
    assert said.count("\n") == 1
    assert f"monitor: {last_words.found()}\n" == said


def test_monitor_without_settings_leaves_why_and_the_next_one_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert last_words.found() == ""
    assert monitor.main([str(tmp_path / "none.toml")]) == 2
    assert capfd.readouterr().err == f"monitor: {last_words.found()}\n"
    assert "none.toml: cannot be read" in last_words.found()
    last_words.forget()
    assert last_words.found() == ""


def test_last_words_of_whatever_bytes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / last_words.FILE).write_bytes(b"a\0\x1b[31m\nb\xff" + b" c")
    assert last_words.found() == "a [31m b\ufffd c"
    (tmp_path / last_words.FILE).write_bytes(bytes(1 << 20))
    assert last_words.found() == ""
    (tmp_path / last_words.FILE).unlink()
    (tmp_path / last_words.FILE).mkdir()
    last_words.keep("cannot be kept")
    last_words.forget()
    assert last_words.found() == ""
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    last_words.keep("nowhere")
    assert last_words.found() == ""
