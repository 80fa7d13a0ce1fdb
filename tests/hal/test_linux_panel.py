"""Buttons, lights and buzzer by libgpiod and by the RPi.GPIO API."""

from __future__ import annotations

import errno
import sys
from types import ModuleType

import pytest
from gpiod.line import Bias, Clock, Direction
from gpiod.line import Edge as EdgeSetting

from device.display.oled import DC_GPIO, RST_GPIO
from hal.errors import FrontendError, Reason
from hal.linux_gpio import Pins
from hal.linux_panel import EDGES, GpiodButtons, GpiodOutputs
from hal.linux_rpi_panel import RpiGpioButtons, RpiGpioOutputs
from hal.panel_lines import Contact
from tests.hal.fake_gpiod import FakeGpiod, FakeRequest
from tests.hal.fake_rpi_gpio import FakeGpio

CHIP = "/dev/gpiochip0"
PAGE, OK, RED = 24, 25, 12


class Driven:
    """Levels as the Pi drives them, in order."""

    def __init__(self) -> None:
        self.levels: list[tuple[int, bool]] = []

    def wait_edge(self, timeout_ns: int) -> list[int]:
        raise AssertionError("no line here is waited for")

    def drive(self, line: int, high: bool) -> None:
        self.levels.append((line, high))


@pytest.fixture
def driven() -> Driven:
    return Driven()


@pytest.fixture
def gpiod(monkeypatch: pytest.MonkeyPatch, driven: Driven) -> FakeGpiod:
    fake = FakeGpiod(driven)
    monkeypatch.setitem(sys.modules, "gpiod", fake)
    return fake


@pytest.fixture
def gpio(monkeypatch: pytest.MonkeyPatch, driven: Driven) -> FakeGpio:
    package = ModuleType("RPi")
    package.GPIO = FakeGpio(driven)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "RPi", package)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", package.GPIO)
    return package.GPIO  # type: ignore[no-any-return]


def test_buttons_are_pulled_up_and_both_edges_are_stamped_by_the_kernel(gpiod: FakeGpiod) -> None:
    buttons = GpiodButtons(CHIP, [PAGE, OK])
    assert set(gpiod.held) == {PAGE, OK}
    for setting in gpiod.held.values():
        assert setting.direction is Direction.INPUT
        assert setting.edge_detection is EdgeSetting.BOTH
        assert setting.bias is Bias.PULL_UP
        assert setting.event_clock is Clock.MONOTONIC
        assert not setting.active_low
    buttons.close()
    assert not gpiod.held


def test_contacts_are_told_in_the_order_of_time_with_the_kernels_stamps(gpiod: FakeGpiod) -> None:
    buttons = GpiodButtons(CHIP, [PAGE, OK])
    assert buttons.read(1) == []
    gpiod.contact(PAGE, True, 100)
    gpiod.contact(OK, True, 150)
    gpiod.contact(PAGE, False, 200)
    assert buttons.read(1000) == [
        Contact(PAGE, True, 100),
        Contact(OK, True, 150),
        Contact(PAGE, False, 200),
    ]
    assert buttons.read(2000) == []
    gpiod.contact(OK, False, 2500)
    assert buttons.read(3000) == [Contact(OK, False, 2500)]


def test_a_button_held_at_the_start_is_told(gpiod: FakeGpiod) -> None:
    gpiod.low.add(OK)
    buttons = GpiodButtons(CHIP, [PAGE, OK])
    assert buttons.read(77) == [Contact(OK, True, 77)]
    assert buttons.read(78) == []


def test_a_train_of_bounces_that_overflows_the_queue_ends_as_the_contact_did(
    gpiod: FakeGpiod,
) -> None:
    buttons = GpiodButtons(CHIP, [PAGE])
    for n in range(4 * EDGES + 1):
        gpiod.contact(PAGE, n % 2 == 0, n)
    contacts = buttons.read(5000)
    assert len(contacts) == EDGES
    assert contacts[-1] == Contact(PAGE, True, 4 * EDGES)
    assert buttons.read(6000) == []


def test_outputs_are_off_until_set_and_off_when_released(
    gpiod: FakeGpiod, gpio: FakeGpio, driven: Driven
) -> None:
    for take in (lambda: GpiodOutputs(CHIP, [RED]), lambda: RpiGpioOutputs([RED])):
        outputs = take()
        outputs.set(RED, True)
        outputs.set(RED, False)
        outputs.set(RED, True)
        outputs.close()
        assert driven.levels == [(RED, level) for level in (False, True, False, True, False)]
        driven.levels.clear()
    assert not gpiod.held
    assert not gpio.outputs


def test_rpi_gpio_buttons_are_looked_at(gpio: FakeGpio) -> None:
    gpio.low.add(OK)
    buttons = RpiGpioButtons([PAGE, OK])
    assert gpio.inputs == {PAGE: gpio.PUD_UP, OK: gpio.PUD_UP}
    assert buttons.read(5) == [Contact(OK, True, 5)]
    gpio.low = {PAGE}
    assert buttons.read(9) == [Contact(PAGE, True, 9), Contact(OK, False, 9)]
    assert buttons.read(10) == []
    buttons.close()
    buttons.close()
    assert not gpio.inputs


def test_lines_in_use_are_named(gpiod: FakeGpiod) -> None:
    GpiodOutputs(CHIP, [PAGE])
    with pytest.raises(FrontendError, match=r"GPIO 24, GPIO 25.*another program"):
        GpiodButtons(CHIP, [PAGE, OK])


def test_lines_that_fail_later_say_so(gpiod: FakeGpiod, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENODEV, "No such device")

    buttons, outputs = GpiodButtons(CHIP, [PAGE]), GpiodOutputs(CHIP, [RED])
    monkeypatch.setattr(FakeRequest, "get_values", fail)
    monkeypatch.setattr(FakeRequest, "set_value", fail)
    for attempt in (lambda: buttons.read(0), lambda: outputs.set(RED, True), outputs.close):
        with pytest.raises(FrontendError, match="No such device") as caught:
            attempt()
        assert caught.value.reason is Reason.BUS
    assert RED not in gpiod.held  # released all the same


def test_recommended_lines_collide_with_nothing() -> None:
    ours = {24, 25, 12, 13, 26}  # docs/wiring.md
    spi0, spi1 = {7, 8, 9, 10, 11}, {18, 19, 20, 21}  # spi1-1cs
    chip = {Pins().data_ready, *Pins().outputs()}
    assert len(ours) == 5
    assert not ours & (spi0 | spi1 | chip | {2, 3} | {14, 15} | {DC_GPIO, RST_GPIO})
