"""Measures of a window: by their definitions in floating point, and the same bits everywhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware.inputs import InputContract, Normal
from firmware.profiles import MODEL_500
from firmware.window import filtered_leads, normalised
from models.inputs import at
from tests.firmware.ecg import NV_PER_COUNT, beats_at, counts_of, ecg_mv
from tools.bench.recordings import packed, plain_counts

NONE_LOST = np.zeros(12, np.bool_)
MEASURED = [normal for normal in Normal if normal is not Normal.FIXED]


def ecg(n: int = 5000) -> NDArray[np.int32]:
    """Counts of twelve leads, no two alike."""
    mv = counts_of(ecg_mv(beats_at(bpm=75, seconds=10), 10))[:n]
    return np.concatenate([mv, mv[:, :4] * 2 + 500 * np.arange(4)], axis=1).astype(np.int32)


def by_definition(x: NDArray[np.int32], normal: Normal, nv_per_count: float) -> NDArray[np.float64]:
    """As the paper's code has it, in floating point; MATE's of the whole record."""
    mv = x * (nv_per_count / 1e6)
    match normal:
        case Normal.MIN_MAX:
            return (mv - mv.min()) / np.ptp(mv)
        case Normal.MIN_MAX_LEAD:
            return (mv - mv.min(axis=0)) / np.ptp(mv, axis=0)
        case Normal.Z_SCORE:
            return (mv - mv.mean(axis=0)) / mv.std(axis=0)
        case Normal.R_SCALE:
            ranked, n = np.sort(mv, axis=0), len(mv)
            low, high = ranked[int(0.25 * n) - 1], ranked[int(0.75 * n) - 1]
            return (mv - ranked[(n - 1) // 2]) / (high - low)
        case Normal.LOG:
            return np.log1p(np.abs(mv))
        case Normal.L2:
            return mv / np.linalg.norm(mv, axis=0)
    raise AssertionError(normal)


@pytest.mark.parametrize("normal", MEASURED)
@pytest.mark.parametrize("samples", [5000, 2048, 401])
def test_it_is_what_the_definition_says(normal: Normal, samples: int) -> None:
    x, of = ecg(samples), at(500, samples, normal)
    wanted = by_definition(x, normal, of.nv_per_count) / of.step + of.zero
    # The logarithm is read from bins of 1.5 uV: a fifth of a step
    slack = 0.7 if normal is Normal.LOG else 0.501
    found = normalised(x, NONE_LOST, of)
    inside = (wanted >= -128) & (wanted <= 127)
    assert inside.mean() > 0.98
    assert np.abs(found - wanted)[inside].max() <= slack
    assert set(found[~inside]) <= {-128, 127}


@pytest.mark.parametrize("normal", Normal)
def test_lost_leads_are_zero_and_weigh_nothing(normal: Normal) -> None:
    x, of, lost = ecg(), at(500, 5000, normal), NONE_LOST.copy()
    lost[[1, 7]] = True
    railed = x.copy()
    railed[:, 1], railed[:, 7] = 1 << 26, -(1 << 26)
    found = normalised(railed, lost, of)
    assert (found[:, lost] == of.zero).all()
    np.testing.assert_array_equal(found, normalised(x, lost, of))
    assert (normalised(railed, ~NONE_LOST, of) == of.zero).all()


@pytest.mark.parametrize("level", [0, 1, -3, 1 << 24, -(1 << 26)])
@pytest.mark.parametrize("normal", [Normal.MIN_MAX_LEAD, Normal.Z_SCORE, Normal.R_SCALE])
def test_a_flat_lead_is_zero(normal: Normal, level: int) -> None:
    x, of = ecg(), at(500, 5000, normal)
    x[:, 5] = level
    found = normalised(x, NONE_LOST, of)
    assert (found[:, 5] == of.zero).all()
    np.testing.assert_array_equal(
        np.delete(found, 5, axis=1), np.delete(normalised(ecg(), NONE_LOST, of), 5, axis=1)
    )


@pytest.mark.parametrize("normal", Normal)
def test_silence_is_zero_throughout(normal: Normal) -> None:
    of = at(500, 2048, normal)
    assert (normalised(np.zeros((2048, 12), np.int32), NONE_LOST, of) == of.zero).all()


@pytest.mark.parametrize("normal", Normal)
def test_many_at_once_are_each_as_alone(normal: Normal) -> None:
    of, rng = at(500, 600, normal), np.random.default_rng(4)
    x = np.stack([np.roll(ecg(600), k * 37, axis=0) * (k + 1) for k in range(6)]).astype(np.int32)
    lost = rng.random((6, 12)) < 0.2
    alone = [normalised(one, gone, of) for one, gone in zip(x, lost, strict=True)]
    found = normalised(x, lost, of)
    np.testing.assert_array_equal(found, np.stack(alone))
    assert found.dtype == np.int8
    assert found.flags.c_contiguous


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(MEASURED), st.integers(2, 40), st.integers(-(1 << 31), (1 << 31) - 1))
def test_no_input_breaks_it(normal: Normal, samples: int, seed: int) -> None:
    rng = np.random.default_rng(abs(seed))
    x = (rng.integers(-128, 128, (samples, 12)) << rng.integers(0, 24, 12)).astype(np.int32)
    x[rng.integers(samples), rng.integers(12)] = seed
    with np.errstate(all="raise"):
        normalised(x, rng.random(12) < 0.3, at(500, samples, normal))


GOLDEN = {
    Normal.FIXED: "29ee83d2b6d5cf36",
    Normal.MIN_MAX: "5c4467a3d0ab5667",
    Normal.MIN_MAX_LEAD: "b21feca6dcd8a526",
    Normal.Z_SCORE: "23dc205039246749",
    Normal.R_SCALE: "617c20f739ee5106",
    Normal.LOG: "db68bd45fba751fa",
    Normal.L2: "6dc46adf8639a03e",
}


@pytest.mark.parametrize("normal", Normal)
def test_a_measure_names_its_bits(normal: Normal) -> None:
    """A network was trained on them; every machine gives the same."""
    k = np.arange(2048 * 12, dtype=np.int64)
    spread = (k * k * 40_503 % 262_144 - 131_072) * (1 + k % 12) // 4
    x = spread.astype(np.int32).reshape(2048, 12)
    of: InputContract = at(500, 2048, normal)
    digest = hashlib.sha256(normalised(x, NONE_LOST, of).tobytes()).hexdigest()[:16]
    assert digest == GOLDEN[normal]


@pytest.mark.data
def test_real_records_are_hardly_clipped(recordings: Path) -> None:
    """Steps are as fine as that allows: beyond int8 lies one sample in 10 000, at the most."""
    pytest.importorskip("h5py")
    leads = []
    for record in packed(recordings, "ecg_500hz", every=8):
        counts = plain_counts(record, NV_PER_COUNT)
        settled = np.concatenate([counts[1000:0:-1], counts])
        leads.append(filtered_leads(settled, MODEL_500, 2048))
    of_measure = {
        normal: normalised(
            np.stack(leads), np.zeros((len(leads), 12), np.bool_), at(500, 2048, normal)
        )
        for normal in MEASURED
    }
    for normal in (Normal.Z_SCORE, Normal.R_SCALE, Normal.LOG, Normal.L2):
        found, zero = of_measure[normal], at(500, 2048, normal).zero
        clipped = (found == 127) | ((found == -128) & (zero != -128))
        assert clipped.mean() < 1e-4, normal
        assert np.abs(found.astype(int) - zero).max() > 60, normal
