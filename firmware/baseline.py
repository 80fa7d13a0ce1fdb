"""Whether the trace comes to rest between beats: fibrillating ventricles never do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware.median import median

SLOPE = 4  # samples at 100 Hz: the change over 40 ms, half a QRS
STEEP_PERCENTILE = 98  # of the changes of a lead: what its QRS (or VF) waves reach
REST_PERCENT = 15  # of that: at rest
LEAST_UV = 60  # a lead whose steep changes are smaller tells nothing
LEAST_LEADS = 3
# Real recordings without VF: 0.48 and more. Simulated VF and VT: 0.33 and less.
RESTLESS_BELOW = 0.42


def share_at_rest(
    window: NDArray[np.int32], telling: NDArray[np.bool_], nv_per_count: float
) -> float | None:
    """Median over the leads of the share of a window in which a lead is nearly level.

    window : int32 [n, 12], filtered leads at 100 Hz, counts; telling : bool [12], leads to look at
    returns : 0 .. 1; None where fewer than three leads have waves to speak of
    """
    x = window[:, telling]
    change = np.abs(x[SLOPE:] - x[:-SLOPE])
    rank = len(change) * STEEP_PERCENTILE // 100
    steep = np.partition(change, rank, axis=0)[rank]
    waves = steep * nv_per_count >= LEAST_UV * 1000
    if waves.sum() < LEAST_LEADS:
        return None
    resting = change[:, waves] * 100 < steep[waves] * REST_PERCENT
    return float(median(resting.mean(axis=0)))
