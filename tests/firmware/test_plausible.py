"""What is an ECG and what is none: each doubt raised on purpose, and no heart doubted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware.plausible import Implausible, disagrees, implausible
from tests.firmware.ecg import NV_PER_COUNT

ALL = np.ones(12, np.bool_)
N = 1000
T = np.arange(N) / 100
R_PEAKS = list(range(40, N - 40, 86))  # 70 a minute
# A dipole turning in space, seen by I, II and V1-V6: three columns for its three components.
QRS_FIELD = np.array(
    [
        [0.8, -0.3, 0.1],
        [0.9, 0.5, -0.2],
        [-0.6, 0.2, 0.7],
        [-0.8, 0.1, 1.0],
        [0.2, 0.3, 0.9],
        [1.2, 0.4, 0.5],
        [1.3, 0.5, 0.1],
        [1.0, 0.4, -0.2],
    ]
)


def bump(centre_s: float, width_s: float) -> NDArray[np.float64]:
    since = T[:, None] - np.array(R_PEAKS) / 100 - centre_s
    return np.exp(-((since / width_s) ** 2)).sum(axis=1)


def heart() -> NDArray[np.float64]:
    """Millivolts [1000, 8]: I, II, V1-V6."""
    dipole = np.stack(
        [bump(0, 0.02), bump(-0.02, 0.015) + 0.2 * bump(0.25, 0.06), bump(0.02, 0.02)]
    )
    return dipole.T @ QRS_FIELD.T


def doubt(
    mv: NDArray[np.float64], telling: NDArray[np.bool_] = ALL, beats: list[int] = R_PEAKS
) -> Implausible | None:
    one, two = mv[:, 0], mv[:, 1]
    limbs = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
    leads = np.concatenate([limbs, mv[:, 2:]], axis=1)
    return implausible(
        np.rint(leads * 1e6 / NV_PER_COUNT).astype(np.int32), telling, beats, NV_PER_COUNT
    )


def noise(uv: float, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, uv / 1000, (N, 8))


def alike(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    return wave[:, None] * np.linspace(0.5, 1, 8)


def rumble(uv: float) -> NDArray[np.float64]:
    """Noise below 10 Hz, now and then strong."""
    wave = np.apply_along_axis(np.convolve, 0, noise(uv), np.ones(8), "same")
    return wave * (1 + 4 * (np.sin(2 * np.pi * 0.2 * T)[:, None] > 0.8))


def one_lead() -> NDArray[np.float64]:
    signal = rumble(60)
    signal[:, 1] = heart()[:, 1]
    return signal


DOUBTS = {
    "too small": (0.1 * heart(), Implausible.SMALL),
    "white noise": (noise(300), Implausible.ROUGH),
    "a sine": (np.sin(2 * np.pi * 3 * T[:, None] + np.arange(8)), Implausible.WAVES),
    "a square wave": (alike(np.sign(np.sin(2 * np.pi * 1.2 * T))), Implausible.LEVELS),
    "one lead of eight": (one_lead(), Implausible.UNRELATED),
    "all leads alike": (alike(heart()[:, 1]) + noise(5), Implausible.ALIKE),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_each_doubt_is_told_by_name(name: str) -> None:
    signal, expected = DOUBTS[name]
    assert doubt(signal) is expected


def test_beats_must_be_there_and_be_of_some_size() -> None:
    assert doubt(heart(), beats=[]) is Implausible.BEATLESS
    assert doubt(heart(), beats=R_PEAKS[1:2]) is Implausible.BEATLESS
    between = [peak + 45 for peak in R_PEAKS]
    assert doubt(heart(), beats=between) is Implausible.SMALL


@pytest.mark.parametrize("uv", [0, 20, 60])
def test_a_heart_is_no_doubt_even_in_noise(uv: float) -> None:
    assert doubt(heart() + noise(uv)) is None


@pytest.mark.parametrize("leads", [[0], [1], [0, 1], [0, 1, 6], [1, 6, 7, 8], range(6, 12)])
def test_a_heart_is_no_doubt_in_few_leads(leads: list[int]) -> None:
    telling = np.isin(np.arange(12), list(leads))
    assert doubt(heart() + noise(10), telling) is None
    assert doubt(noise(300), telling) is Implausible.ROUGH
    sine = np.sin(2 * np.pi * 3 * T[:, None] + np.arange(8))
    assert doubt(sine, telling) is Implausible.WAVES


def test_one_defibrillation_or_cough_in_ten_seconds_hides_no_heart() -> None:
    signal = heart()
    signal[500:504] += np.linspace(5, 10, 8)
    assert doubt(signal) is None


def test_narrow_beats_alone_on_a_level_trace_are_a_heart() -> None:
    narrow = np.stack([bump(0, 0.01), bump(-0.01, 0.01), bump(0.01, 0.01)]).T @ QRS_FIELD.T
    assert doubt(narrow) is None


def test_no_lead_tells_nothing() -> None:
    assert doubt(noise(300), np.zeros(12, np.bool_)) is None


def test_what_the_electrodes_spoil_is_not_looked_at() -> None:
    signal = heart()
    signal[:, 3:7] = rumble(200)[:, 3:7]
    telling = ALL.copy()
    telling[7:11] = False
    assert doubt(signal) is Implausible.UNRELATED
    assert doubt(signal, telling) is None


@pytest.mark.parametrize(
    ("label", "rate_bpm", "expected"),
    [
        ("SB", 90.0, True),
        ("SB", 48.0, False),
        ("GSVT", 60.0, True),
        ("GSVT", 110.0, False),
        ("SR", 150.0, True),
        ("SR", 55.0, False),
        ("AFIB", 150.0, False),
        ("SB", None, False),
    ],
)
def test_rhythm_and_rate_must_fit(label: str, rate_bpm: float | None, expected: bool) -> None:
    assert disagrees(label, rate_bpm, 0.05) is expected
    assert disagrees(label, rate_bpm, None) is expected


def test_fibrillation_is_not_slow_and_regular() -> None:
    assert disagrees("AFIB", 42.0, 0.01)
    assert not disagrees("AFIB", 42.0, 0.08)
    assert not disagrees("AFIB", 75.0, 0.01)  # flutter with fixed conduction
