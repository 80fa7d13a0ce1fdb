"""Pacing spikes in raw counts: the network, at 100 Hz, never sees them.

A spike is up to 6 ms wide, the longest a 2 ms pulse gets in the converter's sinc filter, and so is
gone from a morphological opening and closing of 8 ms; what is taken away is its height. Tips of
narrow R waves leave something, too, but rise from a slope: a pacemaker fires out of a quiet trace,
so a spike must be higher than anything in the 40 ms before it. A rhythm is paced when most spikes
keep one distance to the next beat, short from the ventricle, longer from the atrium.
Thresholds were set on PTB-XL and simulated patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from firmware.events import LeadFault
from firmware.qrs import moving
from firmware.raw_window import RawWindow
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ

_MS = SAMPLE_RATE_HZ / 1000

OPENING = int(8 * _MS)
LEAST_UV = 100
LEAST_CHANNELS = 3
QUIET = int(40 * _MS)  # before a spike
FOOT = 3  # samples before the tip that are its own
TIMES_QUIET = 2  # higher than the range of the trace there
ONE = int(20 * _MS)  # nearer spikes are one: charge and recharge

LEAST_SPIKES = 3
LATEST = int(6 * _MS)  # after the tip of a beat: where that is the spike's own
EARLIEST = int(300 * _MS)  # before the beat: atrial
ALIKE = int(80 * _MS)  # the distances to the beats agree within this
MOST_PERCENT = 60
UNCERTAIN = EARLIEST + int(400 * _MS)  # before the end: the beat may not be reported yet

_DEAD = (LeadFault.OFF, LeadFault.RAILED, LeadFault.FLAT)
_MARGIN = 2 * (OPENING - 1)


def paced(raw: RawWindow, end: int, faults: Mapping[str, LeadFault]) -> bool:
    """Whether the rhythm is paced, when the samples before ``end`` are in.

    faults : of the leads; those without a signal are not looked at
    """
    if not raw.full:
        return False
    alive = np.array([faults.get(lead) not in _DEAD for lead in CHANNEL_LEADS])
    spikes = pacing_spikes(raw.counts, alive, raw.nv_per_count)
    return paces(spikes, raw.beats(end), len(raw.counts))


def pacing_spikes(
    counts: NDArray[np.int32], alive: NDArray[np.bool_], nv_per_count: float
) -> list[int]:
    """Rows of raw counts, int32 [n, 8], that hold the tip of a spike; alive : bool [8]."""
    x = counts.T
    calm = moving(np.minimum, x, OPENING)
    calm = moving(np.maximum, calm, 2 * OPENING - 1)  # ends the opening and begins the closing
    calm = moving(np.minimum, calm, OPENING)
    height = np.ascontiguousarray(np.abs(x[:, _MARGIN:-_MARGIN] - calm))
    high = (height >= round(LEAST_UV * 1000 / nv_per_count)) & alive[:, None]
    tips = np.flatnonzero(np.count_nonzero(high, axis=0) >= LEAST_CHANNELS)
    tips = tips[tips + _MARGIN >= FOOT + QUIET]
    before = x[:, tips[:, None] + (_MARGIN - FOOT - QUIET) + np.arange(QUIET)]
    stands_out = height[:, tips] > TIMES_QUIET * np.ptp(before, axis=2)
    several = np.count_nonzero(high[:, tips] & stands_out, axis=0) >= LEAST_CHANNELS
    spikes: list[int] = []
    for tip in (tips[several] + _MARGIN).tolist():
        if not spikes or tip - spikes[-1] >= ONE:
            spikes.append(tip)
    return spikes


def paces(spikes: Sequence[int], beats: Sequence[int], end: int) -> bool:
    """Whether most of the spikes keep one distance to the beats that follow them.

    Of two spikes before a beat the last counts. All in samples from the same zero, ascending.
    """
    distances: dict[int, int] = {}
    alone = 0
    for spike in spikes:
        beat = next((beat for beat in beats if beat - spike >= -LATEST), None)
        if beat is not None and beat - spike <= EARLIEST:
            distances[beat] = beat - spike
        elif spike < end - UNCERTAIN:
            alone += 1
    near = sorted(distances.values())
    agree = max((sum(a <= b <= a + ALIKE for b in near) for a in near), default=0)
    return agree >= LEAST_SPIKES and 100 * agree >= MOST_PERCENT * (len(near) + alone)
