"""Recordings as CSV: one header line of leads with their units, one row per sample.

::

    # rate_hz=500
    I_mV,II_mV,V1_mV,V2_mV,V3_mV,V4_mV,V5_mV,V6_mV
    0.012,0.034,-0.020,0.051,0.040,0.031,0.025,0.022

A column ``time_s`` or ``time_ms`` may stand in for the ``# rate_hz=`` line. Units are mV or uV
("V1_uV", "V1 (µV)"). Other columns are ignored. The separator is a comma, semicolon or tab.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.errors import RecordingError
from hal.patient.record import Recording, lead_name, read_text

HOW_TO = "write '# rate_hz=500', then 'I_mV,II_mV,V1_mV,...,V6_mV', then one row per sample"
MOST_TEXT = 1 << 28  # bytes; an hour and a half of twelve leads at 500 Hz
RATES_AGREE = 0.01  # rate_hz and the time column, relative
_RATE = re.compile(r"rate_hz\s*[=:]\s*([-+]?\d+(?:\.\d*)?)\s*$")
_COLUMN = re.compile(r"(?P<name>\w+?)(?:[\s_/(\[]+(?P<unit>mV|[uµμ]V|ms|s)[)\]]?)?$", re.IGNORECASE)
_MV_PER_UNIT = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3}
_S_PER_UNIT = {"s": 1.0, "ms": 1e-3}


def read_csv(path: Path) -> Recording:
    """Read a CSV recording as the module says. Raises RecordingError."""
    text = read_text(path, MOST_TEXT)
    comments: list[str] = []
    lines = text.splitlines()
    while lines and (not lines[0].strip() or lines[0].lstrip().startswith("#")):
        comments.append(lines.pop(0).strip().lstrip("#").strip())
    if not any(line.partition("#")[0].strip() for line in lines[1:]):
        raise RecordingError(f"{path}: no samples", act=HOW_TO)
    separator = max(",;\t", key=lines[0].count)
    columns = [cell.strip().strip('"') for cell in lines[0].split(separator)]
    values = _numbers(path, lines[1:], separator, len(columns))
    rate_hz: float | None = None
    for comment in comments:
        if match := _RATE.search(comment):
            rate_hz = float(match[1])
    leads: dict[str, NDArray[np.float64]] = {}
    for index, column in enumerate(columns):
        match = _COLUMN.match(column)
        if match is None:
            continue
        name, unit = match["name"], (match["unit"] or "").lower()
        if name.lower() in ("t", "time") and unit in _S_PER_UNIT:
            by_time_hz = _rate_of(path, values[:, index] * _S_PER_UNIT[unit])
            if rate_hz is not None and abs(by_time_hz - rate_hz) > RATES_AGREE * rate_hz:
                raise RecordingError(
                    f"{path}: rate_hz says {rate_hz:g}, its time column {by_time_hz:g} per second",
                    act="correct one or take it out",
                )
            rate_hz = rate_hz or by_time_hz
        elif lead := lead_name(name):
            if unit not in _MV_PER_UNIT:
                raise RecordingError(f"{path}: column '{column}' has no unit", act=HOW_TO)
            if lead in leads:
                raise RecordingError(f"{path}: lead {lead} appears twice", act="keep one of them")
            leads[lead] = values[:, index] * _MV_PER_UNIT[unit]
    if rate_hz is None:
        raise RecordingError(f"{path}: sampling rate unknown", act=HOW_TO)
    if not leads:
        raise RecordingError(f"{path}: no lead among its columns", act=HOW_TO)
    return Recording.from_leads(path.stem, rate_hz, leads, comments=tuple(filter(None, comments)))


def _numbers(path: Path, rows: list[str], separator: str, columns: int) -> NDArray[np.float64]:
    try:
        values = np.loadtxt(rows, delimiter=separator, ndmin=2, dtype=np.float64)
    except ValueError:
        raise _bad_row(path, rows, separator, columns) from None
    if values.shape[1] != columns:
        raise RecordingError(
            f"{path}: {columns} columns named and {values.shape[1]} in the rows", act=HOW_TO
        )
    return values


def _bad_row(path: Path, rows: list[str], separator: str, columns: int) -> RecordingError:
    """What the first row is that is no row of numbers."""
    for number, row in enumerate(rows, start=1):
        cells = row.split(separator)
        if row.strip() and len(cells) != columns:
            return RecordingError(
                f"{path}: sample {number} has {len(cells)} cells, {columns} columns are named",
                act="correct that row",
            )
        for cell in cells if row.strip() else ():
            try:
                float(cell)
            except ValueError:
                return RecordingError(
                    f"{path}: sample {number} has {cell.strip()[:20]!r} where a number belongs",
                    act="correct that cell; decimals take a point",
                )
    return RecordingError(f"{path}: not a table of numbers", act=HOW_TO)


def _rate_of(path: Path, time_s: NDArray[np.float64]) -> float:
    """Sampling rate of a time column, whose decimals may be rounded; refuses gaps and disorder."""
    step = (time_s[-1] - time_s[0]) / max(len(time_s) - 1, 1)
    steps, drift = np.diff(time_s), time_s - time_s[0] - step * np.arange(len(time_s))
    # one missing sample shifts a part of them by half a step; NaN compares false
    if not (step > 0 and steps.min() > 0 and np.abs(drift).max() < 0.45 * step):
        raise RecordingError(
            f"{path}: its time column does not advance evenly", act="resample it or fill the gaps"
        )
    return float(1 / step)
