"""Everything the monitor needs of this machine, each with its evidence and what to do.

Hardware that a laptop lacks by nature is "not here" and in order, unless the settings ask for it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import shutil
import statistics
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image

from device.acquire import REALTIME_PRIORITY
from device.bundles import NONE, read_bundle
from device.config import Config, ring_path
from device.config_sections import SIMULATED
from device.display.outputs import DisplayError, open_display
from device.display.screens import Frame
from device.flash.health import store_check
from device.flash.owner import owner_fault
from device.flash.store import Store, store_folder
from device.front_panel import open_buttons, open_outputs, wired
from device.link.access import KeyFileError, keyed, read_key
from device.link.port import PTY
from device.records.health import storage_checks
from device.ring import SLOTS
from device.segment import HEADER_BYTES, SLOT, writer_of
from device.source import build_frontend
from firmware.archive import BundleError
from firmware.fixedpoint import BiquadBank
from firmware.network import Network, NetworkError
from hal.backends import Wiring
from hal.clock import Clock, RealClock, VirtualClock
from hal.errors import HalError
from hal.frontend import SAMPLE_NS, Capability, Check, Frontend
from hal.linux_gpio import find_header_chip

PYTHON_MIN = (3, 11)
PACKAGES = (
    "numpy",
    "cmsisdsp",
    "scipy",
    "cryptography",
    "pyserial",
    "luma.oled",
    "sdnotify",
    "jsonschema",
)
RING_BYTES = HEADER_BYTES + SLOTS * SLOT.itemsize
TIMER_LOOPS = 250  # half a second
MEASURED_RUNS = 20
SHINE_NS = 500_000_000
NOT_HERE = "not here"
HEADER_PORTS = ("/dev/serial", "/dev/ttyAMA", "/dev/ttyS")  # of a Raspberry Pi's own


def checks(config: Config, clock: Clock | None = None, utc: datetime | None = None) -> list[Check]:
    """All findings, in the order in which one depends on the other.

    clock, utc : the real clock, and what the system says of the time

    Takes a few seconds with a real front end. A running monitor holds the front end's lines:
    that check then fails and says so.
    """
    real, now = clock or RealClock(), utc or datetime.now(UTC)
    return [
        _python(),
        _packages(),
        _arithmetic(),
        _network(config, now),
        _model_store(config, now),
        *_buses(config),
        *_frontend(config, real),
        _shared_memory(ring_path(config).parent),
        _realtime(config),
        _timer(config, real),
        _serial(config.serial.port),
        _serial_key(config),
        _display(config.display.device),
        _buttons(config, real),
        _indicators(config, real),
        *storage_checks(config),
    ]


def _python() -> Check:
    ok = sys.version_info >= PYTHON_MIN
    wanted = ".".join(map(str, PYTHON_MIN))
    found = f"{platform.python_implementation()} {platform.python_version()}"
    evidence = f"{found} on {platform.machine()}, {platform.system()} {platform.release()}"
    return Check("python", ok, evidence, "" if ok else f"install Python {wanted} or later")


def _packages() -> Check:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        act = "install Lead12 again; in a checkout: make clean setup"
        return Check("packages", False, f"missing: {', '.join(missing)}", act)
    return Check("packages", True, ", ".join(found))


def _arithmetic() -> Check:
    """A slow low-pass in CMSIS-DSP must settle on its input: y += (x - y) / 1024.

    With the 64-bit state it ends within 1; a 32-bit state stops 1023 short, and the filters at
    0.05 Hz would be as wrong.
    """
    level, one = 1 << 20, 1 << 30
    step = np.full((1, 20_000), level, np.int32)
    low_pass = BiquadBank([(one >> 10, 0, 0, one - (one >> 10), 0)], channels=1)
    short = level - int(low_pass.process(step)[0, -1])
    ok = 0 <= short <= 1
    return Check(
        "fixed point",
        ok,
        f"CMSIS-DSP low-pass settles {short} short of {level}, at most 1 allowed",
        "" if ok else "reinstall cmsisdsp",
    )


def _network(config: Config, now: datetime) -> Check:
    name = "network"
    try:
        if config.model.path == NONE:
            return Check(name, True, "none is configured: the monitor makes no call")
        if config.model.path:
            network = Network(read_bundle(config.model.path))
        else:
            network = Network(Store(store_folder(config)).choose(now, starting=False).bundle)
        network.self_test()
    except (BundleError, NetworkError, OSError) as error:
        return Check(name, False, str(error), "set [model] path to a sound bundle")
    runtime = f"{network.runtime} {_version(str(network.runtime).replace('_', '-'))}"
    return Check(
        name,
        True,
        f"{network.bundle.id} on {runtime}: {len(network.bundle.golden)} golden vectors right, "
        f"{_run_ms(network):.1f} ms a window",
    )


def _model_store(config: Config, now: datetime) -> Check:
    try:
        return store_check(config, now)
    except BundleError as error:
        return Check("model store", False, str(error), "install the firmware again")
    except OSError as error:
        act = owner_fault(store_folder(config))[1] or "check the disk and who owns it"
        return Check("model store", False, f"{error.filename}: {error.strerror}", act)


def _run_ms(network: Network) -> float:
    tensor = np.zeros(network.bundle.input.shape, np.int8)
    times = []
    for _ in range(MEASURED_RUNS):
        begin = time.perf_counter_ns()
        network.run(tensor)
        times.append(time.perf_counter_ns() - begin)
    return statistics.median(times) / 1e6


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of unknown version"


def _buses(config: Config) -> list[Check]:
    """SPI node and GPIO chip, where a back-end uses them."""
    backend = config.frontend.backend
    wanted = backend.startswith("ads1298")
    bus = config.frontend.options.get("spi_bus", Wiring().spi_bus)
    device = config.frontend.options.get("spi_device", Wiring().spi_device)
    node = Path(f"/dev/spidev{bus}.{device}")
    found = [
        _node(
            "SPI",
            node,
            wanted,
            f"the {backend} front end",
            "put dtparam=spi=on into /boot/firmware/config.txt",
        )
    ]
    if backend == "ads1298-rpigpio":
        return found  # its lines are tried with the front end
    try:
        found.append(Check("GPIO", True, f"{find_header_chip()} is behind the header"))
    except HalError as error:
        if wanted:
            found.append(_failed("GPIO", error))
        else:
            found.append(Check("GPIO", True, f"{NOT_HERE}, and the {backend} front end needs none"))
    return found


def _node(name: str, node: Path, wanted: bool, user: str, act: str) -> Check:
    """A device node that must exist and be open to us when it is ``wanted``."""
    if not node.exists():
        if wanted:
            return Check(name, False, f"{node} does not exist", act)
        return Check(name, True, f"{NOT_HERE} ({node}), and {user} needs none")
    if wanted and not os.access(node, os.R_OK | os.W_OK):
        return Check(
            name, False, f"no permission for {node}", f"join the group {node.group()}, log in again"
        )
    return Check(name, True, f"{node} is there")


def _frontend(config: Config, real: Clock) -> list[Check]:
    """Power up, identity, self-test and supplies of the configured front end."""
    name = "front end"
    simulated = config.frontend.backend == SIMULATED
    try:
        frontend = build_frontend(config, VirtualClock() if simulated else real)
    except (HalError, ValueError) as error:
        return [_failed(name, error)]
    try:
        frontend.open()
        info = frontend.configure(config.frontend.settings())
        evidence = f"{info.detail}, gain {info.gain}, {info.nv_per_count:.3f} nV per count"
        return [Check(name, True, evidence), *_examine(frontend)]
    except HalError as error:
        return [_failed(name, error)]
    finally:
        with contextlib.suppress(HalError):  # it failed above already, and said why
            frontend.close()


def _examine(frontend: Frontend) -> list[Check]:
    found = []
    if Capability.SELF_TEST in frontend.capabilities:
        found += frontend.self_test()
    if Capability.HOUSEKEEPING in frontend.capabilities:
        measured = frontend.housekeeping()
        found.append(
            Check(
                "supplies",
                True,
                f"AVDD {measured.avdd_v:.2f} V, DVDD {measured.dvdd_v:.2f} V, "
                f"{measured.temperature_c:.0f} °C",
            )
        )
    return found


def _failed(name: str, error: Exception) -> Check:
    act = error.act if isinstance(error, HalError) else ""
    evidence = str(error).removesuffix(f"; {act}") if act else str(error)
    return Check(name, False, evidence, act or "correct [frontend] and [patient] in the settings")


def _shared_memory(folder: Path) -> Check:
    name = "shared memory"
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(name, False, f"{folder}: {error.strerror}", "set [ring] path to a RAM disk")
    evidence = f"{free / 1e6:.0f} MB free in {folder}, the ring takes {RING_BYTES / 1e6:.1f}"
    ok = free > 2 * RING_BYTES
    return Check(name, ok, evidence, "" if ok else f"make room in {folder}")


def _realtime(config: Config) -> Check:
    name = "real-time priority"
    if os.environ.get("STATE_DIRECTORY"):  # there the unit has the right, and this shell need not
        return _realtime_of_acquire(name, ring_path(config))
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    try:
        before = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY))
        os.sched_setscheduler(0, *before)
    except PermissionError:
        simulated = config.frontend.backend == SIMULATED
        return Check(
            name,
            simulated,
            f"not allowed (RLIMIT_RTPRIO {limit}): a busy machine loses more samples",
            f"add '@gpio - rtprio {REALTIME_PRIORITY}' to /etc/security/limits.conf",
        )
    return Check(name, True, f"SCHED_FIFO {REALTIME_PRIORITY} is allowed")


def _realtime_of_acquire(name: str, ring: Path) -> Check:
    """Of the process that writes the ring, where one runs."""
    try:
        pid = writer_of(ring)
        policy = os.sched_getscheduler(pid) if pid else None
    except OSError:  # it ended meanwhile
        policy = None
    if policy is None:
        return Check(name, True, "acquire does not run; its unit asks for it: start it and see")
    if policy & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO:
        return Check(name, True, f"acquire (process {pid}) runs with SCHED_FIFO")
    return Check(
        name,
        False,
        f"acquire (process {pid}) runs without it: a busy machine loses more samples",
        "start it by its unit: sudo systemctl restart lead12-acquire; "
        "journalctl -u lead12-acquire says what was refused",
    )


def _timer(config: Config, clock: Clock) -> Check:
    """How late a bare 500 Hz loop wakes: what any reader on this machine has to live with."""
    late_us = []
    due = clock.now_ns()
    for _ in range(TIMER_LOOPS):
        due += SAMPLE_NS
        clock.sleep_until_ns(due)
        late_us.append((clock.now_ns() - due) / 1e3)
    p99, worst = float(np.percentile(late_us, 99)), max(late_us)
    missed = sum(late * 1e3 >= SAMPLE_NS for late in late_us)
    ok = config.frontend.backend == SIMULATED or p99 * 1e3 < SAMPLE_NS
    return Check(
        "timer",
        ok,
        f"bare 500 Hz loop: late by {statistics.median(late_us):.0f} µs median, {p99:.0f} µs p99, "
        f"{worst:.0f} µs at worst; {missed} of {TIMER_LOOPS} edges missed",
        "stop other programs, and allow real-time priority" if missed else "",
    )


def _serial(port: str) -> Check:
    from serial.tools.list_ports import comports

    name = "serial"
    here = ", ".join(sorted(found.device for found in comports())) or "none"
    if not port:
        return Check(name, True, f"no port is configured; ports here: {here}")
    if port == PTY and os.environ.get("STATE_DIRECTORY"):
        act = "name the port in [serial], or none"
        return Check(name, False, "pty is made by lead12 run only, not on a device", act)
    if port in ("-", PTY) or ":" in port:
        return Check(name, True, f"{port} is opened when the monitor runs")
    if not Path(port).exists():
        return Check(name, False, f"{port} does not exist; ports here: {here}", _missing_port(port))
    return _node(name, Path(port), True, "", "")


def _missing_port(port: str) -> str:
    if port.startswith(HEADER_PORTS):
        return "put enable_uart=1 into /boot/firmware/config.txt (raspi-config), and boot"
    return "plug the cable in, or check the name in [serial] port"


def _serial_key(config: Config) -> Check:
    """Who may change something over the line."""
    name, file = "serial key", config.serial.key_file
    if not keyed(config):
        if not config.serial.port:
            return Check(name, True, "no port is configured")
        return Check(name, True, "the line is open: everybody on it may change settings and models")
    try:
        read_key(Path(file))
    except KeyFileError as error:
        what, _, act = str(error).partition("; ")
        if not config.serial.port:
            return Check(name, True, f"no port is configured; the key would be refused: {what}")
        return Check(name, False, f"the line is read-only: {what}", act)
    idle = "" if config.serial.port else "no port is configured; "
    return Check(name, True, f"{idle}changes need the key in {file}")


def _display(spec: str) -> Check:
    name = "display"
    kind = spec.partition(":")[0]
    try:
        display = open_display(spec)
        if kind in ("none", "terminal", "png"):
            return Check(name, True, f"{spec} needs no hardware")
        black = Image.new("L", display.size)
        display.show(Frame(black, 0, ""))
        display.close()
    except DisplayError as error:
        return Check(name, False, str(error), "docs/wiring.md has the display's pins")
    return Check(name, True, f"{spec} took a frame of {display.size[0]}x{display.size[1]}")


def _buttons(config: Config, clock: Clock) -> Check:
    name = "buttons"
    lines = wired(config.buttons)
    if not lines:
        return Check(name, True, "none are configured")
    try:
        with contextlib.closing(open_buttons(config)) as opened:
            down = {contact.line for contact in opened.read(clock.now_ns()) if contact.closed}
    except HalError as error:
        return _failed(name, error)
    told = ", ".join(
        f"{n} on GPIO {at} {'DOWN' if at in down else 'up'}" for n, at in lines.items()
    )
    act = "release it, or look for a short circuit" if down else ""
    return Check(name, not down, told, act)


def _indicators(config: Config, clock: Clock) -> Check:
    """All on for a moment: whether they shine and sound, only a person can tell."""
    name = "indicators"
    lines = wired(config.indicators)
    if not lines:
        return Check(name, True, "none are configured")
    try:
        with contextlib.closing(open_outputs(config)) as opened:
            for line in lines.values():
                opened.set(line, True)
            clock.sleep_until_ns(clock.now_ns() + SHINE_NS)
    except HalError as error:
        return _failed(name, error)
    told = ", ".join(f"{n} on GPIO {at}" for n, at in lines.items())
    return Check(name, True, f"{told}: switched on for half a second; did all shine and sound?")
