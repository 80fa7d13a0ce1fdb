"""The median beat: mains and drift gone, the right beats over each other."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.mains import without_mains
from firmware.median_beat import BEFORE, median_beat
from tests.firmware.ecg import ALL, NV_PER_COUNT, QRS_MV, beats_at, counts_of, ecg_mv

BEATS = beats_at(bpm=75, seconds=10)
PLAIN = ecg_mv(BEATS, 10)
T = np.arange(5000)[:, None] / 500


@pytest.mark.parametrize("hz", [49.95, 50.0, 50.05, 59.95, 60.0])
def test_mains_go_and_the_heart_stays(hz: float) -> None:
    uv = 1000 * PLAIN
    mains = 300 * np.sin(2 * np.pi * hz * T + np.arange(8))
    left = without_mains(uv + mains, BEATS) - uv
    inner = left[500:-500]
    assert np.sqrt(np.square(inner).mean()) < 8  # of 212
    near = np.concatenate([left[beat - 30 : beat + 30] for beat in BEATS[1:-1]])
    assert np.abs(near).max() < 15


def test_a_narrow_qrs_is_not_taken_for_mains() -> None:
    uv = 1000 * ecg_mv(BEATS, 10, qrs_ms=40)
    left = without_mains(uv + 20 * np.sin(2 * np.pi * 50 * T), BEATS) - uv
    assert np.abs(left).max() < 1


def test_where_there_are_none_nothing_is_taken_off() -> None:
    uv = 1000 * PLAIN
    assert without_mains(uv, BEATS) is uv
    flat = np.zeros((5000, 8))
    assert without_mains(flat, []) is flat


def test_it_is_the_beat_with_its_peak_in_its_place() -> None:
    found = median_beat(counts_of(PLAIN + 100), BEATS, ALL, NV_PER_COUNT)
    assert found is not None
    assert np.argmax(found.channels[:, 0]) == BEFORE
    np.testing.assert_allclose(found.channels[BEFORE], 1000 * QRS_MV, rtol=0.05)
    assert found.rr == pytest.approx(400, abs=1)
    assert found.leads[BEFORE, 2] == pytest.approx(found.leads[BEFORE, 1] - found.leads[BEFORE, 0])


def test_beats_that_were_marked_beside_their_peak_are_moved_back() -> None:
    jitter = np.random.default_rng(3).integers(-6, 7, len(BEATS))
    beside = (np.array(BEATS) + jitter).tolist()
    found = median_beat(counts_of(PLAIN), beside, ALL, NV_PER_COUNT)
    assert found is not None
    exact = median_beat(counts_of(PLAIN), BEATS, ALL, NV_PER_COUNT)
    assert exact is not None
    height = np.abs(found.channels).max() / np.abs(exact.channels).max()
    assert height > 0.98  # blurred by the jitter it would be 0.9


def test_ectopic_beats_and_early_ones_do_not_count() -> None:
    wide = [beat - 100 for beat in BEATS[3::4]]
    normal = [beat for beat in BEATS if beat - 100 not in wide]
    mv = ecg_mv(normal, 10) - ecg_mv(wide, 10, qrs_ms=180, t_mv=0.5)
    found = median_beat(counts_of(mv), sorted(normal + wide), ALL, NV_PER_COUNT)
    assert found is not None
    behind_a_pause = len(wide)
    assert len(found.segments) <= len(normal) - behind_a_pause
    assert np.argmax(found.channels[:, 0]) == BEFORE
    np.testing.assert_allclose(found.channels[BEFORE], 1000 * QRS_MV, rtol=0.08)


def test_of_two_kinds_of_beats_by_turns_the_late_one_counts() -> None:
    late = list(range(300, 4700, 800))
    early = [beat + 300 for beat in late]
    mv = ecg_mv(late, 10) - ecg_mv(early, 10, qrs_ms=180, t_mv=0.5)
    found = median_beat(counts_of(mv), sorted(late + early), ALL, NV_PER_COUNT)
    assert found is not None
    assert found.channels[BEFORE, 0] > 700
    assert found.room < 320  # the early beat is not looked for a T wave


def test_no_two_alike_are_no_beat() -> None:
    noise = np.random.default_rng(4).normal(0, 0.3, (5000, 8))
    assert median_beat(counts_of(noise), BEATS, ALL, NV_PER_COUNT) is None
    assert median_beat(counts_of(PLAIN), BEATS[:3], ALL, NV_PER_COUNT) is None
    two = noise.copy()
    for beat in BEATS[2:4]:
        two[beat - 100 : beat + 100] = 3 * PLAIN[beat - 100 : beat + 100]
    assert median_beat(counts_of(two), BEATS[1:6], ALL, NV_PER_COUNT) is None
    assert median_beat(counts_of(PLAIN), BEATS, ~ALL, NV_PER_COUNT) is None
    assert median_beat(np.zeros((5000, 8), np.int32), BEATS, ALL, NV_PER_COUNT) is None
