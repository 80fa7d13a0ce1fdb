"""Each fault made on purpose, told by name, and told apart from the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware.events import LeadFault, QualityGrade
from firmware.quality import QualityMeter, Verdict
from hal.frontend import CHANNEL_LEADS
from tests.firmware.ecg import ALL, NV_PER_COUNT, beats_at, counts_of, cut, ecg_mv, noise_mv

SECONDS = 12
T = np.arange(SECONDS * 500) / 500
V3 = CHANNEL_LEADS.index("V3")
LIMB = [CHANNEL_LEADS.index(lead) for lead in ("I", "II")]
DERIVED = {"III", "aVR", "aVL", "aVF"}

Signal = NDArray[np.float64]


def clean() -> Signal:
    return ecg_mv(beats_at(bpm=70, seconds=SECONDS), SECONDS) + noise_mv(SECONDS, 3, seed=1)


def measured(
    mv: Signal, usable: NDArray[np.bool_] = ALL, mains_hz: int | None = 50
) -> QualityMeter:
    meter = QualityMeter(NV_PER_COUNT, mains_hz)
    meter.push(0, counts_of(np.clip(mv, -400, 400)), usable)
    return meter


def muscle() -> Signal:
    return np.random.default_rng(2).normal(0, 0.06, len(T))


def motion() -> Signal:
    return 6.0 * (T // 1.7 % 2)


def tugs() -> Signal:
    """12 mV for 60 ms each second: too short to move the mean of a second."""
    return 12.0 * (T % 1.0 < 0.06)


FAULTS = {
    LeadFault.NOISY: [muscle(), motion(), tugs()],
    LeadFault.MAINS: [0.2 * np.sin(2 * np.pi * 50 * T), 1.0 * np.sin(2 * np.pi * 50.2 * T)],
    LeadFault.WANDER: [1.5 * np.sin(2 * np.pi * 0.2 * T)],
    LeadFault.RAILED: [np.full(len(T), 401.0), np.full(len(T), -401.0)],
}
DISTURBED = [(fault, added) for fault, signals in FAULTS.items() for added in signals]


def test_a_clean_ecg_is_good() -> None:
    assert measured(clean()).at(6000) == (QualityGrade.GOOD, {})
    offsets = np.linspace(-300, 300, 8)
    assert measured(clean() + offsets).at(6000) == (QualityGrade.GOOD, {})


@pytest.mark.parametrize(("fault", "added"), DISTURBED)
def test_a_disturbed_chest_lead_is_named(fault: LeadFault, added: Signal) -> None:
    mv = clean()
    mv[:, V3] += added
    grade, faults = measured(mv).at(6000)
    assert faults == {"V3": fault}
    mild = fault is LeadFault.WANDER or (fault is LeadFault.MAINS and np.ptp(added) < 1)
    assert grade is (QualityGrade.FAIR if mild else QualityGrade.POOR)


def test_a_flat_lead_is_named() -> None:
    mv = clean()
    mv[:, V3] = 20 + 0.001 * np.sin(T)
    assert measured(mv).at(6000) == (QualityGrade.POOR, {"V3": LeadFault.FLAT})
    mv[:, V3] = 20 + noise_mv(SECONDS, 1, seed=4)[:, V3]  # what the chip adds itself
    assert measured(mv).at(6000) == (QualityGrade.POOR, {"V3": LeadFault.FLAT})


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_mains_of_the_other_frequency_is_noise(mains_hz: int) -> None:
    mv = clean()
    mv[:, V3] += 0.45 * np.sin(2 * np.pi * mains_hz * T)
    for notch, fault in ((mains_hz, LeadFault.MAINS), (110 - mains_hz, LeadFault.NOISY)):
        assert measured(mv, mains_hz=notch).at(6000)[1] == {"V3": fault}
    assert measured(mv, mains_hz=None).at(6000)[1] == {"V3": LeadFault.NOISY}


def test_a_limb_lead_takes_those_made_of_it_along() -> None:
    mv = clean()
    mv[:, LIMB[1]] += muscle()
    grade, faults = measured(mv).at(6000)
    assert grade is QualityGrade.POOR
    assert set(faults) == {"II"} | DERIVED


def test_bad_means_too_little_is_left() -> None:
    for lost, grade in (
        ([0, 3, 4, 5], QualityGrade.POOR),
        ([0, 3, 4, 5, 6], QualityGrade.BAD),
        (LIMB, QualityGrade.BAD),
    ):
        mv = clean()
        mv[:, lost] += muscle()[:, None]
        assert measured(mv).at(6000)[0] is grade
        usable = ALL.copy()
        usable[lost] = False
        got, faults = measured(clean(), usable).at(6000)
        assert got is grade
        assert set(faults.values()) == {LeadFault.OFF}


def test_nothing_measured_is_bad() -> None:
    meter = QualityMeter(NV_PER_COUNT, 50)
    meter.push(0, counts_of(clean()[:499]), ALL)
    assert meter.at(499)[0] is QualityGrade.BAD
    meter.push(499, counts_of(clean()[499:500]), ALL)
    assert meter.at(500)[0] is QualityGrade.GOOD


def test_a_cough_passes_and_a_fault_is_forgotten() -> None:
    for seconds, grade in ((2, QualityGrade.GOOD), (3, QualityGrade.POOR)):
        mv = np.tile(clean(), (2, 1))
        mv[1000 : 1000 + 500 * seconds, V3] += muscle()[: 500 * seconds]
        meter = measured(mv[:6000])
        assert meter.at(6000)[0] is grade
        meter.push(6000, counts_of(mv[6000:]), ALL)
        assert meter.at(12000)[0] is QualityGrade.GOOD


def test_electrode_off_is_off_and_its_rail_is_forgotten() -> None:
    mv = clean()
    mv[:3000, V3] = 400
    off = ALL.copy()
    off[V3] = False
    meter = QualityMeter(NV_PER_COUNT, 50)
    meter.push(0, counts_of(mv[:3000]), off)
    assert meter.at(3000) == (QualityGrade.POOR, {"V3": LeadFault.OFF})
    meter.push(3000, counts_of(mv[3000:]), ALL)
    assert meter.at(6000) == (QualityGrade.GOOD, {})


def test_an_electrode_off_and_on_again_is_not_motion() -> None:
    counts = counts_of(clean())
    off = ALL.copy()
    off[V3] = False
    meter = QualityMeter(NV_PER_COUNT, 50)
    for second in range(12):
        block = counts[500 * second : 500 * second + 500].copy()
        block[:, V3] += 400_000 * second  # 19 mV further each time, as electrodes have it
        meter.push(500 * second, block, ALL if second % 2 else off)
    assert meter.at(6000) == (QualityGrade.GOOD, {})


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=20))
def test_quality_does_not_depend_on_the_cuts(lengths: list[int]) -> None:
    mv = clean()
    mv[2600:4200, V3] += muscle()[:1600]
    mv[:, 0] += motion()
    counts = counts_of(mv)
    whole = QualityMeter(NV_PER_COUNT, 50)
    whole.push(0, counts, ALL)
    meter = QualityMeter(NV_PER_COUNT, 50)
    for start, stop in cut(len(counts), lengths):
        meter.push(start, counts[start:stop], ALL)
    assert [meter.at(i) for i in range(2500, 6001, 500)] == [
        whole.at(i) for i in range(2500, 6001, 500)
    ]


def test_a_gap_has_to_be_told() -> None:
    meter = measured(clean())
    with pytest.raises(ValueError, match=r"reset\(7000\)"):
        meter.push(7000, counts_of(clean()), ALL)
    meter.reset(7000)
    assert meter.at(7000) == (QualityGrade.BAD, {})
    meter.push(7000, counts_of(clean()), ALL)
    assert meter.at(13_000) == (QualityGrade.GOOD, {})


def ventricular_fibrillation() -> Signal:
    waves = sum(np.sin(2 * np.pi * hz * T + hz) for hz in (3.7, 4.6, 5.5))
    return np.outer(0.1 * waves, [1.0, 0.5, 0.9, -0.6, 0.8, 1.0, 1.0, -0.4])


def test_asystole_is_silence_with_electrodes_on() -> None:
    wander = 0.4 * np.sin(2 * np.pi * 0.3 * T)
    mains = 0.3 * np.sin(2 * np.pi * 50 * T)
    p_waves = ecg_mv([], SECONDS)
    for beat in range(300, 5900, 400):
        p_waves += 0.12 * np.exp(-0.5 * ((T - beat / 500) / 0.02) ** 2)[:, None]
    silence = noise_mv(SECONDS, 5, seed=3)
    silent = [silence, silence + (wander + mains)[:, None], silence + p_waves]
    one_wild = silence.copy()
    one_wild[:, V3] += motion()
    for mv in (*silent, one_wild):
        meter = measured(mv)
        assert meter.asystole(6000, None)
        assert meter.asystole(6000, 3999)
        assert not meter.asystole(6000, 4000)
        assert not meter.asystole(1999, None)


def test_asystole_is_not_taken_for_granted() -> None:
    assert not measured(ventricular_fibrillation()).asystole(6000, None)
    assert not measured(clean()).asystole(6000, None)
    few = ALL.copy()
    few[2:] = False
    silence = noise_mv(SECONDS, 5, seed=3)
    assert not measured(silence, few).asystole(6000, None)
    assert not measured(np.full((6000, 8), 401.0)).asystole(6000, None)


def test_a_heart_in_one_limb_lead_is_no_asystole_and_one_chest_lead_is_not_believed() -> None:
    for channel, expected in ((LIMB[0], False), (LIMB[1], False), (V3, True)):
        mv = noise_mv(SECONDS, 5, seed=3)
        mv[:, channel] = clean()[:, channel]
        assert measured(mv).asystole(6000, None) is expected


def pacing(rows: range, mv: float) -> Signal:
    """Pulses of 2 ms on all channels."""
    pulses = np.zeros((len(T), 8))
    pulses[rows] = mv
    return pulses


@pytest.mark.parametrize("first", [100, 490, 499, 500])  # also where seconds meet
@pytest.mark.parametrize("mv", [2.0, 20.0, -250.0])
def test_pulses_without_beats_are_asystole(first: int, mv: float) -> None:
    meter = measured(noise_mv(SECONDS, 5, seed=3) + pacing(range(first, 6000, 500), mv))
    assert meter.asystole(6000, None)


def test_pacing_pulses_are_no_movement() -> None:
    meter = measured(clean() + pacing(range(140, 6000, 428), 100.0))
    assert meter.at(6000) == (QualityGrade.GOOD, {})


def test_many_spikes_are_noise() -> None:
    mv = clean()
    mv[::50, V3] += 3.0
    mv[1::50, V3] += 3.0
    mv[2::50, V3] += 3.0
    assert measured(mv).at(6000)[1] == {"V3": LeadFault.NOISY}


def torn(seconds: float) -> Signal:
    """A contact that comes and goes in the middle."""
    wave = np.zeros(len(T))
    wave[2020 : 2020 + round(500 * seconds)] = 1.0
    return wave * 8.0 * np.sign(np.sin(2 * np.pi * 4 * T))


def test_a_lead_torn_for_a_moment_has_no_fault_and_is_doubted() -> None:
    mv = clean()
    assert measured(mv).verdict(6000) == Verdict(True, ())
    mv[:, V3] += torn(1.9)
    meter = measured(mv)
    assert meter.verdict(6000) == Verdict(True, ("V3",))
    assert meter.at(6000) == (QualityGrade.FAIR, {})
    assert measured(mv + torn(1.9)[:, None]).verdict(6000).acceptable is False


def test_a_doubtful_limb_lead_takes_those_made_of_it_along() -> None:
    mv = clean()
    mv[:, LIMB[0]] += torn(1.9)
    assert set(measured(mv).verdict(6000).doubtful) == {"I"} | DERIVED


def test_with_a_dead_lead_nothing_is_acceptable() -> None:
    for dead in (noise_mv(SECONDS, 1, seed=4)[:, V3], np.full(len(T), 401.0)):
        mv = clean()
        mv[:, V3] = dead
        assert measured(mv).verdict(6000).acceptable is False


def test_people_judge_ten_seconds_of_leads_that_are_on() -> None:
    mv = clean()
    mv[:, V3] += torn(1.9)
    assert measured(mv[:4999]).verdict(4999) == Verdict(None, ())
    off = ALL.copy()
    off[V3] = False
    meter = measured(mv, off)
    assert meter.verdict(6000) == Verdict(True, ())  # of the others
    assert meter.at(6000)[0] is QualityGrade.POOR
    meter.push(6000, counts_of(clean()[:500]), ALL)
    assert meter.verdict(6500).doubtful == ()  # its seconds of before are not held against it
    few = ALL.copy()
    few[3:] = False
    assert measured(mv, few).verdict(6000) == Verdict(None, ())


def test_a_verdict_can_lower_the_grade_and_never_refuse() -> None:
    mv = clean() + torn(1.9)[:, None]
    meter = measured(mv)
    assert meter.verdict(6000).acceptable is False
    assert meter.at(6000) == (QualityGrade.POOR, {})


def test_fibrillation_is_not_doubted() -> None:
    """What looks for it leaves out leads with faults: a verdict must not take it out of sight."""
    meter = measured(ventricular_fibrillation() + noise_mv(SECONDS, 3, seed=1))
    assert meter.at(6000)[1] == {}


@pytest.mark.data
def test_recordings_graded_by_people(recordings: Path) -> None:
    """Agreement on the held half of CinC 2011, and calm on ordinary records."""
    bench = pytest.importorskip("tools.bench.quality")
    pytest.importorskip("h5py")
    people, good, *_ = bench.agreement(recordings, every=3)
    assert people.value >= 89
    assert good.value >= 90
    assert max(bench.ordinary_shares(recordings, every=8)) < 0.02
