"""Intervals, axis and ST of the median beat: what a report prints beside the trace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurements:
    """Of the median beat of the last ten seconds; each None where it cannot be measured.

    index : behind the last sample of the evidence
    beats : how many went into the median
    pr_ms : from the onset of P to that of QRS; qt_ms : from the onset of QRS to the end of T
    qtcb_ms, qtcf_ms : QT corrected after Bazett and after Fridericia
    axis_deg : frontal axis of the QRS, -180..180, 0 towards lead I, 90 towards aVF
    st_uv : microvolts at J + 60 ms against the PR segment, in the order of ``events.LEADS``
    """

    index: int
    beats: int
    rate_bpm: float | None
    pr_ms: float | None
    qrs_ms: float | None
    qt_ms: float | None
    qtcb_ms: float | None
    qtcf_ms: float | None
    axis_deg: float | None
    st_uv: tuple[float | None, ...]
