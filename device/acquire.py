"""``acquire``: the process that owns the front end and does nothing else.

It reads frames as they come and writes them into the ring. A front end that fails is closed and
opened again with growing pauses; what was lost meanwhile is measured with the clock, counted and
marked as an estimate. Run as ``python -m device.acquire CONFIG`` (a TOML
file, or the JSON the supervisor passes).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from device import config as settings
from device import defects, last_good
from device.config_sections import INJECTED
from device.fault_log import FaultLog
from device.inject_pipe import FrameReceiver, InjectPipeError
from device.notify import notifier
from device.processes import asked_to_stop, logger
from device.ring import RingWriter, WriterState
from device.segment import RingError
from device.source import build_frontend
from hal.clock import Clock, RealClock
from hal.errors import HalError, Reason
from hal.frontend import (
    SAMPLE_NS,
    SAMPLE_RATE_HZ,
    FrameBlock,
    Frontend,
    FrontendConfig,
    FrontendInfo,
)

MAX_FRAMES = 4
READ_TIMEOUT_S = 0.5
RETRY_FIRST_S, RETRY_LONGEST_S = 0.1, 5.0
FRONT_END = "front end"
STEADY_SAMPLES = 5 * SAMPLE_RATE_HZ  # after so many without a fault the pauses start small again
REALTIME_PRIORITY = 50
SWITCH_S = 0.0001  # a simulated patient's thread gives way within a twentieth of a sample
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # sys/mman.h


class Exit(IntEnum):
    """Exit codes; the supervisor restarts after any but these."""

    OK = 0
    NO_SAMPLE = 1  # asked to stop before the front end had given a single one
    USAGE = 2  # bad arguments or a ring that cannot be used: trying again would not help
    DAMAGE = 3  # to the ring while it was written, or a defect: to be started again


class Sink(Protocol):
    """What samples go into: ``RingWriter``, whose members these are."""

    next_index: int
    last_t_ns: int | None

    def write(self, block: FrameBlock, *, estimated: bool = False) -> None: ...

    def describe(self, info: FrontendInfo) -> None: ...

    def say(self, state: WriterState, now_ns: int, fault: str = "") -> None: ...

    def heartbeat(self, now_ns: int) -> None: ...


class Acquisition:
    """Front end to ring, through every fault.

    build : makes a fresh front end for each attempt; log : takes one line per change of state,
        however often it is tried
    ring : takes the samples, and what there is to say of them
    max_frames : asked of the front end at once
    injected : where frames wait that a bench sends, while the front end is closed
    """

    def __init__(
        self,
        build: Callable[[], Frontend],
        config: FrontendConfig,
        ring: Sink,
        clock: Clock,
        log: Callable[[str], None],
        notify: Callable[[str], None] = lambda state: None,
        max_frames: int = MAX_FRAMES,
        injected: FrameReceiver | None = None,
    ) -> None:
        self._injected = injected
        self._max_frames = max_frames
        self._build = build
        self._config = config
        self._ring = ring
        self._clock = clock
        self._log = log
        self._faults = FaultLog(log, clock, " (trying again)")
        self._described = ""  # the front end, as it was told last
        self._notify = notify
        self._shift: int | None = None  # ring index minus the front end's index
        self._samples = 0  # since the front end was started

    def run(self, stopping: Callable[[], bool]) -> Exit:
        """Acquire until ``stopping`` says so, a finite source ends, or the settings are wrong."""
        pause_s = RETRY_FIRST_S
        self._notify("READY=1")  # the ring is there, and tells of faults as well as of samples
        while not stopping():
            self._shift, self._samples = None, 0
            try:
                self._acquire(stopping)
            except HalError as error:
                if error.reason is Reason.END_OF_SIGNAL:
                    self._ring.say(WriterState.ENDED, self._clock.now_ns())
                    self._log("the recording has ended")
                    return Exit.OK
                if self._samples >= STEADY_SAMPLES:
                    pause_s = RETRY_FIRST_S
                self._ring.say(WriterState.FAULT, self._clock.now_ns(), str(error))
                if error.reason is Reason.BAD_CONFIG:
                    self._log(str(error))
                    return Exit.USAGE
                self._faults.say(FRONT_END, str(error))
                self._pause(pause_s, stopping, silent=error.reason is Reason.DATA_READY_TIMEOUT)
                pause_s = min(2 * pause_s, RETRY_LONGEST_S)
        if self._ring.next_index:
            return Exit.OK
        self._log("stopped before the front end gave a sample")
        return Exit.NO_SAMPLE

    def _acquire(self, stopping: Callable[[], bool]) -> None:
        """One life of the front end. Raises HalError when it fails or ends."""
        frontend = self._build()
        try:
            frontend.open()
            info = frontend.configure(self._config)
            frontend.start()
            self._ring.describe(info)
            self._describe(f"{info.detail}, {info.nv_per_count:.3f} nV per count")
            while not stopping():
                self._store(frontend.read(self._max_frames, READ_TIMEOUT_S))
        finally:
            with contextlib.suppress(HalError):  # it may have gone; the first fault is the news
                frontend.stop()
            with contextlib.suppress(HalError):
                frontend.close()

    def _describe(self, told: str) -> None:
        if told != self._described:
            self._log(told)
        self._described = told

    def _store(self, block: FrameBlock) -> None:
        ring = self._ring
        first_of_life = self._shift is None
        if self._shift is None:
            self._shift = ring.next_index + self._lost_since(block) - block.first_index
            self._ring.say(WriterState.RUNNING, self._clock.now_ns())
            self._faults.say(FRONT_END, "")
        first = block.first_index + self._shift
        ring.write(
            FrameBlock(
                first_index=first,
                t_ns=block.t_ns,
                counts=block.counts,
                status=block.status,
                electrodes_off=block.electrodes_off,
                lost_before=first - ring.next_index,
            ),
            estimated=first_of_life,
        )
        before, self._samples = self._samples, self._samples + len(block)
        if before // SAMPLE_RATE_HZ != self._samples // SAMPLE_RATE_HZ:
            self._notify("WATCHDOG=1")
            self._faults.poll()

    def _lost_since(self, block: FrameBlock) -> int:
        """Samples between the ring's newest and this first block of a front end just opened."""
        if self._ring.last_t_ns is None:
            return block.first_index
        elapsed_ns = int(block.t_ns[0]) - self._ring.last_t_ns
        return max(0, round(elapsed_ns / SAMPLE_NS) - 1)

    def _pause(self, seconds: float, stopping: Callable[[], bool], *, silent: bool) -> None:
        """Before the front end is built again; frames after a silence end it."""
        injected = self._injected
        if injected is None:
            self._wait(seconds, stopping)
        elif silent:
            self._wait(seconds, lambda: stopping() or injected.waiting)
        else:
            self._wait(seconds, stopping)
            injected.discard()  # a chip would not have kept them either

    def _wait(self, seconds: float, over: Callable[[], bool]) -> None:
        end_ns = self._clock.now_ns() + round(seconds * 1e9)
        while not over() and (now_ns := self._clock.now_ns()) < end_ns:
            self._ring.heartbeat(now_ns)
            self._notify("WATCHDOG=1")
            self._clock.sleep_until_ns(min(end_ns, now_ns + 200_000_000))


