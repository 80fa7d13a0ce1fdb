"""A Raspberry Pi with an ADS1298 on it: fake spidev and GPIO modules, one simulated chip."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Condition
from types import ModuleType

import pytest

from hal import linux_gpio, linux_rpi_gpio
from hal.ads1298.chip import SimulatedChip
from hal.clock import VirtualClock
from hal.linux_gpio import Pins
from tests.hal.fake_gpiod import FakeGpiod
from tests.hal.fake_rpi_gpio import FakeGpio
from tests.hal.fake_spidev import FakeSpidev

BITS_PER_BYTE = 8


class Board:
    """The chip's SPI and lines, as the Pi's modules reach them; every transfer takes its time."""

    def __init__(self, chip: SimulatedChip, clock: VirtualClock, pins: Pins) -> None:
        self._chip = chip
        self._clock = clock
        self._pins = pins
        self._seen = 0  # of the edges since power-on
        self._unread: list[int] = []
        self.on_edge: Callable[[int], None] | None = None
        self.spidev = FakeSpidev(self._exchange)

    def wait_edge(self, timeout_ns: int) -> list[int]:
        """See tests.hal.fake_gpiod.Lines."""
        self._poll()
        if not self._unread:
            deadline = self._clock.now_ns() + timeout_ns
            due = self._chip.edge_ns(self._chip.newest_edge() + 1)
            self._clock.sleep_until_ns(deadline if due is None else min(due, deadline))
            self._poll()
        edges, self._unread = self._unread, []
        return edges

    def drive(self, line: int, high: bool) -> None:
        """See tests.hal.fake_gpiod.Lines."""
        self._poll()
        if line == self._pins.power_down:
            self._chip.set_power_down(not high)
        elif line == self._pins.reset:
            self._chip.set_reset(not high)
        elif line == self._pins.start:
            self._chip.set_start(high)
        else:
            raise AssertionError(f"GPIO {line} is not wired as an output")

    def _exchange(self, mosi: bytes, mode: int, speed_hz: int) -> bytes:
        self._poll()  # edges made so far: a command may end this run of conversions
        byte_ns = BITS_PER_BYTE * 1_000_000_000 // speed_hz
        end_ns = self._clock.now_ns() + len(mosi) * byte_ns
        miso = self._chip.exchange(mosi, mode, byte_ns)
        self._clock.sleep_until_ns(end_ns)
        self._poll()
        return miso

    def _poll(self) -> None:
        before, newest = self._chip.edges_before, self._chip.newest_edge()
        for edge in range(self._seen - before, newest + 1):
            t_ns = self._chip.edge_ns(edge)
            assert t_ns is not None
            self._unread.append(t_ns)
            if self.on_edge is not None:
                self.on_edge(t_ns)
        self._seen = before + newest + 1


def with_gpiod(board: Board, monkeypatch: pytest.MonkeyPatch, dev: Path) -> FakeGpiod:
    """Put ``board`` behind the modules spidev and gpiod; ``dev`` is its empty /dev."""
    fake = FakeGpiod(board)
    monkeypatch.setitem(sys.modules, "spidev", board.spidev)
    monkeypatch.setitem(sys.modules, "gpiod", fake)
    monkeypatch.setattr(linux_gpio, "DEV", dev)
    for name in fake.labels:
        (dev / name).touch()
    return fake


def with_rpi_gpio(board: Board, monkeypatch: pytest.MonkeyPatch, line: int) -> FakeGpio:
    """Put ``board`` behind the modules spidev and RPi.GPIO; DRDY is on ``line``.

    The library's thread becomes part of waiting: virtual time cannot pass in two threads.
    """
    fake = FakeGpio(board)
    package = ModuleType("RPi")
    package.GPIO = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spidev", board.spidev)
    monkeypatch.setitem(sys.modules, "RPi", package)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", fake)
    board.on_edge = lambda t_ns: fake.fell(line) if line in fake.callbacks else None

    class WaitingOnTheBoard(Condition):
        def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
            assert timeout is not None
            if not predicate():
                board.wait_edge(round(timeout * 1e9))
            return predicate()

    monkeypatch.setattr(linux_rpi_gpio, "Condition", WaitingOnTheBoard)
    return fake
