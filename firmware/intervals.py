"""Measurements of ten seconds: median beat, its waves, and the numbers that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import atan2, cos, degrees, radians, sin
from statistics import median

import numpy as np
from numpy.typing import NDArray

from firmware.delineate import LEVEL, PR_END, Fiducials, delineate
from firmware.events import LEADS, LeadFault
from firmware.measurements import Measurements
from firmware.median_beat import MedianBeat, median_beat
from firmware.raw_window import RawWindow
from firmware.st_level import BEARABLE
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ

_MS = SAMPLE_RATE_HZ / 1000
ST_AFTER = int(60 * _MS)  # after J
_ST_MEAN = int(20 * _MS)
_LEAST_CHANNELS = 3
_AVF_LENGTH = 3**0.5 / 2  # of aVF against lead I in Einthoven's triangle
_LEAST_NET = 0.1  # of the area of the QRS in I and aVF: with less it points nowhere


def measure(
    raw: RawWindow,
    end: int,
    faults: Mapping[str, LeadFault],
    rate_bpm: float | None,
    *,
    paced: bool = False,
    beat: Callable[[], MedianBeat | None] | None = None,
) -> Measurements:
    """What can be measured when the samples before ``end`` are in.

    beat : gives ``beat_of`` the same, for who needs it, too; None: it is worked out here
    faults : of the leads; those with graver ones than wander and mains are not looked at
    rate_bpm : of the rate meter; without a rate, as in VF, nothing else is measured
    paced : spikes go with the beats, and stand where the waves would be told: nothing is measured
    """
    found = None
    if rate_bpm is not None and not paced:
        found = beat() if beat else beat_of(raw, end, faults)
    waves = delineate(found, _usable(faults)) if found else None
    if found is None or waves is None:
        beats = len(found.segments) if found else 0
        return Measurements(
            end - 1, beats, rate_bpm, None, None, None, None, None, None, (None,) * len(LEADS)
        )
    readable = [faults.get(lead) in BEARABLE for lead in LEADS]
    leads = found.leads
    leads -= leads[waves.qrs_onset - PR_END - LEVEL : waves.qrs_onset - PR_END].mean(axis=0)
    pr = None if waves.p_onset is None else (waves.qrs_onset - waves.p_onset) / _MS
    qt = None if waves.t_end is None else (waves.t_end - waves.qrs_onset) / _MS
    rr_s = found.rr / SAMPLE_RATE_HZ
    at = waves.j + ST_AFTER - _ST_MEAN // 2
    st = leads[at : at + _ST_MEAN].mean(axis=0)
    return Measurements(
        index=end - 1,
        beats=len(found.segments),
        rate_bpm=rate_bpm,
        pr_ms=pr,
        qrs_ms=(waves.j - waves.qrs_onset) / _MS,
        qt_ms=qt,
        qtcb_ms=None if qt is None else qt / rr_s ** (1 / 2),
        qtcf_ms=None if qt is None else qt / rr_s ** (1 / 3),
        axis_deg=_axis(leads, waves) if readable[0] and readable[1] else None,
        st_uv=tuple(float(uv) if ok else None for uv, ok in zip(st, readable, strict=True)),
    )


def beat_of(raw: RawWindow, end: int, faults: Mapping[str, LeadFault]) -> MedianBeat | None:
    """The median beat of the ten seconds before ``end``; None where there is none to speak of."""
    usable = _usable(faults)
    if not raw.full or usable.sum() < _LEAST_CHANNELS:
        return None
    return median_beat(raw.counts, raw.beats(end), usable, raw.nv_per_count)


def _usable(faults: Mapping[str, LeadFault]) -> NDArray[np.bool_]:
    """Channels that can be read."""
    return np.array([faults.get(lead) in BEARABLE for lead in CHANNEL_LEADS])


def _axis(leads: NDArray[np.float64], waves: Fiducials) -> float | None:
    """Of the areas of the QRS in I and aVF; None where they nearly cancel."""
    qrs = leads[waves.qrs_onset : waves.j, [LEADS.index("I"), LEADS.index("aVF")]]
    qrs = qrs - np.linspace(0, 1, len(qrs))[:, None] * qrs[-1]  # an elevated ST begins within it
    net = qrs.sum(axis=0) / [1, _AVF_LENGTH]
    if np.hypot(*net) < _LEAST_NET * np.abs(qrs).sum():
        return None
    return float(np.degrees(np.arctan2(net[1], net[0])))


def measure_recording(windows: Sequence[Measurements]) -> Measurements | None:
    """Of a recording from those of its windows, oldest first: medians of what half of them have.

    None without a window.
    """
    if not windows:
        return None

    def middle(values: Iterable[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return median(known) if 2 * len(known) >= len(windows) else None

    rate, pr, qrs, qt, qtcb, qtcf = (
        middle(getattr(window, name) for window in windows)
        for name in ("rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtcb_ms", "qtcf_ms")
    )
    axes = [window.axis_deg for window in windows if window.axis_deg is not None]
    east = sum(cos(radians(axis)) for axis in axes)
    south = sum(sin(radians(axis)) for axis in axes)
    return Measurements(
        index=windows[-1].index,
        beats=windows[-1].beats,
        rate_bpm=rate,
        pr_ms=pr,
        qrs_ms=qrs,
        qt_ms=qt,
        qtcb_ms=qtcb,
        qtcf_ms=qtcf,
        axis_deg=degrees(atan2(south, east)) if 2 * len(axes) >= len(windows) else None,
        st_uv=tuple(middle(uv) for uv in zip(*(window.st_uv for window in windows), strict=True)),
    )
