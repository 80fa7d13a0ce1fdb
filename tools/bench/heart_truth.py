"""What a simulated heart's intervals truly are, from the Gaussians it is made of.

A wave begins where it first reaches 20 microvolts in one of the twelve leads, 0.2 mm on paper, and
ends where it last does: ``VISIBLE_MV``. Gaussians have no other beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, degrees, sqrt
from statistics import median

import numpy as np
from numpy.typing import NDArray

from hal.patient.morphology import ECTOPIC_P, P
from hal.patient.presets import truth
from hal.patient.rhythm import Wave

VISIBLE_MV = 0.02
FROM_S, TO_S = 4.0, 14.0
CONDUCTED_S = (0.05, 0.40)  # from a P to the R that follows from it
_T = np.arange(-0.35, 0.85, 0.0005)
_DERIVED = np.array([[-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])  # III, aVR, aVL, aVF of I, II
_AVF_LENGTH = sqrt(3) / 2

Beat = tuple[Wave, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Truth:
    """Medians over the beats that a P wave led to.

    ms : by interval; axis_deg : of the area of QRS; st_uv : at the true J + 60 ms, as in LEADS
    """

    ms: dict[str, float]
    axis_deg: float
    st_uv: tuple[float, ...]


def true_intervals(name: str, seed: int = 0) -> Truth:
    """Of the preset, from FROM_S to TO_S. Raises ValueError where no beat is conducted."""
    waves = truth(name, seed).waves(FROM_S, TO_S)
    atrial = [(wave, rows) for wave, rows in waves if wave.shape in (P, ECTOPIC_P)]
    pairs = [
        (before, (wave, rows))
        for wave, rows in waves
        if wave.shape.is_beat
        and (before := next((a for a in atrial[::-1] if a[0].at_s < wave.at_s), None))
        and CONDUCTED_S[0] <= wave.at_s - before[0].at_s <= CONDUCTED_S[1]
    ]
    if not pairs:
        raise ValueError(f"{name}: no P wave leads to a beat")
    found = [_intervals(before, beat) for before, beat in pairs]
    return Truth(
        {of: median(one.ms[of] for one in found) for of in found[0].ms},
        median(one.axis_deg for one in found),
        tuple(median(uv) for uv in zip(*(one.st_uv for one in found), strict=True)),
    )


def _intervals(atrial: Beat, ventricular: Beat) -> Truth:
    wave, rows = ventricular
    count = len(wave.shape.waves)
    p_onset, _ = _visible(atrial[1])
    onset, j = _visible(rows[:count])
    _, t_end = _visible(rows[count:])
    area = rows[:count, 1] @ rows[:count, 2:4]  # of I and II
    avf = area[1] - area[0] / 2
    st = 1e3 * _leads(rows, np.array([j + 0.060]))[0]
    ms = {
        "PR": 1e3 * (wave.at_s + onset - atrial[0].at_s - p_onset),
        "QRS": 1e3 * (j - onset),
        "QT": 1e3 * (t_end - onset),
    }
    return Truth(ms, degrees(atan2(avf / _AVF_LENGTH, area[0])), tuple(st.tolist()))


def _visible(rows: NDArray[np.float64]) -> tuple[float, float]:
    """When the Gaussians first and last reach VISIBLE_MV, in seconds from the time of the wave."""
    seen = np.flatnonzero((np.abs(_leads(rows, _T)) >= VISIBLE_MV).any(axis=1))
    return float(_T[seen[0]]), float(_T[seen[-1]])


def _leads(rows: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Millivolts [n, 12] of Gaussians [k, 10] at the times ``t`` [n]."""
    z = (t[:, None] - rows[:, 0]) / rows[:, 1]
    mv = np.exp(-0.5 * z * z) @ rows[:, 2:]
    return np.concatenate([mv[:, :2], mv[:, :2] @ _DERIVED.T, mv[:, 2:]], axis=1)
