"""The thread that writes: the instrument hands over and goes on, however slow the disk is."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from device import defects
from device.patient import Patient
from device.records.interface import Why
from device.records.keeper import Keeper
from firmware.alarms import AlarmEvent
from firmware.events import Beat, Call, ElectrodeChange, Event
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock, FrontendInfo

WAITING = 60 * SAMPLE_RATE_HZ  # samples; more are dropped
SLOW_FOR = 60 * SAMPLE_RATE_HZ  # samples after a drop in which it is still told
IDLE_S = 1.0
END_S = 1.5  # for the last writes; then the thread is left behind, for the next start to mend


class RecordWriter:
    """A ``Recorder`` in front of a ``Keeper`` in a thread of its own."""

    def __init__(self, keeper: Keeper, *, most_waiting: int = WAITING) -> None:
        self._keeper = keeper
        self._most = most_waiting
        self._todo: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._waiting = 0  # samples handed over and not taken yet
        self._dropped = 0
        self._slow = 0  # samples for which it is still told
        self._ended = False
        self._defect = ""
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """See Recorder."""
        if self._defect:
            return self._defect
        if self._slow:
            lost_s = self._dropped / SAMPLE_RATE_HZ
            return f"the disk is too slow: {lost_s:.0f} s are not recorded; use a faster one"
        return self._keeper.failure

    @property
    def recording(self) -> bool:
        """See Recorder."""
        return self._keeper.recording and not self._defect

    @property
    def saved_at(self) -> int | None:
        """See Recorder."""
        return self._keeper.saved_at

    def health(self) -> dict[str, Any]:
        """Members of ``storage`` in the health message."""
        health = self._keeper.health()
        health["dropped"] += self._dropped
        health["waiting"] += self._waiting
        return health

    def source(self, info: FrontendInfo, model: str) -> None:
        """See Recorder."""
        self._do(partial(self._keeper.source, info, model))

    def set_patient(self, patient: Patient) -> None:
        """See Recorder."""
        self._do(partial(self._keeper.set_patient, patient))

    def block(self, block: FrameBlock) -> None:
        """See Recorder."""
        self._slow = max(0, self._slow - len(block))
        if self._waiting + len(block) > self._most:
            self._dropped += len(block)
            self._slow = SLOW_FOR
            return
        with self._wake:
            self._waiting += len(block)
            self._todo.append(partial(self._take, block))
            self._wake.notify()

    def event(self, event: Event | AlarmEvent) -> None:
        """See Recorder."""
        if isinstance(event, Beat | Call | ElectrodeChange | AlarmEvent):
            self._do(partial(self._keeper.event, event))

    def snapshot(self, why: Why, index: int) -> None:
        """See Recorder."""
        self._do(partial(self._keeper.snapshot, why, index))

    def close(self) -> None:
        """Write what is here; a disk that takes longer than ``END_S`` is not waited for."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join(END_S)

    def _do(self, act: Callable[[], None]) -> None:
        with self._wake:
            self._todo.append(act)
            self._wake.notify()

    def _take(self, block: FrameBlock) -> None:
        self._keeper.block(block)
        with self._wake:
            self._waiting -= len(block)

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # a defect here must not be silent, nor end the monitor
            defects.to_journal(error)
            self._defect = f"not recording: {defects.told(error)}; restart the monitor"

    def _work(self) -> None:
        while True:
            with self._wake:
                if not self._todo and not self._ended:
                    self._wake.wait(IDLE_S)
                act = self._todo.popleft() if self._todo else None
            if act is not None:
                act()
            elif self._ended:
                break
            else:
                self._keeper.idle()
        self._keeper.close()
