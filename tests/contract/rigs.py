"""One rig per back-end: the front end, its world, and the hands to let time pass in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hal import backends
from hal.ads1298.chip import SimulatedChip
from hal.ads1298.faults import Faults
from hal.ads1298.frame import pack
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_NS, Electrode, Frontend, FrontendConfig
from hal.injected import MAX_FRAMES, Frames, InjectedFrontend
from hal.linux_gpio import Pins
from hal.linux_iio import LinuxIio
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials
from hal.simulated import simulated_frontend
from tests.hal.fake_board import Board, with_gpiod, with_rpi_gpio
from tests.hal.fake_iio import FakeKernel

SEED = 7


class Tones:
    """A sine of its own frequency and offset on every electrode; ``off`` ones are loose."""

    name = "tones"
    duration = None

    def __init__(self, off: tuple[Electrode, ...] = ()) -> None:
        self._off = np.isin(np.arange(len(Electrode)), off)

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        t_s = (first + np.arange(n))[:, np.newaxis] / ANALOG_RATE_HZ
        which = np.arange(len(Electrode))
        volts = 1e-3 * np.sin(2 * np.pi * (1 + which) * t_s) + 1e-2 * which
        return ElectrodePotentials(volts, np.broadcast_to(self._off, volts.shape).copy())


class Bench:
    """A ``FrameSource``: the frames of a chip elsewhere, in real time."""

    def __init__(self, clock: VirtualClock, off: tuple[Electrode, ...], stops_at: int | None):
        self._clock, self._stops_at = clock, stops_at
        self._chip = simulated_frontend(Tones(off), VirtualClock(), seed=SEED, bulk=True)
        self._chip.configure(FrontendConfig())
        self._chip.start()
        self._origin_ns = clock.now_ns()
        self._next = 0
        self._sent: list[Frames] = []

    def elapse(self, samples: int) -> None:
        self._clock.advance_ns(samples * SAMPLE_NS)
        while samples > 0:
            n = min(samples, MAX_FRAMES)
            block = self._chip.read(n, 0.1)
            if self._stops_at is None or self._next < self._stops_at:
                data = pack(block.status, block.counts)[: self._left].tobytes()
                self._sent.append(Frames(self._origin_ns, self._next, data))
            samples, self._next = samples - n, self._next + n

    @property
    def _left(self) -> int | None:
        return None if self._stops_at is None else self._stops_at - self._next

    def feed(self, samples: int) -> None:
        if not self._sent:
            self.elapse(samples)

    def receive(self, timeout_ns: int) -> Frames | None:
        if self._sent:
            return self._sent.pop(0)
        self._clock.advance_ns(timeout_ns)
        return None


@dataclass(frozen=True, slots=True)
class Rig:
    """A front end that is not open yet.

    elapse : the time of n conversions passes while nobody reads
    feed : called before a read that may ask for n samples, where time cannot pass inside it
    in_use : what the front end still holds of the system
    buffered : samples wait for a late reader
    """

    frontend: Frontend
    clock: VirtualClock
    elapse: Callable[[int], None]
    in_use: Callable[[], int]
    feed: Callable[[int], None] = lambda samples: None
    buffered: bool = False


MakeRig = Callable[..., Rig]


def start(rig: Rig, config: FrontendConfig | None = None) -> Frontend:
    """Open, configure and start."""
    rig.frontend.open()
    rig.frontend.configure(config or FrontendConfig())
    rig.frontend.start()
    return rig.frontend


def rig_maker(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cleanup: list[Callable[[], None]]
) -> MakeRig:
    """The maker of rigs called ``name``; each rig has a world of its own."""

    def simulated(bulk: bool, off: tuple[Electrode, ...], stops_at: int | None) -> Rig:
        clock = VirtualClock()
        faults = Faults(drdy_stops_at=stops_at)
        frontend = simulated_frontend(Tones(off), clock, seed=SEED, bulk=bulk, faults=faults)
        return Rig(frontend, clock, lambda n: clock.advance_ns(n * SAMPLE_NS), lambda: 0)

    def board(off: tuple[Electrode, ...], stops_at: int | None, gpiod: bool) -> Rig:
        clock = VirtualClock()
        chip = SimulatedChip(Tones(off), clock, SEED, Faults(drdy_stops_at=stops_at))
        world = Board(chip, clock, Pins())
        if gpiod:
            lines = with_gpiod(world, monkeypatch, tmp_path)
            in_use = lambda: world.spidev.open_count + len(lines.held)  # noqa: E731
        else:
            gpio = with_rpi_gpio(world, monkeypatch, Pins().data_ready)
            in_use = lambda: (  # noqa: E731
                world.spidev.open_count + len(gpio.inputs) + len(gpio.outputs) + len(gpio.callbacks)
            )
        frontend = backends.build("ads1298" if gpiod else "ads1298-rpigpio", clock)
        return Rig(frontend, clock, lambda n: clock.advance_ns(n * SAMPLE_NS), in_use)

    def linux_iio(off: tuple[Electrode, ...], stops_at: int | None) -> Rig:
        clock = VirtualClock()
        root = tmp_path / f"kernel{len(cleanup)}"
        kernel = FakeKernel(root, clock, stops_at=stops_at).install(monkeypatch)
        cleanup.append(kernel.close)

        def feed(samples: int) -> None:
            if not kernel.waiting():
                kernel.elapse(samples + kernel.unsettled_left())

        return Rig(
            LinuxIio(clock, root=root), clock, kernel.elapse, kernel.readers, feed, buffered=True
        )

    def injected(off: tuple[Electrode, ...], stops_at: int | None) -> Rig:
        clock = VirtualClock()
        bench = Bench(clock, off, stops_at)
        frontend = InjectedFrontend(bench)
        return Rig(frontend, clock, bench.elapse, lambda: 0, bench.feed, buffered=True)

    makers: dict[str, Callable[[tuple[Electrode, ...], int | None], Rig]] = {
        "simulated": lambda off, stops_at: simulated(False, off, stops_at),
        "simulated-bulk": lambda off, stops_at: simulated(True, off, stops_at),
        "ads1298-gpiod": lambda off, stops_at: board(off, stops_at, gpiod=True),
        "ads1298-rpigpio": lambda off, stops_at: board(off, stops_at, gpiod=False),
        "linux-iio": linux_iio,
        "injected": injected,
    }

    def make(off: tuple[Electrode, ...] = (), stops_at: int | None = None) -> Rig:
        return makers[name](off, stops_at)

    return make


NAMES = ("simulated", "simulated-bulk", "ads1298-gpiod", "ads1298-rpigpio", "linux-iio", "injected")
