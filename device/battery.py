"""The battery of the computer the monitor runs on, where the system tells of one.

The boards this runs on have no fuel gauge of their own: what Linux lists under
``/sys/class/power_supply`` (a laptop, a hat with a driver) is read, and without it nothing is said.
"""

from __future__ import annotations

from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")
LOW_PERCENT = 20


def battery_fault(supplies: Path = SUPPLIES) -> str:
    """What is wrong with the battery in one sentence; "" when it is well, charges, or is none.

    Of several the emptiest. Batteries of mice and keyboards (scope "Device") are left out.
    """
    try:
        folders = sorted(supplies.iterdir())
    except OSError:
        return ""
    left = [percent for folder in folders if (percent := _discharging(folder)) is not None]
    if not left or min(left) > LOW_PERCENT:
        return ""
    return f"battery at {min(left)} %: connect power"


def battery_percent(supplies: Path = SUPPLIES) -> int | None:
    """What is left in the emptiest battery that feeds the system, charging or not; None: none."""
    try:
        left = [_charge(folder) for folder in supplies.iterdir()]
    except OSError:
        return None
    return min((percent for percent in left if percent is not None), default=None)


def _discharging(folder: Path) -> int | None:
    """``_charge`` of a battery that is not being charged, else None."""
    if _read(folder, "status") in ("Charging", "Full", "Not charging"):
        return None
    return _charge(folder)


def _charge(folder: Path) -> int | None:
    """Percent left in a battery that feeds the system, None for anything else."""
    if _read(folder, "type") != "Battery" or _read(folder, "scope") == "Device":
        return None
    percent = _read(folder, "capacity")
    return int(percent) if percent.isdigit() else None


def _read(folder: Path, name: str) -> str:
    """One attribute; "" where the driver has none, or fails to give it."""
    try:
        return (folder / name).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
