"""The units start the processes of the table, with the environment the laptop gives them."""

from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path

import pytest

from device.processes import ENVIRONMENT, EXIT_USAGE, PROCESSES, WATCHDOG_S, Process

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_unit_is_the_process_of_the_table(process: Process) -> None:
    unit = RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((UNITS / f"lead12-{process.name}.service").read_text(encoding="utf-8"))
    service = unit["Service"]
    assert f" -m {process.module} " in service["ExecStart"]
    assert dict(pair.split("=") for pair in service["Environment"].split()) == ENVIRONMENT
    assert service["RestartPreventExitStatus"] == str(EXIT_USAGE)
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) == WATCHDOG_S


def test_monitor_has_a_place_for_models() -> None:
    assert "\nStateDirectory=lead12\n" in (UNITS / "lead12-monitor.service").read_text()
