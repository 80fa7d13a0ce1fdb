"""The battery, from a tree like Linux's ``/sys/class/power_supply``."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.battery import battery_fault, battery_percent


def supply(folder: Path, name: str, **attributes: str) -> None:
    (folder / name).mkdir()
    for attribute, text in attributes.items():
        (folder / name / attribute).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("percent", "status", "said"),
    [
        ("20", "Discharging", "battery at 20 %: connect power"),
        ("21", "Discharging", ""),
        ("3", "Charging", ""),
        ("3", "Unknown", "battery at 3 %: connect power"),
        ("", "Discharging", ""),
        ("-1", "Discharging", ""),
    ],
)
def test_a_battery_that_runs_low_says_so(
    tmp_path: Path, percent: str, status: str, said: str
) -> None:
    supply(tmp_path, "AC", type="Mains", online="0")
    supply(tmp_path, "BAT0", type="Battery", capacity=percent, status=status)
    assert battery_fault(tmp_path) == said


def test_the_emptiest_counts_and_a_mouse_does_not(tmp_path: Path) -> None:
    supply(tmp_path, "BAT0", type="Battery", capacity="90", status="Discharging")
    supply(tmp_path, "BAT1", type="Battery", capacity="12", status="Discharging")
    supply(tmp_path, "mouse", type="Battery", capacity="2", status="Discharging", scope="Device")
    assert battery_fault(tmp_path) == "battery at 12 %: connect power"


def test_a_system_without_one_says_nothing(tmp_path: Path) -> None:
    supply(tmp_path, "AC", type="Mains", online="1")
    assert battery_fault(tmp_path) == battery_fault(tmp_path / "missing") == ""


def test_what_is_left_is_told_charging_or_not(tmp_path: Path) -> None:
    assert battery_percent(tmp_path / "missing") is battery_percent(tmp_path) is None
    supply(tmp_path, "AC", type="Mains", capacity="1")
    supply(tmp_path, "BAT0", type="Battery", capacity="67", status="Charging")
    supply(tmp_path, "mouse", type="Battery", capacity="2", scope="Device")
    assert battery_percent(tmp_path) == 67
