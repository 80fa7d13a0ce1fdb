"""GPIO lines by libgpiod and by the RPi.GPIO API: numbering of edges, levels, refusals."""

from __future__ import annotations

import errno
import inspect
import sys
import threading
from collections import deque
from pathlib import Path
from types import ModuleType

import gpiod
import pytest
from gpiod.line import Bias, Clock, Direction
from gpiod.line import Edge as EdgeSetting
from gpiod.line_request import LineRequest

from device.display.oled import DC_GPIO, RST_GPIO
from hal import linux_gpio
from hal.clock import RealClock, VirtualClock
from hal.errors import FrontendError, Reason
from hal.linux_gpio import (
    HEADER_PIN,
    GpiodDataReady,
    GpiodPins,
    Pins,
    find_header_chip,
)
from hal.linux_rpi_gpio import RpiGpioDataReady, RpiGpioPins
from hal.spi import Edge
from tests.hal.fake_gpiod import QUEUE_EVENTS, FakeGpiod, FakeRequest
from tests.hal.fake_rpi_gpio import FakeGpio

CHIP = "/dev/gpiochip0"
PINS = Pins()


class ScriptedLines:
    """Edges as a test writes them down; levels as the Pi drives them."""

    def __init__(self) -> None:
        self.edges: deque[list[int]] = deque()
        self.driven: list[tuple[int, bool]] = []

    def wait_edge(self, timeout_ns: int) -> list[int]:
        return self.edges.popleft() if self.edges else []

    def drive(self, line: int, high: bool) -> None:
        self.driven.append((line, high))


@pytest.fixture
def lines() -> ScriptedLines:
    return ScriptedLines()


@pytest.fixture
def fake_gpiod(monkeypatch: pytest.MonkeyPatch, lines: ScriptedLines) -> FakeGpiod:
    fake = FakeGpiod(lines)
    monkeypatch.setitem(sys.modules, "gpiod", fake)
    return fake


@pytest.fixture
def fake_gpio(monkeypatch: pytest.MonkeyPatch, lines: ScriptedLines) -> FakeGpio:
    package = ModuleType("RPi")
    package.GPIO = FakeGpio(lines)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "RPi", package)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", package.GPIO)
    return package.GPIO  # type: ignore[no-any-return]


def parameters(function: object) -> list[tuple[str, object]]:
    """Names and defaults, ``self`` included."""
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]  # type: ignore[arg-type]


def test_fake_gpiod_has_the_signatures_of_the_installed_one() -> None:
    for name in (
        "wait_edge_events",
        "read_edge_events",
        "get_values",
        "set_value",
        "release",
    ):
        assert parameters(getattr(FakeRequest, name)) == parameters(getattr(LineRequest, name))
    assert parameters(FakeGpiod.request_lines)[1:] == parameters(gpiod.request_lines)


def test_drdy_line_is_requested_as_a_falling_edge_of_the_kernel(fake_gpiod: FakeGpiod) -> None:
    data_ready = GpiodDataReady(CHIP, PINS.data_ready)
    setting = fake_gpiod.held[PINS.data_ready]
    assert setting.direction is Direction.INPUT
    assert setting.edge_detection is EdgeSetting.FALLING
    assert setting.bias is Bias.PULL_UP
    assert setting.event_clock is Clock.MONOTONIC
    assert fake_gpiod.consumers == {"lead12"}
    data_ready.close()
    assert not fake_gpiod.held


def test_older_edges_are_skipped_and_the_number_says_so(
    fake_gpiod: FakeGpiod, lines: ScriptedLines
) -> None:
    data_ready = GpiodDataReady(CHIP, PINS.data_ready)
    data_ready.reset()
    lines.edges.extend([[2_000_000], [], [], [4_000_000, 6_000_001], [8_000_000]])
    assert data_ready.wait(10**9) == Edge(0, 2_000_000)
    assert data_ready.wait(10**9) is None
    assert data_ready.wait(10**9) == Edge(3, 8_000_000)


