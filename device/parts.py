"""The parts of the instrument for the health page: each "ok ..", "off ..", or what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from device.bundles import Model
from hal.frontend import FrontendInfo

HOT_C = 80.0  # a Raspberry Pi slows down from here on
LOW_BATTERY_PERCENT = 20
# Faults that another part tells of, by their names on the page.
_TOLD = {"frontend", "ring", "analysis", "model", "serial", "storage"}


@dataclass(frozen=True, slots=True)
class Board:
    """What the system tells of the board; None where it does not.

    uptime_s : since the monitor was started
    """

    uptime_s: float | None = None
    temperature_c: float | None = None
    battery_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What an instrument knows of itself.

    index, lost : samples taken and lost
    filters : their profile, "" before the front end is known for which they are made
    serial : whether a line is configured; recording : whether records are kept
    """

    faults: Mapping[str, str]
    info: FrontendInfo | None
    index: int
    lost: int
    filters: str
    model: Model
    serial: bool
    recording: bool
    board: Board


def parts(of: Facts) -> dict[str, str]:
    """Part -> how it is, in the order of the page."""
    faults = of.faults
    front_end = faults.get("frontend") or faults.get("ring")
    told = {
        "front end": front_end or (f"ok {of.info.name.upper()}" if of.info else "not found yet"),
        "samples": _samples(of.index, of.lost),
        **_filters(faults.get("analysis", ""), of.filters),
        "model": _model(of.model),
        "serial": faults.get("serial") or ("ok" if of.serial else "off"),
        "storage": faults.get("storage") or ("ok" if of.recording else "off, nothing is kept"),
    }
    told |= {part: text for part, text in faults.items() if part not in _TOLD}
    return told | _board(of.board)


def _samples(index: int, lost: int) -> str:
    if not lost:
        return "ok none lost"
    return f"{lost} lost, {100 * lost / max(index, 1):.2g} % of all"


def _filters(fault: str, profile: str) -> dict[str, str]:
    if fault or profile:
        return {"filters": fault or f"ok {profile.lower()}"}
    return {}


def _model(model: Model) -> str:
    if model.fault:
        return model.fault
    if model.network is None:
        return "off, nothing is called"
    said = f"ok {model.id} {'on trial' if model.state == 'trial' else model.state}"
    if model.failed:
        return f"{said}; {model.failed['model']} was taken back: {model.failed['why']}"
    return said


def _board(board: Board) -> dict[str, str]:
    told = {}
    if board.temperature_c is not None:
        shown = f"{round(board.temperature_c)} C"
        hot = board.temperature_c >= HOT_C
        told["board"] = f"{shown}: too hot, give it air" if hot else f"ok {shown}"
    if board.battery_percent is not None:
        low = board.battery_percent < LOW_BATTERY_PERCENT
        shown = f"{board.battery_percent} %"
        told["battery"] = f"{shown}: charge it" if low else f"ok {shown}"
    if board.uptime_s is not None:
        minutes = int(board.uptime_s) // 60
        told["uptime"] = f"ok {minutes // 60} h {minutes % 60} min"
    return told