def take_priority() -> str:
    """Real-time priority and locked memory for this process; what was refused, "" when nothing."""
    refused = []
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY))
    except (OSError, AttributeError):  # no permission; not Linux
        refused.append("real-time priority")
    try:
        flags = _MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT  # only what is used, not every mapping
        if ctypes.CDLL(None).mlockall(flags):
            refused.append("locked memory")
    except (OSError, AttributeError):
        refused.append("locked memory")
    if not refused:
        return ""
    return f"no {' and no '.join(refused)}: more samples may be lost when the machine is busy"


def main(arguments: list[str]) -> int:
    """``CONFIG``. Returns an ``Exit`` code."""
    stopping, log = asked_to_stop(), logger("acquire")
    clock = RealClock()
    try:
        given = last_good.read(arguments, last_good.copy_path())
        config = given.config
        ring = RingWriter(settings.ring_path(config), clock.now_ns())
        frames = _injected_frames(config)
    except (settings.ConfigError, RingError, InjectPipeError) as error:
        log(str(error))
        return Exit.USAGE
    for said in filter(None, (given.fault, ring.found)):
        log(said)
    if refused := take_priority():
        log(refused)
    notify = notifier()
    acquisition = Acquisition(
        lambda: build_frontend(config, clock, frames),
        config.frontend.settings(),
        ring,
        clock,
        log,
        notify,
        injected=frames,
    )
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()  # what start-up left is not looked through again between two samples
    try:
        code = acquisition.run(stopping)
    except RingError as error:
        log(str(error))
        code = Exit.DAMAGE
    except Exception as error:
        defects.to_journal(error)
        log(defects.told(error))
        code = Exit.DAMAGE
    ring.close()
    if frames is not None:
        frames.close()
    return code


def _injected_frames(config: settings.Config) -> FrameReceiver | None:
    """Where injected frames arrive; None for another front end."""
    if config.frontend.backend != INJECTED:
        return None
    if not config.serial.port:
        raise settings.ConfigError(
            "frontend injected: frames come over the serial line; name its port, [serial] port"
        )
    return FrameReceiver(settings.inject_path(config))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
