"""From the heart vector to the leads, and from the leads to the electrodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Dower's lead vectors (Dower, Machado, Osborne, Clin Cardiol 1980;3:87): rows I, II, V1-V6,
# columns Frank's X (left), Y (down), Z (back).
DOWER: NDArray[np.float64] = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)

# Electrode potentials against Wilson's central terminal, which makes RA + LA + LL = 0. The right
# leg feels what the left leg feels: no source lies between them.
_ELECTRODES_OF_LEADS = np.zeros((8, 10))
_ELECTRODES_OF_LEADS[:2, :4] = [[-1 / 3, 2 / 3, -1 / 3, -1 / 3], [-1 / 3, -1 / 3, 2 / 3, 2 / 3]]
_ELECTRODES_OF_LEADS[2:, 4:] = np.eye(6)


def electrode_volts(mv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Volts [n, 10] (order of Electrode) of leads I, II, V1-V6 in millivolts [n, 8]."""
    return np.asarray(mv @ (_ELECTRODES_OF_LEADS * 1e-3))


def turned(frontal_deg: float, horizontal_deg: float) -> NDArray[np.float64]:
    """Rotation [3, 3] of the heart vector: clockwise in the frontal plane, then to the back."""
    f, h = np.deg2rad([frontal_deg, horizontal_deg])
    frontal = np.array([[np.cos(f), -np.sin(f), 0], [np.sin(f), np.cos(f), 0], [0, 0, 1]])
    horizontal = np.array([[np.cos(h), 0, -np.sin(h)], [0, 1, 0], [np.sin(h), 0, np.cos(h)]])
    return np.asarray(horizontal @ frontal)
