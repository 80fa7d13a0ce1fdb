"""The instrument's processes, on one screen. On the device systemd starts the same modules.

acquire   owns the front end, writes the ring; real-time priority where allowed
monitor   reads the ring; pipeline, network, screen, serial line; may die at any time
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """How one process is started and what is done when it dies.

    at_bedside : inherits the supervisor's ends of the pseudo-terminal and of the keyboard
    """

    name: str
    module: str
    at_bedside: bool = False


PROCESSES = (
    Process("acquire", "device.acquire"),
    Process("monitor", "device.monitor", at_bedside=True),
)

RESTARTS, WITHIN_S = 5, 180.0  # more deaths of one process than that: give up and say so
STOP_S = 3.0  # to end after SIGTERM, then SIGKILL
START_S = 90.0  # until READY=1, and
WATCHDOG_S = 10.0  # between two WATCHDOG=1, else SIGKILL and a new start: as systemd does it
EXIT_USAGE = 2  # a process that ends with this would end so again: not restarted

_PR_SET_PDEATHSIG = 1  # sys/prctl.h

# Linear algebra is not what these processes do; its thread pools would only take memory.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def end_with_parent(by: signal.Signals = signal.SIGTERM) -> None:
    """In a child, before it runs: ``by`` when its parent dies, however it dies (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)


def asked_to_stop() -> Callable[[], bool]:
    """From now on SIGTERM and SIGINT end nothing, but the answer becomes true."""
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        asked = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return lambda: asked


def logger(name: str) -> Callable[[str], None]:
    """A process's lines for the journal: to standard error, each with its name."""
    return lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True)
