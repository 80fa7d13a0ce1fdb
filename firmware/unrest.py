"""Whether the last four seconds come to rest: fibrillation, before a whole window is full of it.

As ``firmware.baseline``, on raw counts: means over 20 ms, one every 10 ms, take out mains and the
edge of pacing pulses, and the change over 40 ms takes out wander. It needs no network and no
filter that has to settle.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from firmware.baseline import share_at_rest
from firmware.events import LeadFault
from firmware.median import median
from firmware.plausible import UNREADABLE
from firmware.qrs import moving
from firmware.raw_window import RawWindow
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ

SPAN = 4 * SAMPLE_RATE_HZ
MEAN, EVERY = 10, 5  # samples: 20 ms and 10 ms
# PTB-XL, folds 1-8, 443 records: 0.49 and more. Simulated VF, and VT of 160 and more: 0.31 and less
UNREST_BELOW = 0.40
# Share of the signal that is its curvature: muscle noise 0.79 and more, VF and VT 0.01 and less
ROUGH_ABOVE = 0.3


def recent_rest(raw: RawWindow, faults: Mapping[str, LeadFault]) -> float | None:
    """Share of the last four seconds in which the trace is level, median of the channels.

    faults : of leads, as of now
    returns : 0 .. 1; None before four seconds are in, where fewer than three channels have waves
        to speak of, and where the trace is rougher than any rhythm
    """
    if len(raw.counts) < SPAN:
        return None
    telling = np.array([faults.get(lead) not in UNREADABLE for lead in CHANNEL_LEADS])
    x = _means(raw.counts[-SPAN:])
    share = share_at_rest(x, telling, raw.nv_per_count)
    return None if share is None or _rough(x[:, telling]) else share


def _means(counts: NDArray[np.int32]) -> NDArray[np.int32]:
    return moving(np.add, counts.T, MEAN).T[1::EVERY] // MEAN


def _rough(x: NDArray[np.int32]) -> bool:
    centred = x - x.sum(axis=0, dtype=np.int64) // len(x)
    curvature = x[1:-1] - (x[2:].astype(np.int64) + x[:-2]) // 2
    power = np.maximum((centred.astype(np.float64) ** 2).sum(axis=0), 1)
    return bool(median((curvature.astype(np.float64) ** 2).sum(axis=0) / power) > ROUGH_ABOVE)
