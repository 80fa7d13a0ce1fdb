"""The fuzzer itself: it sees what goes wrong."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.mutate import change_bytes, change_json, change_words, dump
from tests.fuzz.watch import GROWTH_KIB, _queued_s, once, one_line


class Broken:
    """A target with one defect each, told by the input."""

    name = "broken"

    def __init__(self, outside: Path) -> None:
        self._outside = outside

    def seeds(self) -> list[bytes]:
        return [b"abcdef"]

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        return change_bytes(rng, data, other)

    def run(self, data: bytes, folder: Path) -> None:
        (folder / "mine").write_bytes(data)
        match data:
            case b"raise":
                raise KeyError("x")
            case b"hang":
                while True:
                    pass
            case b"hang in a handler":
                while True:
                    try:
                        sum(range(1000))
                    except Exception:
                        continue
            case b"wait":
                time.sleep(60)
            case b"write":
                (self._outside / "x").write_bytes(data)
            case b"open":
                os.close(os.open(folder / ".." / "x", os.O_CREAT | os.O_WRONLY))
            case b"link":
                (folder / "link").symlink_to(self._outside)
                (folder / "link" / "x").write_bytes(data)
            case b"rename":
                (folder / "mine").rename(self._outside / "x")
            case b"start":
                subprocess.run(["true"], check=True)
            case b"long":
                one_line("a\nb")
            case b"read":
                Path("/etc/hostname").read_bytes()
            case b"swallowed":
                with contextlib.suppress(Exception):
                    Path("/etc/hostname").read_bytes()
            case b"grow":
                bytearray(GROWTH_KIB << 11)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"abc", ""),
        (b"raise", "KeyError at test_watch.py"),
        (b"hang", "hangs for more than"),
        (b"hang in a handler", "hangs for more than"),
        (b"write", "open outside its folder"),
        (b"open", "open outside its folder"),
        (b"link", "outside its folder"),
        (b"rename", "rename outside its folder"),
        (b"start", "subprocess.Popen"),
        (b"long", "not one plain line"),
        (b"read", "open outside its folder"),
        (b"swallowed", "open outside its folder"),
        (b"grow", "the process grew by"),
    ],
)
def test_the_fuzzer_sees_what_goes_wrong(
    data: bytes, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzz.watch.HANG_S", 0.2 if b"hang" in data else 10.0)
    wrong = once(Broken(tmp_path), data)
    assert says in wrong
    assert bool(wrong) == bool(says)
    assert list(tmp_path.iterdir()) == []


def test_waiting_is_a_hang_but_waiting_for_a_processor_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued = iter([0.0, 5.0, 9.0, 9.5])  # s: others had the machine when it was looked at twice
    looks = []

    def look() -> float:
        looks.append(next(queued))
        return looks[-1]

    monkeypatch.setattr("tests.fuzz.watch.WAIT_S", 0.05)
    monkeypatch.setattr("tests.fuzz.watch._queued_s", look)
    assert "hangs" in once(Broken(tmp_path), b"wait")
    assert looks == [0.0, 5.0, 9.0, 9.5]
    monkeypatch.undo()
    assert 0 <= _queued_s() < 1e6


def test_without_the_engine_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "sealed", "--seconds", "1"])
    monkeypatch.setattr("tests.fuzz.__main__.find_spec", lambda name: None)
    assert main() == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert shown.err.endswith("make fuzz\n")


def test_changes_are_changes() -> None:
    rng = random.Random(1)
    data = bytes(range(64))
    assert sum(change_bytes(rng, data, data[::-1]) != data for _ in range(100)) > 80
    assert sum(change_words(rng, data, data) != data for _ in range(100)) > 80
    value = {"a": [1, 2.5, None, {"b": "text"}], "c": True}
    was = dump(random.Random(9), value)
    changed = [change_json(rng, value) for _ in range(100)]
    assert dump(random.Random(9), value) == was  # the original is left as it is
    assert sum(one != value for one in changed) > 70
