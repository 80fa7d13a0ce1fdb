"""What the network sees: ten seconds of filtered leads as int8, in integers all the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.filters import FilterChain
from firmware.leads import twelve_leads
from firmware.profiles import Profile

TENSOR_MAX = 127  # +-2.54 mV at the 20 uV per step the first bundle asks for


def to_tensor(
    filtered: NDArray[np.int32], lost: NDArray[np.bool_], scale_num: int, scale_den: int
) -> NDArray[np.int8]:
    """Scale by the bundle's rational, round half up, clip.

    filtered : int32 [samples, 12], output of ``twelve_leads`` at the bundle's rate
    lost : bool [12], leads without a valid signal: zero in the tensor, as in training
    returns : int8 [samples, 12] within +-TENSOR_MAX, C-contiguous
    """
    scaled = filtered.astype(np.int64) * (2 * scale_num)
    scaled += scale_den
    scaled //= 2 * scale_den
    tensor = np.clip(scaled, -TENSOR_MAX, TENSOR_MAX).astype(np.int8)
    tensor[:, lost] = 0
    return tensor


def filtered_tensor(
    counts: NDArray[np.int32], profile: Profile, samples: int, scale_num: int, scale_den: int
) -> NDArray[np.int8]:
    """The newest window of raw counts [n, 8], filtered from a fresh start; all leads valid."""
    leads = twelve_leads(FilterChain(profile, mains_hz=None).push(counts)[-samples:])
    return to_tensor(leads, np.zeros(len(LEADS), np.bool_), scale_num, scale_den)
