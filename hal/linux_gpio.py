"""DRDY, RESET, PWDN and START on GPIO lines, through libgpiod (v2)."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hal.errors import FrontendError, Reason
from hal.spi import Edge

if TYPE_CHECKING:
    from gpiod.edge_event import EdgeEvent
    from gpiod.line_request import LineRequest
    from gpiod.line_settings import LineSettings

CONSUMER = "lead12"
DEV = Path("/dev")
# The chip behind the 40-pin header: Pi Zero to 3, Pi 4 and 400, Pi 5. Its number is not fixed.
HEADER_CHIP_LABELS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")

GET_GPIO = "install Lead12 again; in a checkout on a Pi: make pi-setup"
GPIO_RIGHTS = (
    "on a device sudo udevadm trigger; else sudo usermod -aG gpio $USER, then log in again"
)

# BCM number -> pin of the 40-pin header
HEADER_PIN = {
    2: 3, 3: 5, 4: 7, 5: 29, 6: 31, 7: 26, 8: 24, 9: 21, 10: 19, 11: 23, 12: 32, 13: 33, 14: 8,
    15: 10, 16: 36, 17: 11, 18: 12, 19: 35, 20: 38, 21: 40, 22: 15, 23: 16, 24: 18, 25: 22,
    26: 37, 27: 13,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pins:
    """BCM numbers of the ADS1298's lines, as in docs/wiring.md; None where the board ties one.

    The defaults leave SPI1, I2C1, GPIO 5 and 6 and the serial port to the display and the host.
    """

    data_ready: int = 22
    reset: int | None = 27
    power_down: int | None = 17
    start: int | None = 23

    def outputs(self) -> tuple[int, ...]:
        """The lines that are wired and driven by the Pi."""
        lines = (self.power_down, self.reset, self.start)
        return tuple(line for line in lines if line is not None)


def find_header_chip() -> str:
    """Path of the GPIO chip behind the header, found by its label.

    Raises FrontendError NOT_FOUND (none of ``HEADER_CHIP_LABELS``) or PERMISSION.
    """
    gpiod = import_gpiod()
    labels = []
    refused = None
    for path in sorted(DEV.glob("gpiochip*")):
        try:
            with gpiod.Chip(str(path)) as chip:
                label = chip.get_info().label
        except PermissionError as error:
            refused = error
            continue
        if label in HEADER_CHIP_LABELS:
            return str(path)
        labels.append(label)
    if refused is not None:
        raise FrontendError(
            Reason.PERMISSION,
            "no permission for the GPIO chips",
            act=GPIO_RIGHTS,
        ) from refused
    found = f"only {', '.join(labels)}" if labels else "none"
    raise FrontendError(
        Reason.NOT_FOUND,
        f"no GPIO chip of a Raspberry Pi header ({found} found)",
        act="run this on the Pi, or use the simulated front end",
    )


class GpiodDataReady:
    """The DRDY line: falling edges numbered and stamped (CLOCK_MONOTONIC) by the kernel.

    The kernel's own number goes on when its event queue overflows, so no loss goes unseen.
    """

    def __init__(self, chip: str, line: int) -> None:
        gpiod = import_gpiod()
        self._request = request_lines(
            chip,
            {
                line: gpiod.LineSettings(
                    direction=gpiod.line.Direction.INPUT,
                    edge_detection=gpiod.line.Edge.FALLING,
                    # An unpowered or absent chip must not look like edges.
                    bias=gpiod.line.Bias.PULL_UP,
                    event_clock=gpiod.line.Clock.MONOTONIC,
                )
            },
        )
        self._last_seqno = 0  # the kernel counts from 1
        self._first_seqno = 1

    def wait(self, timeout_ns: int) -> Edge | None:
        """See hal.spi.DataReady."""
        newest = self._newest(timeout_ns / 1e9)
        if newest is None:
            return None
        return Edge(newest.line_seqno - self._first_seqno, newest.timestamp_ns)

    def reset(self) -> None:
        self._newest(0.0)
        self._first_seqno = self._last_seqno + 1

    def close(self) -> None:
        self._request.release()

    def _newest(self, timeout_s: float) -> EdgeEvent | None:
        newest: EdgeEvent | None = None
        while self._request.wait_edge_events(timeout_s):
            newest = self._request.read_edge_events()[-1]
            self._last_seqno = newest.line_seqno
            timeout_s = 0.0
        return newest


class GpiodPins:
    """PWDN and RESET (active low) and START (active high), released at first."""

    def __init__(self, chip: str, pins: Pins) -> None:
        gpiod = import_gpiod()
        value = gpiod.line.Value
        self._value = {False: value.INACTIVE, True: value.ACTIVE}
        self._pins = pins
        self._request: LineRequest | None = None
        if pins.outputs():
            self._request = request_lines(
                chip,
                {
                    line: gpiod.LineSettings(
                        direction=gpiod.line.Direction.OUTPUT,
                        active_low=line != pins.start,
                        output_value=value.INACTIVE,
                    )
                    for line in pins.outputs()
                },
            )

    def power_down(self, asserted: bool) -> None:
        self._set(self._pins.power_down, asserted)

    def reset(self, asserted: bool) -> None:
        self._set(self._pins.reset, asserted)

    def start(self, asserted: bool) -> None:
        self._set(self._pins.start, asserted)

    def close(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None

    def _set(self, line: int | None, asserted: bool) -> None:
        if line is not None and self._request is not None:
            self._request.set_value(line, self._value[asserted])


def import_gpiod() -> ModuleType:
    """The package. Raises FrontendError NOT_FOUND."""
    try:
        import gpiod
    except ImportError as error:
        raise FrontendError(
            Reason.NOT_FOUND,
            "the Python package gpiod is not installed",
            act=GET_GPIO,
        ) from error
    return gpiod


def request_lines(
    chip: str, lines: dict[int, LineSettings], *, event_buffer_size: int | None = None
) -> LineRequest:
    """Lines of ``chip`` for this program alone. Raises FrontendError PERMISSION or BUS."""
    names = ", ".join(f"GPIO {line}" for line in lines)
    try:
        request: LineRequest = import_gpiod().request_lines(
            chip, config=lines, consumer=CONSUMER, event_buffer_size=event_buffer_size
        )
        return request
    except PermissionError as error:
        raise FrontendError(
            Reason.PERMISSION,
            f"no permission for {chip}",
            act=GPIO_RIGHTS,
        ) from error
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise FrontendError(
                Reason.BUS,
                f"{names} of {chip}: another program holds a line",
                act="gpioinfo says which (sudo apt install gpiod); stop it",
            ) from error
        raise FrontendError(
            Reason.BUS, f"{chip} refused {names}: {error.strerror}", act="check the pin numbers"
        ) from error
