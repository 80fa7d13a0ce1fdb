"""Traces on ECG paper as SVG: 25 mm/s, 10 mm/mV; one unit is 0.1 mm, 4 ms or 10 microvolts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from device.traces import NO_SAMPLE

EVERY = 2  # samples of 500 Hz: 4 ms, and no R wave is lost
UV_PER_UNIT = 10
ROW = 250  # height of a lead, 25 mm: what goes beyond is cut off
MARGIN = 130  # left of the trace, for names and the calibration pulse
PX_PER_UNIT = 0.378  # 96 dots an inch

# Once on a page: squares of 1 and of 5 mm
GRID = (
    '<svg width="0" height="0" style="position:absolute"><defs>'
    '<pattern id="mm" width="50" height="50" patternUnits="userSpaceOnUse">'
    '<path d="M10 0V50M20 0V50M30 0V50M40 0V50M0 10H50M0 20H50M0 30H50M0 40H50" '
    'stroke="#f6d5d5" fill="none"/><path d="M0 0H50V50" stroke="#e8a9a9" fill="none"/>'
    "</pattern></defs></svg>"
)


def strip(traces: Mapping[str, NDArray[np.int16]]) -> str:
    """One lead below the other: microvolts [n] at 500 Hz each, ``NO_SAMPLE`` where none was."""
    longest = max((len(uv) for uv in traces.values()), default=0)
    width, height = MARGIN + longest // EVERY, ROW * len(traces)
    rows = "".join(_row(name, uv, i * ROW) for i, (name, uv) in enumerate(traces.items()))
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width * PX_PER_UNIT:.0f}" '
        f'height="{height * PX_PER_UNIT:.0f}" role="img">'
        f'<rect width="{width}" height="{height}" fill="url(#mm)"/>{rows}</svg>'
    )


def _row(name: str, uv: NDArray[np.int16], top: int) -> str:
    """A lead about its median, with a pulse of 1 mV before it."""
    y = ROW // 2
    steps = "".join(_runs(uv))
    return (
        f'<svg y="{top}" height="{ROW}" overflow="hidden">'
        f'<text x="4" y="34" font-size="30">{name}</text>'
        f'<path d="M65 {y}h10v-100h30v100h10{steps}" stroke="#111" stroke-width="2.5" fill="none" '
        'stroke-linejoin="round"/></svg>'
    )


def _runs(uv: NDArray[np.int16]) -> Iterator[str]:
    """Path commands: a new run behind every hole, relative steps of one unit within it."""
    here = uv[::EVERY].astype(np.int64)
    there = here != NO_SAMPLE
    if not there.any():
        return
    y = ROW // 2 - np.rint((here - np.median(here[there])) / UV_PER_UNIT).astype(np.int64)
    edges = np.flatnonzero(np.diff(np.r_[False, there, False].astype(np.int8)))
    for first, end in edges.reshape(-1, 2):
        run = y[first:end]
        steps = "".join(f" 1 {dy}" for dy in np.diff(run))
        yield f"M{MARGIN + first} {run[0]}l{steps}" if steps else f"M{MARGIN + first} {run[0]}h1"
