"""Units: the processes of the table, shut in, started again for ever; as systemd judges them."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.processes import (
    ENVIRONMENT,
    PROCESSES,
    RESTARTS,
    START_S,
    WATCHDOG_S,
    WITHIN_S,
    Process,
)
from tests.systemd.units import (
    ANALYZE,
    MAX_EXPOSURE,
    PYTHON,
    SERVICES,
    SYSTEMD,
    Settings,
    exposure,
    installed,
    verify,
)

CONFIG = "/etc/lead12/lead12.toml"
needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed here")


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_unit_is_the_process_of_the_table(process: Process) -> None:
    service = Settings(f"lead12-{process.name}.service")["Service"]
    assert service["ExecStart"] == f"{PYTHON} -m {process.module} {CONFIG}"
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) == WATCHDOG_S
    assert service["WatchdogSignal"] == "SIGKILL"
    assert float(service["TimeoutStartSec"]) <= START_S
    assert service["Restart"] == "always"
    assert "RestartPreventExitStatus" not in service  # an appliance never falls silent


@pytest.mark.parametrize("unit", ["degraded", "housekeeping"])
def test_the_others_start_modules_that_exist(unit: str) -> None:
    service = Settings(f"lead12-{unit}.service")["Service"]
    assert service["ExecStart"] == f"{PYTHON} -m device.{unit} {CONFIG}"
    device = SYSTEMD.parent / "device" / unit
    assert device.with_suffix(".py").exists() or (device / "__main__.py").exists()


def test_all_have_the_environment_of_the_laptop_and_their_places() -> None:
    pairs = Settings("lead12-.service.d/sandbox.conf")["Service"]["Environment"].split()
    given = dict(pair.split("=") for pair in pairs)
    assert ENVIRONMENT.items() <= given.items()
    assert given["STATE_DIRECTORY"] == "/var/lib/lead12"
    assert given["RUNTIME_DIRECTORY"] == "/run/lead12"
    assert given["PYTHONSAFEPATH"] == "1"  # nothing is imported from a folder others write to


def test_acquire_is_started_for_ever_and_the_monitor_gives_way_to_the_degraded_screen() -> None:
    assert Settings("lead12-acquire.service")["Unit"]["StartLimitIntervalSec"] == "0"
    unit = Settings("lead12-monitor.service")["Unit"]
    assert float(unit["StartLimitIntervalSec"]) == WITHIN_S
    assert int(unit["StartLimitBurst"]) == RESTARTS
    assert set(unit["OnFailure"].split()) == {"lead12-degraded.service", "lead12-again.timer"}
    assert unit["Conflicts"] == "lead12-degraded.service"
    assert "lead12-degraded.service" in unit["After"].split()  # it lets go of the screen first
    again = Settings("lead12-again.timer")
    assert again["Timer"]["Unit"] == "lead12-monitor.service"
    assert again["Unit"]["PartOf"] == "lead12-monitor.service"  # who stops it means it
    assert again["Timer"]["OnUnitInactiveSec"] == "60"
    degraded = Settings("lead12-degraded.service")["Service"]  # or the next start would be refused
    assert degraded["ExecStartPre"] == "+-/usr/bin/systemctl reset-failed lead12-monitor.service"


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_needs_the_other_the_network_or_root(name: str) -> None:
    unit, service = Settings(name)["Unit"], Settings(name)["Service"]
    assert "Requires" not in unit
    assert "RequiresMountsFor" not in unit
    assert "network" not in unit.get("After", "")
    assert service["User"] == ("lead12-acquire" if "acquire" in name else "lead12")


def test_only_acquire_is_real_time_and_it_reads_neither_key_nor_records() -> None:
    acquire = Settings("lead12-acquire.service")["Service"]
    assert acquire["LimitRTPRIO"] == "50"
    assert acquire["LimitMEMLOCK"] == "infinity"
    assert acquire["LimitRTTIME"] == "1s"
    assert acquire["InaccessiblePaths"] == "-/etc/lead12/serial.key -/var/lib/lead12/records"
    assert "ReadWritePaths" not in acquire
    for name in SERVICES:
        if "acquire" not in name:
            assert Settings(name)["Service"]["RestrictRealtime"] == "yes"
    # A drop-in is read last: there it would take acquire's priority.
    assert "RestrictRealtime" not in Settings("lead12-.service.d/sandbox.conf")["Service"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_has_its_share_of_the_machine_and_its_kinds_of_device(name: str) -> None:
    service = Settings(name)["Service"]
    assert 128 <= int(service["MemoryMax"].removesuffix("M")) <= 384
    assert 16 <= int(service["TasksMax"]) <= 64
    assert not [one for one in service.get("DeviceAllow", "").split() if "*" in one]


def test_the_buses_of_others_are_out_of_reach_and_systemds_ear_is_not() -> None:
    shut = Settings("lead12-.service.d/sandbox.conf")["Service"]["InaccessiblePaths"].split()
    assert {"-/run/dbus", "-/run/systemd/private"} <= set(shut)
    assert not {"-/run/systemd", "-/run/systemd/notify"} & set(shut)


def test_the_chip_belongs_to_acquire_alone() -> None:
    rules = (SYSTEMD / "udev.rules").read_text()
    assert 'KERNEL=="spidev0.*", GROUP="lead12-acquire", MODE="0660"' in rules
    assert 'KERNEL=="spidev1.*", GROUP="lead12", MODE="0660"' in rules
    assert "gpiomem" not in rules  # the registers of all pins; the libraries go without


@needs_analyze
def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    assert verify(installed(tmp_path)) == ""


@needs_analyze
@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_little_exposed(name: str) -> None:
    assert exposure(SYSTEMD / name) <= MAX_EXPOSURE


@needs_analyze
def test_a_unit_without_the_sandbox_is_found_out(tmp_path: Path) -> None:
    units = installed(tmp_path)
    (units / "lead12-.service.d" / "sandbox.conf").unlink()
    assert exposure(units / "lead12-monitor.service") > MAX_EXPOSURE
