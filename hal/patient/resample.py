"""Any sampling rate to the 2 kHz analog grid: one windowed-sinc kernel per rate, as a matmul.

The kernel is a Kaiser-windowed sinc whose zeros fall on the input samples, so that input samples
which lie on the grid come out as they went in; flat within 0.05 dB to 0.4 of the input rate, images
more than 80 dB down from 0.6 of it (Kaiser 1974; Crochiere & Rabiner 1983, ch. 4).
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hal.patient import ANALOG_RATE_HZ

_HALF_WIDTH = 16  # lobes of the sinc on each side
_BETA = 8.0  # Kaiser: stop band about -82 dB
_BLOCK = 32  # input samples per matmul row, at least: small blocks waste the overlap
_MATRIX_LIMIT = 4_000_000  # entries; bounds up and down for rates that share nothing with 2000


class Resampler:
    """Interpolates x(k / rate) on the grid of ANALOG_RATE_HZ, group delay zero.

    up, down : the grid has ``up`` points for every ``down`` input samples
    rate_hz : input rate, 1 .. 100 000; an awkward one is met within 1 ppm
    """

    def __init__(self, rate_hz: float) -> None:
        ratio = Fraction(rate_hz) / ANALOG_RATE_HZ
        limit = int((_MATRIX_LIMIT / ratio) ** 0.5)
        ratio = ratio.limit_denominator(max(1, min(4000, limit)))
        self.up, self.down = ratio.denominator, ratio.numerator
        stretch = max(1.0, self.down / self.up)  # a wider kernel where the grid is coarser
        self.margin = int(np.ceil(_HALF_WIDTH * stretch))
        repeat = max(1, _BLOCK // self.down)
        self.block_in, self.block_out = repeat * self.down, repeat * self.up
        at = np.arange(self.block_out) * self.down / self.up  # in input samples from block start
        taps = np.arange(-self.margin, self.block_in + self.margin + 1)
        self._matrix = _kernel((taps[:, None] - at[None, :]) / stretch) / stretch
        self._matrix /= self._matrix.sum(axis=0)  # a constant stays that constant

    def points(self, samples: int) -> int:
        """Grid points that ``samples`` input samples last."""
        return -(-samples * self.up // self.down)

    def blocks(self, x: NDArray[np.float64], first: int, count: int) -> NDArray[np.float64]:
        """Grid points of blocks first .. first+count-1: float64 [count * block_out, channels].

        x is [n, channels] with n >= 2; beyond its ends it is taken as mirrored in time.
        """
        start = first * self.block_in - self.margin
        length = count * self.block_in + 2 * self.margin + 1
        if start >= 0 and start + length <= len(x):
            span = x[start : start + length]
        else:
            span = x[mirror(np.arange(start, start + length), len(x))]
        channels = np.ascontiguousarray(span.T)
        windows = np.lib.stride_tricks.sliding_window_view(channels, len(self._matrix), axis=1)
        out = windows[:, :: self.block_in].reshape(-1, len(self._matrix)) @ self._matrix
        points: NDArray[np.float64] = out.reshape(len(channels), -1).T
        return points


@lru_cache(maxsize=8)
def resampler(rate_hz: float) -> Resampler:
    """The resampler of a rate, made once: its kernel costs more than a short record."""
    return Resampler(rate_hz)


def mirror(index: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Map any index into 0 .. n-1 (n >= 2) by reflection at both end points, time and again."""
    period = 2 * (n - 1)
    folded = np.mod(index, period)
    return np.minimum(folded, period - folded)


def _kernel(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kaiser-windowed sinc at ``t`` in lobes; zero at the other integers and beyond the window."""
    inside = np.clip(1.0 - (t / _HALF_WIDTH) ** 2, 0.0, None)
    window = np.i0(_BETA * np.sqrt(inside)) / np.i0(_BETA)
    return np.asarray(np.where(np.abs(t) <= _HALF_WIDTH, np.sinc(t) * window, 0.0))
