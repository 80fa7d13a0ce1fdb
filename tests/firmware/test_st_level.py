"""ST levels: measured to the microvolt on drawn beats, warned of as the definition of MI says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware.events import LEADS, LeadFault
from firmware.findings import Priority
from firmware.raw_window import RawWindow
from firmware.st_level import LIMIT_UV, StLevels, st_levels, st_warnings
from hal.frontend import CHANNEL_LEADS

NV_PER_COUNT = 400_000_000 / 8_388_607
ALL = np.ones(12, np.bool_)
PEAKS = tuple(range(350, 4800, 400))  # 75 /min


@cache
def drawn(
    st_uv: float = 0.0,
    *,
    qrs_ms: int = 80,
    t_uv: float = 300.0,
    r_uv: float = 900.0,
    s_v1_uv: float = 700.0,
    samples: int = 5000,
) -> NDArray[np.int32]:
    """Counts [n, 8] of triangular QRS with a level ST segment of ``st_uv`` in every channel."""
    half = qrs_ms // 4  # samples: qrs_ms / 2 at 500 Hz
    beat = np.zeros(300)
    beat[100 - half : 100] = np.linspace(0, 1, half)
    beat[100 : 100 + half] = np.linspace(1, 0, half)
    uv = np.zeros((samples, 8))
    for peak in PEAKS:
        at = slice(peak - 100, min(peak + 200, samples))
        for channel, lead in enumerate(CHANNEL_LEADS):
            size = -s_v1_uv if lead == "V1" else r_uv
            uv[at, channel] += size * beat[: at.stop - at.start]
            segment = slice(peak + half, peak + half + 60)
            uv[segment, channel] += st_uv
            t = np.arange(60)
            uv[segment.stop : segment.stop + 60, channel] += st_uv * (1 - t / 60) + t_uv * np.sin(
                np.pi * t / 60
            )
    return np.rint(uv * 1000 / NV_PER_COUNT).astype(np.int32)


def measured(counts: NDArray[np.int32], readable: NDArray[np.bool_] = ALL) -> StLevels:
    levels = st_levels(counts, PEAKS, readable, NV_PER_COUNT)
    assert levels is not None
    return levels


@pytest.mark.parametrize("st_uv", [-150.0, 0.0, 90.0, 250.0])
def test_the_level_is_measured_against_the_pr_segment(st_uv: float) -> None:
    levels = measured(drawn(st_uv))
    chest = levels.uv[:, 6:]
    np.testing.assert_allclose(chest, st_uv, atol=12)
    assert 76 <= levels.qrs_ms <= 104  # means over 20 ms blur the sharp feet of a triangle


def test_offset_drift_and_mains_do_not_move_it() -> None:
    t = np.arange(5000)[:, None]
    mains = 300 * np.sin(2 * np.pi * 50 * t / 500 + np.arange(8))
    wander = 400 * np.sin(2 * np.pi * 0.3 * t / 500)  # 0.8 mV peak to peak, as in breathing
    added = 250_000 + wander + mains
    counts = drawn(150.0) + np.rint(added * 1000 / NV_PER_COUNT).astype(np.int32)
    np.testing.assert_allclose(measured(counts).uv[:, 6:], 150, atol=40)


def test_single_ectopic_beats_are_outvoted() -> None:
    counts = drawn(0.0).copy()
    for peak in PEAKS[3::5]:
        counts[peak - 40 : peak + 100] = 20_000
    np.testing.assert_allclose(measured(counts).uv[:, 6:], 0, atol=12)


@pytest.mark.parametrize(
    ("elevation", "wave", "leads"),
    [
        (140.0, 0.0, True),
        (140.0, 60.0, False),
        (250.0, 60.0, True),
        (140.0, -60.0, True),
    ],
)
def test_against_a_falling_trace_more_is_asked_for(
    elevation: float, wave: float, leads: bool
) -> None:
    """``wave`` above the level in the 20 ms that end 38 ms before the QRS, as in flutter."""
    counts = drawn(elevation).copy()
    for peak in PEAKS:
        counts[peak - 55 : peak - 37] += round(wave * 1000 / NV_PER_COUNT)
    assert ("V5" in measured(counts).elevated()) is leads


def levels(qrs_ms: float = 90, *, lvh: bool = False, **uv: float) -> StLevels:
    values = np.array([uv.get(lead, 0.0) for lead in LEADS])
    return StLevels(np.stack([values, values]), np.zeros(12), qrs_ms, lvh)


@pytest.mark.parametrize(
    ("found", "leads"),
    [
        (levels(), ()),
        (levels(II=100, aVF=100), ("II", "aVF")),
        (levels(II=100, aVF=99), ()),
        (levels(II=300, V4=300), ()),  # not contiguous
        (levels(I=120, aVL=120), ("I", "aVL")),
        (levels(V2=199, V3=199), ()),
        (levels(V2=200, V3=200), ("V2", "V3")),
        (levels(V3=200, V4=100), ("V3", "V4")),
        (levels(III=150, aVF=150, V1=150), ("III", "aVF")),
        (levels(qrs_ms=120, II=300, aVF=300), ()),
        (levels(lvh=True, V1=300, V2=300, V3=300), ()),
        (levels(lvh=True, V2=300, V3=300, II=150, III=150, aVF=150), ("II", "III", "aVF")),
        (levels(V2=float("nan"), V3=400), ()),
        (levels(V3=150, V4=150), ()),
        (levels(V1=150, V2=250), ("V1", "V2")),
    ],
)
def test_two_contiguous_leads_above_their_limits(found: StLevels, leads: tuple[str, ...]) -> None:
    assert found.elevated() == leads


def test_both_moments_must_exceed_it() -> None:
    high, low, flat = np.full(12, 300.0), LIMIT_UV - 1.0, np.zeros(12)
    assert StLevels(np.stack([high, high]), flat, 90, False).elevated() == LEADS[:3] + LEADS[4:]
    assert StLevels(np.stack([low, high]), flat, 90, False).elevated() == ()
    assert StLevels(np.stack([high, low]), flat, 90, False).elevated() == ()


def test_a_wide_qrs_is_seen_as_wide() -> None:
    assert measured(drawn(200.0, qrs_ms=80)).elevated()
    found = st_levels(drawn(200.0, qrs_ms=160), PEAKS, ALL, NV_PER_COUNT)
    assert found is None or found.elevated() == ()


def test_high_voltages_are_seen_as_hypertrophy() -> None:
    assert not measured(drawn(r_uv=1500, s_v1_uv=1500)).lvh
    assert measured(drawn(r_uv=2000, s_v1_uv=1700)).lvh


def test_leads_that_cannot_be_read_are_neither_measured_nor_disturb() -> None:
    counts = drawn(250.0).copy()
    v6 = CHANNEL_LEADS.index("V6")
    counts[:, v6] = np.random.default_rng(1).integers(-8_000_000, 8_000_000, len(counts))
    readable = np.array([lead != "V6" for lead in LEADS])
    found = measured(counts, readable)
    assert np.isnan(found.uv[:, 11]).all()
    np.testing.assert_allclose(found.uv[:, 6:11], 250, atol=12)


def test_few_beats_or_no_beats_are_no_measurement() -> None:
    assert st_levels(drawn(300.0), PEAKS[:5], ALL, NV_PER_COUNT) is None
    assert st_levels(drawn(300.0), (), ALL, NV_PER_COUNT) is None
    assert st_levels(drawn(300.0), PEAKS, ~ALL, NV_PER_COUNT) is None
    assert st_levels(np.zeros((5000, 8), np.int32), PEAKS, ALL, NV_PER_COUNT) is None


def test_the_meter_warns_from_the_first_whole_window_and_forgets_at_a_gap() -> None:
    raw = RawWindow(NV_PER_COUNT)
    raw.push(drawn(250.0)[:4999])
    for peak in PEAKS:
        raw.beat(10_000 + peak)
    assert st_warnings(raw, 14_999, {}) == ()
    raw.push(drawn(250.0)[4999:])
    (finding,) = st_warnings(raw, 15_000, {})
    assert (finding.code, finding.priority, finding.probability) == (
        "st_elevation", Priority.HIGH, None,
    )  # fmt: skip
    assert finding.act == "look at I II aVL aVF V1 V2 V3 V4 V5 V6"
    noisy = dict.fromkeys(LEADS[:11], LeadFault.NOISY)
    assert st_warnings(raw, 15_000, noisy) == ()
    assert st_warnings(raw, 15_000, dict.fromkeys(LEADS, LeadFault.MAINS)) == (finding,)
    raw.reset()
    assert st_warnings(raw, 15_000, {}) == ()
