"""What the network sees: filtered leads as int8, the same bits on every machine.

Sums are of integers; what follows is single steps of IEEE 754, which round alike everywhere. No
logarithm is taken but into a table of rounded values.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.filters import FilterChain
from firmware.inputs import InputContract, Normal
from firmware.leads import twelve_leads
from firmware.profiles import Profile

TENSOR_MAX = 127  # +-2.54 mV at the 20 uV per step the first bundle asks for

_LIMIT = 1 << 24  # counts, +-800 mV: beyond any ECG, and squares of 5000 fit 64 bits
_LOG_BIN = 5  # bits: the logarithm is read to 32 counts, 1.5 uV
_INT8 = np.iinfo(np.int8)


def to_tensor(
    filtered: NDArray[np.int32], lost: NDArray[np.bool_], scale_num: int, scale_den: int
) -> NDArray[np.int8]:
    """Scale by the bundle's rational, round half up, clip.

    filtered : int32 [..., samples, 12], output of ``twelve_leads`` at the bundle's rate
    lost : bool [..., 12], leads without a valid signal: zero in the tensor, as in training
    returns : int8 [..., samples, 12] within +-TENSOR_MAX, C-contiguous
    """
    scaled = filtered.astype(np.int64) * (2 * scale_num)
    scaled += scale_den
    scaled //= 2 * scale_den
    tensor = np.clip(scaled, -TENSOR_MAX, TENSOR_MAX).astype(np.int8)
    return _without(tensor, lost, 0)


def normalised(
    leads: NDArray[np.int32], lost: NDArray[np.bool_], of: InputContract
) -> NDArray[np.int8]:
    """Leads in the measure that a network was trained on; one record or any number at once.

    leads : int32 [..., samples, 12], counts of the chip at gain 6 (``of.nv_per_count``)
    lost : bool [..., 12], leads without a valid signal: ``of.zero``, and of no weight for others
    returns : int8 [..., samples, 12], C-contiguous; q stands for (q - of.zero) * of.step

    FIXED keeps microvolts. MIN_MAX is 0 at the least and 1 at the largest value of all leads
    (MATE's text and networks: of the whole record). As in the code of "Are ECGs enough?", whose
    text names but does not define them, MIN_MAX_LEAD is that of each lead, Z_SCORE is in standard
    deviations from the mean, R_SCALE in interquartile ranges from the median, L2 in Euclidean
    lengths of the lead, and LOG is ln(1 + |mV|), which forgets the sign. A lead that never changes
    has none of these and is zero throughout.
    """
    if of.normal is Normal.FIXED:
        return to_tensor(leads, lost, of.scale_num, of.scale_den)
    x = np.clip(leads, -_LIMIT, _LIMIT)
    if of.normal is Normal.LOG:
        table = _logarithms(of.nv_per_count, of.step, of.zero)
        return _without(table[np.minimum(np.abs(x) >> _LOG_BIN, len(table) - 1)], lost, of.zero)
    centre, unit = _measure(x, lost, of.normal)
    with np.errstate(divide="ignore"):
        per_count = np.where(unit > 0, 1 / (unit * of.step), 0).astype(np.float32)
    y = x.astype(np.float32)
    y -= np.asarray(centre, np.float32)
    y *= per_count
    np.rint(y, out=y)
    y += of.zero
    return _without(np.clip(y, _INT8.min, _INT8.max).astype(np.int8), lost, of.zero)


def filtered_leads(counts: NDArray[np.int32], profile: Profile, samples: int) -> NDArray[np.int32]:
    """The newest rows of raw counts [n, 8], filtered from a fresh start: int32 [samples, 12]."""
    return twelve_leads(FilterChain(profile, mains_hz=None).push(counts)[-samples:])


def filtered_tensor(
    counts: NDArray[np.int32], profile: Profile, samples: int, scale_num: int, scale_den: int
) -> NDArray[np.int8]:
    """The newest window of raw counts [n, 8], filtered from a fresh start; all leads valid."""
    leads = filtered_leads(counts, profile, samples)
    return to_tensor(leads, np.zeros(len(LEADS), np.bool_), scale_num, scale_den)


def _without(tensor: NDArray[np.int8], lost: NDArray[np.bool_], zero: int) -> NDArray[np.int8]:
    np.copyto(tensor, np.int8(zero), where=lost[..., None, :])
    return tensor


def _measure(
    x: NDArray[np.int32], lost: NDArray[np.bool_], normal: Normal
) -> tuple[NDArray[np.float64] | int, NDArray[np.float64]]:
    """What is 0 in ``x`` [..., n, 12], and what is 1, in counts: [..., 1, 12] or [..., 1, 1]."""
    n = x.shape[-2]
    match normal:
        case Normal.MIN_MAX | Normal.MIN_MAX_LEAD:
            least = x.min(axis=-2, keepdims=True).astype(np.float64)
            most = x.max(axis=-2, keepdims=True).astype(np.float64)
            if normal is Normal.MIN_MAX:
                gone = lost[..., None, :]
                least = np.where(gone, _LIMIT, least).min(axis=-1, keepdims=True)
                most = np.where(gone, -_LIMIT, most).max(axis=-1, keepdims=True)
            return least, most - least
        case Normal.Z_SCORE:
            total = x.sum(axis=-2, dtype=np.int64, keepdims=True)
            middle = total // n
            rest = total - n * middle
            variance = (_squares(x - middle) - rest * rest / n) / n
            return total / n, np.sqrt(variance)
        case Normal.R_SCALE:  # ranks as the code's: no interpolation, the lower of two middles
            ranks = [max(0, int(n * share) - 1) for share in (0.25, 0.75)]
            x = np.partition(x, [*ranks, (n - 1) // 2], axis=-2)
            low, high, middle = (
                x[..., rank, None, :].astype(np.float64) for rank in (*ranks, (n - 1) // 2)
            )
            return middle, high - low
        case Normal.L2:
            return 0, np.sqrt(_squares(x).astype(np.float64))
    raise ValueError(f"no measure is called {normal}")


def _squares(x: NDArray[np.int32]) -> NDArray[np.int64]:
    """Of each lead, summed: exact."""
    x = x.astype(np.int64)
    total: NDArray[np.int64] = np.einsum("...ij,...ij->...j", x, x)[..., None, :]
    return total


@cache
def _logarithms(nv_per_count: float, step: float, zero: int) -> NDArray[np.int8]:
    """ln(1 + |mV|) in steps, of the middle of each bin of counts, up to the largest int8."""
    mv_per_bin = nv_per_count / 1e6 * (1 << _LOG_BIN)
    bins = math.ceil(math.expm1((_INT8.max - zero) * step) / mv_per_bin) + 1
    steps = [round(math.log1p((k + 0.5) * mv_per_bin) / step) + zero for k in range(bins)]
    return np.minimum(steps, _INT8.max).astype(np.int8)
