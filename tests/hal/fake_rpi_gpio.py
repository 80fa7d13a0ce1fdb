"""A stand-in for the package ``RPi`` with the common ground of RPi.GPIO 0.7.1 and rpi-lgpio 0.6.

Their argument names differ (``channel``, ``chanlist``, ``gpio``), so those are positional here.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from tests.hal.fake_gpiod import Lines


class FakeGpio(ModuleType):
    """``RPi.GPIO``. Call ``fell`` for each edge: it runs the callbacks, as the library's thread."""

    BCM, BOARD = 11, 10
    IN, OUT = 1, 0
    LOW, HIGH = 0, 1
    PUD_OFF, PUD_DOWN, PUD_UP = 20, 21, 22
    RISING, FALLING, BOTH = 31, 32, 33

    def __init__(self, lines: Lines) -> None:
        super().__init__("RPi.GPIO")
        self.wired = lines
        self.refuse: Exception | None = None  # raised by add_event_detect
        self.mode: int | None = None
        self.inputs: dict[int, int] = {}
        self.outputs: set[int] = set()
        self.low: set[int] = set()  # pulled-up inputs that are connected to ground
        self.callbacks: dict[int, Callable[[int], None]] = {}

    def setmode(self, mode: int, /) -> None:
        if self.mode not in (None, mode):
            raise ValueError("A different mode has already been set!")
        self.mode = mode

    def setup(
        self, channel: int, direction: int, /, pull_up_down: int = 20, initial: int | None = None
    ) -> None:
        if self.mode is None:
            raise RuntimeError("Please set pin numbering mode using GPIO.setmode(GPIO.BCM)")
        if direction == self.OUT:
            if pull_up_down != self.PUD_OFF:
                raise ValueError("pull_up_down parameter is not valid for outputs")
            self.outputs.add(channel)
            if initial is not None:
                self.output(channel, initial)
        elif direction == self.IN:
            if initial is not None:
                raise ValueError("initial parameter is not valid for inputs")
            self.inputs[channel] = pull_up_down
        else:
            raise ValueError("An invalid direction was passed to setup()")

    def input(self, channel: int, /) -> int:
        if channel not in self.inputs:
            raise RuntimeError("You must setup() the GPIO channel first")
        return self.LOW if channel in self.low else self.HIGH

    def output(self, channel: int, value: int, /) -> None:
        if channel not in self.outputs:
            raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
        self.wired.drive(channel, bool(value))

    def add_event_detect(
        self,
        channel: int,
        edge: int,
        /,
        callback: Callable[[int], None] | None = None,
        bouncetime: int | None = None,
    ) -> None:
        if channel not in self.inputs:
            raise RuntimeError("You must setup() the GPIO channel as an input first")
        if self.refuse is not None:
            raise self.refuse
        if bouncetime is not None or edge != self.FALLING or callback is None:
            raise AssertionError("DRDY needs every falling edge, and a callback")
        self.callbacks[channel] = callback

    def remove_event_detect(self, channel: int, /) -> None:
        self.callbacks.pop(channel, None)

    def cleanup(self, channels: list[int], /) -> None:
        if not channels:
            raise AssertionError("the library warns: nothing to clean up")
        for channel in channels:
            self.outputs.discard(channel)
            self.inputs.pop(channel, None)

    def fell(self, line: int) -> None:
        self.callbacks[line](line)
