"""Exchanged electrodes: named when seen, silent otherwise, steady, and gone when put right."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import groupby
from math import inf
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from device.bundles import load_network
from firmware import swaps
from firmware.call import CallRule, Evidence, decide, decide_recording
from firmware.events import LEADS, Beat, Call, LeadFault, QualityGrade, Refusal
from firmware.findings import SWAP, Finding, FindingRule, Priority
from firmware.pipeline import Pipeline
from firmware.raw_window import WINDOW, RawWindow
from hal.frontend import CHANNEL_LEADS, Electrode, FrameBlock
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults, swapped
from hal.patient.presets import preset, truth
from tests.firmware.ecg import NV_PER_COUNT, beats_at, counts_of, ecg_mv, noise_mv
from tests.firmware.test_pipeline import frames

RA, LA, LL, RL = Electrode.RA, Electrode.LA, Electrode.LL, Electrode.RL
V1, V2, V3, V4, V5, V6 = (electrode for electrode in Electrode if electrode >= Electrode.V1)
BEATS = beats_at(bpm=75, seconds=10)
Pairs = tuple[tuple[Electrode, Electrode], ...]


def patient(
    *pairs: tuple[Electrode, Electrode],
    name: str = "sinus-70",
    seed: int = 0,
    start_s: float = 0.0,
    end_s: float = inf,
    off: ElectrodeEvent | None = None,
) -> WithElectrodeFaults:
    events = [ElectrodeEvent(a, start_s, end_s, Fault.SWAPPED, b) for a, b in pairs]
    return WithElectrodeFaults(preset(name, seed), [*events, *([off] if off else [])], seed)


def calls(block: FrameBlock) -> list[Call]:
    events = Pipeline(NV_PER_COUNT, profile=None).push(block)
    return [e for e in events if isinstance(e, Call) and e.refusal is not Refusal.STARTING]


def said(call: Call) -> str | None:
    return next((finding.text for finding in call.findings if finding.code == SWAP), None)


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        (((LA, RA),), "LA/RA"),
        (((RA, LL),), "RA/LL"),
        (((RA, LA), (LA, LL)), "RA>LA>LL"),
        (((RA, LL), (LA, LL)), "RA>LL>LA"),
        (((RA, RL),), "RA/RL"),
        (((LA, RL),), "LA/RL"),
        (((RA, RL), (LA, LL)), "ARMS/LEGS"),
        (((RA, LL), (LA, RL)), "ARMS/LEGS"),
        (((V1, V6),), "V1/V6"),
        (((V1, V4),), "V1/V4"),
        (((V2, V5),), "V2/V5"),
        (((V1, V6), (V2, V5), (V3, V4)), "V6-V1"),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_named_with_the_first_call_and_does_not_flicker(
    pairs: Pairs, text: str, seed: int
) -> None:
    found = calls(frames(patient(*pairs, seed=seed), 16))
    assert {said(call) for call in found} == {f"{text} SWAPPED?"}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "name",
    ["sinus-70", "sinus-120", "af-90", "flutter-2to1", "svt-180", "lbbb-70", "rbbb-70", "paced-60",
     "stemi-anterior", "stemi-inferior", "pvc-70", "noisy-70", "mains-50"],
)  # fmt: skip
def test_nothing_is_said_of_electrodes_on_their_places(name: str, seed: int) -> None:
    assert {said(call) for call in calls(frames(preset(name, seed), 13))} == {None}


def test_both_legs_feel_the_same() -> None:
    heart = truth("sinus-70")  # without the electrodes' own noise
    wrong = WithElectrodeFaults(heart, [swapped(LL, RL)])
    np.testing.assert_array_equal(frames(wrong, 12).counts, frames(heart, 12).counts)
    assert {said(call) for call in calls(frames(patient((LL, RL)), 12))} == {None}


def test_it_begins_and_ends_once_and_ends_within_twelve_seconds() -> None:
    found = calls(frames(patient((LA, RA), start_s=15, end_s=30), 48))
    spans = [(text, [call.index / 500 for call in group]) for text, group in groupby(found, said)]
    assert [text for text, _ in spans] == [None, "LA/RA SWAPPED?", None]
    begins, ends = spans[1][1][0], spans[2][1][0]
    assert 15 < begins <= 27
    assert 30 < ends <= 42


def test_it_pauses_while_an_electrode_is_off_and_until_ten_seconds_are_whole_again() -> None:
    block = frames(patient((LA, RA), off=ElectrodeEvent(V3, 14.0, 16.0, Fault.OFF)), 32)
    spoken = {round(call.index / 500) for call in calls(block) if said(call)}
    assert spoken == {10, 11, 12, 13, 14, *range(27, 33)}


def test_less_than_ten_seconds_tell_nothing() -> None:
    found = calls(frames(patient((LA, RA), end_s=4.0), 14))
    assert {said(call) for call in found} == {None}


@cache
def drawn(gain: float = 1.0) -> NDArray[np.int32]:
    return counts_of(gain * ecg_mv(BEATS, 10.0) + noise_mv(10.0, 4, seed=3))


def beat_of(counts: NDArray[np.int32]) -> NDArray[np.int64]:
    found = swaps.median_beat(counts, BEATS)
    assert found is not None
    return found


def test_the_size_of_the_heart_and_offsets_do_not_count() -> None:
    x = swaps.features(beat_of(drawn()), NV_PER_COUNT)
    offset = np.arange(-4, 4) * 700_000
    y = swaps.features(beat_of(2 * drawn() + offset.astype(np.int32)), NV_PER_COUNT)
    assert x is not None
    assert y is not None
    assert x.shape == (swaps.FEATURES,)
    np.testing.assert_allclose(x, y, atol=1)


def test_single_ectopic_beats_are_outvoted_whatever_their_level() -> None:
    counts = drawn().copy()
    for number, beat in enumerate(BEATS):
        span = slice(max(beat - 160, 0), beat + 230)
        if number % 4 == 2:
            counts[span] *= -4
        else:
            counts[span] += 500_000 * (-1) ** (number // 2)
    np.testing.assert_allclose(beat_of(counts), beat_of(drawn()), atol=25_000)


def test_the_newest_fifteen_beats_count() -> None:
    counts = np.random.default_rng(7).integers(-9999, 9999, (5000, 8), dtype=np.int32)
    rows = list(range(200, 4700, 150))
    newest = swaps.median_beat(counts, rows[-15:])
    assert newest is not None
    np.testing.assert_array_equal(swaps.median_beat(counts, rows), newest)


def test_waves_are_means_above_the_beat_s_level_in_units_of_its_rms() -> None:
    rng = np.random.default_rng(5)
    beat = rng.normal(0, 200_000, (swaps.BEFORE + swaps.AFTER, 8)).astype(np.int64)
    x = swaps.features(beat + 70_000, NV_PER_COUNT)
    assert x is not None
    p, qrs, t = beat[:22].reshape(11, 2, 8), beat[22:38, None], beat[38:].reshape(12, 3, 8)
    means = np.concatenate([part.mean(axis=1) for part in (p, qrs, t)])
    means -= means.mean(axis=0)
    means /= np.sqrt((means**2).mean())
    gains = np.repeat([4, 1, 2], [11, 16, 12])[:, None]
    np.testing.assert_allclose(x.reshape(39, 8), swaps.ONE * gains * means, atol=4)


def test_the_network_is_integer_arithmetic() -> None:
    half = 1 << swaps.WEIGHT_BITS - 1
    first = np.array([[half, -half], [half, half]]), np.array([0, 3 << swaps.WEIGHT_BITS])
    last = np.array([[2 * half], [4 * half]]), np.array([-(5 << swaps.WEIGHT_BITS)])
    assert swaps.weigh(np.array([10, 5]), (first, last)).tolist() == [7 + 2 * 0 - 5]
    assert swaps.weigh(np.array([0, 7]), (first, last)).tolist() == [3 + 2 * 6 - 5]


@pytest.mark.parametrize(
    ("name", "feels"),
    [
        ("LA/RA", {RA: LA, LA: RA}),
        ("RA>LA>LL", {RA: LA, LA: LL, LL: RA}),
        ("RA>LL>LA", {RA: LL, LL: LA, LA: RA}),
        ("V6-V1", {V1: V6, V2: V5, V3: V4, V4: V3, V5: V2, V6: V1}),
    ],
)
def test_a_name_says_which_wire_is_on_whose_place(name: str, feels: dict) -> None:
    order = list(Electrode)
    for one, other in {**swaps.LIMBS, **swaps.CHEST}[name]:
        order[one], order[other] = order[other], order[one]
    assert {wire: place for wire, place in zip(Electrode, order, strict=True) if wire != place} == (
        feels
    )


def test_nothing_is_measured_on_few_beats_or_none() -> None:
    assert swaps.median_beat(drawn(), BEATS[:2]) is None
    assert swaps.median_beat(drawn(), [10, *BEATS[3:5], 4990]) is None
    assert swaps.features(np.zeros_like(beat_of(drawn())), NV_PER_COUNT) is None


@pytest.mark.parametrize(
    ("one", "two", "flat"),
    [
        (1.0, 0.0, "II"),
        (0.0, 1.0, "I"),
        (1.0, 1.0, "III"),
        (1.0, 0.07, "II"),
        (1.0, 0.1, None),
        (0.1, 0.001, None),  # all three next to nothing: low voltage tells nothing
    ],
)
def test_a_limb_lead_is_flat_beside_the_others(one: float, two: float, flat: str | None) -> None:
    mv = ecg_mv(BEATS, 10.0)
    for lead, share in (("I", one), ("II", two)):
        mv[:, CHANNEL_LEADS.index(lead)] = mv[:, 0] * share
    assert swaps.flat_lead(beat_of(counts_of(mv)), NV_PER_COUNT) == flat


def raw_window(counts: NDArray[np.int32], beats: list[int]) -> RawWindow:
    raw = RawWindow(NV_PER_COUNT)
    raw.push(counts)
    for beat in beats:
        raw.beat(beat)
    return raw


def test_leads_that_cannot_be_read_silence_it() -> None:
    block = frames(patient((LA, RA)), 10)
    events = Pipeline(NV_PER_COUNT, profile=None).push(block)
    raw = raw_window(block.counts, [e.index for e in events if isinstance(e, Beat)])
    assert swaps.suspected(raw, WINDOW, {}) == "LA/RA"
    assert swaps.suspected(raw, WINDOW, dict.fromkeys(LEADS, LeadFault.WANDER)) == "LA/RA"
    for fault in (LeadFault.NOISY, LeadFault.FLAT, LeadFault.RAILED):
        assert swaps.suspected(raw, WINDOW, {"V3": fault}) is None
        assert swaps.suspected(raw, WINDOW, {"II": fault}) is None


def test_but_a_flat_limb_lead_is_what_is_looked_for() -> None:
    mv = ecg_mv(BEATS, 10.0)
    mv[:, CHANNEL_LEADS.index("II")] = 0
    raw = raw_window(counts_of(mv), BEATS)
    flat = dict.fromkeys(("II", "III", "aVR", "aVL", "aVF"), LeadFault.FLAT)
    assert swaps.suspected(raw, WINDOW, {}) == "RA/RL"
    assert swaps.suspected(raw, WINDOW, flat) == "RA/RL"
    assert swaps.suspected(raw, WINDOW, {**flat, "V3": LeadFault.NOISY}) is None


def odds(**over: int) -> NDArray[np.int64]:
    """Log odds, in 1 / ONE: none 0, the swaps named ``over`` it, the rest far below."""
    values = dict.fromkeys(swaps.HYPOTHESES, -1000)
    values.update({name.replace("_", "/"): value for name, value in over.items()})
    return np.array([0, *values.values()], np.int64)


SURE, CLOSE, ALONE = swaps.SURE, swaps.SURE_IF_CLOSE, swaps.ALONE


@pytest.mark.parametrize(
    ("weighed", "name"),
    [
        (odds(), None),
        (odds(LA_RA=SURE - 1), None),
        (odds(LA_RA=SURE), "LA/RA"),
        (odds(LA_RA=SURE + ALONE, RA_LL=SURE), "LA/RA"),
        (odds(LA_RA=SURE + ALONE - 1, RA_LL=SURE), "LIMB WIRES"),
        (odds(V1_V2=SURE + 5, V1_V3=SURE), "CHEST WIRES"),
        (odds(V1_V2=SURE + 5, LA_LL=SURE), "WIRES"),
        (odds(LA_LL=CLOSE - 1), None),
        (odds(LA_LL=CLOSE), "LA/LL"),
        (odds(V2_V3=CLOSE - 1, V2_V4=SURE), None),  # the likeliest must be sure
        (odds(V2_V3=CLOSE, V2_V4=SURE), "V2/V3"),
    ],
)
def test_it_must_outweigh_none_and_a_pair_the_others(weighed, name) -> None:
    assert swaps.verdict(weighed) == name


def test_the_weights_fit_the_features_and_hypotheses_and_cannot_overflow() -> None:
    reach, size = swaps._LARGEST, swaps.FEATURES
    for weight, bias in swaps.weights():
        assert weight.shape == (size, *bias.shape)
        size, reach = len(bias), int((np.abs(weight).sum(axis=0) * reach + np.abs(bias)).max())
        assert reach < 1 << 62
    assert size == 1 + len(swaps.HYPOTHESES)


def watched(*suspects: str | None) -> list[str | None]:
    watch = swaps.SwapWatch()
    found = [watch.push(suspect) for suspect in suspects]
    return [finding.text.split()[0] if finding else None for finding in found]


def test_a_suspicion_is_said_when_it_lasts() -> None:
    assert watched("a", "a", "a") == ["a", "a", "a"]
    assert watched(None, "a", None, None, "a", None) == [None] * 6
    assert watched(None, None, "a", "a", "a") == [None] * 4 + ["a"]
    assert watched("a", "a", "a", None, "a", None, "a", "b") == ["a"] * 8
    assert watched("a", "a", "a", "a", "a", None, None, None, None) == ["a"] * 8 + [None]
    assert watched("a", "a", "a", "b", "b", "b") == ["a"] * 5 + ["b"]


def test_a_watch_forgets() -> None:
    watch = swaps.SwapWatch()
    for _ in range(5):
        watch.push("LA/RA")
    watch.reset()
    assert watch.push(None) is None


SEEN = Finding(SWAP, "LA/RA SWAPPED?", swaps.ACT, Priority.MEDIUM, None)
ST = Finding("st_elevation", "ST ELEVATION?", "", Priority.HIGH, None)
RULES = tuple(
    FindingRule(code, code.upper(), "", priority, ((code, "x", 0.5),))
    for code, priority in [
        ("mi", Priority.HIGH), ("mi", Priority.MEDIUM), ("ischaemia", Priority.MEDIUM),
        ("lbbb", Priority.MEDIUM), ("left_axis", Priority.LOW), ("pvc", Priority.LOW),
    ]
)  # fmt: skip
RULE = CallRule("net-1", "mate4", {"SR": "SINUS RHYTHM"}, {"SR": 0.6}, findings=RULES)
GOOD = Evidence(
    4999, 5000, 0, QualityGrade.GOOD, {}, False, 70.0, 0.01, measured=(ST,), swap=SEEN
)  # fmt: skip


def scores(*codes: str) -> dict[str, dict[str, float]]:
    sinus = {"mate4": {"AFIB": 0.01, "GSVT": 0.0, "SB": 0.0, "SR": 0.99}}
    return {**sinus, **{code: {"x": 0.9} for code in codes}}


def codes(call: Call) -> list[str]:
    return [finding.code for finding in call.findings]


def test_the_rhythm_is_called_beside_it() -> None:
    call = decide(replace(GOOD, measured=()), scores(), RULE)
    assert (call.label, call.refusal) == ("SR", None)
    assert call.headline == "SINUS RHYTHM + LA/RA SWAPPED?"


def test_measured_alarms_stay_scored_ones_stand_back_and_what_reads_places_waits() -> None:
    medium = replace(RULE, findings=RULES[1:])
    every = scores("mi", "ischaemia", "left_axis", "pvc")
    call = decide(GOOD, every, RULE)
    assert codes(call) == ["st_elevation", SWAP, "mi", "pvc"]
    assert call.findings[2].priority is Priority.MEDIUM
    assert codes(decide(GOOD, every, medium)) == ["st_elevation", SWAP, "pvc"]
    right = replace(GOOD, swap=None)
    assert codes(decide(right, every, medium)) == [
        "st_elevation", "mi", "ischaemia", "left_axis", "pvc"
    ]  # fmt: skip


def test_it_is_said_beside_blocks_and_pacing_and_without_a_network() -> None:
    assert codes(decide(GOOD, scores("lbbb"), RULE)) == [SWAP, "lbbb"]
    assert codes(decide(replace(GOOD, paced=True), scores(), RULE)) == [SWAP, "paced"]
    assert codes(decide(GOOD, {}, None)) == ["st_elevation", SWAP]


def test_nothing_is_said_where_the_evidence_cannot_be_read() -> None:
    assert decide(replace(GOOD, span=2600), scores(), RULE).findings == ()


def test_a_recording_says_it_when_half_its_windows_do() -> None:
    wrong, right = (
        decide(GOOD, scores("ischaemia"), RULE),
        decide(replace(GOOD, swap=None), scores("ischaemia"), RULE),
    )
    assert codes(decide_recording([wrong, right], RULE)) == ["st_elevation", SWAP]
    assert SWAP not in codes(decide_recording([wrong, right, right], RULE))


def test_a_flat_limb_lead_is_named_and_the_rhythm_called() -> None:
    chain = Pipeline(NV_PER_COUNT, network=load_network(), profile=None)
    events = chain.push(frames(patient((RA, RL)), 12))
    call = [event for event in events if isinstance(event, Call)][-1]
    assert call.label == "SR"
    assert call.headline == "SINUS RHYTHM + RA/RL SWAPPED?"


@pytest.mark.data
def test_hardly_a_recording_is_suspected_without_need(recordings: Path) -> None:
    """A look at some of what ``lead12 bench swaps`` measures."""
    bench = pytest.importorskip("tools.bench.swaps")
    records = list(bench.packed(recordings, "ptbxl_100hz", fold="9", every=30))
    said = [bench.said(record, bench.PTBXL_RATE_HZ) for record in records]
    assert sum(name is not None for name in said) <= len(records) / 100
    of_arms = [bench.said(record, bench.PTBXL_RATE_HZ, [(RA, LA)]) for record in records[::4]]
    assert of_arms.count("LA/RA") > len(of_arms) / 2
