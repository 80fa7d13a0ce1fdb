"""Electrodes on each other's places, suspected from the median beat of the last ten seconds.

An arm electrode exchanged with the right leg's makes one limb lead flat, because both legs feel
the same (Batchvarov et al., Europace 2007;9:1081; Hoffman, J Electrocardiol 2007;40:53): that is a
rule. Right and left leg exchanged change nothing, and cannot be seen. Every other swap leaves
twelve leads of ordinary shape that do not fit together: P and QRS of lead I upside down, lead I
unlike V6, a chest lead unlike its neighbours. For those a small network weighs the beat, as Heden
et al. (Am J Cardiol 1995;75:929) did and as Kors and van Herpen (Am J Cardiol 2001;88:396) did
with leads reconstructed from each other. It is integer arithmetic all through; its weights are
fitted by ``models/swaps.py`` on PTB-XL's folds 1-8 and simulated patients, each swapped in every
way of ``HYPOTHESES``.

A suspicion is said only when it lasts (``SwapWatch``), so that it does not flicker.
"""

from __future__ import annotations

import io
import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from firmware.events import LeadFault
from firmware.findings import SWAP, Finding, Priority
from firmware.qrs import moving
from firmware.raw_window import RawWindow
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ, Electrode

ACT = "check the electrodes"
WEIGHTS = "swaps.npz"  # beside this file: w0, b0, w1, b1, ... int16 and int32

Swap = tuple[tuple[Electrode, Electrode], ...]  # exchanged one after the other
_RA, _LA, _LL = Electrode.RA, Electrode.LA, Electrode.LL
_CHEST = tuple(electrode for electrode in Electrode if electrode >= Electrode.V1)
LIMBS: dict[str, Swap] = {
    "LA/RA": ((_LA, _RA),),
    "RA/LL": ((_RA, _LL),),
    "LA/LL": ((_LA, _LL),),
    "RA>LA>LL": ((_RA, _LA), (_LA, _LL)),  # three wires round, one way
    "RA>LL>LA": ((_RA, _LL), (_LA, _LL)),  # and the other
}
CHEST: dict[str, Swap] = {
    **{f"{one.name}/{other.name}": ((one, other),) for one, other in combinations(_CHEST, 2)},
    "V6-V1": tuple(zip(_CHEST[:3], _CHEST[:2:-1], strict=True)),  # laid from the wrong end
}
HYPOTHESES = (*LIMBS, *CHEST)  # outputs 1, 2, ... of the network; output 0: none
FLAT_LEAD = {"I": "ARMS/LEGS", "II": "RA/RL", "III": "LA/RL"}

