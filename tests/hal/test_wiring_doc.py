"""docs/wiring.md names the pins, inputs and colours that the code uses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from device.config import from_tree
from device.display.oled import DC_GPIO, RST_GPIO
from device.display.words import ELECTRODES, Naming
from hal.ads1298.registers import Pin
from hal.ads1298.wiring import INPUTS, WCT_PINS
from hal.backends import Wiring
from hal.frontend import Electrode
from hal.linux_gpio import HEADER_PIN, Pins

DOC = (Path(__file__).parents[2] / "docs" / "wiring.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in DOC.splitlines()]


def row(*cells: str) -> list[str]:
    """The one table row that holds every one of ``cells``."""
    found = [candidate for candidate in ROWS if set(cells) <= set(candidate)]
    assert len(found) == 1, f"{cells}: {found}"
    return found[0]


@pytest.mark.parametrize(
    ("chip_pin", "bcm"),
    [
        ("DRDY", Pins().data_ready),
        ("RESET", Pins().reset),
        ("PWDN", Pins().power_down),
        ("START", Pins().start),
        ("DIN", 10),
        ("DOUT", 9),
        ("SCLK", 11),
        ("CS", 8),
    ],
)
def test_each_signal_is_on_the_pin_the_code_uses(chip_pin: str, bcm: int) -> None:
    assert row(chip_pin, str(bcm))[-2:] == [str(HEADER_PIN[bcm]), str(bcm)]


@pytest.mark.parametrize(
    ("signal", "bcm"),
    [("SDA", 2), ("SCL", 3), ("D/C", DC_GPIO), ("RES", RST_GPIO), ("CE0 (CS)", 18)],
)
def test_display_pins(signal: str, bcm: int) -> None:
    assert row(signal)[-2:] == [str(HEADER_PIN[bcm]), str(bcm)]


@pytest.mark.parametrize(
    ("part", "section", "key"),
    [
        ("Button *page*", "buttons", "page"),
        ("Button *OK*", "buttons", "ok"),
        ("Red light", "indicators", "red"),
        ("Yellow light", "indicators", "yellow"),
        ("Buzzer", "indicators", "buzzer"),
    ],
)
def test_buttons_and_lights_are_on_the_lines_of_the_example(
    part: str, section: str, key: str
) -> None:
    example = DOC.split("## Buttons, lights and buzzer")[1].split("```toml\n")[1].split("```")[0]
    config = from_tree(tomllib.loads(example), "wiring.md")
    bcm = config.get(f"{section}.{key}")
    assert row(part)[-2:] == [str(HEADER_PIN[bcm]), str(bcm)]


def test_options_are_those_of_the_back_end() -> None:
    listed = dict(re.findall(r"`(\w+) = (\d+)`", DOC))
    wiring = Wiring()
    lines = set(Wiring.__slots__) - {"capture"}  # a file: docs/capture.md
    assert listed == {name: str(getattr(wiring, name)) for name in lines}


def test_the_overlay_uses_the_same_lines() -> None:
    assert f"interrupts = <{Pins().data_ready} 2>" in DOC
    assert f"reset-gpios = <&gpio {Pins().reset} 1>" in DOC


@pytest.mark.parametrize("electrode", [e for e in Electrode if e is not Electrode.RL])
def test_each_electrode_is_on_the_input_the_driver_decodes(electrode: Electrode) -> None:
    inputs = [f"IN{n}P" for n, entry in enumerate(INPUTS, 1) if entry.positive is electrode]
    inputs += [f"IN{n}N" for n, entry in enumerate(INPUTS, 1) if entry.negative is electrode]
    names = [" ".join(ELECTRODES[naming][electrode]) for naming in Naming]
    assert row(*names)[1] == ", ".join(inputs)


def test_right_leg_is_driven() -> None:
    names = [" ".join(ELECTRODES[naming][Electrode.RL]) for naming in Naming]
    assert row(*names)[1] == "RLDOUT"


def test_wilson_terminal_takes_the_limb_electrodes() -> None:
    assert set(WCT_PINS) == {Pin.IN2N, Pin.IN2P, Pin.IN3P}
    assert "IN1N, IN4N to IN8N from WCT" in row("Wilson's terminal")[1]
