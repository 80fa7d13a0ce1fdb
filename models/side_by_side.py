"""Trainings in processes of their own, each with an interpreter and an arena of its own."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from queue import Empty
from typing import Any

from models.config import TrainError
from models.run_folder import first_line
from models.train import Progress


def side_by_side(tasks: list[Callable[..., None]], jobs: int, say: Progress) -> None:
    """Run the tasks in processes of their own; their progress is shown as it comes.

    Raises TrainError in one line with what stopped a task; the others are ended.
    """
    context = multiprocessing.get_context("spawn")
    news: Any = context.Queue()
    waiting, running = list(tasks), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(
                    context.Process(target=_reporting, args=(waiting.pop(0), news), daemon=True)
                )
                running[-1].start()
            try:
                told = news.get(timeout=0.5)
            except Empty:
                told = None
            if isinstance(told, str):
                raise TrainError(told)
            if told:
                say(*told)
            for process in [process for process in running if not process.is_alive()]:
                running.remove(process)
                if process.exitcode:
                    raise TrainError(
                        f"a training process died ({process.exitcode}); start again: finished "
                        "epochs are kept"
                    )
    finally:
        for process in running:
            process.terminate()


def _reporting(task: Callable[..., None], news: Any) -> None:
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        task(say=lambda *told: news.put(told))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else first_line(error)
        file = f"{error.filename}: " if error.filename else ""
        news.put(f"{file}{why}; mend it, and the same command goes on")
        raise SystemExit(0) from None
    except ValueError as error:  # DataError and TrainError among them
        news.put(str(error))
        raise SystemExit(0) from None


def _end_with_the_parent() -> None:
    """Whoever kills `lead12 train` and starts it again has one training, not two in one folder."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # it was spawned
    parent.join()
    os._exit(1)
