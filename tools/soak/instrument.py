"""The bodies of the two processes: ``device.acquire`` and ``device.monitor``, on the bench.

Not as on the device are the clocks; that frames are read in blocks, byte for byte the same; that
the thread that writes records is waited for, as virtual time is faster than disks; and that the
screen's pixels go nowhere.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from device import heap
from device import monitor as monitor_module
from device.acquire import Acquisition
from device.config import Config, ring_path
from device.records.writer import RecordWriter
from device.ring import RingWriter
from hal.ads1298.chip import SimulatedChip
from hal.ads1298.driver import Ads1298
from hal.ads1298.wire import ChipDataReady, ChipFrames, ChipPins, ChipSpi
from hal.frontend import SAMPLE_RATE_HZ, Capability, FrameBlock, Frontend
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials
from hal.patient.changes import later
from tools.soak.children import ORIGIN_NS, GrantedClock
from tools.soak.disk import MIN_FREE_MB
from tools.soak.plan import HOUR_S, Course

HOUR_NS = round(HOUR_S * 1e9)
FRAMES = SAMPLE_RATE_HZ  # asked of the front end at once
STATE = "state"  # the folder that outlasts restarts, below the bench's own
_HOUR_POINTS = round(HOUR_S * ANALOG_RATE_HZ)
LINE = "line"  # the serial port's name there
SETTLE_S = 30.0  # real seconds for the disk to take half a virtual second


def configuration(folder: Path) -> Config:
    """The instrument on the bench in ``folder``; a simulated patient, but records are kept."""
    return Config().override(
        {
            "ring.path": str(folder / "soak.ring"),
            "serial.port": str(folder / LINE),
            "display.device": "none",
            "display.frames_per_second": 1,
            "records.folder": str(folder / STATE / "records"),
            "records.continuous_hours": 0.75,
            "records.snapshots": 20,
            "records.min_free_mb": MIN_FREE_MB,
        },
        "soak",
    )


# -- acquire


class Everybody:
    """The patients of all hours, one after the other; remembers the last two."""

    name = "soak"
    duration: int | None = None

    def __init__(self, course: Course) -> None:
        self._course = course

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials; a span over the hour is the business of two of them."""
        hour, at = divmod(first, _HOUR_POINTS)
        here = min(n, _HOUR_POINTS - at)
        felt = self._course.patient(hour).potentials(at, here)
        if here == n:
            return felt
        rest = self._course.patient(hour + 1).potentials(0, n - here)
        return ElectrodePotentials(
            np.concatenate([felt.volts, rest.volts]), np.concatenate([felt.off, rest.off])
        )


class ChipInTime:
    """The chip of the moment, and the faults of the hour on it."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._hour = self._since = -1
        self._chip: SimulatedChip | None = None

    def look(self, now_ns: int) -> None:
        """Each hour has its own faults."""
        hour = (now_ns - ORIGIN_NS) // HOUR_NS
        if hour != self._hour and self._chip is not None:
            self._course.forget()
            gc.collect()  # last hour's patient: the device has one for good
            heap.give_back()
            self._hour = hour
            self._chip.faults = self._course.chip_faults(hour, ORIGIN_NS, self._since)

    def build(self, clock: GrantedClock) -> Frontend:
        """A front end just powered on, on a patient and under faults that have gone on."""
        now_ns = clock.now_ns()
        self._hour = self._since = (now_ns - ORIGIN_NS) // HOUR_NS
        faults = self._course.chip_faults(self._hour, ORIGIN_NS, self._since)
        patient = later(Everybody(self._course), (now_ns - ORIGIN_NS) * 1e-9)
        self._chip = chip = SimulatedChip(patient, clock, faults=faults)
        spi, line = ChipSpi(chip), ChipDataReady(chip)
        return Ads1298(
            spi,
            ChipFrames(chip, spi, line),
            ChipPins(chip),
            line,
            clock,
            bus="simulated SPI",
            extra=Capability.SIMULATED | Capability.BULK,
        )


def acquire(link: socket.socket, config: Config, course: Course) -> None:
    """As ``device.acquire``'s main."""
    chip = ChipInTime(course)
    clock = GrantedClock(link, coarse=False, granted=lambda: chip.look(clock.now_ns()))
    clock.begin()
    ring = RingWriter(ring_path(config), clock.now_ns())
    acquisition = Acquisition(
        lambda: chip.build(clock),
        config.frontend.settings(),
        ring,
        clock,
        _log("acquire", clock),
        max_frames=FRAMES,
    )
    gc.freeze()
    acquisition.run(lambda: clock.stopping)
    ring.close()


# -- monitor


class PacedWriter(RecordWriter):
    """As the device's; the clock waits for it, unless the disk is to hang."""

    clock: GrantedClock  # whose process this is
    newest: PacedWriter | None = None

    def __init__(self, *given: object, **more: object) -> None:
        super().__init__(*given, **more)  # type: ignore[arg-type]
        PacedWriter.newest = self

    def _take(self, block: FrameBlock) -> None:
        while self.clock.disk_hangs:  # as a write call that does not return
            time.sleep(0.0005)
        super()._take(block)

    @classmethod
    def settle(cls) -> None:
        """Wait until all that was handed over is taken."""
        end_s = time.monotonic() + SETTLE_S
        while (writer := cls.newest) is not None and writer._todo and not cls.clock.disk_hangs:
            if not writer._thread.is_alive() or time.monotonic() > end_s:
                return
            time.sleep(0.0001)


def monitor(link: socket.socket, config: Config) -> None:
    """As ``device.monitor``'s main."""
    heap.keep_freed()
    clock = GrantedClock(link, coarse=True, granted=lambda: None)
    PacedWriter.clock = clock
    clock.begin()
    setattr(monitor_module, "RecordWriter", PacedWriter)  # noqa: B010
    setattr(monitor_module, "_utc", clock.utc)  # noqa: B010
    os.environ["STATE_DIRECTORY"] = str(Path(config.ring.path).parent / STATE)
    paced = PacedClock(clock)
    watched = monitor_module.Monitor(config, paced, lambda state: None, _log("monitor", clock))
    gc.freeze()
    watched.run(lambda: clock.stopping)


class PacedClock:
    """The monitor's: before time goes on, the disk has taken what it was given."""

    def __init__(self, clock: GrantedClock) -> None:
        self._clock = clock
        self.now_ns = clock.now_ns

    def sleep_until_ns(self, t_ns: int) -> None:
        PacedWriter.settle()
        self._clock.sleep_until_ns(t_ns)


def _log(who: str, clock: GrantedClock) -> Callable[[str], None]:
    def log(line: str) -> None:
        at_s = (clock.now_ns() - ORIGIN_NS) * 1e-9
        print(f"{at_s:.2f} s {who}: {line}", file=sys.stderr, flush=True)

    return log
