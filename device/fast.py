"""The instrument in one process, as fast as the machine can: virtual time, bulk frames.

Pipeline, screen and link are the live ones; only ring and processes are left out. The same
configuration and model give the same bytes on the line and the same pixels, every time.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from device.config import Config, ConfigError
from device.config_sections import REPLAY, SIMULATED
from device.display.outputs import Display, DisplayError, NoDisplay, open_display
from device.installed import installed_model
from device.instrument import Instrument, firmware_version
from device.link.port import PTY, STDOUT, Port, open_port
from device.records.opening import open_keeper
from device.source import build_patient
from hal import backends
from hal.clock import VirtualClock
from hal.errors import FrontendError, Reason
from hal.frontend import SAMPLE_RATE_HZ, Frontend
from hal.simulated import simulated_frontend

BLOCK = SAMPLE_RATE_HZ // 5  # five frames per second of signal
UNSEEN = SAMPLE_RATE_HZ  # where nobody looks, behind the first block, after which the hello goes
READ_TIMEOUT_S = 1.0
FLUSH_S = 1.0
NOBODY_READS = os.strerror(errno.EPIPE)  # "| head": no fault


@dataclass(frozen=True, slots=True)
class FastRun:
    """What came of it: samples processed and lost, messages sent and dropped, faults."""

    samples: int
    lost: int
    sent: int
    dropped: int
    faults: dict[str, str]  # part -> what was wrong with it at the end


def run_fast(
    config: Config,
    duration_s: float | None,
    *,
    port: Port | None = None,
    display: Display | None = None,
) -> FastRun:
    """Run ``duration_s`` seconds of signal, or all of a finite one.

    port, display : instead of the configured ones
    Raises ConfigError (neither a simulated front end nor a replay; a port or display that cannot
    be used) and HalError (no such preset, a bad recording, a fault of the front end).
    """
    if config.frontend.backend not in (SIMULATED, REPLAY):
        raise ConfigError(f"{config.frontend.backend} cannot run faster than real time")
    if config.serial.port == PTY and port is None:
        raise ConfigError("a batch run does not wait for a host; use --serial - or a port")
    clock = VirtualClock()
    frontend = _frontend(config, clock)
    try:
        if port is None and config.serial.port:
            port = open_port(config.serial.port, config.serial.baud)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"serial {config.serial.port}: {why}") from None
    try:
        display = display or open_display(config.display.device)
    except (OSError, DisplayError) as error:
        raise ConfigError(str(error)) from None
    seen = not isinstance(display, NoDisplay)
    model = None if config.model.path else installed_model(config, datetime.now(UTC))
    began, began_ns = datetime.now(UTC), clock.now_ns()

    def utc_of(t_ns: int) -> datetime:
        return began + timedelta(microseconds=(t_ns - began_ns) // 1000)

    recorder = open_keeper(config, utc_of, firmware=firmware_version())
    instrument = Instrument(config, model=model, port=port, recorder=recorder)
    end = None if duration_s is None else round(duration_s * SAMPLE_RATE_HZ)
    samples = 0
    try:
        frontend.open()
        instrument.connect(frontend.configure(config.frontend.settings()))
        frontend.start()
        while end is None or instrument.index < end:
            most = UNSEEN if instrument.index and not seen else BLOCK
            left = most if end is None else min(most, end - instrument.index)
            block = frontend.read(left, READ_TIMEOUT_S)
            instrument.process(block)
            samples += len(block)
            instrument.check_storage()
            _send(instrument, clock.now_ns(), wait=config.serial.port == STDOUT)
            if seen:
                _show(instrument, display)
    except FrontendError as error:
        if error.reason is not Reason.END_OF_SIGNAL:
            raise
    finally:
        frontend.stop()
        frontend.close()
        if recorder is not None:
            recorder.close()
            instrument.check_storage()
        _send(instrument, clock.now_ns(), wait=True)
        instrument.link.close()
        display.close()
    link = instrument.link
    return FastRun(
        samples,
        instrument.index - samples,
        link.counters.sent,
        link.dropped,
        dict(instrument.faults),
    )


def _frontend(config: Config, clock: VirtualClock) -> Frontend:
    name, options = config.frontend.backend, config.frontend.options
    patient = build_patient(config.patient) if name == SIMULATED else None
    if patient is None or options:
        return backends.build(name, clock, options=options, patient=patient)
    return simulated_frontend(patient, clock, bulk=True)


def _send(instrument: Instrument, now_ns: int, *, wait: bool) -> None:
    """Write what the port takes; with ``wait`` until it has taken all or a second has passed."""
    link = instrument.link
    link.poll(now_ns)
    deadline_s = time.monotonic() + FLUSH_S
    while wait and link.waiting and not link.failure and time.monotonic() < deadline_s:
        time.sleep(0.001)
        link.poll(now_ns)
    if link.failure and not link.failure.endswith(NOBODY_READS):
        instrument.fault("serial", link.failure)


def _show(instrument: Instrument, display: Display) -> None:
    try:
        display.show(instrument.frame(display.size, grey=display.grey))
    except DisplayError as error:
        instrument.fault("display", str(error))
    if not display.failure:
        instrument.fault("display", "")
