"""``lead12 hil capture``, ``replay`` and ``vcd``: a front end's wires in a file, and out of it."""

from __future__ import annotations

import hashlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from device.acquire import Acquisition, Exit
from device.config import Config, ConfigError, load
from device.config_sections import SIMULATED
from device.ring import WriterState
from device.source import build_patient
from hal import backends
from hal.capture_file import CaptureReader
from hal.clock import Clock, RealClock, VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock, Frontend, FrontendConfig, FrontendInfo
from hal.replay import Tape, replay_frontend
from tools.vcd import write_vcd

CAPTURED = (SIMULATED, "ads1298", "ads1298-rpigpio")  # the driver is ours: it has an SPI bus
OK, FAILED = 0, 1


class Tally:
    """A ``device.acquire.Sink`` that counts, and digests all that the driver delivered.

    The digest is the SHA-256 of every sample's index, time since the first, status, electrodes
    and counts: two runs that give the same have delivered the same.
    """

    def __init__(self) -> None:
        self.next_index = 0
        self.last_t_ns: int | None = None
        self.samples = self.faults = 0
        self._first_ns = 0
        self._digest = hashlib.sha256()

    @property
    def lost(self) -> int:
        return self.next_index - self.samples

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def write(self, block: FrameBlock, *, estimated: bool = False) -> None:
        if self.last_t_ns is None:
            self._first_ns = int(block.t_ns[0])
        index = block.first_index + np.arange(len(block))
        columns = (index, block.t_ns - self._first_ns, block.status, block.electrodes_off)
        rows = np.column_stack([*columns, block.counts]).astype("<i8")
        self._digest.update(rows.tobytes())
        self.next_index = block.first_index + len(block)
        self.last_t_ns = int(block.t_ns[-1])
        self.samples += len(block)

    def describe(self, info: FrontendInfo) -> None:
        """The log has said it."""

    def say(self, state: WriterState, now_ns: int, fault: str = "") -> None:
        self.faults += state is WriterState.FAULT

    def heartbeat(self, now_ns: int) -> None:
        """Nobody watches."""


def capture(
    file: Path,
    *,
    frontend: str | None = None,
    preset: str | None = None,
    config_file: Path | None = None,
    duration_s: float,
) -> int:
    """Run the configured front end for ``duration_s`` and record its wires; an exit code.

    Faults are met as the monitor meets them: the front end is built anew, in the same file. The
    simulated chip runs as fast as it can. Raises ConfigError or HalError before anything runs.
    """
    if file.exists():
        raise ConfigError(f"{file} exists, and captures are not written over; name another file")
    config = (load(config_file) if config_file else Config()).override(
        {"frontend.backend": frontend, "patient.preset": preset}
    )
    name = config.frontend.backend
    if name not in CAPTURED:
        raise ConfigError(f"{name} has no SPI bus to capture; use {', '.join(CAPTURED)}")
    simulated = name == SIMULATED
    patient = build_patient(config.patient) if simulated else None
    clock: Clock = VirtualClock() if simulated else RealClock()
    options = {**config.frontend.options, "capture": str(file)}
    code, tally = _acquire(
        lambda: backends.build(name, clock, options=options, patient=patient),
        config.frontend.settings(),
        clock,
        duration_s,
    )
    if code is Exit.USAGE:
        return FAILED
    size = file.stat().st_size
    per_hour = f", {size / tally.samples * SAMPLE_RATE_HZ * 3600 / 1e6:.0f} MB per hour"
    print(f"{file}: {size} bytes{per_hour if tally.samples else ''}")
    _report(tally)
    return OK if tally.samples else FAILED


def replay(file: Path) -> int:
    """Run the driver over the capture ``file`` and say what it says; an exit code.

    FAILED when the driver does something else than the captured one did.
    """
    clock = VirtualClock()
    tapes: set[Tape] = set()

    def build() -> Frontend:
        driver = replay_frontend(file, clock)
        tapes.add(driver.tape)
        return driver

    code, tally = _acquire(build, FrontendConfig(), clock, None)
    for tape in tapes:
        if tape.damage:
            _say(f"{file} is {tape.damage}; this is what came before")
    _report(tally)
    return FAILED if code is Exit.USAGE else OK


def vcd(file: Path, out: Path, *, begin_s: float = 0.0, seconds: float | None = None) -> int:
    """Write the wires of the capture ``file`` as a value change dump; an exit code."""
    reader = CaptureReader(file)
    with out.open("w", encoding="ascii") as dump:
        changes = write_vcd(reader, dump, begin_s=begin_s, seconds=seconds)
    if not changes and not reader.damage:
        _say(f"nothing passes from {begin_s:g} s on in {file}; take an earlier --from")
        return FAILED
    print(f"{out}: {changes} changes of eight wires")
    if reader.damage:
        _say(f"{file} is {reader.damage}; what came before is in the dump")
    return OK


def _acquire(
    build: Callable[[], Frontend], settings: FrontendConfig, clock: Clock, duration_s: float | None
) -> tuple[Exit, Tally]:
    """The monitor's own acquisition, until the time is up, the signal ends or Ctrl-C."""
    tally = Tally()
    asked_to_stop = False
    end_ns = None if duration_s is None else clock.now_ns() + round(duration_s * 1e9)

    def stop(*_: object) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True

    def stopping() -> bool:
        return asked_to_stop or (end_ns is not None and clock.now_ns() >= end_ns)

    before = signal.signal(signal.SIGINT, stop)
    try:
        code = Acquisition(build, settings, tally, clock, _say).run(stopping)
    finally:
        signal.signal(signal.SIGINT, before)
    return code, tally


def _report(tally: Tally) -> None:
    if not tally.samples:
        return
    print(f"{tally.samples} samples, {tally.lost} lost, {tally.faults} faults")
    print(f"sha256 {tally.digest}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
