"""The whole chain on the simulated chip: events, their order, and independence of the cuts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.bundles import load_network
from firmware.events import (
    Beat,
    Call,
    ElectrodeChange,
    Event,
    Gap,
    QualityGrade,
    Rate,
    Refusal,
    Trace,
)
from firmware.pipeline import CALL_EVERY, WINDOW, Pipeline
from hal.clock import VirtualClock
from hal.frontend import CHANNEL_LEADS, Electrode, FrameBlock, FrontendConfig, electrode_mask
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults
from hal.patient.generator import Rhythm, RhythmPatient
from hal.patient.presets import preset
from hal.patient.rhythm import atria
from hal.simulated import simulated_frontend

NV_PER_COUNT = 2.4e9 / 6 / (2**23 - 1)


def frames(patient: object, seconds: float) -> FrameBlock:
    frontend = simulated_frontend(patient, VirtualClock(), bulk=True)  # type: ignore[arg-type]
    frontend.open()
    frontend.configure(FrontendConfig())
    frontend.start()
    blocks: list[FrameBlock] = []
    while sum(map(len, blocks)) < seconds * 500:
        blocks.append(frontend.read(500, 1.0))
    frontend.close()
    return cut(
        FrameBlock(
            0,
            np.concatenate([b.t_ns for b in blocks]),
            np.concatenate([b.counts for b in blocks]),
            np.concatenate([b.status for b in blocks]),
            np.concatenate([b.electrodes_off for b in blocks]),
        ),
        0,
        int(seconds * 500),
    )


def cut(block: FrameBlock, start: int, stop: int, lost_before: int = 0) -> FrameBlock:
    part = slice(start, stop)
    return FrameBlock(
        block.first_index + start,
        block.t_ns[part],
        block.counts[part],
        block.status[part],
        block.electrodes_off[part],
        lost_before,
    )


@pytest.fixture(scope="module")
def sinus() -> FrameBlock:
    return frames(preset("sinus-70"), 25)


@pytest.fixture(scope="module")
def v3_off() -> FrameBlock:
    return frames(preset("v3-off"), 27)


def pipeline() -> Pipeline:
    return Pipeline(NV_PER_COUNT, network=load_network())


def joined(events: list[Event]) -> tuple[list[Event], np.ndarray]:
    """Events but traces, and all traces as one array: what must not depend on the cuts."""
    traces = [event for event in events if isinstance(event, Trace)]
    for before, after in pairwise(traces):
        assert before.first_index + len(before.uv) == after.first_index
    return [e for e in events if not isinstance(e, Trace)], np.concatenate([t.uv for t in traces])


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, 13_499), max_size=12, unique=True))
def test_events_do_not_depend_on_how_the_stream_is_cut(cuts: list[int], v3_off: FrameBlock) -> None:
    whole = joined(pipeline().push(v3_off))
    chain = pipeline()
    edges = [0, *sorted(cuts), len(v3_off)]
    parts = joined([e for a, b in pairwise(edges) for e in chain.push(cut(v3_off, a, b))])
    assert parts[0] == whole[0]
    assert np.array_equal(parts[1], whole[1])


def test_first_call_comes_with_the_first_whole_window_then_every_second(sinus: FrameBlock) -> None:
    calls = [e for e in pipeline().push(sinus) if isinstance(e, Call)]
    assert [call.refusal for call in calls[:9]] == [Refusal.STARTING] * 9
    assert [call.index + 1 for call in calls] == [CALL_EVERY * (k + 1) for k in range(25)]
    first = calls[9]
    assert first.index + 1 == WINDOW
    assert first.refusal is None
    assert first.label == "SR"
    assert first.probability == first.scores["mate4"]["SR"]
    assert sum(first.scores["mate4"].values()) == pytest.approx(1, abs=1e-4)


def test_rate_and_beats_follow_the_patient(sinus: FrameBlock) -> None:
    events = pipeline().push(sinus)
    beats = [e.index for e in events if isinstance(e, Beat)]
    assert beats == sorted(set(beats))
    assert np.median(np.diff(beats)) == pytest.approx(500 * 60 / 70, abs=6)
    rates = [e.bpm for e in events if isinstance(e, Rate)]
    assert rates[0] is None  # not 0: one second cannot tell
    assert rates[-1] == pytest.approx(70, abs=2)


def test_a_chest_electrode_off_is_told_at_once_and_its_lead_is_not_drawn(
    v3_off: FrameBlock,
) -> None:
    events = pipeline().push(v3_off)
    changes = [e for e in events if isinstance(e, ElectrodeChange)]
    assert [change.off for change in changes] == [electrode_mask([Electrode.V3]), 0]
    assert changes[0].index == pytest.approx(15 * 500, abs=5)
    after = [e for e in events if isinstance(e, Trace) and e.first_index > changes[0].index]
    v3 = [bool(trace.valid[8]) for trace in after if trace.first_index < changes[1].index - 60]
    assert not any(v3)
    assert all(trace.valid[1] for trace in after)
    call = [e for e in events if isinstance(e, Call)][-1]
    assert call.electrodes_off == electrode_mask([Electrode.V3])
    assert call.refusal is None  # one chest electrode does not silence the rhythm


def test_a_limb_electrode_off_refuses_and_the_first_clean_window_is_called_at_once() -> None:
    la_off = ElectrodeEvent(Electrode.LA, 12.0, 14.03, Fault.OFF)
    patient = WithElectrodeFaults(preset("sinus-70"), [la_off])
    events = pipeline().push(frames(patient, 27))
    calls = [e for e in events if isinstance(e, Call)]
    refused = [call for call in calls if call.refusal is Refusal.ELECTRODE_OFF]
    assert refused[0].text == "LA OFF"
    assert refused[0].scores  # still told what the network would say
    first = next(call for call in calls if call.index > refused[-1].index)
    assert first.refusal is None
    assert (first.index + 1) / 500 == pytest.approx(14.03 + 0.5 + 10, abs=0.02)


def test_a_gap_restarts_the_window_and_is_counted(sinus: FrameBlock) -> None:
    chain = pipeline()
    chain.push(cut(sinus, 0, 6000))
    events = chain.push(cut(sinus, 6011, 12_500, lost_before=11))
    assert events[0] == Gap(6011, 11, restarted=True)
    calls = [e for e in events if isinstance(e, Call)]
    assert calls[0].refusal is Refusal.STARTING
    called = next(call for call in calls if call.refusal is None)
    assert called.index + 1 == 6011 + WINDOW


def test_a_jump_of_the_index_alone_is_a_gap(sinus: FrameBlock) -> None:
    chain = pipeline()
    chain.push(cut(sinus, 0, 6000))
    assert chain.push(cut(sinus, 7000, 7500))[0] == Gap(7000, 1000, restarted=True)


def test_a_short_gap_is_told_and_not_drawn_but_costs_no_call(sinus: FrameBlock) -> None:
    chain = pipeline()
    chain.push(cut(sinus, 0, 6000))
    events = chain.push(cut(sinus, 6010, 12_500, lost_before=10))
    assert events[0] == Gap(6010, 10, restarted=False)
    traces = [e for e in events if isinstance(e, Trace)]
    delay = 4
    assert traces[0].first_index == 6010 - delay  # ten rows are missing
    calls = [e for e in events if isinstance(e, Call)]
    assert {call.refusal for call in calls} == {None}
    assert {call.label for call in calls} == {"SR"}


def test_many_short_gaps_are_no_evidence(sinus: FrameBlock) -> None:
    chain = pipeline()
    chain.push(cut(sinus, 0, 6000))
    events = [
        event
        for start in range(6010, 7000, 100)
        for event in chain.push(cut(sinus, start, start + 90, lost_before=10))
    ]
    gaps = [e.restarted for e in events if isinstance(e, Gap)]
    assert gaps == [False] * 5 + [True] + [False] * 4


def test_flat_line_with_electrodes_on_is_asystole_not_a_rhythm() -> None:
    calls = [e for e in pipeline().push(frames(preset("asystole"), 12)) if isinstance(e, Call)]
    assert calls[-1].refusal is Refusal.NO_SIGNAL
    assert calls[-1].text == "ASYSTOLE?"
    assert calls[-1].rate_bpm is None


@pytest.mark.parametrize("name", ["vf", "vt-160"])
def test_a_trace_that_never_rests_is_suspected_not_called(name: str) -> None:
    calls = [e for e in pipeline().push(frames(preset(name), 14)) if isinstance(e, Call)]
    assert {call.refusal for call in calls[9:]} == {Refusal.VENTRICULAR}
    assert calls[-1].text == "VF OR VT?"
    rate_bpm = calls[-1].rate_bpm
    assert rate_bpm is None if name == "vf" else rate_bpm == pytest.approx(160, abs=5)


@pytest.mark.parametrize("name", ["sinus-180", "svt-180", "flutter-2to1", "lbbb-70", "noisy-70"])
def test_fast_wide_or_noisy_beats_still_rest_in_between(name: str) -> None:
    calls = [e for e in pipeline().push(frames(preset(name), 12)) if isinstance(e, Call)]
    assert Refusal.VENTRICULAR not in {call.refusal for call in calls}


def test_a_returning_electrode_is_off_until_it_has_settled(v3_off: FrameBlock) -> None:
    events = pipeline().push(v3_off)
    back = [e.index for e in events if isinstance(e, ElectrodeChange)][-1]
    assert back == pytest.approx((25 + 0.5) * 500, abs=5)
    v3 = np.concatenate([t.uv[:, 8] for t in events if isinstance(t, Trace) and t.valid[8]])
    assert np.abs(v3).max() < 5000  # nothing of the rail is ever drawn


def test_the_network_never_sees_the_rail_of_an_electrode_that_was_off() -> None:
    off = ElectrodeEvent(Electrode.V3, 5.0, 8.0, Fault.OFF)
    disturbed = frames(WithElectrodeFaults(preset("sinus-70"), [off]), 19)
    shown = []
    for block in (disturbed, frames(preset("sinus-70"), 19)):
        chain = pipeline()
        chain.push(block)
        assert chain.tensor is not None
        shown.append(chain.tensor[:, 8].astype(int))
    assert np.abs(shown[1]).max() > 20
    assert np.abs(shown[0] - shown[1]).max() <= 10  # of 20 uV


def test_without_a_network_everything_else_goes_on(sinus: FrameBlock) -> None:
    events = Pipeline(NV_PER_COUNT).push(sinus)
    call = [e for e in events if isinstance(e, Call)][-1]
    assert call.refusal is Refusal.NO_MODEL
    assert call.scores == {}
    assert call.rate_bpm == pytest.approx(70, abs=2)
    assert call.quality >= QualityGrade.FAIR


def test_without_any_lead_the_rate_is_blank_at_once_until_beats_are_known_again() -> None:
    ra_off = ElectrodeEvent(Electrode.RA, 12.0, 16.0, Fault.OFF)
    patient = WithElectrodeFaults(preset("sinus-70"), [ra_off])
    rates = [e for e in pipeline().push(frames(patient, 25)) if isinstance(e, Rate)]
    shown = {e.index // 500: e.bpm for e in rates if e.index % 500 == 0}
    assert all(shown[second] == pytest.approx(70, abs=4) for second in range(6, 12))
    assert {shown[second] for second in range(13, 18)} == {None}
    assert all(shown[second] == pytest.approx(70, abs=4) for second in range(21, 26))


def test_standing_ventricles_have_no_rate_and_are_told() -> None:
    p_waves = RhythmPatient("standstill", Rhythm((atria(85),)), 1)
    events = pipeline().push(frames(p_waves, 12))
    assert not [e for e in events if isinstance(e, Beat)]
    calls = [e for e in events if isinstance(e, Call)]
    assert {call.text for call in calls[4:]} == {"ASYSTOLE?"}
    assert {call.rate_bpm for call in calls} == {None}


def test_a_railed_lead_is_given_to_the_network_as_lost(sinus: FrameBlock) -> None:
    tensors = []
    v3 = CHANNEL_LEADS.index("V3")
    for rail in (8_388_607, -8_388_608):
        counts = sinus.counts.copy()
        counts[:, v3] = np.where(np.arange(len(counts)) // 3 % 2, rail, 0)
        chain = pipeline()
        chain.push(replace(sinus, counts=counts))
        assert chain.tensor is not None
        tensors.append(chain.tensor)
    assert np.array_equal(*tensors)


@pytest.mark.parametrize(
    ("name", "bpm"),
    [
        pytest.param("b1-vt-half", 206, id="low and slow waves, no slope of them steep"),
        pytest.param("a2-bigeminy-60", 60, id="every other beat a third as high"),
        pytest.param("a3-bigeminy-120", 120, id="the same, rapid"),
    ],
)
def test_small_waves_are_counted_all_the_same(name: str, bpm: float) -> None:
    events = pipeline().push(frames(preset(name), 14))
    assert [e.bpm for e in events if isinstance(e, Rate)][-1] == pytest.approx(bpm, abs=6)
