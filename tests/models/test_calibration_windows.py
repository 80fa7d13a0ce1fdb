"""What activations are calibrated on: records, and the input's ends without a leap."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.inputs import InputContract, Normal
from models.data.forms import Material
from models.inputs import TEN_SECONDS, at
from models.quantize import calibration_windows
from models.views import Views


def records(n: int = 24) -> np.ndarray:
    """Beats of up to 1 mV with the chip's noise: int8 [n, 1000, 12] in steps of 20 uV."""
    rng = np.random.default_rng(1)
    t = np.arange(1000)[None, :, None] / 100
    beat = np.exp(-(((t * 1.2 + rng.random((n, 1, 1))) % 1 - 0.5) ** 2) / 0.002)
    return np.rint(beat * 50 - 5 + rng.normal(0, 1, (n, 1000, 12))).astype(np.int8)


def ends(contract: InputContract) -> tuple[float, float]:
    low, high = ((code - contract.zero) * contract.step for code in (-128, 127))
    return low, high


def test_windows_reach_both_ends_of_the_input_by_stretched_records() -> None:
    tensors = records()
    windows = calibration_windows(Views(tensors, tensors, 5), TEN_SECONDS, 0)
    low, high = ends(TEN_SECONDS)
    assert (windows.min(), windows.max()) == pytest.approx((low, high), abs=1e-6)
    natural, stretched = windows[:-2], windows[-2:]
    assert len(natural) == len(tensors)
    for one in stretched:  # one factor for all of a record, up to the other end
        inside = (one > low) & (one < high)
        assert max(np.corrcoef(one[inside], other[inside])[0, 1] for other in natural) > 0.999


@pytest.mark.parametrize("normal", [Normal.MIN_MAX, Normal.Z_SCORE, Normal.LOG])
def test_no_window_leaps_from_end_to_end(normal: Normal) -> None:
    """A leap would set the range of a layer that differentiates: int8 for it alone."""
    contract = at(500, 2048, normal)
    leads = np.cumsum(np.random.default_rng(2).normal(0, 4, (20, 5000, 8)), 1).astype(np.int16)
    taught = Material(leads, np.arange(20), contract, 0, "none")
    windows = calibration_windows(taught, contract, 0)
    natural = taught.epoch(0)(np.arange(20))
    low, high = ends(contract)
    assert (windows.min(), windows.max()) == pytest.approx((low, high), abs=1e-5)
    leap = np.abs(np.diff(windows, axis=1)).max()
    grown = max(
        end / most
        for end, most in ((-low, -natural.min()), (high, natural.max()))
        if end > 0 and most > 0
    )
    assert leap < 1.3 * max(grown, 1) * np.abs(np.diff(natural, axis=1)).max()
    assert leap < 0.5 * (high - low)
