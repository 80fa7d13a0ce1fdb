"""Waves as sums of Gaussians of the heart vector, one shape per kind of beat.

After McSharry et al. (IEEE Trans Biomed Eng 2003;50:289) and, for the three-dimensional vector,
Sameni et al. (EURASIP J Adv Signal Process 2007:043407); the numbers here are set by hand against
normal limits of the 12-lead ECG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hal.patient.lead_field import DOWER

Rows = Sequence[tuple[float, float, float, float, float]]  # time_s, sigma_s, X, Y, Z in mV
REFERENCE_QT_S = 0.40


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One wave or beat.

    waves : float64 [k, 5] fixed in time: seconds from the R peak (or P centre), sigma, X, Y, Z
    recovery : float64 [m, 5] the same for ST and T, given for a QT of 0.40 s and stretched with it
    """

    waves: NDArray[np.float64]
    recovery: NDArray[np.float64]

    @property
    def is_beat(self) -> bool:
        """Whether it is ventricular: it has a recovery."""
        return len(self.recovery) > 0


def beat(waves: Rows, recovery: Rows) -> Shape:
    """A ventricular beat; its time 0 is set where the eight leads are largest together."""
    qrs = np.array(waves, dtype=np.float64)
    t = np.arange(-0.1, 0.2, 0.0005)
    leads = vector(qrs, t) @ DOWER.T
    peak = t[int(np.argmax(np.square(leads).sum(axis=1)))]
    qrs[:, 0] -= peak
    return Shape(qrs, np.array(recovery, dtype=np.float64))


def wave(waves: Rows) -> Shape:
    """A wave without recovery: P, or a pacing spike."""
    return Shape(np.array(waves, dtype=np.float64), np.zeros((0, 5)))


def vector(rows: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heart vector [n, 3] in mV at times ``t`` [n] of the Gaussians ``rows`` [k, 5]."""
    z = (t[:, None] - rows[:, 0]) / rows[:, 1]
    return np.asarray(np.exp(-0.5 * z * z) @ rows[:, 2:])


_SEPTAL = (-0.026, 0.0075, -0.13, -0.06, -0.26)
_NORMAL_QRS: Rows = (
    _SEPTAL,
    (-0.008, 0.0085, 0.62, 0.32, -0.34),  # apex: forward and left
    (0.003, 0.0095, 0.72, 0.70, 0.30),  # free wall: left, down, back
    (0.022, 0.0100, -0.10, -0.16, 0.58),  # base: up and back
)
_NORMAL_T: Rows = ((0.215, 0.052, 0.10, 0.10, -0.09), (0.270, 0.033, 0.20, 0.17, -0.12))

P = wave(((-0.022, 0.019, 0.025, 0.075, -0.045), (0.018, 0.020, 0.060, 0.065, 0.045)))
ECTOPIC_P = wave(((-0.015, 0.017, 0.03, -0.05, -0.02), (0.015, 0.017, 0.05, -0.04, 0.03)))
RETROGRADE_P = wave(((0.0, 0.014, 0.0, -0.14, -0.09),))
SPIKE = wave(((0.0, 0.0004, 1.5, -1.8, 0.8),))

NORMAL = beat(_NORMAL_QRS, _NORMAL_T)
RBBB = beat(
    (*_NORMAL_QRS[:3], (0.024, 0.011, -0.20, -0.10, 0.30), (0.056, 0.017, -0.62, -0.05, -0.58)),
    ((0.225, 0.050, 0.14, 0.10, 0.05), (0.280, 0.034, 0.24, 0.15, 0.12)),
)
LBBB = beat(
    (
        (-0.030, 0.016, 0.30, 0.20, 0.18),
        (0.000, 0.018, 0.72, 0.38, 0.70),
        (0.042, 0.020, 0.85, 0.22, 0.85),
        (0.072, 0.014, 0.10, -0.05, 0.30),
    ),
    (
        (0.130, 0.050, -0.12, -0.05, -0.16),
        (0.240, 0.055, -0.22, -0.08, -0.24),
        (0.290, 0.036, -0.24, -0.06, -0.22),
    ),
)
PVC = beat(
    (
        (-0.045, 0.020, 0.20, 0.35, 0.15),
        (0.000, 0.024, 0.85, 1.15, 0.75),
        (0.045, 0.022, 0.30, 0.45, 0.70),
    ),
    ((0.160, 0.055, -0.20, -0.25, -0.22), (0.290, 0.052, -0.42, -0.45, -0.38)),
)
PACED = beat(
    (
        (-0.035, 0.018, 0.20, -0.35, 0.10),
        (0.000, 0.022, 0.55, -1.00, 0.55),
        (0.045, 0.022, 0.25, -0.60, 0.70),
    ),
    ((0.160, 0.055, -0.12, 0.22, -0.20), (0.290, 0.050, -0.28, 0.42, -0.34)),
)
VENTRICULAR_TACHYCARDIA = beat(
    (
        (-0.045, 0.022, -0.15, -0.20, -0.55),
        (0.000, 0.026, -0.75, -0.85, -0.60),
        (0.050, 0.026, -0.55, -0.75, 0.15),
    ),
    ((0.150, 0.050, 0.20, 0.25, 0.15), (0.270, 0.048, 0.35, 0.45, 0.22)),
)
ANTERIOR_INFARCTION = beat(
    (*_NORMAL_QRS[1:3], (0.022, 0.0110, -0.10, -0.16, 0.75)),  # the septal r is lost
    (
        (0.085, 0.036, 0.09, -0.10, -0.19),
        (0.150, 0.045, 0.14, -0.12, -0.24),
        (0.225, 0.050, 0.24, -0.02, -0.36),
        (0.275, 0.034, 0.14, 0.03, -0.12),
    ),
)
INFERIOR_INFARCTION = beat(
    ((-0.026, 0.011, 0.02, -0.22, -0.20), *_NORMAL_QRS[1:]),  # inferior q
    (
        (0.085, 0.036, -0.10, 0.20, 0.09),
        (0.150, 0.045, -0.10, 0.22, 0.10),
        (0.225, 0.050, -0.02, 0.30, 0.02),
        (0.275, 0.034, 0.06, 0.15, -0.05),
    ),
)
ST_DEPRESSION = beat(
    _NORMAL_QRS,
    (
        (0.080, 0.034, -0.12, -0.12, 0.06),
        (0.140, 0.040, -0.12, -0.13, 0.08),
        (0.200, 0.030, -0.06, -0.06, 0.03),
        (0.270, 0.033, 0.10, 0.09, -0.07),
    ),
)
TALL_T = beat(_NORMAL_QRS, ((0.245, 0.038, 0.55, 0.50, -0.50),))
