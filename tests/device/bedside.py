"""A ring that the test writes, and monitors on it whose serial line the test reads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from device.config import Config
from device.last_good import LastGood
from device.monitor import Monitor
from device.ring import RingReader, RingWriter, WriterState
from hal.clock import RealClock
from hal.frontend import FrameBlock, FrontendInfo
from tests.device.host import Host, Wire

DISPLAY_NONE = {"display.device": "none"}


def part(block: FrameBlock, first: int, last: int, lost: int = 0) -> FrameBlock:
    """Samples first..last-1, as if they were ``lost`` indices later."""
    rows = slice(first, last)
    return FrameBlock(
        first + lost, block.t_ns[rows], block.counts[rows], block.status[rows],
        block.electrodes_off[rows], lost,
    )  # fmt: skip


def processed(path: Path) -> int:
    """Samples, as the monitor has committed them."""
    with contextlib.closing(RingReader(path)) as ring:
        return ring.account.processed


class Bedside:
    """A ring whose writer is the test, and monitors on it whose serial line the test reads."""

    def __init__(self, path: Path, info: FrontendInfo | None) -> None:
        self.path = path
        self.writer = RingWriter(path, RealClock().now_ns())
        if info is not None:
            self.writer.describe(info)
        self.hosts: list[Host] = []
        self._wires: list[Wire] = []

    def write(self, block: FrameBlock) -> None:
        self.writer.write(block)
        self.writer.heartbeat(RealClock().now_ns())

    def end(self) -> None:
        self.writer.say(WriterState.ENDED, RealClock().now_ns())

    def logged_monitor(self, **settings: Any) -> tuple[Monitor, list[str]]:
        """One whose log is a list."""
        log: list[str] = []
        return self.monitor(log=log.append, **settings), log

    def monitor(
        self,
        given: LastGood | None = None,
        log: Callable[[str], None] = lambda line: None,
        **settings: Any,
    ) -> Monitor:
        wire = Wire()
        self._wires.append(wire)
        self.hosts.append(wire.host)
        port = f"fd:{wire.device_fd}"
        changes = {"ring.path": str(self.path), "serial.port": port, **DISPLAY_NONE, **settings}
        config = Config().override(changes)
        return Monitor(config, RealClock(), lambda state: None, log, given=given)

    def account(self) -> tuple[int, int]:
        """Processed and lost, as committed."""
        reader = RingReader(self.path)
        account = reader.account
        reader.close()
        return account.processed, account.lost

    def until(self, kind: str, **members: object) -> Callable[[], bool]:
        """Stops a monitor when its host has heard such a message."""

        def heard() -> bool:
            self.hosts[-1].read()
            return bool(self.hosts[-1].of(kind, **members))

        return heard


def until_all(steps: Iterator[Callable[[], bool]]) -> Callable[[], bool]:
    """Stops a monitor when one condition after the other has been met."""
    condition = next(steps)

    def stopping() -> bool:
        nonlocal condition
        if condition():
            try:
                condition = next(steps)
            except StopIteration:
                return True
        return False

    return stopping
