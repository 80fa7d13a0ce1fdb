"""``lead12 run``: the monitor, live in its two processes or in one as fast as it can."""

from __future__ import annotations

import sys
from pathlib import Path

from device.bundles import NONE, read_bundle
from device.config import Config, ConfigError, load
from device.config_sections import INJECTED, SIMULATED
from device.display.outputs import DisplayError, PngFolder, open_display
from device.source import build_patient
from hal.backends import BACKENDS
from hal.frontend import SAMPLE_RATE_HZ

FINITE_S = 60.0  # of a patient without an end, when --speed max is given no duration


def run(
    *,
    frontend: str | None = None,
    preset: str | None = None,
    record: Path | None = None,
    fast: bool = False,
    duration_s: float | None = None,
    serial: str | None = None,
    display: str | None = None,
    model: str | None = None,
    config_file: Path | None = None,
) -> int:
    """Run with the settings of ``config_file``, options over them; an exit code.

    Raises ConfigError, HalError, BundleError or NetworkError for what cannot be started.
    """
    if preset == "list":
        _list_presets()
        return 0
    if preset and record:
        raise ConfigError("--preset and --record both name a patient; give one of them")
    config = (load(config_file) if config_file else Config()).override(
        {
            "frontend.backend": frontend,
            "patient.preset": preset,
            "patient.record": str(record) if record else None,
            "patient.loop": False if record and fast else None,
            "serial.port": serial,
            "display.device": display,
            "model.path": model,
        }
    )
    _check(config)
    if fast:
        return _run_fast(config, duration_s)
    from device.supervisor import PTY, run_live

    on_the_bench = config.frontend.backend in (SIMULATED, INJECTED)
    if not config.serial.port and serial is None and on_the_bench:
        config = config.override({"serial.port": PTY})
    return run_live(config, duration_s, _report)


def _check(config: Config) -> None:
    """What is wrong in the settings is told before any process starts; what breaks later is not."""
    if config.frontend.backend not in BACKENDS:
        raise ConfigError(f"no front end {config.frontend.backend!r}; use {', '.join(BACKENDS)}")
    if config.frontend.backend == SIMULATED:
        build_patient(config.patient)
    if config.model.path not in ("", NONE):
        read_bundle(config.model.path)
    try:
        display = open_display(config.display.device)
        if isinstance(display, PngFolder):  # a panel may be plugged in later, a path not
            display.prepare()
    except DisplayError as error:
        raise ConfigError(str(error)) from None


def _run_fast(config: Config, duration_s: float | None) -> int:
    from device.fast import run_fast

    endless = config.frontend.backend == SIMULATED and not config.patient.record
    if duration_s is None and endless:
        duration_s = FINITE_S
    done = run_fast(config, duration_s)
    seconds = done.samples / SAMPLE_RATE_HZ
    _report(f"{seconds:.1f} s of signal, {done.lost} samples lost, {done.sent} messages")
    if duration_s is not None and seconds < duration_s:
        _report("the recording has ended")
    for sentence in done.faults.values():
        _report(sentence)
    return int(bool(done.faults))


def _list_presets() -> None:
    from hal.patient.presets import presets

    known = presets()
    width = max(map(len, known))
    for name, what in known.items():
        print(f"{name:<{width}}  {what}")


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
