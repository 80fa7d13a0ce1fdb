"""A network that takes longer than a second, run beside the monitor, which never waits for it."""

from __future__ import annotations

import contextlib
import os
import threading

import numpy as np
from numpy.typing import NDArray

from device.explaining import NICENESS
from firmware.model_window import AtOnce, Runner, Shown
from firmware.network import Network


class Behind(Runner):
    """One run at a time, in a thread; a tensor that comes while one is at work is left out."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._busy: threading.Thread | None = None
        self._lock = threading.Lock()
        self._asked = 0  # raised by ``forget``: what was asked before counts no longer
        self._newest: Shown | Exception | None = None

    def begin(self, shown: NDArray[np.int8], end: int) -> None:
        """Begin, unless the one before is still at work; returns at once."""
        if self._busy is not None and self._busy.is_alive():
            return
        self._busy = threading.Thread(
            target=self._run, args=(shown, end, self._asked), name="network", daemon=True
        )
        self._busy.start()

    def newest(self) -> Shown | None:
        """Of the run that ended last."""
        with self._lock:
            if isinstance(self._newest, Exception):
                raise self._newest
            return self._newest

    def forget(self) -> None:
        """A run that is still at work ends for nothing."""
        with self._lock:
            self._asked += 1
            self._newest = None

    def _run(self, shown: NDArray[np.int8], end: int, asked: int) -> None:
        with contextlib.suppress(OSError, AttributeError):  # where the system allows
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        found: Shown | Exception
        try:
            found = Shown(shown, end, self._network.run(shown))
        except Exception as error:  # for whoever asks, in its own thread
            found = error
        with self._lock:
            if asked == self._asked:
                self._newest = found


def live(network: Network) -> Runner:
    """How a monitor runs a network: beside itself where that is to be expected to take long."""
    return AtOnce(network) if network.bundle.input.every_s == 1 else Behind(network)
