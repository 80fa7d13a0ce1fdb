"""The registry: names, options, and nothing left open when a part is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hal import backends, linux_gpio
from hal.clock import VirtualClock
from hal.errors import FrontendError, Reason
from hal.linux_gpio import Pins
from hal.linux_iio import LinuxIio
from hal.patient.presets import preset
from tests.hal.fake_spidev import FakeSpidev


def refusal(name: str, **options: object) -> FrontendError:
    with pytest.raises(FrontendError) as caught:
        backends.build(name, VirtualClock(), options=options)
    assert "\n" not in str(caught.value)
    return caught.value


def test_unknown_name_lists_the_known_ones() -> None:
    error = refusal("ads1299")
    assert error.reason is Reason.BAD_CONFIG
    assert all(name in str(error) for name in backends.BACKENDS)


@pytest.mark.parametrize("name", sorted(backends.BACKENDS))
def test_unknown_options_are_refused(name: str) -> None:
    error = refusal(name, drdy=22)
    assert error.reason is Reason.BAD_CONFIG
    assert "drdy" in str(error)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ads1298", {"data_ready": "22"}),
        ("ads1298", {"spi_bus": True}),
        ("linux-iio", {"external_references": 1}),
    ],
)
def test_options_of_the_wrong_type_are_refused(name: str, options: dict[str, object]) -> None:
    error = refusal(name, **options)
    assert error.reason is Reason.BAD_CONFIG
    assert next(iter(options)) in str(error)


def test_a_simulated_chip_needs_a_patient() -> None:
    assert refusal("simulated").reason is Reason.BAD_CONFIG
    assert backends.build("simulated", VirtualClock(), patient=preset("sinus-70"))


def test_linux_iio_takes_its_option() -> None:
    options = {"external_references": True}
    assert isinstance(backends.build("linux-iio", VirtualClock(), options=options), LinuxIio)


def test_pins_that_the_board_ties() -> None:
    wiring = backends.Wiring(reset=-1, power_down=-1, start=-1)
    assert wiring.pins() == Pins(reset=None, power_down=None, start=None)
    assert backends.Wiring().pins() == Pins()


@pytest.mark.parametrize("name", ["ads1298", "ads1298-rpigpio"])
def test_what_was_opened_is_closed_when_a_part_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spidev = FakeSpidev(lambda mosi, mode, speed_hz: mosi)
    monkeypatch.setitem(sys.modules, "spidev", spidev)
    monkeypatch.setattr(linux_gpio, "DEV", tmp_path)
    monkeypatch.setitem(sys.modules, "RPi", None)
    assert refusal(name).reason is Reason.NOT_FOUND
    assert spidev.open_count == 0


@pytest.mark.parametrize(
    "options", [{"reset": 22}, {"reset": 999}, {"data_ready": -1}], ids=["shared", "none", "unused"]
)
def test_pins_that_cannot_be_wired_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(FrontendError, match="cannot wire data_ready") as caught:
        backends.build("ads1298", VirtualClock(), options=options)
    assert caught.value.reason is Reason.BAD_CONFIG
