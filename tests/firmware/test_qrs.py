"""Beats on synthetic signals with a known truth, and on the annotated recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware.qrs import QrsDetector
from tests.firmware.ecg import ALL, NV_PER_COUNT, beats_at, counts_of, cut, ecg_mv, noise_mv


def detect(mv: NDArray[np.float64], usable: NDArray[np.bool_] = ALL) -> list[int]:
    """Beats of a signal that goes on for a second beyond its end, so that all are certain."""
    held = np.concatenate((mv, np.repeat(mv[-1:], 500, axis=0)))
    return QrsDetector(NV_PER_COUNT).push(0, counts_of(held), usable)


def assert_found(found: list[int], beats: list[int], within: int = 10) -> None:
    assert len(found) == len(beats), (found, beats)
    assert np.abs(np.subtract(found, beats)).max() <= within


def pulses_mv(beats: list[int], seconds: float, *, mv: float, samples: int) -> NDArray[np.float64]:
    """Rectangular pacing pulses on every channel."""
    signal = np.zeros((round(seconds * 500), 8))
    for beat in beats:
        signal[beat : beat + samples] = mv
    return signal


@pytest.mark.parametrize("bpm", [30, 60, 100, 180, 300])
@pytest.mark.parametrize("qrs_ms", [40, 80, 120])
def test_every_beat_at_its_peak(bpm: int, qrs_ms: int) -> None:
    beats = beats_at(bpm=bpm, seconds=10)
    t_mv = 0.0 if bpm == 300 else 0.25
    t_peak_ms = min(280, 30_000 / bpm)
    mv = ecg_mv(beats, 10, qrs_ms=qrs_ms, t_mv=t_mv, t_peak_ms=t_peak_ms) + noise_mv(10, 5, seed=1)
    assert_found(detect(mv), beats)


@pytest.mark.parametrize("qrs_ms", [40, 80, 120])
def test_the_place_of_a_beat_has_no_bias(qrs_ms: int) -> None:
    beats = beats_at(bpm=75, seconds=20)
    found = detect(ecg_mv(beats, 20, qrs_ms=qrs_ms))
    assert abs(np.mean(np.subtract(found, beats))) <= 1.5


def test_one_wild_channel_among_silent_ones_is_no_beat() -> None:
    mv = noise_mv(20, 8, seed=5)
    mv[:, 3] += ecg_mv(beats_at(bpm=75, seconds=20), 20)[:, 3]
    assert detect(mv) == []


@pytest.mark.parametrize("scale", [0.25, 1.0, 5.0])
def test_amplitude_of_the_qrs(scale: float) -> None:
    beats = beats_at(bpm=75, seconds=10)
    assert_found(detect(ecg_mv(beats, 10, qrs_scale=scale, t_mv=0.2 * scale)), beats)


def test_wide_ventricular_beats_among_narrow_ones() -> None:
    beats = beats_at(bpm=75, seconds=20)
    wide, narrow = beats[3::4], [beat for beat in beats if beat not in beats[3::4]]
    mv = ecg_mv(narrow, 20) - ecg_mv(wide, 20, qrs_ms=200, qrs_scale=1.6, t_mv=-0.6)
    assert_found(detect(mv), beats, within=20)


@pytest.mark.parametrize("scale", [0.3, 0.45])
def test_small_beats_of_bigeminy_are_not_taken_for_noise(scale: float) -> None:
    beats = beats_at(bpm=120, seconds=20)
    small = ecg_mv(beats[1::2], 20, qrs_scale=scale, t_mv=0.1)
    assert_found(detect(ecg_mv(beats[::2], 20) + small), beats)


def test_tall_t_waves_are_not_beats() -> None:
    """IEC 60601-2-27: T of 1.2 mV and 180 ms, QT 350 ms, behind a QRS of 1 mV and 100 ms."""
    beats = beats_at(bpm=80, seconds=15)
    assert_found(detect(ecg_mv(beats, 15, qrs_ms=100, t_mv=1.2, t_peak_ms=210, t_ms=180)), beats)


def test_pacing_pulses_are_not_beats() -> None:
    every = beats_at(bpm=60, seconds=15)
    spikes = pulses_mv(every, 15, mv=1.0, samples=5)
    assert detect(spikes) == []
    tall = pulses_mv(every, 15, mv=200.0, samples=1)
    assert detect(tall) == []
    paced = [beat + 60 for beat in every]
    found = detect(ecg_mv(paced, 15, qrs_ms=160, qrs_scale=0.8) + spikes)
    assert_found(found, paced, within=20)


@pytest.mark.parametrize("uv", [0.0, 10.0, 25.0])
def test_silence_has_no_beats(uv: float) -> None:
    assert detect(noise_mv(30, uv, seed=2)) == []


def test_wander_and_mains_have_no_beats() -> None:
    t = np.arange(15_000) / 500
    wander = 1.0 * np.sin(2 * np.pi * 0.3 * t)
    for mains_hz in (50, 60):
        mains = 0.3 * np.sin(2 * np.pi * mains_hz * t)
        counts = counts_of(np.repeat((wander + mains)[:, None], 8, axis=1))
        assert QrsDetector(NV_PER_COUNT).push(0, counts, ALL) == []


@pytest.mark.parametrize("channel", range(8))
def test_one_wild_channel_does_no_harm(channel: int) -> None:
    beats = beats_at(bpm=70, seconds=12)
    mv = ecg_mv(beats, 12)
    rng = np.random.default_rng(channel)
    mv[:, channel] += np.cumsum(rng.normal(0, 0.15, len(mv)))
    mv[:, channel] += 5.0 * (np.arange(len(mv)) // 170 % 2)
    assert_found(detect(mv), beats)


@pytest.mark.parametrize("left", [[1, 2], [2], [7]])
def test_unusable_channels_are_not_looked_at(left: list[int]) -> None:
    beats = beats_at(bpm=70, seconds=12)
    mv = ecg_mv(beats, 12)
    usable = np.isin(np.arange(8), left)
    rng = np.random.default_rng(3)
    mv[:, ~usable] = rng.normal(0, 100.0, (len(mv), 8 - len(left)))
    assert_found(detect(mv, usable), beats)
    assert detect(mv, np.zeros(8, np.bool_)) == []


def test_electrodes_coming_back_are_not_a_beat() -> None:
    beats = beats_at(bpm=60, seconds=12)
    mv = ecg_mv(beats, 12)
    mv[:3300] += 390.0  # all on the rail, between two beats
    counts = counts_of(mv)
    detector = QrsDetector(NV_PER_COUNT)
    detector.push(0, counts[:3300], np.zeros(8, np.bool_))
    found = detector.push(3300, counts[3300:], ALL)
    assert found == pytest.approx([beat for beat in beats if 3300 < beat < 5750], abs=10)


def test_small_beats_after_large_ones_are_searched_back() -> None:
    beats = beats_at(bpm=75, seconds=24)
    mv = ecg_mv(beats[:12], 24, t_mv=0.1) + 0.18 * ecg_mv(beats[12:], 24, t_mv=0.1)
    found = detect(mv)
    assert_found([beat for beat in found if beat < 4900], beats[:12])
    assert_found([beat for beat in found if beat > 6900], [beat for beat in beats if beat > 6900])


def test_beats_are_reported_once_and_within_half_a_second() -> None:
    beats = beats_at(bpm=90, seconds=12)
    counts = counts_of(ecg_mv(beats, 12) + noise_mv(12, 5, seed=4))
    detector = QrsDetector(NV_PER_COUNT)
    reported = [
        (beat, start + 10)
        for start in range(0, len(counts), 10)
        for beat in detector.push(start, counts[start : start + 10], ALL)
    ]
    found = [beat for beat, _ in reported]
    assert found == sorted(set(found))
    assert_found(found, [beat for beat in beats if beat + 250 < len(counts)])
    assert all(known - beat <= 250 for beat, known in reported if known > 1010)


_EXAMPLE = counts_of(ecg_mv([150, 520, 900, 1010, 1700, 2050], 5) + noise_mv(5, 20, seed=5))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 400), max_size=20),
    st.integers(0, 2400),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_beats_do_not_depend_on_the_cuts(
    lengths: list[int], change: int, on_then: list[bool]
) -> None:
    usable = (np.array(on_then), ALL)  # the electrodes change once

    def run(blocks: list[tuple[int, int]]) -> list[int]:
        detector = QrsDetector(NV_PER_COUNT)
        found: list[int] = []
        for start, stop in blocks:
            for a, b in ((start, min(stop, change)), (max(start, change), stop)):
                if a < b:
                    found += detector.push(a, _EXAMPLE[a:b], usable[a >= change])
        return found

    assert run(cut(len(_EXAMPLE), lengths)) == run([(0, len(_EXAMPLE))])


def test_a_gap_has_to_be_told() -> None:
    detector = QrsDetector(NV_PER_COUNT)
    detector.push(0, _EXAMPLE[:100], ALL)
    with pytest.raises(ValueError, match=r"reset\(150\)"):
        detector.push(150, _EXAMPLE[150:], ALL)
    detector.reset(150)
    fresh = QrsDetector(NV_PER_COUNT)
    fresh.reset(150)
    rest = _EXAMPLE[150:]
    assert detector.push(150, rest, ALL) == fresh.push(150, rest, ALL) != []


def triangles_mv(peak_mv: float, ms: float, seconds: float) -> NDArray[np.float64]:
    """IEC 60601-2-27's QRS at 80 bpm on every channel."""
    since = (np.arange(round(seconds * 500)) - 200) % 375 * 2.0
    shape = peak_mv * np.clip(1 - np.abs(since / (ms / 2) - 1), 0, None)
    return np.repeat(shape[:, None], 8, axis=1)


@pytest.mark.parametrize("ms", [40, 70, 100, 120])
def test_half_a_millivolt_is_a_beat_and_015_is_none(ms: int) -> None:
    assert len(detect(triangles_mv(0.5, ms, 12))) == 16
    assert detect(triangles_mv(0.15, ms, 12)) == []


def test_p_waves_of_ventricular_standstill_are_not_beats() -> None:
    t = np.arange(6000) / 500 % (60 / 85)
    p_mv = 0.1 * np.exp(-0.5 * ((t - 0.2) / 0.02) ** 2)
    assert detect(np.repeat(p_mv[:, None], 8, axis=1) + noise_mv(12, 3, seed=6)) == []


@pytest.mark.data
def test_annotated_recordings(recordings: Path) -> None:
    """Se and +P of 99.5 % within 75 ms on every third annotated recording."""
    bench = pytest.importorskip("tools.bench.qrs")
    pytest.importorskip("h5py")
    tally = bench.score_annotated(recordings, every=3)
    assert tally.sensitivity >= 0.995
    assert tally.predictivity >= 0.995
