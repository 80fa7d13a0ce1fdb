"""Processes that work side by side, and never outlive the one that started them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any

from device.processes import end_with_parent


@contextmanager
def workers(
    jobs: int,
    begin: Callable[..., None] | None = None,
    *given: Any,
    anew: bool = False,
) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``jobs``, in each of which ``begin(*given)`` is called first.

    Left by an exception, Ctrl-C above all, it ends at once: nobody waits for what is not done.

    anew : each is a new interpreter, with nothing of this process in it
    """
    others = active_children()
    pool = ProcessPoolExecutor(jobs, get_context("spawn" if anew else None), _begin, (begin, given))
    try:
        yield pool
    except BaseException:
        for process in active_children():
            if process not in others:
                process.kill()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C goes to all; one answers
    end_with_parent(signal.SIGKILL)  # there is nothing to save, and nobody to tell
    if begin is not None:
        begin(*given)