def test_an_overflowing_event_queue_loses_no_count(
    fake_gpiod: FakeGpiod, lines: ScriptedLines
) -> None:
    data_ready = GpiodDataReady(CHIP, PINS.data_ready)
    edges = 5 * QUEUE_EVENTS
    lines.edges.append([2_000_000 * n for n in range(edges)])
    assert data_ready.wait(10**9) == Edge(edges - 1, 2_000_000 * (edges - 1))


def test_reset_forgets_unread_edges(fake_gpiod: FakeGpiod, lines: ScriptedLines) -> None:
    data_ready = GpiodDataReady(CHIP, PINS.data_ready)
    lines.edges.append([1, 2, 3])
    data_ready.reset()
    lines.edges.append([10])
    assert data_ready.wait(10**9) == Edge(0, 10)


def test_control_lines_start_released_and_are_active_low_where_the_chip_is(
    fake_gpiod: FakeGpiod, lines: ScriptedLines
) -> None:
    pins = GpiodPins(CHIP, PINS)
    assert set(lines.driven) == {(PINS.power_down, True), (PINS.reset, True), (PINS.start, False)}
    lines.driven.clear()
    check_levels(pins, lines)
    pins.close()
    pins.close()
    assert not fake_gpiod.held


def check_levels(pins: GpiodPins | RpiGpioPins, lines: ScriptedLines) -> None:
    for asserted in (True, False):
        pins.power_down(asserted)
        pins.reset(asserted)
        pins.start(asserted)
    assert lines.driven == [
        (PINS.power_down, False), (PINS.reset, False), (PINS.start, True),
        (PINS.power_down, True), (PINS.reset, True), (PINS.start, False),
    ]  # fmt: skip


def test_tied_pins_are_not_touched(
    fake_gpiod: FakeGpiod, fake_gpio: FakeGpio, lines: ScriptedLines
) -> None:
    tied = Pins(reset=None, power_down=None, start=None)
    for pins in (GpiodPins(CHIP, tied), RpiGpioPins(tied)):
        pins.power_down(True)
        pins.reset(True)
        pins.start(True)
        pins.close()
    assert not lines.driven
    assert not fake_gpiod.held


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(linux_gpio, "DEV", tmp_path)
    return tmp_path


def chips(dev: Path, fake: FakeGpiod, labels: dict[str, str]) -> None:
    fake.labels = labels
    for name in labels:
        (dev / name).touch()


