"""Frames of the screen: processor time and bytes of each, with luma's own drivers.

The driver of the panel runs as on the device; its bus only counts. Each screen moves for ten
seconds at ten frames a second, as the trace does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from device.display.example import synthetic_ecg
from device.display.gallery import states
from device.display.oled import Oled
from device.display.screens import render
from device.display.state import ScreenState
from firmware.events import Beat, Rate, Trace
from hal.frontend import SAMPLE_RATE_HZ
from tools.bench.figures import PERFORMANCE, Figure, markdown, write_section

FRAMES_PER_SECOND = 10
SECONDS = 10
STEP = SAMPLE_RATE_HZ // FRAMES_PER_SECOND
SCREENS = {
    "sinus": "live, one lead",
    "leads-three": "live, as many leads as fit",
    "alarm-high": "live, alarm blinking",
    "connect-aha": "connect electrodes",
    "page-leads": "twelve leads",
    "page-why": "why",
    "page-trend-hour": "trend",
    "page-alarms": "alarms",
    "page-settings": "settings",
    "page-health": "health",
}
SPI_MHZ = 8.0  # what luma asks for
I2C_KHZ = 400.0  # fast mode, the most that SSD1306 and SH1106 are specified for
SLOWER = 10  # a Raspberry Pi 3 against the machines this runs on, generously


class CountingBus:
    """What luma asks of a serial interface; keeps the number of bytes and of transfers."""

    def __init__(self) -> None:
        self.bytes = self.transfers = 0

    def command(self, *codes: int) -> None:
        """Command bytes."""
        self.data(list(codes))

    def data(self, payload: list[int]) -> None:
        """Bytes for the panel's memory."""
        self.bytes += len(payload)
        self.transfers += 1

    def cleanup(self) -> None:
        """Nothing is held."""

    def take(self) -> tuple[int, int]:
        """Bytes and transfers since the last time."""
        taken = self.bytes, self.transfers
        self.bytes = self.transfers = 0
        return taken


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen on one panel: times in ms of a frame, bytes and transfers of each."""

    name: str
    draw_ms: float
    send_ms: float
    sent: Sequence[tuple[int, int]]


def measure() -> list[Figure]:
    """Every screen on the large panel on SPI and on the small one on I2C."""
    figures: list[Figure] = []
    for controller in ("ssd1322", "ssd1306"):
        full, screens = _panel(controller)
        for screen in screens:
            most = max(count for count, _ in screen.sent)
            mean = sum(count for count, _ in screen.sent) / len(screen.sent)
            part = f"{controller}: {screen.name}"
            figures += [
                Figure(part, "draw", screen.draw_ms, "ms"),
                Figure(part, "pack and send", screen.send_ms, "ms"),
                Figure(part, "bytes, mean", mean, "bytes"),
                Figure(part, "bytes, most", most, "bytes"),
            ]
        slowest = max(screen.draw_ms + screen.send_ms for screen in screens)
        figures.append(
            Figure(
                controller,
                "frames a second on one core, slowest screen",
                1000 / slowest,
                "/s",
                low=FRAMES_PER_SECOND * SLOWER,
            )
        )
        figures.append(Figure(controller, "a whole frame", full[0], "bytes"))
        figures += _clocks(controller, full, screens)
    return figures


def _clocks(controller: str, full: tuple[int, int], screens: Sequence[Screen]) -> Iterator[Figure]:
    """What the bus must run at for ten frames a second."""
    whole = f"clock for {FRAMES_PER_SECOND} whole frames a second"
    busiest = "clock for what is sent, busiest second"
    seconds = [
        screen.sent[k : k + FRAMES_PER_SECOND]
        for screen in screens
        for k in range(0, len(screen.sent), FRAMES_PER_SECOND)
    ]
    if controller == "ssd1322":
        most = max(sum(count for count, _ in second) for second in seconds)
        yield Figure(controller, whole, FRAMES_PER_SECOND * full[0] * 8e-6, "MHz", high=SPI_MHZ)
        yield Figure(controller, busiest, most * 8e-6, "MHz", high=SPI_MHZ)
        return
    most = max(sum(_i2c_bits(*sent) for sent in second) for second in seconds)
    yield Figure(controller, whole, FRAMES_PER_SECOND * _i2c_bits(*full) / 1000, "kHz")
    yield Figure(controller, busiest, most / 1000, "kHz", high=I2C_KHZ)


def _i2c_bits(count: int, transfers: int) -> int:
    """Nine clocks a byte; address and control byte, start and stop with each transfer."""
    return 9 * (count + 2 * transfers) + 2 * transfers


def _panel(controller: str) -> tuple[tuple[int, int], list[Screen]]:
    """A whole frame, and every screen, on a panel with ``controller``."""
    bus = CountingBus()
    oled = Oled(controller, serial=bus)
    dark = render(ScreenState(message=(" ", " ")), oled.size, grey=oled.grey)
    oled.show(dark)
    bus.take()
    light = replace(dark, image=dark.image.point(lambda level: 255 - level))
    oled.show(light)
    full = bus.take()
    by_name = dict(states())
    screens = [_screen(oled, bus, name, by_name[key]) for key, name in SCREENS.items()]
    oled.close()
    return full, screens


def _screen(oled: Oled, bus: CountingBus, name: str, state: ScreenState) -> Screen:
    begin, rate = state.index, state.rate_text
    peaks = np.arange(0.4, SECONDS, 60 / 78)
    uv = synthetic_ecg(SECONDS, peaks, p_wave=True)
    valid = np.ones(uv.shape[1], np.bool_)
    drawing = sending = 0
    sent = []
    oled.show(render(state, oled.size, grey=oled.grey))  # the change of screens is no frame of it
    bus.take()
    for first in range(0, len(uv), STEP):
        state.apply(Trace(begin + first, uv[first : first + STEP], valid))
        for peak in peaks[
            (first <= peaks * SAMPLE_RATE_HZ) & (peaks * SAMPLE_RATE_HZ < first + STEP)
        ]:
            state.apply(Beat(begin + round(peak * SAMPLE_RATE_HZ)))
        if first % SAMPLE_RATE_HZ == 0 and state.call is not None:
            state.apply(Rate(state.index, float(rate) if rate.isdecimal() else None, 0.02))
            state.apply(replace(state.call, index=state.index))
        began_ns = time.process_time_ns()
        frame = render(state, oled.size, grey=oled.grey)
        drawn_ns = time.process_time_ns()
        oled.show(frame)
        drawing += drawn_ns - began_ns
        sending += time.process_time_ns() - drawn_ns
        sent.append(bus.take())
    return Screen(name, drawing / len(sent) / 1e6, sending / len(sent) / 1e6, sent)


def write_docs(figures: Sequence[Figure]) -> None:
    """One row per screen, then what has a limit."""
    columns = [figure.name for figure in figures[:4]]
    lines = [f"| one frame | {' | '.join(columns)} |", "|---|---|---|---|---|"]
    summary = [figure for figure in figures if ": " not in figure.part]
    for part in dict.fromkeys(figure.part for figure in figures if ": " in figure.part):
        row = [figure for figure in figures if figure.part == part]
        cells = [f"{f.value:.2f} ms" if f.unit == "ms" else f"{f.value:.0f}" for f in row]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    write_section(PERFORMANCE, "screens", "\n".join([*lines, "", markdown(summary)]))
