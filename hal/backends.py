"""The registry: a back-end's name, as in the configuration, and how to build its Frontend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from hal.ads1298.driver import Ads1298
from hal.capture import captured_driver
from hal.clock import Clock
from hal.edge_reader import EdgePacedReader
from hal.errors import FrontendError, Reason
from hal.frontend import Frontend
from hal.injected import FrameSource, InjectedFrontend
from hal.linux_gpio import HEADER_PIN, GpiodDataReady, GpiodPins, Pins, find_header_chip
from hal.linux_iio import LinuxIio
from hal.linux_rpi_gpio import RpiGpioDataReady, RpiGpioPins
from hal.linux_spi import DEFAULT_SPEED_HZ, SpidevBus
from hal.patient import Patient
from hal.replay import replay_frontend
from hal.simulated import simulated_frontend
from hal.spi import ControlPins, DataReady

NOT_WIRED = -1  # a pin the board ties itself

Options = Mapping[str, Any]
Build = Callable[[Options, Clock, Patient | None], Frontend]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wiring:
    """Options of ``ads1298`` and ``ads1298-rpigpio``: BCM numbers, -1 where the board ties a pin.

    Defaults as in docs/wiring.md. ``capture``: a file that takes all that passes on the wires.
    """

    spi_bus: int = 0
    spi_device: int = 0
    spi_speed_hz: int = DEFAULT_SPEED_HZ
    data_ready: int = Pins().data_ready
    reset: int = Pins().reset or NOT_WIRED
    power_down: int = Pins().power_down or NOT_WIRED
    start: int = Pins().start or NOT_WIRED
    capture: str = ""

    def pins(self) -> Pins:
        """The lines, None for those the board ties. Raises FrontendError BAD_CONFIG."""
        named = {
            "data_ready": self.data_ready,
            "reset": self.reset,
            "power_down": self.power_down,
            "start": self.start,
        }
        used = [n for n in named.values() if n != NOT_WIRED]
        wrong = [name for name, n in named.items() if n != NOT_WIRED and n not in HEADER_PIN]
        if self.data_ready == NOT_WIRED or wrong or len(set(used)) < len(used):
            raise FrontendError(
                Reason.BAD_CONFIG,
                "cannot wire " + ", ".join(f"{name} = {n}" for name, n in named.items()),
                act="give each its own BCM number of the header; data_ready must have one",
            )
        return Pins(
            self.data_ready,
            *(None if n == NOT_WIRED else n for n in (self.reset, self.power_down, self.start)),
        )

    def bus(self) -> SpidevBus:
        """Open the SPI node."""
        return SpidevBus(self.spi_bus, self.spi_device, self.spi_speed_hz)


@dataclass(frozen=True, slots=True)
class IioOptions:
    """Options of ``linux-iio``; see hal.linux_iio.LinuxIio."""

    external_references: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedOptions:
    """Options of ``simulated``; ``capture`` as for a real chip. Its patient is set elsewhere."""

    capture: str = ""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Options of ``replay``: the capture."""

    file: str = ""


@dataclass(frozen=True, slots=True)
class NoOptions:
    """For a back-end that has none."""


def build(
    name: str, clock: Clock, *, options: Options | None = None, patient: Patient | None = None
) -> Frontend:
    """The back-end ``name`` with its ``options``; ``patient`` is whom a simulated chip sees.

    System nodes are opened here. Raises FrontendError BAD_CONFIG (unknown name or option, no
    patient), NOT_FOUND, PERMISSION or BUS.
    """
    if name not in BACKENDS:
        raise FrontendError(
            Reason.BAD_CONFIG, f"no back-end {name!r}", act=f"use one of {', '.join(BACKENDS)}"
        )
    return BACKENDS[name](options or {}, clock, patient)


