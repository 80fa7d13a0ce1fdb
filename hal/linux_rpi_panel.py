"""Buttons, lights and buzzer through the RPi.GPIO API, for boards without libgpiod 2.

Buttons are looked at, not listened to: what closes and opens between two looks is not seen. Prefer
``hal.linux_panel``.
"""

from __future__ import annotations

from collections.abc import Iterable

from hal.linux_rpi_gpio import import_rpi_gpio, refusals
from hal.panel_lines import Contact


class RpiGpioButtons:
    """The level of each line at each look."""

    def __init__(self, lines: Iterable[int]) -> None:
        self._gpio = import_rpi_gpio()
        self._closed: dict[int, bool] = {}
        for line in lines:
            with refusals(line):
                self._gpio.setup(line, self._gpio.IN, pull_up_down=self._gpio.PUD_UP)
            self._closed[line] = False

    def read(self, now_ns: int) -> list[Contact]:
        """See hal.panel_lines.ButtonLines."""
        found = []
        for line, before in self._closed.items():
            with refusals(line):
                closed = self._gpio.input(line) == self._gpio.LOW
            if closed is not before:
                self._closed[line] = closed
                found.append(Contact(line, closed, now_ns))
        return found

    def close(self) -> None:
        """Release the lines; safe to call twice."""
        if self._closed:
            self._gpio.cleanup(list(self._closed))
            self._closed = {}


class RpiGpioOutputs:
    """Lines driven high for on."""

    def __init__(self, lines: Iterable[int]) -> None:
        self._gpio = import_rpi_gpio()
        self._lines: list[int] = []
        for line in lines:
            with refusals(line):
                self._gpio.setup(line, self._gpio.OUT, initial=self._gpio.LOW)
            self._lines.append(line)

    def set(self, line: int, on: bool) -> None:
        """See hal.panel_lines.OutputLines."""
        with refusals(line):
            self._gpio.output(line, self._gpio.HIGH if on else self._gpio.LOW)

    def close(self) -> None:
        """All off, and release them; safe to call twice."""
        if self._lines:
            for line in self._lines:
                self.set(line, False)
            self._gpio.cleanup(self._lines)
            self._lines = []
