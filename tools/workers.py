"""Processes that work side by side, and never outlive the one that started them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from device.processes import end_with_parent


def workers(
    jobs: int,
    begin: Callable[..., None] | None = None,
    *given: Any,
    anew: bool = False,
) -> ProcessPoolExecutor:
    """A pool of ``jobs``, in each of which ``begin(*given)`` is called first.

    anew : each is a new interpreter, with nothing of this process in it
    """
    return ProcessPoolExecutor(jobs, get_context("spawn" if anew else None), _begin, (begin, given))


def _begin(begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    end_with_parent(signal.SIGKILL)  # there is nothing to save, and nobody to tell
    if begin is not None:
        begin(*given)