def _simulated(options: Options, clock: Clock, patient: Patient | None) -> Frontend:
    capture = _checked(SimulatedOptions, options).capture
    if patient is None:
        raise FrontendError(
            Reason.BAD_CONFIG, "the simulated chip has no patient", act="name a preset or a record"
        )
    return simulated_frontend(patient, clock, capture=Path(capture) if capture else None)


def _ads1298(options: Options, clock: Clock, patient: Patient | None) -> Frontend:
    wiring = _checked(Wiring, options)
    lines = wiring.pins()
    with ExitStack() as opened:  # a failure half-way releases what is open
        spi = wiring.bus()
        opened.callback(spi.close)
        chip = find_header_chip()
        pins = GpiodPins(chip, lines)
        opened.callback(pins.close)
        data_ready = GpiodDataReady(chip, wiring.data_ready)
        opened.callback(data_ready.close)
        driver = _driver("ads1298", wiring, spi, data_ready, pins, clock)
        opened.pop_all()
    return driver


def _ads1298_rpigpio(options: Options, clock: Clock, patient: Patient | None) -> Frontend:
    wiring = _checked(Wiring, options)
    lines = wiring.pins()
    with ExitStack() as opened:
        spi = wiring.bus()
        opened.callback(spi.close)
        pins = RpiGpioPins(lines)
        opened.callback(pins.close)
        data_ready = RpiGpioDataReady(wiring.data_ready, clock)
        opened.callback(data_ready.close)
        driver = _driver("ads1298-rpigpio", wiring, spi, data_ready, pins, clock)
        opened.pop_all()
    return driver


def _driver(
    name: str,
    wiring: Wiring,
    spi: SpidevBus,
    data_ready: DataReady,
    pins: ControlPins,
    clock: Clock,
) -> Frontend:
    if wiring.capture:
        file = Path(wiring.capture)
        return captured_driver(spi, data_ready, pins, clock, file=file, frontend=name, bus=spi.path)
    return Ads1298(spi, EdgePacedReader(spi, data_ready), pins, data_ready, clock, bus=spi.path)


def _linux_iio(options: Options, clock: Clock, patient: Patient | None) -> Frontend:
    return LinuxIio(clock, external_references=_checked(IioOptions, options).external_references)


def _replay(options: Options, clock: Clock, patient: Patient | None) -> Frontend:
    file = _checked(ReplayOptions, options).file
    if not file:
        raise FrontendError(
            Reason.BAD_CONFIG, "replay of what?", act='set file = "..." in [frontend.options]'
        )
    return replay_frontend(Path(file), clock)


def _injected(options: Options, clock: Clock, patient: Patient | None) -> Frontend:
    source = options.get("source")
    _checked(NoOptions, {name: value for name, value in options.items() if name != "source"})
    if not isinstance(source, FrameSource):
        raise FrontendError(
            Reason.BAD_CONFIG,
            "injected frames come from a bench over a running monitor's serial line",
            act="start lead12 run --frontend injected --serial PORT",
        )
    return InjectedFrontend(source)


BACKENDS: Mapping[str, Build] = {
    "simulated": _simulated,
    "ads1298": _ads1298,
    "ads1298-rpigpio": _ads1298_rpigpio,
    "linux-iio": _linux_iio,
    "injected": _injected,
    "replay": _replay,
}


def _checked(kind: type[_T], options: Options) -> _T:
    known = {f.name: type(f.default) for f in fields(kind)}  # type: ignore[arg-type]
    for key, value in options.items():
        if key not in known:
            raise FrontendError(
                Reason.BAD_CONFIG,
                f"unknown option {key!r} of the front end",
                act=f"use one of {', '.join(known)}" if known else "this back-end has none",
            )
        if type(value) is not known[key]:
            words = {int: "a whole number", bool: "true or false", str: "a text"}
            raise FrontendError(
                Reason.BAD_CONFIG,
                f"option {key} of the front end must be {words[known[key]]}, not {value!r}",
            )
    return kind(**options)
