"""The simulated patient's rhythms against the ECG's own rules, and its purity in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.frontend import Electrode
from hal.patient import ANALOG_RATE_HZ, background
from hal.patient.chunks import random_of
from hal.patient.generator import rr_s
from hal.patient.presets import preset, presets, truth
from tests.hal.patient_leads import leads_mv, peak_hz

MINUTE = 60 * ANALOG_RATE_HZ


def averaged(name: str, lead: str, from_s: float, to_s: float) -> np.ndarray:
    """The mean of a lead around its R peaks: what one would measure on paper."""
    heart = truth(name)
    mv = leads_mv(heart.potentials(0, 30 * ANALOG_RATE_HZ).volts)[lead]
    low, high = round(from_s * ANALOG_RATE_HZ), round(to_s * ANALOG_RATE_HZ)
    beats = heart.beats(ANALOG_RATE_HZ, 28 * ANALOG_RATE_HZ)
    return np.mean([mv[r + low : r + high] for r in beats], axis=0)


@pytest.mark.parametrize("name", presets())
def test_einthoven_and_goldberger_hold_exactly(name):
    volts = preset(name).potentials(14 * ANALOG_RATE_HZ, 2 * ANALOG_RATE_HZ).volts
    leads = leads_mv(volts)
    np.testing.assert_allclose(leads["I"] + leads["III"], leads["II"], atol=1e-9)
    np.testing.assert_allclose(leads["aVR"] + leads["aVL"] + leads["aVF"], 0, atol=1e-9)


@pytest.mark.parametrize("name", presets())
def test_same_volts_however_cut(name):
    patient = preset(name, seed=3)
    first = 24 * ANALOG_RATE_HZ + 1234
    whole = patient.potentials(first, 6001)
    again = preset(name, seed=3)
    parts = [again.potentials(first + k, min(777, 6001 - k)) for k in range(0, 6001, 777)]
    np.testing.assert_array_equal(np.concatenate([p.volts for p in parts]), whole.volts)
    np.testing.assert_array_equal(np.concatenate([p.off for p in parts]), whole.off)


@settings(max_examples=25, deadline=None)
@given(
    spans=st.lists(
        st.tuples(st.integers(0, 60_000), st.integers(0, 5_000)), min_size=1, max_size=4
    ),
    name=st.sampled_from(["af-90", "noisy-70", "v3-off", "avb3", "demo"]),
)
def test_any_span_in_any_order_is_the_same(spans, name):
    whole = _whole(name)
    patient = preset(name)
    for first, n in spans:
        part = patient.potentials(first, n)
        np.testing.assert_array_equal(part.volts, whole[first : first + n])
        assert part.off.shape == (n, 10)


_WHOLE: dict[str, np.ndarray] = {}


def _whole(name: str) -> np.ndarray:
    if name not in _WHOLE:
        _WHOLE[name] = preset(name).potentials(0, 65_000).volts
    return _WHOLE[name]


def test_callers_may_write_into_what_they_get():
    patient = truth("sinus-70")
    volts = patient.potentials(0, 100).volts
    kept = volts.copy()
    volts[:] = 0
    np.testing.assert_array_equal(patient.potentials(0, 100).volts, kept)


def test_seed_is_the_person():
    one, other = (preset("sinus-70", seed).potentials(0, 4000).volts for seed in (1, 2))
    assert np.abs(one - other).max() > 1e-4
    np.testing.assert_array_equal(one, preset("sinus-70", 1).potentials(0, 4000).volts)


@pytest.mark.parametrize(
    "name", ["sinus-30", "sinus-70", "sinus-200", "af-140", "pvc-70", "lbbb-70", "avb3", "vt-160"]
)
def test_true_r_peaks_are_peaks_of_the_signal(name):
    heart = truth(name)
    leads = leads_mv(heart.potentials(0, 20 * ANALOG_RATE_HZ).volts)
    power = sum(np.square(leads[x]) for x in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"))
    beats = heart.beats(500, 19 * ANALOG_RATE_HZ)
    assert len(beats) >= 8
    reach = round(0.06 * ANALOG_RATE_HZ)
    for r in beats:
        peak = r - reach + int(np.argmax(power[r - reach : r + reach]))
        assert abs(peak - r) <= 0.008 * ANALOG_RATE_HZ


def test_beats_are_the_same_however_asked():
    heart = truth("pvc-70", seed=5)
    pieces = [r for k in range(0, MINUTE, 3333) for r in heart.beats(k, min(3333, MINUTE - k))]
    assert pieces == truth("pvc-70", seed=5).beats(0, MINUTE)


@pytest.mark.parametrize("bpm", [30, 47, 70, 120, 220, 300])
def test_sinus_keeps_its_rate(bpm):
    rr = rr_s(truth(f"sinus-{bpm}").beats(0, 2 * MINUTE))
    assert 60 / rr.mean() == pytest.approx(bpm, rel=0.015)
    assert 0.01 < rr.std() / rr.mean() < 0.04


def test_rr_statistics_per_rhythm():
    def spread(name):
        rr = rr_s(truth(name).beats(0, 3 * MINUTE))
        return rr.std() / rr.mean()

    assert 0.08 < spread("sinus-arrhythmia") < 0.14
    assert 0.18 < spread("af-90") < 0.30
    assert spread("svt-180") < 0.01
    assert spread("avb3") < 0.02


def test_af_intervals_have_no_memory_and_a_refractory_floor():
    rr = rr_s(truth("af-90").beats(0, 10 * MINUTE))
    assert 60 / rr.mean() == pytest.approx(90, rel=0.03)
    assert rr.min() >= 0.45 * 60 / 90 - 0.001
    assert abs(np.corrcoef(rr[:-1], rr[1:])[0, 1]) < 0.08
    assert np.mean(((rr - rr.mean()) / rr.std()) ** 3) > 0.3  # skewed to the long side


@pytest.mark.parametrize(("name", "bpm"), [("2to1", 150), ("3to1", 100), ("4to1", 75)])
def test_flutter_beats_are_locked_to_its_waves(name, bpm):
    rr = rr_s(truth(f"flutter-{name}").beats(0, MINUTE))
    assert 60 / rr.mean() == pytest.approx(bpm, rel=0.002)
    phase = np.mod(truth(f"flutter-{name}").beats(0, MINUTE), 0.2 * ANALOG_RATE_HZ)
    assert np.std(np.exp(2j * np.pi * phase / (0.2 * ANALOG_RATE_HZ))) < 0.15


def test_extrasystoles_come_early_and_pause():
    """Ventricular: the two intervals make two sinus cycles. Atrial: less, the node is reset."""
    for name, least, most in (("pvc-70", 1.9, 2.1), ("pac-70", 1.5, 1.85)):
        rr = rr_s(truth(name).beats(0, 3 * MINUTE))
        early = np.flatnonzero(rr[:-1] < 0.75 * np.median(rr))
        assert len(early) >= 10
        pairs = (rr[early] + rr[early + 1]) / np.median(rr)
        assert least < pairs.min()
        assert pairs.max() < most


def test_bigeminy_alternates():
    rr = rr_s(truth("bigeminy").beats(0, MINUTE))
    assert rr[::2].max() < 0.75 * rr[1::2].min() or rr[1::2].max() < 0.75 * rr[::2].min()


def test_wenckebach_groups_three_beats_and_a_gap():
    rr = rr_s(truth("avb2-wenckebach").beats(0, MINUTE))
    gaps = np.flatnonzero(rr > 1.3)
    assert set(np.diff(gaps)) == {3}
    assert (rr[gaps] < 2 * 60 / 75 * 1.05).all()  # shorter than two cycles: PR falls back


def test_r_wave_grows_across_the_chest():
    r_peak = [averaged("sinus-70", f"V{k}", -0.05, 0.05).max() for k in range(1, 7)]
    s_peak = [-averaged("sinus-70", f"V{k}", -0.05, 0.06).min() for k in range(1, 7)]
    ratio = np.array(r_peak) / np.array(s_peak)
    assert (np.diff(ratio[:5]) > 0).all()
    assert ratio[1] < 1 < ratio[3]  # transition between V2 and V4
    assert 0.1 < r_peak[0] < 0.5


def test_normal_beat_has_its_waves():
    two = averaged("sinus-70", "II", -0.3, 0.45)
    at = -0.3 + np.arange(len(two)) / ANALOG_RATE_HZ
    base = two[(at > -0.29) & (at < -0.26)].mean()
    assert 0.8 < two.max() - base < 1.4
    assert 0.08 < two[at < -0.08].max() - base < 0.25  # P upright
    assert 0.15 < two[at > 0.15].max() - base < 0.5  # T concordant
    v6 = averaged("sinus-70", "V6", -0.06, 0.0)
    assert v6[:80].min() < -0.03  # septal q
    assert averaged("sinus-70", "aVR", -0.02, 0.02).min() < -0.5


def test_t_wave_moves_in_as_the_rate_rises():
    def t_peak_s(bpm):
        two = averaged(f"sinus-{bpm}", "II", 0.12, min(0.4, 48 / bpm))
        return 0.12 + np.argmax(two) / ANALOG_RATE_HZ

    assert t_peak_s(40) > t_peak_s(70) + 0.03 > t_peak_s(120) + 0.06


def test_af_has_no_p_but_waves_in_v1():
    """Between beats V1 oscillates at 4-8 Hz, more than any other lead."""
    heart = truth("af-90")
    leads = leads_mv(heart.potentials(0, 30 * ANALOG_RATE_HZ).volts)
    quiet = {}
    for lead, mv in leads.items():
        pieces = [
            mv[b - 500 : b - 120] - mv[b - 500 : b - 120].mean()
            for b in heart.beats(600, 29 * ANALOG_RATE_HZ)
        ]
        quiet[lead] = np.std(np.concatenate(pieces))
    assert max(quiet, key=quiet.get) == "V1"
    assert 0.02 < quiet["V1"] < 0.12
    p_wave = averaged("af-90", "II", -0.24, -0.08)
    assert np.ptp(p_wave) < 0.5 * np.ptp(averaged("sinus-70", "II", -0.24, -0.08))


@pytest.mark.parametrize("seed", range(5))
def test_fibrillatory_waves_are_4_to_8_hz(seed):
    waves = background.atrial_fibrillation(random_of(seed)).mv(np.arange(60_000) / ANALOG_RATE_HZ)
    power = np.abs(np.fft.rfft(waves[:, 2] * np.hanning(60_000))) ** 2
    hz = np.fft.rfftfreq(60_000, 1 / ANALOG_RATE_HZ)
    assert power[(hz >= 4) & (hz <= 8)].sum() > 0.99 * power.sum()


def test_flutter_waves_are_300_a_minute_and_inferior():
    leads = leads_mv(truth("flutter-4to1").potentials(0, 20 * ANALOG_RATE_HZ).volts)
    assert peak_hz(leads["aVF"], 4.5, 5.5) == pytest.approx(5.0, abs=0.05)
    ratio = np.ptp(averaged("flutter-4to1", "aVF", 0.4, 0.6)) / np.ptp(
        averaged("flutter-4to1", "I", 0.4, 0.6)
    )
    assert ratio > 3


def test_vf_has_power_at_4_to_6_hz_and_no_beats():
    heart = truth("vf")
    two = leads_mv(heart.potentials(0, 20 * ANALOG_RATE_HZ).volts)["II"]
    assert heart.beats(0, MINUTE) == []
    assert 0.15 < two.std() < 0.6
    assert 3 < peak_hz(two, 0.5, 40) < 8


def test_asystole_is_flat_but_alive():
    assert truth("asystole").beats(0, MINUTE) == []
    two = leads_mv(preset("asystole").potentials(0, 20 * ANALOG_RATE_HZ).volts)["II"]
    assert 0.001 < two.std() < 0.15


@pytest.mark.parametrize("name", ["lbbb-70", "rbbb-70", "vt-160", "paced-60"])
def test_wide_qrs_is_wide(name):
    def width_ms(preset_name):
        beats = [averaged(preset_name, lead, -0.12, 0.12) for lead in ("I", "II", "V1", "V6")]
        steep = sum(np.abs(np.gradient(mv)) for mv in beats)
        active = np.flatnonzero(steep > 0.12 * np.percentile(steep, 99))
        return (active[-1] - active[0]) / ANALOG_RATE_HZ * 1000

    assert width_ms("sinus-70") < 105
    assert width_ms(name) > 120


def test_bundle_branch_blocks_point_the_right_way():
    assert averaged("rbbb-70", "V1", 0.03, 0.09).max() > 0.4  # R'
    assert averaged("rbbb-70", "V6", 0.03, 0.09).min() < -0.25  # broad S
    assert averaged("lbbb-70", "V1", -0.02, 0.08).min() < -0.8
    assert averaged("lbbb-70", "V6", -0.06, -0.03).min() > 0.0  # no septal q
    assert averaged("lbbb-70", "V6", 0.2, 0.35).min() < -0.1  # T discordant


def test_st_segments():
    def st_mv(name, lead):
        beat = averaged(name, lead, -0.26, 0.1)
        return float(beat[round(0.34 * ANALOG_RATE_HZ)] - beat[:40].mean())  # R + 80 ms

    assert min(st_mv("stemi-anterior", x) for x in ("V2", "V3")) > 0.2
    assert min(st_mv("stemi-inferior", x) for x in ("II", "III", "aVF")) > 0.1
    assert st_mv("stemi-inferior", "aVL") < -0.1
    assert max(st_mv("st-depression", x) for x in ("II", "V5", "V6")) < -0.1
    assert abs(st_mv("sinus-70", "V5")) < 0.07


def test_paced_beats_follow_a_spike():
    heart = truth("paced-60")
    two = leads_mv(heart.potentials(0, 20 * ANALOG_RATE_HZ).volts)["II"]
    for r in heart.beats(1000, 18 * ANALOG_RATE_HZ):
        spike = r - 250 + int(np.argmax(np.abs(np.diff(two[r - 250 : r - 100], 2))))
        assert abs(r - spike) / ANALOG_RATE_HZ == pytest.approx(0.085, abs=0.003)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("sinus-70", "SR"),
        ("sinus-59", "SB"),
        ("sinus-101", "GSVT"),
        ("af-90", "AFIB"),
        ("flutter-2to1", "AFIB"),
        ("svt-180", "GSVT"),
        ("vt-160", None),
        ("asystole", None),
    ],
)
def test_truth_names_the_group(name, group):
    assert truth(name).mate4 == group


def test_a_day_later_it_still_beats():
    heart = truth("sinus-70")
    first = 24 * 3600 * ANALOG_RATE_HZ
    assert 60 < len(heart.beats(first, MINUTE)) < 80
    two = leads_mv(heart.potentials(first, 4 * ANALOG_RATE_HZ).volts)["II"]
    assert 0.8 < np.ptp(two) < 2.5


def test_before_the_beginning_is_refused():
    with pytest.raises(ValueError, match="before the signal"):
        preset("sinus-70").potentials(-1, 10)


def test_unknown_names_are_refused_with_what_exists():
    with pytest.raises(
        ValueError, match=r"'flutter-2-1'; did you mean flutter-2to1.*there are sin"
    ):
        preset("flutter-2-1")
    with pytest.raises(ValueError, match="from 20 to 300 bpm"):
        preset("sinus-400")
    with pytest.raises(ValueError, match="several rhythms"):
        truth("demo")


def test_right_leg_feels_the_left_leg():
    volts = preset("asystole").potentials(0, 10).volts
    assert volts.shape == (10, 10)
    heart = truth("sinus-70").potentials(0, 4000).volts
    np.testing.assert_array_equal(heart[:, Electrode.RL], heart[:, Electrode.LL])
