"""Whether people would accept ten seconds as a 12-lead ECG, and which leads they would distrust.

Readers of the PhysioNet/CinC Challenge 2011 called ten-second records acceptable or not (Silva et
al., Computing in Cardiology 2011;38:273). A small network gives each channel a badness from what
``firmware.quality`` measures of it in every second; the worst channel and the sum of all weigh
against the record. Labels are of records only: that the badness of a channel means what it says is
tested with noise on single leads (``lead12 bench quality``). Integers all through; the weights are
fitted by ``models/quality.py``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

WEIGHTS = "acceptable.npz"  # beside this file
MEASURES = 4  # of a second: extent, step of the mean, muscle noise, mains; microvolts
# Of each among ten seconds, the largest first: how bad it gets, and for how long
RANKS = ((0, 1, 2, 4, 7, 9), (0, 1, 2, 4), (0, 1, 2, 4, 7), (0, 4))
FEATURES = sum(map(len, RANKS))
ONE = 256  # 1.0 of a badness and of the network's inner values
OCTAVE = 16  # a feature's units in one doubling
WEIGHT_BITS = 10  # behind the point of a weight
_SIGMOID_REACH = 8  # beyond it a sigmoid is 0 or 1
_SIGMOID = np.rint(
    ONE / (1 + np.exp(-np.arange(-_SIGMOID_REACH * ONE, _SIGMOID_REACH * ONE + 1) / ONE))
).astype(np.int64)
_BITS = np.arange(1, 32)


@dataclass(frozen=True, slots=True)
class Weights:
    """A few networks side by side, whose mean counts: int64, ``WEIGHT_BITS`` behind the point.

    w0 [nets, FEATURES, hidden], b0 [nets, 1, hidden], w1 [nets, hidden, 1], b1 [nets, 1, 1];
    mix [nets, 3]: log odds without badness, and how much the worst channel's and the sum of all
    channels' badness take off.
    """

    w0: NDArray[np.int64]
    b0: NDArray[np.int64]
    w1: NDArray[np.int64]
    b1: NDArray[np.int64]
    mix: NDArray[np.int64]


@cache
def weights() -> Weights:
    """The fitted network."""
    with np.load(io.BytesIO(resources.files("firmware").joinpath(WEIGHTS).read_bytes())) as file:
        return Weights(**{name: file[name].astype(np.int64) for name in file.files})


def features(seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Logarithms of the ranked measures, int64 [channels, FEATURES], ``OCTAVE`` to a doubling.

    seconds : int64 [10, channels, MEASURES], microvolts below 2^31

    The logarithm is Mitchell's (IRE Trans Electron Comput 1962;EC-11:512): position of the highest
    bit, and what follows it as a straight line.
    """
    ranked = -np.sort(-seconds, axis=0)
    picked = [ranked[rank, :, measure] for measure, ranks in enumerate(RANKS) for rank in ranks]
    x = np.stack(picked, axis=-1) + 1
    octave = (x[..., None] >> _BITS > 0).sum(axis=-1)
    log: NDArray[np.int64] = octave * OCTAVE + ((x * OCTAVE) >> octave) - OCTAVE
    return log


def badness(x: NDArray[np.int64], net: Weights) -> NDArray[np.int64]:
    """Of each channel by each network, int64 [..., nets, channels], 0 to ONE.

    x : of ``features``, int64 [..., channels, FEATURES]
    """
    x = x[..., None, :, :] * (ONE // OCTAVE)
    hidden = np.maximum(x @ net.w0 + net.b0 * ONE, 0) >> WEIGHT_BITS
    odds = (hidden @ net.w1 + net.b1 * ONE)[..., 0] >> WEIGHT_BITS
    reach = _SIGMOID_REACH * ONE
    found: NDArray[np.int64] = _SIGMOID[odds.clip(-reach, reach) + reach]
    return found


def log_odds(bad: NDArray[np.int64], net: Weights) -> NDArray[np.int64]:
    """For acceptable, in units of 1 / ONE, int64 [...]; ``bad`` is of ``badness``."""
    none, worst, each = net.mix.T
    odds = none * ONE - worst * bad.max(axis=-1) - each * bad.sum(axis=-1)
    found: NDArray[np.int64] = (odds.sum(axis=-1) // len(net.mix)) >> WEIGHT_BITS
    return found
