"""Rate and irregularity on beat times worked out by hand."""

from __future__ import annotations

from itertools import accumulate, cycle, islice

import pytest

from firmware.rate import RateMeter


def meter(beats: list[int]) -> RateMeter:
    rate = RateMeter()
    for beat in beats:
        rate.beat(beat)
    return rate


def beats_of(*rr_s: float, n: int) -> list[int]:
    """Times of n beats, the RR intervals (s) repeated in turn."""
    rr = (round(interval * 500) for interval in islice(cycle(rr_s), n - 1))
    return list(accumulate(rr, initial=0))


@pytest.mark.parametrize("bpm", [30, 40, 60, 100, 180, 240, 300])
def test_steady_rate(bpm: int) -> None:
    beats = beats_of(60 / bpm, n=bpm // 3)
    for late in (100, 225):  # however long after the beat it is asked
        got, irregularity = meter(beats).at(beats[-1] + late)
        assert got == pytest.approx(bpm, rel=0.01)
        assert irregularity is None or irregularity < 0.01


@pytest.mark.parametrize("drop", range(2, 9))
def test_a_missed_beat_changes_nothing(drop: int) -> None:
    beats = beats_of(0.75, n=14)
    end = beats[-1] + 100
    clean = meter(beats).at(end)
    assert meter(beats[: drop + 3] + beats[drop + 4 :]).at(end) == pytest.approx(clean, abs=0.5)


@pytest.mark.parametrize("after", range(3, 10))
def test_an_extra_beat_changes_nothing(after: int) -> None:
    beats = beats_of(0.75, n=14)
    end = beats[-1] + 100
    extra = sorted([*beats, beats[after] + 150])
    bpm, irregularity = meter(extra).at(end)
    assert bpm == pytest.approx(80, abs=0.5)
    assert irregularity == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    ("rr_s", "bpm"),
    [
        pytest.param((0.5, 1.0), 80, id="ventricular bigeminy"),
        pytest.param((0.75, 0.75, 1.25, 1.25), 60, id="slow alternating"),
        pytest.param((0.375, 0.375, 0.625, 0.625), 120, id="rapid alternating"),
        pytest.param((0.55, 0.75, 0.7), 90, id="bidirectional systoles"),
        pytest.param((0.4, 0.9, 0.6, 0.5, 0.8, 0.45, 0.7, 0.35), 102.1, id="atrial fibrillation"),
    ],
)
def test_irregular_rhythms_are_averaged(rr_s: tuple[float, ...], bpm: float) -> None:
    """Average rates of AAMI EC13 waveforms 3a to 3d; their RR intervals here are simplified."""
    beats = beats_of(*rr_s, n=30)
    for end in range(14, 30):
        got, irregularity = meter(beats[:end]).at(beats[end - 1] + 100)
        assert got == pytest.approx(bpm, rel=0.1)
        assert irregularity is not None
        assert irregularity > 0.05


@pytest.mark.parametrize(("before", "after"), [(80, 120), (80, 40), (40, 180), (300, 30)])
def test_a_step_of_the_rate_shows_within_ten_seconds(before: int, after: int) -> None:
    first = beats_of(60 / before, n=15 * before // 60)
    second = [first[-1] + beat for beat in beats_of(60 / after, n=20 * after // 60)[1:]]
    asked = first[-1] + 10 * 500
    known = [beat for beat in first + second if beat < asked - 225]
    bpm, _ = meter(known).at(asked)
    assert bpm == pytest.approx(after, rel=0.1)


def test_unknown_is_none_never_zero() -> None:
    assert RateMeter().at(10_000) == (None, None)
    beats = beats_of(0.75, n=12)
    rate = meter(beats)
    assert meter(beats[:2]).at(beats[1] + 100)[0] is None
    assert rate.at(beats[-1] + 4 * 500)[0] is not None
    assert rate.at(beats[-1] + 4 * 500 + 1) == (None, None)
    rate.reset(20_000)
    assert rate.at(20_000) == (None, None)
    assert rate.last_beat is None


def test_the_number_falls_when_beats_stop() -> None:
    beats = beats_of(0.5, n=20)
    rate = meter(beats)
    shown = [rate.at(beats[-1] + after)[0] for after in range(0, 2001, 250)]
    assert shown[0] == pytest.approx(120)
    assert all(bpm is not None for bpm in shown)
    assert shown[-1] is not None
    assert shown[-1] < 100


def test_a_beat_found_late_does_not_outlive_a_reset() -> None:
    rate = meter(beats_of(0.75, n=12))
    rate.reset(5000)
    rate.beat(4990)
    assert rate.last_beat is None
    rate.beat(5000)
    assert rate.last_beat == 5000
