"""Buttons, lights and buzzer on GPIO lines, through libgpiod (v2)."""

from __future__ import annotations

from collections.abc import Iterable

from hal.errors import FrontendError, Reason
from hal.linux_gpio import import_gpiod, request_lines
from hal.panel_lines import Contact

EDGES = 64  # that the kernel keeps for us between two looks; a train of bounces has a few dozen


class GpiodButtons:
    """Both edges of each line, stamped by the kernel; when its queue is full the oldest are lost.

    The level is read as well: a button that was down before has made no edge.
    """

    def __init__(self, chip: str, lines: Iterable[int]) -> None:
        gpiod = import_gpiod()
        self._falling = gpiod.EdgeEvent.Type.FALLING_EDGE
        self._low = gpiod.line.Value.INACTIVE
        self._lines = tuple(lines)
        self._closed = dict.fromkeys(self._lines, False)
        self._request = request_lines(
            chip,
            {
                line: gpiod.LineSettings(
                    direction=gpiod.line.Direction.INPUT,
                    edge_detection=gpiod.line.Edge.BOTH,
                    bias=gpiod.line.Bias.PULL_UP,
                    event_clock=gpiod.line.Clock.MONOTONIC,
                )
                for line in self._lines
            },
            event_buffer_size=EDGES,
        )

    def read(self, now_ns: int) -> list[Contact]:
        """See hal.panel_lines.ButtonLines."""
        found = []
        try:
            while self._request.wait_edge_events(0):
                for edge in self._request.read_edge_events():
                    closed = edge.event_type is self._falling
                    found.append(Contact(edge.line_offset, closed, edge.timestamp_ns))
                    self._closed[edge.line_offset] = closed
            levels = self._request.get_values(self._lines)
        except OSError as error:
            raise FrontendError(
                Reason.BUS, f"the buttons' lines cannot be read: {error.strerror}"
            ) from error
        for line, level in zip(self._lines, levels, strict=True):
            if (level is self._low) is not self._closed[line]:
                self._closed[line] = level is self._low
                found.append(Contact(line, self._closed[line], now_ns))
        return found

    def close(self) -> None:
        """Release the lines; once."""
        self._request.release()


class GpiodOutputs:
    """Lines driven high for on."""

    def __init__(self, chip: str, lines: Iterable[int]) -> None:
        gpiod = import_gpiod()
        self._value = {False: gpiod.line.Value.INACTIVE, True: gpiod.line.Value.ACTIVE}
        self._lines = tuple(lines)
        self._request = request_lines(
            chip,
            {
                line: gpiod.LineSettings(
                    direction=gpiod.line.Direction.OUTPUT,
                    output_value=gpiod.line.Value.INACTIVE,
                )
                for line in self._lines
            },
        )

    def set(self, line: int, on: bool) -> None:
        """See hal.panel_lines.OutputLines."""
        try:
            self._request.set_value(line, self._value[on])
        except OSError as error:
            raise FrontendError(
                Reason.BUS, f"GPIO {line} cannot be driven: {error.strerror}"
            ) from error

    def close(self) -> None:
        """All off, and release them; once."""
        try:
            for line in self._lines:
                self.set(line, False)
        finally:
            self._request.release()
