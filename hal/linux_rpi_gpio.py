"""DRDY and control lines through the RPi.GPIO API, for boards without libgpiod 2.

Works with RPi.GPIO and with rpi-lgpio, which provides the same module (install one of them,
never both). Edges are numbered by a callback thread of this process: edges that the kernel or
a starved thread merged into one are not seen, and losses can be undercounted. Prefer
``hal.linux_gpio``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from types import ModuleType

from hal.clock import Clock
from hal.errors import FrontendError, Reason
from hal.linux_gpio import GPIO_RIGHTS, Pins
from hal.spi import Edge


class RpiGpioDataReady:
    """The DRDY line; edges are stamped when their callback runs."""

    def __init__(self, line: int, clock: Clock) -> None:
        self._gpio = import_rpi_gpio()
        self._line = line
        self._closed = False
        self._clock = clock
        self._changed = Condition()
        self._edges = 0
        self._newest: Edge | None = None
        with refusals(line):
            self._gpio.setup(line, self._gpio.IN, pull_up_down=self._gpio.PUD_UP)
            self._gpio.add_event_detect(line, self._gpio.FALLING, callback=self._fell)

    def wait(self, timeout_ns: int) -> Edge | None:
        """See hal.spi.DataReady."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None, timeout_ns / 1e9)
            newest, self._newest = self._newest, None
            return newest

    def reset(self) -> None:
        with self._changed:
            self._edges = 0
            self._newest = None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._gpio.remove_event_detect(self._line)
            self._gpio.cleanup([self._line])

    def _fell(self, line: int) -> None:
        t_ns = self._clock.now_ns()
        with self._changed:
            self._newest = Edge(self._edges, t_ns)
            self._edges += 1
            self._changed.notify()


class RpiGpioPins:
    """PWDN and RESET (active low) and START (active high), released at first."""

    def __init__(self, pins: Pins) -> None:
        self._gpio = import_rpi_gpio()
        self._pins = pins
        self._closed = False
        for line in pins.outputs():
            level = self._gpio.LOW if line == pins.start else self._gpio.HIGH
            with refusals(line):
                self._gpio.setup(line, self._gpio.OUT, initial=level)

    def power_down(self, asserted: bool) -> None:
        self._set(self._pins.power_down, not asserted)

    def reset(self, asserted: bool) -> None:
        self._set(self._pins.reset, not asserted)

    def start(self, asserted: bool) -> None:
        self._set(self._pins.start, asserted)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._pins.outputs():
                self._gpio.cleanup(list(self._pins.outputs()))

    def _set(self, line: int | None, high: bool) -> None:
        if line is not None and not self._closed:
            self._gpio.output(line, self._gpio.HIGH if high else self._gpio.LOW)


def import_rpi_gpio() -> ModuleType:
    """``RPi.GPIO`` set to BCM numbers; away from a Pi its import, or setmode, fails."""
    try:
        from RPi import GPIO

        GPIO.setmode(GPIO.BCM)
    except Exception as error:  # rpi-lgpio lets lgpio's own class through
        raise FrontendError(
            Reason.NOT_FOUND,
            f"RPi.GPIO cannot be used here: {error}",
            act="use the back-end ads1298 (libgpiod), or rpi-lgpio on a Pi: docs/boards.md",
        ) from error
    return GPIO  # type: ignore[no-any-return]


@contextmanager
def refusals(line: int) -> Iterator[None]:
    """Name the line, and what to do, in whatever the library raises."""
    try:
        yield
    except Exception as error:
        if "/dev/mem" in str(error):
            reason, act = Reason.PERMISSION, GPIO_RIGHTS
        elif "busy" in str(error):
            reason, act = Reason.BUS, "stop the program that holds the line"
        else:
            reason = Reason.BUS
            act = "use the back-end ads1298 (libgpiod), or rpi-lgpio for RPi.GPIO: docs/boards.md"
        raise FrontendError(reason, f"GPIO {line}: {error}", act=act) from error
