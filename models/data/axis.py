"""Frontal QRS axis of a record: the one label of CNN-TE that PTB-XL's statements do not hold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import signal

LEFT_AXIS_DEG = (-90.0, -30.0)  # AHA/ACCF/HRS recommendations, part III, 2009
_SLOPE_SHARE = 0.3  # of the steepest beats' slope energy: a beat
_REFRACTORY = 25  # samples at 100 Hz
_HALF_QRS = 6  # samples either side of the steepest moment
_BASELINE = slice(-14, -8)  # samples before it: the isoelectric PR segment
_LEAST_MV = 0.02  # mean net deflection; below it the axis is indeterminate


def frontal_axis_deg(mv: NDArray[np.float64]) -> float:
    """Axis of a record, mV [n, 8] at 100 Hz, columns I and II first; NaN where indeterminate.

    Net QRS areas of I and aVF, median over the beats; aVF = II - I/2, and 2/sqrt(3) of it is as
    long as a bipolar lead. 0 = left, 90 = down, -90 = up.
    """
    slope = (np.diff(mv, axis=0) ** 2).sum(1)
    slope = np.convolve(slope, np.ones(5) / 5, "same")
    least = _SLOPE_SHARE * np.percentile(slope, 98)
    beats, _ = signal.find_peaks(slope, height=max(least, 1e-12), distance=_REFRACTORY)
    inside = (beats + _BASELINE.start >= 0) & (beats + _HALF_QRS < len(mv))
    areas = [_net(mv[:, :2], at) for at in beats[inside]]
    if not areas:
        return math.nan
    one, two = np.median(areas, axis=0)
    foot = 2 / math.sqrt(3) * (two - one / 2)
    return math.degrees(math.atan2(foot, one)) if math.hypot(one, foot) >= _LEAST_MV else math.nan


def _net(mv: NDArray[np.float64], at: int) -> NDArray[np.float64]:
    level = np.median(mv[at + _BASELINE.start : at + _BASELINE.stop], axis=0)
    qrs = mv[at - _HALF_QRS : at + _HALF_QRS + 1] - level
    net: NDArray[np.float64] = qrs.max(0) + qrs.min(0)
    return net


def left_axis(axis_deg: float) -> bool:
    """Left axis deviation; an indeterminate axis is none."""
    return LEFT_AXIS_DEG[0] <= axis_deg < LEFT_AXIS_DEG[1]
