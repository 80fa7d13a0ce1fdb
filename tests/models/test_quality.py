"""Fitting what people accept: the worst channel is found though only records are labelled."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from firmware import acceptable
from models import quality
from models.data import cinc2011
from models.data.dataset import DataError

NV_PER_COUNT = 47.68


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "STEPS", 150)


def records(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, verdicts, and which channel is loud in those that are not accepted."""
    rng = np.random.default_rng(seed)
    x = rng.normal(160, 12, (n, 8, acceptable.FEATURES))
    accepted = rng.random(n) < 0.6
    loud = rng.integers(0, 8, n)
    x[np.flatnonzero(~accepted), loud[~accepted], :6] += 60
    return np.rint(x), accepted, loud


@pytest.mark.usefixtures("few_steps")
def test_it_learns_of_records_and_tells_of_channels() -> None:
    net = quality.fit(*records(120, 1)[:2])
    x, accepted, loud = records(200, 2)
    assert np.mean(quality.verdicts(x, net) == accepted) > 0.97
    bad = acceptable.badness(x.astype(np.int64), net).mean(axis=1)
    assert np.mean(bad[~accepted].argmax(axis=1) == loud[~accepted]) > 0.97
    assert bad[accepted].mean() < 0.15 * acceptable.ONE


@pytest.mark.usefixtures("few_steps")
def test_the_same_seed_gives_the_same_network_and_it_is_read_back(tmp_path: Path) -> None:
    x, accepted, _ = records(60, 3)
    one, two = quality.fit(x, accepted, 5), quality.fit(x, accepted, 5)
    quality.save(one, tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as file:
        for name in ("w0", "b0", "w1", "b1", "mix"):
            assert (getattr(one, name) == getattr(two, name)).all()
            assert (file[name] == getattr(one, name)).all()


def test_folds_hold_both_verdicts_evenly() -> None:
    accepted = np.arange(95) < 70
    fold = quality.stratified(accepted, 10, 0)
    assert set(np.bincount(fold[accepted], minlength=10).tolist()) == {7}
    assert set(np.bincount(fold[~accepted], minlength=10).tolist()) <= {2, 3}


def packed_set(folder: Path, traces: list[int], labels: list[str]) -> None:
    """Records made of the seeds ``traces``."""
    h5py = pytest.importorskip("h5py")
    steps = np.stack([np.random.default_rng(seed).integers(-9, 9, (12, 5000)) for seed in traces])
    with h5py.File(folder / "cinc2011_quality.h5", "w") as file:
        file["X_delta"] = steps.astype(np.int16)
        file.attrs.update(fs=500, lsb_uV=5.0, leads=",".join(cinc2011.LEADS12))
    with (folder / "cinc2011_quality.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["record_id", "source_dataset", "age", "sex", "labels"])
        rows.writerows([f"r{i}", "CinC2011", "", "", label] for i, label in enumerate(labels))


def test_equal_traces_count_once_and_the_undecided_not_at_all(tmp_path: Path) -> None:
    good, bad = cinc2011.ACCEPTABLE, cinc2011.UNACCEPTABLE
    packed_set(tmp_path, [1, 2, 1, 3, 1, 4], [bad, good, bad, "indeterminate", bad, good])
    found = cinc2011.load(tmp_path, NV_PER_COUNT)
    assert found.record_ids == ("r0", "r1", "r5")
    assert found.copies.tolist() == [3, 1, 1]
    assert found.acceptable.tolist() == [False, True, True]
    assert found.counts.shape == (3, 5000, 8)
    alone = tmp_path / "alone"
    alone.mkdir()
    packed_set(alone, [4, 1], [good, bad])  # a trace is held or not whatever stands beside it
    again = cinc2011.load(alone, NV_PER_COUNT)
    assert again.held.tolist() == [found.held[2], found.held[0]]


def test_equal_traces_with_different_labels_are_told(tmp_path: Path) -> None:
    packed_set(tmp_path, [1, 1], [cinc2011.ACCEPTABLE, cinc2011.UNACCEPTABLE])
    with pytest.raises(DataError, match="r0: equal traces"):
        cinc2011.load(tmp_path, NV_PER_COUNT)