_TEN_MS = SAMPLE_RATE_HZ // 100
BEFORE, AFTER = 30, 44  # of the R peak, in steps of 10 ms
LEAST_BEATS, MOST_BEATS = 3, 15
_REACH = SAMPLE_RATE_HZ // 1000  # a step of 10 ms is centred on its time: two samples before it
PARTS = ((0, 22, 2, 4), (22, 38, 1, 1), (38, BEFORE + AFTER, 3, 2))
# of a beat, P, QRS, and ST with T: from, to, steps taken together, gain
GAINS = np.concatenate([np.full((to - at) // n, gain) for at, to, n, gain in PARTS])
_SUMMED = 6  # a feature is a mean of 6 times 10 ms, whatever its width
FEATURES = len(GAINS) * len(CHANNEL_LEADS)
ONE = 64  # 1.0 in the network's arithmetic: for features, the RMS of the beat
_LARGEST = 128 * ONE
_LIMIT_UV, _LEAST_UV = 20_000, 20

WEIGHT_BITS = 9  # behind the point of a weight
# By how much a swap must outweigh none, in units of 1 / ONE. After some exchanges a record is as
# ordinary as before, and where electrodes are put differs from house to house: these take more.
SURE, SURE_IF_CLOSE = 250, 350
CLOSE = ("LA/LL", "V2/V3", "V3/V4", "V4/V5", "V4/V6", "V5/V6")
ALONE = 45  # and the next swap: less, and no pair is named (factor 2)
FLAT = 12  # the flat lead has this part of the next smaller one's height, or less
_LEAST_HEIGHT_UV = 150  # of that one

LASTING = 5  # windows remembered
SAID_FROM, SAID_UNTIL = 3, 2  # of them suspect: to begin with, and to go on
_BEARABLE = (None, LeadFault.WANDER, LeadFault.MAINS)

Layers = tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]


def suspected(raw: RawWindow, end: int, faults: Mapping[str, LeadFault]) -> str | None:
    """What seems exchanged when the samples before ``end`` are in: "LA/RA"; None if nothing does.

    faults : of the leads. With graver ones than wander and mains nothing is suspected, but a limb
        lead may be flat.
    """
    bad = {lead for lead in CHANNEL_LEADS if faults.get(lead) not in _BEARABLE}
    if any(lead not in FLAT_LEAD or faults[lead] is not LeadFault.FLAT for lead in bad):
        return None
    beat = median_beat(raw.counts, raw.beats(end))
    if beat is None:
        return None
    flat = flat_lead(beat, raw.nv_per_count)
    if flat or bad:
        return FLAT_LEAD[flat] if flat else None
    x = features(beat, raw.nv_per_count)
    return None if x is None else verdict(weigh(x, weights()))


def median_beat(counts: NDArray[np.int32], rows: Sequence[int]) -> NDArray[np.int64] | None:
    """Median of the newest beats, int64 [BEFORE + AFTER, 8], sums of counts over 10 ms.

    counts : int32 [n, 8]; rows : of the R peaks. Each beat is taken from its own mean. None with
    fewer than ``LEAST_BEATS`` whole ones.
    """
    first, last = BEFORE * _TEN_MS + _REACH, len(counts) - AFTER * _TEN_MS
    whole = np.array([row for row in rows if first <= row <= last][-MOST_BEATS:])
    if len(whole) < LEAST_BEATS:
        return None
    steps = BEFORE + AFTER
    at = whole[:, None] - first + np.arange(0, steps * _TEN_MS, _TEN_MS)
    beats = moving(np.add, counts.T, _TEN_MS).T[at].astype(np.int64)
    beats -= beats.sum(axis=1, keepdims=True) // steps
    middle: NDArray[np.int64] = np.partition(beats, len(whole) // 2, axis=0)[len(whole) // 2]
    return middle


def flat_lead(beat: NDArray[np.int64], nv_per_count: float) -> str | None:
    """The limb lead that carries next to nothing beside the other two; None where none does."""
    one, two = beat[:, CHANNEL_LEADS.index("I")], beat[:, CHANNEL_LEADS.index("II")]
    heights = {"I": int(np.ptp(one)), "II": int(np.ptp(two)), "III": int(np.ptp(two - one))}
    lead, next_lead = sorted(heights, key=heights.__getitem__)[:2]
    counts = _LEAST_HEIGHT_UV * 1000 * _TEN_MS / nv_per_count
    if heights[next_lead] < counts or FLAT * heights[lead] > heights[next_lead]:
        return None
    return lead


def features(beat: NDArray[np.int64], nv_per_count: float) -> NDArray[np.int64] | None:
    """A median beat for the network, int64 [FEATURES], free of its size; None if it has none.

    P and T waves are made larger than QRS: they are small, and tell as much.
    """
    steps = [
        beat[at:to].reshape(-1, n, beat.shape[1]).sum(axis=1) * (_SUMMED // n)
        for at, to, n, _ in PARTS
    ]
    per_uv = 1000 * _TEN_MS * _SUMMED / nv_per_count
    x = np.concatenate(steps)
    x -= x.sum(axis=0) // len(x)
    x = x.clip(-round(_LIMIT_UV * per_uv), round(_LIMIT_UV * per_uv))
    rms = math.isqrt(int((x * x).sum()) // x.size)
    if rms < _LEAST_UV * per_uv:
        return None
    scaled: NDArray[np.int64] = x * (ONE * GAINS[:, None]) // rms
    return scaled.clip(-_LARGEST, _LARGEST).ravel()


@cache
def weights() -> Layers:
    """The network: (weights [in, out], biases [out]) of each layer."""
    with np.load(io.BytesIO(resources.files("firmware").joinpath(WEIGHTS).read_bytes())) as file:
        return tuple(
            (file[f"w{layer}"].astype(np.int64), file[f"b{layer}"].astype(np.int64))
            for layer in range(len(file.files) // 2)
        )


def weigh(x: NDArray[np.int64], layers: Layers) -> NDArray[np.int64]:
    """Log odds in units of 1 / ONE, int64 [1 + HYPOTHESES]: no swap, then each swap."""
    for weight, bias in layers[:-1]:
        x = np.maximum((x @ weight + bias) >> WEIGHT_BITS, 0)
    weight, bias = layers[-1]
    odds: NDArray[np.int64] = (x @ weight + bias) >> WEIGHT_BITS
    return odds


def verdict(odds: NDArray[np.int64]) -> str | None:
    """The likeliest swap, if it is sure; without a pair if others weigh nearly as much."""
    none, *swaps = odds.tolist()
    ranked = sorted(zip(swaps, HYPOTHESES, strict=True), reverse=True)
    (most, name), (next_most, next_name) = ranked[:2]
    if most - none < (SURE_IF_CLOSE if name in CLOSE else SURE):
        return None
    if most - next_most >= ALONE:
        return name
    if (name in LIMBS) is not (next_name in LIMBS):
        return "WIRES"
    return "LIMB WIRES" if name in LIMBS else "CHEST WIRES"


class SwapWatch:
    """What was suspected in the last windows, one per second, and what is said of it.

    The first window may speak for itself: the first call should not be wrong about it. Later a
    suspicion is said when most of the last ``LASTING`` windows have one, and until few do. A median
    over ten seconds turns in five or six, so it is gone twelve after the electrodes are put right.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: after a gap, or when an electrode was taken off."""
        self._windows: deque[str | None] = deque(maxlen=LASTING)
        self._said = False

    def push(self, suspect: str | None) -> Finding | None:
        """The suspicion of the next window; what to say now."""
        self._windows.append(suspect)
        suspects = [name for name in self._windows if name is not None]
        least = SAID_UNTIL if self._said else min(SAID_FROM, len(self._windows))
        self._said = len(suspects) >= least
        if not self._said:
            return None
        times = Counter(suspects)
        name = max(reversed(suspects), key=times.__getitem__)
        return Finding(SWAP, f"{name} SWAPPED?", ACT, Priority.MEDIUM, None)