@pytest.mark.parametrize("label", ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"])
def test_the_header_is_found_by_label_whatever_its_number(
    fake_gpiod: FakeGpiod, dev: Path, label: str
) -> None:
    chips(dev, fake_gpiod, {"gpiochip0": "gpio-brcmstb@7d517c00", "gpiochip4": label})
    assert find_header_chip() == str(dev / "gpiochip4")


def test_no_header_names_what_was_found(fake_gpiod: FakeGpiod, dev: Path) -> None:
    with pytest.raises(FrontendError, match="none found") as caught:
        find_header_chip()
    assert caught.value.reason is Reason.NOT_FOUND
    chips(dev, fake_gpiod, {"gpiochip0": "INTC1055:00"})
    with pytest.raises(FrontendError, match="only INTC1055:00 found"):
        find_header_chip()


def test_gpio_without_permission_names_the_group(fake_gpiod: FakeGpiod, dev: Path) -> None:
    chips(dev, fake_gpiod, {"gpiochip0": "pinctrl-rp1"})
    fake_gpiod.refuse = PermissionError(errno.EACCES, "Permission denied")
    for attempt in (find_header_chip, lambda: GpiodDataReady(CHIP, 22)):
        with pytest.raises(FrontendError, match="usermod -aG gpio") as caught:
            attempt()
        assert caught.value.reason is Reason.PERMISSION


def test_a_line_in_use_is_named(fake_gpiod: FakeGpiod) -> None:
    GpiodDataReady(CHIP, 22)
    with pytest.raises(FrontendError, match=r"GPIO 22.*another program") as caught:
        GpiodDataReady(CHIP, 22)
    assert caught.value.reason is Reason.BUS


def test_absent_gpiod_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(FrontendError, match="make pi-setup"):
        find_header_chip()


def test_rpi_gpio_counts_edges_in_its_callback(fake_gpio: FakeGpio) -> None:
    clock = VirtualClock(100)
    data_ready = RpiGpioDataReady(22, clock)
    assert fake_gpio.inputs == {22: fake_gpio.PUD_UP}
    for _ in range(3):
        clock.advance_ns(2_000_000)
        fake_gpio.fell(22)
    assert data_ready.wait(0) == Edge(2, 6_000_100)
    assert data_ready.wait(0) is None
    data_ready.reset()
    fake_gpio.fell(22)
    assert data_ready.wait(0) == Edge(0, 6_000_100)
    data_ready.close()
    data_ready.close()
    assert not fake_gpio.callbacks
    assert not fake_gpio.inputs


def test_rpi_gpio_edge_wakes_a_waiting_reader(fake_gpio: FakeGpio) -> None:
    data_ready = RpiGpioDataReady(22, RealClock())
    edges: list[Edge | None] = []
    reader = threading.Thread(target=lambda: edges.append(data_ready.wait(60 * 10**9)), daemon=True)
    reader.start()
    library = threading.Timer(0.05, fake_gpio.fell, [22])
    library.start()
    reader.join(20)  # far less than it would wait if nobody woke it
    assert [edge.sequence for edge in edges if edge] == [0]


def test_rpi_gpio_control_lines(fake_gpio: FakeGpio, lines: ScriptedLines) -> None:
    pins = RpiGpioPins(PINS)
    assert set(lines.driven) == {(PINS.power_down, True), (PINS.reset, True), (PINS.start, False)}
    lines.driven.clear()
    check_levels(pins, lines)
    pins.close()
    pins.close()
    pins.power_down(True)  # a driver that closes twice
    assert not fake_gpio.outputs


class LgpioError(Exception):
    """As ``lgpio.error``: not a RuntimeError."""


@pytest.mark.parametrize(
    ("raised", "reason", "act"),
    [
        (RuntimeError("Failed to add edge detection"), Reason.BUS, "rpi-lgpio"),
        (RuntimeError("No access to /dev/mem.  Try running as root!"), Reason.PERMISSION, "gpio"),
        (LgpioError("GPIO busy"), Reason.BUS, "stop the program"),
    ],
)
def test_a_line_that_rpi_gpio_refuses_is_named(
    fake_gpio: FakeGpio, raised: Exception, reason: Reason, act: str
) -> None:
    fake_gpio.refuse = raised
    with pytest.raises(FrontendError, match=f"GPIO 22: {raised}") as caught:
        RpiGpioDataReady(22, RealClock())
    assert caught.value.reason is reason
    assert act in caught.value.act


def test_rpi_gpio_without_its_gpio_chip(
    fake_gpio: FakeGpio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(mode: int) -> None:
        raise LgpioError("can not open gpiochip")

    monkeypatch.setattr(fake_gpio, "setmode", refuse)
    with pytest.raises(FrontendError, match="can not open gpiochip") as caught:
        RpiGpioPins(PINS)
    assert caught.value.reason is Reason.NOT_FOUND


def test_rpi_gpio_away_from_a_pi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "RPi", None)
    with pytest.raises(FrontendError, match=r"RPi\.GPIO cannot be used here") as caught:
        RpiGpioPins(PINS)
    assert caught.value.reason is Reason.NOT_FOUND


def test_default_pins_collide_with_no_bus_and_no_display() -> None:
    spi0, spi1 = {7, 8, 9, 10, 11}, {16, 17, 18, 19, 20, 21} - {17}  # spi1-1cs leaves 17 free
    i2c, uart, oled = {2, 3}, {14, 15}, {DC_GPIO, RST_GPIO}
    ours = [PINS.data_ready, *PINS.outputs()]
    assert len(set(ours)) == len(ours)
    assert not set(ours) & (spi0 | spi1 | i2c | uart | oled)
    assert len(set(HEADER_PIN.values())) == len(HEADER_PIN) == 26
