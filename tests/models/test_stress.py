"""Stress does what electrodes, wires and noise do to a record; its doses are what they say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware.events import LEADS
from hal.frontend import CHANNEL_LEADS, Electrode
from models.data import noise
from models.data.chain import NV_PER_COUNT, extended, record_tensor, to_counts
from models.data.dataset import LEADS8, TRAINED_ON, Dataset, Metadata
from models.data.noise import Noise, NoiseKind
from models.data.stress import (
    CHEST,
    NAMED,
    Stress,
    draw,
    stressed_counts,
    stressed_tensor,
    stressed_tensors,
)

R_MV = np.array([0.7, 1.0, -0.9, -0.6, 0.5, 1.1, 1.2, 0.8])  # I, II, V1-V6
S_MV = np.array([-0.1, -0.1, 0.2, 0.6, -0.7, -0.4, -0.2, -0.1])
T_MV = np.array([0.2, 0.3, -0.1, 0.4, 0.5, 0.5, 0.4, 0.3])
V1, V3 = LEADS.index("V1"), LEADS.index("V3")


def ecg() -> np.ndarray:
    """Ten seconds at 75/min, [1000, 8] mV: R, S and T waves, other in every lead."""
    t = np.arange(1000)[:, None] / 100
    since = (t - 0.35) % 0.8

    def wave(at: float, width: float) -> np.ndarray:
        return np.exp(-(((since - at) / width) ** 2) / 2)

    return wave(0.1, 0.015) * R_MV + wave(0.15, 0.015) * S_MV + wave(0.4, 0.05) * T_MV


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def tensor(stress: Stress, seed: int = 5) -> dict[str, np.ndarray]:
    """Lead name to samples in steps of 20 uV."""
    return dict(zip(LEADS, stressed_tensor(ecg(), stress, rng(seed)).T.astype(int), strict=True))


CLEAN = dict(zip(LEADS, record_tensor(ecg(), rng()).T.astype(int), strict=True))


def added(stress: Stress, seed: int = 5) -> dict[str, np.ndarray]:
    """What the stress adds at the chip's inputs, mV at 500 Hz in the window, by channel."""
    clean = to_counts(extended(ecg()), rng())
    counts = stressed_counts(ecg(), stress, rng(seed)) - clean
    mv = counts[1000:6000] * (NV_PER_COUNT / 1e6)
    return dict(zip(CHANNEL_LEADS, mv.T, strict=True))


def close(got: np.ndarray, expected: np.ndarray, steps: float = 2) -> bool:
    return bool(np.abs(got - expected).max() <= steps)


def test_without_stress_it_is_the_clean_tensor_to_the_bit() -> None:
    for seed in range(3):
        np.testing.assert_array_equal(
            stressed_tensor(ecg(), Stress(), rng(seed)), record_tensor(ecg(), rng(seed))
        )


@pytest.mark.parametrize(
    ("off", "kept"),
    [
        ("RA", []),
        ("LA", ["II"]),
        ("LL", ["I"]),
        ("RL", list(LEADS)),
        ("V3", [lead for lead in LEADS if lead != "V3"]),
    ],
)
def test_an_electrode_off_takes_the_leads_that_hang_on_it(off: str, kept: list[str]) -> None:
    got = tensor(NAMED[f"{off} off"])
    for lead in LEADS:
        np.testing.assert_array_equal(got[lead], CLEAN[lead] if lead in kept else 0)


def test_all_chest_electrodes_off_leave_the_limb_leads() -> None:
    got = tensor(NAMED["V1-V6 off"])
    assert [lead for lead in LEADS if got[lead].any()] == list(LEADS[:6])


ONE, II, III, AVR, AVL, AVF = (CLEAN[lead] for lead in LEADS[:6])


@pytest.mark.parametrize(
    ("name", "limbs", "chest_shift"),
    [
        ("RA/LA", [-ONE, III, II, AVL, AVR, AVF], 0 * ONE),
        ("RA/LL", [-III, -II, -ONE, AVF, AVL, AVR], 0 * ONE),
        ("LA/LL", [II, ONE, -III, AVR, AVF, AVL], 0 * ONE),
        ("RA-LA-LL one round", [III, -ONE, -II, AVL, AVF, AVR], 0 * ONE),
        ("RA-LL-LA one round", [-II, -III, ONE, AVF, AVR, AVL], 0 * ONE),
        # RL feels what LL feels: one lead is flat, and Wilson's terminal shifts
        ("RA/RL", [-III, 0 * ONE, III, III / 2, -III, III / 2], -II / 3),
        ("LA/RL", [II, II, 0 * ONE, -II, II / 2, II / 2], -III / 3),
    ],
)
def test_limb_swaps(name: str, limbs: list[np.ndarray], chest_shift: np.ndarray) -> None:
    got = tensor(NAMED[name if "round" in name else f"{name} swapped"])
    for lead, expected in zip(LEADS, limbs, strict=False):
        assert close(got[lead], expected), lead
    for lead in LEADS[6:]:
        assert close(got[lead], CLEAN[lead] + chest_shift), lead


