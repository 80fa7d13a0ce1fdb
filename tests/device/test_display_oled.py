"""luma's real drivers over a recording bus: the bytes decode back to exactly the image drawn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from device.display.example import BLOCK, make_call, patient
from device.display.gallery import states
from device.display.oled import CONTROLLERS, Oled
from device.display.outputs import DisplayError, open_display
from device.display.screens import Frame, render
from device.display.state import ScreenState
from firmware.events import Trace

Bus = list[tuple[str, list[int]]]


@cache
def every_state() -> tuple[tuple[str, ScreenState], ...]:
    """The gallery's, made once: drawing changes nothing in them."""
    return tuple(states())


class RecordingBus:
    """What luma asks of a serial interface: command, data, cleanup."""

    def __init__(self) -> None:
        self.sent: Bus = []
        self.broken = False
        self.cleaned = 0

    def command(self, *codes: int) -> None:
        self._send("command", list(codes))

    def data(self, payload: list[int]) -> None:
        self._send("data", list(payload))

    def _send(self, kind: str, payload: list[int]) -> None:
        if self.broken:
            raise OSError(121, "Remote I/O error")
        self.sent.append((kind, payload))

    def cleanup(self) -> None:
        self.cleaned += 1


class Panel:
    """Display memory of one controller, written as its datasheet says."""

    def __init__(self, controller: str, size: tuple[int, int]) -> None:
        self.write = getattr(self, {"ssd1309": "ssd1306"}.get(controller, controller))
        self.level: NDArray[np.int64] = np.full((size[1], size[0]), -1, np.int64)

    def feed(self, bus: Bus) -> None:
        self.write(iter(bus))

    def ssd1306(self, bus: Iterator[tuple[str, list[int]]]) -> None:
        """Horizontal addressing in a window; a byte is eight pixels down, bit 0 on top."""
        (left, right), (top, bottom) = (0, 127), (0, 7)
        for kind, payload in bus:
            if kind == "command" and payload[0] == 0x21:
                _, left, right, code, top, bottom = payload
                assert code == 0x22
            elif kind == "data":
                pages = np.array(payload, np.uint8).reshape(bottom - top + 1, 1, right - left + 1)
                bits = np.unpackbits(pages, axis=1, bitorder="little")
                self.level[8 * top : 8 * bottom + 8, left : right + 1] = bits.reshape(
                    -1, right - left + 1
                )

    def sh1106(self, bus: Iterator[tuple[str, list[int]]]) -> None:
        """Page addressing; 132 columns of memory behind 128 of glass, two to the left."""
        page = column = 0
        for kind, payload in bus:
            if kind == "command" and payload[0] & 0xF0 == 0xB0 and len(payload) == 3:
                page, column = payload[0] & 0x0F, payload[1] & 0x0F | (payload[2] & 0x0F) << 4
            elif kind == "data":
                bits = np.unpackbits(np.array([payload], np.uint8), axis=0, bitorder="little")
                self.level[8 * page : 8 * page + 8, column - 2 : column - 2 + len(payload)] = bits

    def _window(
        self, bus: Iterator[tuple[str, list[int]]], unit: int, offset: int
    ) -> Iterator[tuple[slice, slice, list[int]]]:
        """Row and column ranges (0x75, 0x15) and the memory bytes written into them."""
        ranges: dict[int, tuple[int, int]] = {}
        code = 0x00
        for kind, payload in bus:
            if kind == "command":
                code = payload[0]
                if code == 0x15 and len(payload) == 6:  # both ranges in one, then straight to data
                    ranges[0x15], ranges[0x75] = (payload[1], payload[2]), (payload[4], payload[5])
                    code = 0x5C
            elif code in (0x15, 0x75):
                ranges[code] = payload[0], payload[1]
            elif code == 0x5C:  # write to memory
                (left, right), (top, bottom) = ranges[0x15], ranges[0x75]
                columns = slice(left * unit - offset, (right + 1) * unit - offset)
                yield slice(top, bottom + 1), columns, payload

    def ssd1322(self, bus: Iterator[tuple[str, list[int]]]) -> None:
        """Four pixels a column address, 480 in memory, 4 bits each, the left one high."""
        for rows, columns, payload in self._window(bus, 4, (480 - 256) // 2):
            nibbles = np.array([(byte >> 4, byte & 15) for byte in payload])
            self.level[rows, columns] = nibbles.reshape(rows.stop - rows.start, -1)

    def ssd1327(self, bus: Iterator[tuple[str, list[int]]]) -> None:
        """Two pixels a column address, 4 bits each, the left one low."""
        for rows, columns, payload in self._window(bus, 2, 0):
            nibbles = np.array([(byte & 15, byte >> 4) for byte in payload])
            self.level[rows, columns] = nibbles.reshape(rows.stop - rows.start, -1)

    def ssd1351(self, bus: Iterator[tuple[str, list[int]]]) -> None:
        """Two bytes a pixel: red 5, green 6, blue 5 bits; here the green of an honest grey."""
        for rows, columns, payload in self._window(bus, 1, 0):
            words = np.array(payload).reshape(-1, 2) @ (256, 1)
            red, green, blue = words >> 11, words >> 5 & 63, words & 31
            assert (red == green >> 1).all()
            assert (blue == red).all()
            self.level[rows, columns] = green.reshape(rows.stop - rows.start, -1)


def expected(frame: Frame, controller: str) -> NDArray[np.int64]:
    grey = np.array(frame.image, np.int64)
    if CONTROLLERS[controller].mode == "1":
        return grey // 255
    return grey >> 2 if controller == "ssd1351" else grey >> 4


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_every_screen_arrives_as_drawn(controller: str) -> None:
    bus = RecordingBus()
    oled = Oled(controller, serial=bus)
    panel = Panel(controller, oled.size)
    for _, state in every_state():
        frame = render(state, oled.size, grey=oled.grey)
        oled.show(frame)
        panel.feed(bus.sent)
        assert (panel.level == expected(frame, controller)).all()
        bus.sent.clear()


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_partial_updates_of_a_moving_trace_add_up(controller: str) -> None:
    bus = RecordingBus()
    oled = Oled(controller, serial=bus)
    panel = Panel(controller, oled.size)
    state = patient(6.0)
    state._connected = True
    uv = np.random.default_rng(2).integers(-400, 900, (40 * BLOCK, 12)).astype(np.int32)
    for k in range(40):
        block = uv[k * BLOCK : (k + 1) * BLOCK]
        state.apply(Trace(state.index, block, np.ones(12, np.bool_)))
        frame = render(state, oled.size, grey=oled.grey)
        oled.show(frame)
        panel.feed(bus.sent)
        assert (panel.level == expected(frame, controller)).all()
        bus.sent.clear()


def test_a_small_ssd1351_is_served() -> None:
    bus = RecordingBus()
    oled = Oled("ssd1351", size=(128, 96), serial=bus)
    frame = render(patient(6.0), oled.size)
    oled.show(frame)
    panel = Panel("ssd1351", oled.size)
    panel.feed(bus.sent)
    assert (panel.level == expected(frame, "ssd1351")).all()


def test_a_failing_panel_says_so_once_and_comes_back() -> None:
    bus = RecordingBus()
    oled = Oled("ssd1306", serial=bus)
    state = patient(12.0)
    state.apply(make_call(state.index))

    def show(index: int) -> None:
        oled.show(Frame(render(state, oled.size, grey=False).image, index, ""))

    show(1000)
    bus.broken = True
    with pytest.raises(DisplayError, match=r"ssd1306 on i2c1@0x3c: .*; check power and wiring"):
        show(1050)
    assert bus.cleaned >= 1
    for index in range(1100, 8000, 50):
        show(index)
    assert oled.failure
    bus.broken = False
    show(8500)  # tried at 3550 and 6050, every 5 s
    assert oled.failure
    bus.sent.clear()
    show(8550)
    assert not oled.failure
    panel = Panel("ssd1306", oled.size)
    panel.feed(bus.sent)
    assert (panel.level == expected(render(state, oled.size, grey=False), "ssd1306")).all()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ssd1306:i2c97", "ssd1306 on i2c97@0x3c: .*/dev/i2c-97"),
        ("ssd1322:spi97.0", "ssd1322 on spi97.0: "),
    ],
)
def test_an_absent_bus_is_one_clear_line(spec: str, words: str) -> None:
    display = open_display(spec)
    with pytest.raises(DisplayError, match=words) as caught:
        display.show(render(patient(1.0), display.size, grey=display.grey))
    assert "\n" not in str(caught.value)
    display.close()
    display.close()


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_the_night_turns_the_contrast_down_once_and_the_day_up_again(controller: str) -> None:
    bus = RecordingBus()
    oled = Oled(controller, serial=bus)
    state = patient(6.0)
    opening = _contrasts(bus, lambda: oled.show(render(state, oled.size, grey=oled.grey)))
    by_day = opening[-1]
    state.night = True
    dark = render(state, oled.size, grey=oled.grey)
    (by_night,) = _contrasts(bus, lambda: oled.show(dark))
    assert by_night[0] < by_day[0] / 4
    assert _contrasts(bus, lambda: oled.show(dark)) == []
    state.night = False
    assert _contrasts(bus, lambda: oled.show(render(state, oled.size, grey=oled.grey))) == [by_day]


