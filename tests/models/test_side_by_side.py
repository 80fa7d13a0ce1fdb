"""Trainings side by side, and whoever ends them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.config import TrainError
from models.side_by_side import side_by_side

PATIENCE_S = 60.0
PARENT = """
import sys
from tests.models.test_side_by_side import hold, quiet
from functools import partial
from models.side_by_side import side_by_side
if __name__ == "__main__":
    side_by_side([partial(hold, sys.argv[1])], 1, quiet)
"""


def quiet(what: str, done: int, total: int) -> None:
    pass


def hold(fifo: str, *, say: Any) -> None:
    """Never end; who reads the pipe sees the end of this process as the end of a file."""
    with open(fifo, "w") as file:
        file.write("here")
        file.flush()
        threading.Event().wait()


def count(number: int, *, say: Any) -> None:
    say("counted", number, 3)


def refuse(what: str, *, say: Any) -> None:
    raise TrainError(what)


def vanish(*, say: Any) -> None:
    os._exit(3)


def full(*named: str, say: Any) -> None:
    raise OSError(28, "Can't synchronously write data, and much more", *named)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_parent_leaves_no_training_behind(how: signal.Signals, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, fifo])
    try:
        assert select.select([reader], [], [], PATIENCE_S)[0]
        assert os.read(reader, 100) == b"here"
        parent.send_signal(how)
        parent.wait(PATIENCE_S)
        assert select.select([reader], [], [], PATIENCE_S)[0]
        assert os.read(reader, 100) == b""
    finally:
        parent.kill()
        os.close(reader)


def test_progress_of_all_is_heard() -> None:
    heard: list[tuple[Any, ...]] = []
    tasks = [partial(count, number) for number in range(3)]
    side_by_side(tasks, 2, lambda *told: heard.append(told))
    assert sorted(heard) == [("counted", number, 3) for number in range(3)]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (partial(refuse, "no such fold"), "no such fold"),
        (vanish, r"a training process died \(3\); start again: finished epochs are kept"),
        (full, "^No space left on device; mend it, and the same command goes on"),
        (partial(full, "runs/x.part"), "^runs/x.part: No space left on device; mend it"),
    ],
)
def test_what_stops_one_is_one_line(task: Any, words: str) -> None:
    with pytest.raises(TrainError, match=words):
        side_by_side([task], 1, quiet)
