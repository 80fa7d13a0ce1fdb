"""Augmentation does what its doses say, from its seed alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.data.augment import Augmentation, augment

NOTHING = Augmentation(
    gain=0,
    noise_mv=0,
    wander_mv=0,
    crop=1000,
    leads_lost_share=0,
    chest_lost_share=0,
    limb_lost_share=0,
)
TENSORS = np.random.default_rng(1).integers(-90, 91, (200, 1000, 12)).astype(np.int8)


def run(dose: Augmentation, seed: int = 0) -> np.ndarray:
    return augment(TENSORS, np.random.default_rng(seed), dose)


def test_no_dose_is_the_signal_in_millivolts() -> None:
    np.testing.assert_allclose(run(NOTHING), TENSORS * 0.02, atol=1e-6)


def test_only_the_seed_decides() -> None:
    np.testing.assert_array_equal(run(Augmentation()), run(Augmentation()))
    assert (run(Augmentation()) != run(Augmentation(), seed=1)).any()


def test_crops_are_runs_of_the_record() -> None:
    cropped = run(replace(NOTHING, crop=920)) / 0.02
    starts = set()
    for row in range(len(TENSORS)):
        matches = [s for s in range(81) if np.allclose(cropped[row, :3], TENSORS[row, s : s + 3])]
        start = matches[0]
        np.testing.assert_allclose(cropped[row], TENSORS[row, start : start + 920], atol=1e-3)
        starts.add(start)
    assert len(starts) > 40


def test_leads_are_lost_as_electrodes_take_them() -> None:
    lost = ~run(replace(NOTHING, limb_lost_share=1)).any(1)
    kept = {tuple(np.flatnonzero(~row)) for row in lost}
    assert kept == {(0,), (1,)}  # LL off leaves I, LA off leaves II
    chest = ~run(replace(NOTHING, chest_lost_share=1)).any(1)
    assert (chest == [False] * 6 + [True] * 6).all()
    single = ~run(replace(NOTHING, leads_lost_share=0.5)).any(1)
    assert 0.03 < single.mean() < 0.09  # half of the windows at 12 %


def test_everything_stays_within_the_inputs_range() -> None:
    assert np.abs(run(Augmentation(gain=1.0))).max() <= 127 * 0.02 + 1e-6
