"""Ten seconds of eight leads from a page that shows most of them for two and a half.

What the rhythm strips show throughout says what the others did meanwhile: each lead is fitted, by
ridge regression on 40 ms of the strips before and after, where both are seen, and followed by that
fit elsewhere. What was read is kept as it was read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.frontend import SAMPLE_RATE_HZ

LAGS = np.arange(-4, 5) * (SAMPLE_RATE_HZ // 100)  # every 10 ms
RIDGE_MV2 = 4e-4


def extend(seen: NDArray[np.float64], strips: NDArray[np.float64]) -> NDArray[np.float64]:
    """``seen`` without its gaps.

    seen : millivolts [n, leads], NaN where not read; strips : millivolts [n, 1 or more], whole
    """
    features = _lagged(strips)
    out = seen.copy()
    for lead in range(seen.shape[1]):
        there = np.isfinite(seen[:, lead])
        if there.all() or not there.any():
            continue
        at = features[there]
        ridge = RIDGE_MV2 * len(at) * np.eye(at.shape[1])
        fit = np.linalg.solve(at.T @ at + ridge, at.T @ seen[there, lead])
        out[~there, lead] = features[~there] @ fit
    return out


def _lagged(strips: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(strips)
    rows = np.clip(np.arange(n)[:, None] + LAGS, 0, n - 1)
    return np.concatenate([strips[rows].reshape(n, -1), np.ones((n, 1))], axis=1)