def test_neighbouring_chest_swaps_exchange_two_leads() -> None:
    got = tensor(NAMED["V2/V3 swapped"])
    assert close(got["V2"], CLEAN["V3"])
    assert close(got["V3"], CLEAN["V2"])
    assert all(close(got[lead], CLEAN[lead]) for lead in LEADS if lead not in ("V2", "V3"))


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("db", [18, 0])
def test_the_snr_is_the_noise_stress_tests(kind: NoiseKind, db: float) -> None:
    qrs = np.ptp(ecg(), axis=0)  # T is lower, R and S are adjacent
    noises = added(Stress(noises=(Noise(kind, snr_db=db),)))
    power = np.mean([x.var() for x in noises.values()])
    assert 10 * np.log10((qrs**2 / 8).mean() / power) == pytest.approx(db, abs=0.5)


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_amplitudes_are_those_of_a_sine_of_the_same_power(kind: NoiseKind) -> None:
    noises = added(Stress(noises=(Noise(kind, amplitude_mv=1.0),)))
    power = np.mean([x.var() for x in noises.values()])
    assert np.sqrt(2 * power) == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize(
    ("one", "low_hz", "high_hz", "share"),
    [
        (Noise(NoiseKind.WANDER, snr_db=0), 0, 0.7, 0.97),
        (Noise(NoiseKind.MUSCLE, snr_db=0), 19, 250, 0.99),
        (Noise(NoiseKind.MUSCLE, snr_db=0), 40, 250, 0.8),
        (Noise(NoiseKind.MOTION, snr_db=0), 0, 12, 0.97),
        (Noise(NoiseKind.MAINS, snr_db=0), 49, 51, 0.97),
        (Noise(NoiseKind.MAINS, snr_db=0, mains_hz=60.0), 59, 61, 0.97),
        (Noise(NoiseKind.CPR, snr_db=0), 1.5, 2.1, 0.5),
        (Noise(NoiseKind.CPR, snr_db=0), 1.5, 13, 0.97),
    ],
)
def test_noise_keeps_to_its_band(one: Noise, low_hz: float, high_hz: float, share: float) -> None:
    hz = np.fft.rfftfreq(5000, 1 / 500)
    spectra = [
        np.abs(np.fft.rfft((x - x.mean()) * np.hanning(5000))) ** 2
        for x in added(Stress(noises=(one,))).values()
    ]
    spectrum = np.sum(spectra, axis=0)
    inside = spectrum[(hz >= low_hz) & (hz <= high_hz)].sum() / spectrum.sum()
    assert inside > share


def test_the_device_filters_mains_away() -> None:
    got = tensor(NAMED["mains 60 Hz 1 mV"])
    assert all(close(got[lead], CLEAN[lead]) for lead in LEADS)


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_leads_share_the_noise_of_their_electrodes(kind: NoiseKind) -> None:
    """Noise of LA is in lead I, and a third of it upside down in every chest lead."""
    one = Noise(kind, amplitude_mv=1.0, electrodes=(Electrode.LA,))
    got = added(Stress(noises=(one,)))
    assert np.abs(got["II"]).max() < 0.02
    for lead in LEADS8[2:]:
        np.testing.assert_allclose(got[lead], -got["I"] / 3, atol=0.02)
    alone = added(Stress(noises=(replace(one, electrodes=(Electrode.V3,)),)))
    assert [lead for lead, x in alone.items() if np.abs(x).max() > 0.02] == ["V3"]


def test_a_railed_lead_is_silent_and_leads_made_of_it_are_wrong() -> None:
    got = tensor(NAMED["I railed at +5 mV"])
    assert np.abs(got["I"]).max() <= 1
    assert close(got["III"], CLEAN["II"])
    assert close(got["aVF"], CLEAN["II"])
    assert close(got["aVL"], -CLEAN["II"] / 2)
    assert all(close(got[lead], CLEAN[lead]) for lead in ("II", *LEADS[6:]))
    volts = stressed_counts(ecg(), NAMED["I railed at +5 mV"], rng())[:, CHANNEL_LEADS.index("I")]
    np.testing.assert_allclose(volts * NV_PER_COUNT / 1e6, 5.0, atol=0.01)


def test_a_clipped_channel_loses_what_is_above_the_chips_rail() -> None:
    counts = stressed_counts(ecg(), Stress(clipped=("V5",), headroom_mv=0.2), rng())
    assert counts.max() == (1 << 23) - 1
    window = counts[1000:6000, CHANNEL_LEADS.index("V5")] * (NV_PER_COUNT / 1e6) - (400 - 0.2)
    assert window.max() == pytest.approx(0.2, abs=0.001)
    assert window.min() == pytest.approx(ecg()[:, LEADS8.index("V5")].min(), abs=0.03)


