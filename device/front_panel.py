"""Buttons, alarm lights and buzzer on their lines, and the keys of a terminal.

Lines that cannot be had are told and tried again every 5 s; the monitor goes on without them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Generic, TypeVar

from device.buttons import Buttons, Press
from device.config import Config
from device.config_sections import NO_LINE, ButtonsSection, IndicatorsSection
from device.controls import Button
from device.indicators import Indicators, Shown
from device.keyboard import Keys
from firmware.findings import Priority
from hal.errors import HalError
from hal.linux_gpio import find_header_chip
from hal.linux_panel import GpiodButtons, GpiodOutputs
from hal.linux_rpi_panel import RpiGpioButtons, RpiGpioOutputs
from hal.panel_lines import ButtonLines, OutputLines

AGAIN_NS = 5_000_000_000
_RPI_GPIO = "ads1298-rpigpio"  # the front end of boards that have no libgpiod 2


def wired(section: ButtonsSection | IndicatorsSection) -> dict[str, int]:
    """The lines that a section of the settings names: its key -> BCM number."""
    return {name: line for name, line in asdict(section).items() if line != NO_LINE}


def open_buttons(config: Config) -> ButtonLines:
    """Take the lines of ``[buttons]``. Raises HalError."""
    lines = wired(config.buttons).values()
    if config.frontend.backend == _RPI_GPIO:
        return RpiGpioButtons(lines)
    return GpiodButtons(find_header_chip(), lines)


def open_outputs(config: Config) -> OutputLines:
    """Take the lines of ``[indicators]``. Raises HalError."""
    lines = wired(config.indicators).values()
    if config.frontend.backend == _RPI_GPIO:
        return RpiGpioOutputs(lines)
    return GpiodOutputs(find_header_chip(), lines)


_L = TypeVar("_L", ButtonLines, OutputLines)


class _Part(Generic[_L]):
    """Lines that are opened, lost and opened again.

    new : nothing was done with them since they were opened
    """

    def __init__(self, lines: Mapping[str, int], opener: Callable[[], _L]) -> None:
        self.lines = lines
        self.failure = ""
        self.new = True
        self._opener: Callable[[], _L] = opener
        self._opened: _L | None = None
        self._again_ns = 0

    def take(self, now_ns: int) -> _L | None:
        """The lines; None while they cannot be had, or when there are none."""
        if self._opened is None and self.lines and now_ns >= self._again_ns:
            try:
                self._opened, self.new, self.failure = self._opener(), True, ""
            except HalError as error:
                self.lose(error, now_ns)
        return self._opened

    def lose(self, error: HalError, now_ns: int) -> None:
        """They do not work; they are tried again in a while."""
        self.failure = str(error)
        self._again_ns = now_ns + AGAIN_NS
        self.close()

    def close(self) -> None:
        """Give them back."""
        if self._opened is not None:
            with contextlib.suppress(HalError):
                self._opened.close()
            self._opened = None


class FrontPanel:
    """What hands do, and what the alarms light up and sound; never waits.

    keys : of a terminal, beside the buttons
    """

    def __init__(self, config: Config, keys: Keys | None = None) -> None:
        self._keys = keys
        self._in: _Part[ButtonLines] = _Part(wired(config.buttons), lambda: open_buttons(config))
        self._out: _Part[OutputLines] = _Part(
            wired(config.indicators), lambda: open_outputs(config)
        )
        self._names = {line: Button(name) for name, line in self._in.lines.items()}
        self._buttons = Buttons()
        self._indicators = Indicators()
        self._shown = Shown()

    @property
    def faults(self) -> dict[str, str]:
        """Part -> what is wrong with it now, "" while it is well; parts that are wired only."""
        found = {}
        if self._in.lines:
            stuck = " and ".join(button.upper() for button in self._buttons.stuck)
            said = f"button {stuck} is stuck: free it, or look for a short circuit" if stuck else ""
            found["buttons"] = self._in.failure or said
        if self._out.lines:
            found["indicators"] = self._out.failure
        return found

    def presses(self, now_ns: int) -> list[Press]:
        """What was pressed since the last call."""
        found = self._keys.read() if self._keys is not None else []
        return found + self._pressed(now_ns)

    def _pressed(self, now_ns: int) -> list[Press]:
        lines = self._in.take(now_ns)
        if lines is None:
            return []
        try:
            contacts = lines.read(now_ns)
        except HalError as error:
            self._in.lose(error, now_ns)
            return []
        if self._in.new:
            self._in.new = False
            self._buttons = Buttons()
            closed = {self._names[c.line]: c.closed for c in contacts}
            self._buttons.found_down([button for button, is_so in closed.items() if is_so], now_ns)
            return []
        found = []
        for contact in contacts:
            found += self._buttons.push(self._names[contact.line], contact.closed, contact.t_ns)
        return found + self._buttons.pass_time(now_ns)

    def show(self, now_ns: int, *, lit: Priority | None, heard: Priority | None) -> None:
        """Light up and sound: the gravest alarm there is, and the gravest that is heard."""
        lines = self._out.take(now_ns)
        if lines is None:
            return
        shown = self._indicators.at(now_ns, lit=lit, heard=heard)
        if self._out.new:
            self._out.new = False
            self._shown = Shown()  # as lines are that were just taken
        before, after = asdict(self._shown), asdict(shown)
        try:
            for name, line in self._out.lines.items():
                if after[name] is not before[name]:
                    lines.set(line, after[name])
        except HalError as error:
            self._out.lose(error, now_ns)
        self._shown = shown

    def close(self) -> None:
        """All off; the lines are others' again."""
        self._in.close()
        self._out.close()
