"""The parts of the instrument for the health page: each "ok ..", "off ..", or what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from device.bundles import Model
from hal.frontend import FrontendInfo

HOT_C = 80.0  # a Raspberry Pi slows down from here on
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


def parts(of: Facts, tr: Callable[[str], str] = str) -> dict[str, str]:
    """Part -> how it is, in the order of the page; ``tr`` translates all but "ok" and "off"."""
    faults = of.faults
    front_end = faults.get("frontend") or faults.get("ring")
    found = f"ok {of.info.name.upper()}" if of.info else tr("not found yet")
    recording = "ok" if of.recording else f"off, {tr('nothing is kept')}"
    told = {
        "front end": front_end or found,
        "samples": _samples(of.index, of.lost, tr),
        **_filters(faults.get("analysis", ""), tr(of.filters)),
        "model": _model(of.model, tr),
        "serial": faults.get("serial") or ("ok" if of.serial else "off"),
        "storage": faults.get("storage") or recording,
    }
    told |= _board(of.board, tr)
    return told | {part: text for part, text in faults.items() if part not in _TOLD}


def _samples(index: int, lost: int, tr: Callable[[str], str]) -> str:
    if not lost:
        return f"ok {tr('none lost')}"
    share = f"{100 * lost / max(index, 1):.2g}"
    return tr("{lost} lost, {share} % of all").format(lost=lost, share=share)


def _filters(fault: str, profile: str) -> dict[str, str]:
    if fault or profile:
        return {"filters": fault or f"ok {profile.lower()}"}
    return {}


def _model(model: Model, tr: Callable[[str], str]) -> str:
    if model.fault:
        return model.fault
    if model.network is None:
        return f"off, {tr('nothing is called')}"
    states = {"trial": tr("on trial"), "confirmed": tr("confirmed"), "embedded": tr("built in")}
    said = f"ok {model.id} {states.get(model.state, '')}".rstrip()
    if model.failed:
        back = tr("{model} was taken back").format(model=model.failed["model"])
        return f"{said}; {back}: {model.failed['why']}"
    return said


def _board(board: Board, tr: Callable[[str], str]) -> dict[str, str]:
    told = {}
    if board.temperature_c is not None:
        shown = f"{round(board.temperature_c)} C"
        hot = board.temperature_c >= HOT_C
        told["board"] = f"{shown}: {tr('too hot, give it air')}" if hot else f"ok {shown}"
    if board.battery_percent is not None:
        told["battery"] = f"ok {board.battery_percent} %"
    if board.uptime_s is not None:
        minutes = int(board.uptime_s) // 60
        told["uptime"] = f"ok {minutes // 60} h {minutes % 60} min"
    return told