def _contrasts(bus: RecordingBus, act: Callable[[], None]) -> list[tuple[int, ...]]:
    """Levels given with the command for contrast: 0x81, or 0xC1 (SSD1322, SSD1351)."""
    bus.sent.clear()
    act()
    found, code = [], 0
    for kind, payload in bus.sent:
        if kind == "command":
            code = payload[0]
            if code == 0x81 and len(payload) > 1:
                found.append(tuple(payload[1:]))
        elif code in (0x81, 0xC1):
            found.append(tuple(payload))
            code = 0
    return found


@pytest.mark.parametrize("controller", ["ssd1306", "sh1106"])
def test_a_panel_of_one_bit_gets_what_changed_and_a_page_in_turn(controller: str) -> None:
    bus = RecordingBus()
    oled = Oled(controller, serial=bus)
    state = patient(6.0)
    frame = render(state, oled.size, grey=False)
    oled.show(frame)
    for _ in range(8):
        bus.sent.clear()
        oled.show(frame)
        assert sum(len(payload) for kind, payload in bus.sent if kind == "data") == 128
    # A byte that went wrong in the panel is right again after eight frames of the same picture.
    panel = Panel(controller, oled.size)
    panel.level[:] = 1
    for _ in range(8):
        bus.sent.clear()
        oled.show(frame)
        panel.feed(bus.sent)
    assert (panel.level == expected(frame, controller)).all()