def test_gain_scales_all_leads() -> None:
    got = tensor(Stress(gain=1.2))
    assert all(close(got[lead], 1.2 * CLEAN[lead]) for lead in LEADS)


def test_electrode_offsets_are_filtered_out() -> None:
    stress = Stress(offset_mv=300.0)
    offsets = np.array([x.mean() for x in added(stress).values()])
    assert 50 < np.abs(offsets).max() < 303
    got = tensor(stress)
    assert all(close(got[lead], CLEAN[lead], steps=15) for lead in LEADS)  # their drift: 0.3 mV


def test_an_electrode_lost_unnoticed_no_longer_feels_the_heart() -> None:
    got = tensor(NAMED["V3 loose unnoticed"], seed=3)
    assert abs(np.corrcoef(got["V3"][800:], CLEAN["V3"][800:])[0, 1]) < 0.4
    assert all(close(got[lead], CLEAN[lead]) for lead in LEADS if lead != "V3")
    limb = added(NAMED["LA loose unnoticed"], seed=3)
    assert np.abs(limb["II"]).max() < 0.02
    for lead in LEADS8[2:]:  # through Wilson's terminal
        np.testing.assert_allclose(limb[lead], -limb["I"] / 3, atol=0.02)


def test_an_electrode_may_come_loose_within_the_window() -> None:
    starts = []
    for seed in range(20):
        v3 = np.abs(added(NAMED["V3 loose unnoticed"], seed)["V3"]) > 0.02
        starts.append(int(np.argmax(v3)))
    assert min(starts) == 0
    assert len(set(starts)) > 10
    assert max(starts) <= 4050  # 8 s


def test_every_named_stress_is_deterministic_and_differs_from_clean() -> None:
    clean = record_tensor(ecg(), rng())
    for name, stress in NAMED.items():
        once = stressed_tensor(ecg(), stress, rng())
        np.testing.assert_array_equal(once, stressed_tensor(ecg(), stress, rng()), name)
        if not re.match("none|RL off|mains", name):
            assert (once != clean).any(), name


def test_a_dose_is_given_one_way() -> None:
    with pytest.raises(ValueError, match="either snr_db or amplitude_mv"):
        Noise(NoiseKind.MUSCLE)
    with pytest.raises(ValueError, match="no channel measures"):
        Stress(railed=("III",))


def test_training_draws_light_doses_mostly() -> None:
    generator = rng()
    drawn = [draw(generator) for _ in range(3000)]
    assert drawn[0] == draw(rng())

    def share(what: list[bool]) -> float:
        return float(np.mean(what))

    assert 0.15 < share([bool(s.off) for s in drawn]) < 0.21
    assert 0.01 < share([s.off == CHEST for s in drawn]) < 0.03
    assert not any(Electrode.RA in s.off for s in drawn)  # nothing would be left to learn from
    for rare in ("swaps", "loose", "railed", "clipped"):
        assert 0.001 < share([bool(getattr(s, rare)) for s in drawn]) < 0.04, rare
    heavy = share([any(n.kind is NoiseKind.CPR for n in s.noises) for s in drawn])
    assert 0.003 < heavy < 0.02


def dataset(n: int) -> Dataset:
    gains = rng(1).uniform(0.5, 1.5, (n, 1, 1))
    steps = np.rint(ecg().T / 0.005 * gains).astype(np.int16)
    meta = Metadata.from_rows([{"record_id": str(k), "source": TRAINED_ON} for k in range(n)])
    none = np.zeros((n, 1), np.uint8)
    return Dataset(steps, 5.0, meta, none, none, none, np.ones(n, np.int64), "digest")


def test_cached_tensors_depend_on_seed_and_row_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data, said = dataset(6), []
    some = stressed_tensors(data, np.arange(6), 7, lambda *a: said.append(a))
    assert said == [("stressing", 6, 6)]
    again = stressed_tensors(data, np.arange(6), 7, lambda *a: said.append(a))
    np.testing.assert_array_equal(some, again)
    assert len(said) == 1  # from the cache
    fewer = stressed_tensors(data, np.array([4, 1]), 7, lambda *_: None)
    np.testing.assert_array_equal(fewer, some[[4, 1]])
    assert (stressed_tensors(data, np.arange(6), 8, lambda *_: None) != some).any()


def test_leads8_is_the_wirings() -> None:
    """Each electrode alone at 1 mV: Wilson's terminal takes a third of RA, LA and LL."""
    leads = dict(zip(LEADS8, noise.leads8(np.eye(10)).T, strict=True))
    np.testing.assert_allclose(leads["I"], [-1, 1, *[0] * 8])
    np.testing.assert_allclose(leads["II"], [-1, 0, 1, *[0] * 7])
    np.testing.assert_allclose(leads["V2"], [-1 / 3, -1 / 3, -1 / 3, 0, 0, 1, 0, 0, 0, 0])