def test_a_dimmed_panel_that_was_pulled_off_is_dim_again() -> None:
    bus = RecordingBus()
    oled = Oled("ssd1306", serial=bus)
    state = patient(6.0)
    state.night = True
    oled.show(render(state, oled.size, grey=False))
    oled.close()
    assert _contrasts(bus, lambda: oled.show(render(state, oled.size, grey=False)))[-1] == (0x10,)


@pytest.mark.parametrize(
    ("spec", "missing", "act"),
    [
        ("ssd1322", "spidev", "sudo apt install python3-spidev; in a checkout on a Pi"),
        ("ssd1322", "RPi", "install Lead12 again; in a checkout on a Pi: make pi-setup"),
        ("ssd1306", "smbus2", "install Lead12 again; in a checkout on a Pi: make pi-setup"),
        ("ssd1306", "luma.oled.device", "install Lead12 again; in a checkout: make clean setup"),
    ],
)
def test_an_absent_library_says_what_to_install_on_a_device_and_in_a_checkout(
    spec: str, missing: str, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "spidev":
        monkeypatch.setattr("luma.core.interface.serial.spi.__rpi_gpio__", lambda bus: Pins())
    monkeypatch.setitem(sys.modules, missing, None)
    display = open_display(spec)
    with pytest.raises(DisplayError, match=act):
        display.show(render(patient(1.0), display.size, grey=display.grey))


class Pins:
    """Lines that do nothing."""

    LOW, HIGH, OUT = 0, 1, 0

    def setup(self, line: int, direction: int) -> None: ...

    def output(self, line: int, level: int) -> None: ...
