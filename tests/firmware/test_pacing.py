"""Pacing spikes: found by their shape and their distance to the beats, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware.call import PACED, CallRule, Evidence, decide, decide_recording
from firmware.events import Call, LeadFault, QualityGrade, Refusal
from firmware.findings import Finding, FindingRule, Priority
from firmware.pacing import paced, paces, pacing_spikes
from firmware.pipeline import Pipeline
from firmware.raw_window import WINDOW, RawWindow
from hal.clock import VirtualClock
from hal.frontend import Electrode, FrameBlock, FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tests.firmware.ecg import ALL, NV_PER_COUNT, beats_at, counts_of, cut, ecg_mv, noise_mv

SECONDS = 10.0
BEATS = beats_at(bpm=70, seconds=SECONDS)
AT = [beat - 40 for beat in BEATS]  # 80 ms before
AXIS = np.array([1.0, 0.8, 0.5, -0.7, 0.6, 0.9, 1.0, 0.4])


def spiked(
    at: Sequence[int] = AT, *, mv: float = 1.0, width: int = 1, qrs_ms: float = 160
) -> NDArray[np.float64]:
    """Millivolts [n, 8] of beats at BEATS with pulses of ``width`` samples at ``at``."""
    signal = ecg_mv(BEATS, SECONDS, qrs_ms=qrs_ms)
    for start in at:
        signal[start : start + width] += mv * AXIS
    return signal


def found(mv: NDArray[np.float64], *, alive: NDArray[np.bool_] = ALL) -> bool:
    spikes = pacing_spikes(counts_of(mv), alive, NV_PER_COUNT)
    return paces(spikes, BEATS, len(mv))


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("mv", [0.3, -1.0, 5.0])
def test_spikes_are_found_where_they_are(width: int, mv: float) -> None:
    signal = spiked(mv=mv, width=width) + noise_mv(SECONDS, 8, seed=1)
    spikes = pacing_spikes(counts_of(signal), ALL, NV_PER_COUNT)
    assert len(spikes) == len(AT)
    assert all(at <= spike < at + width for at, spike in zip(AT, spikes, strict=True))
    assert paces(spikes, BEATS, len(signal))


def test_atrial_and_ventricular_spikes_together_and_atrial_ones_alone() -> None:
    atrial = [beat - 125 for beat in BEATS]
    assert found(spiked(atrial, qrs_ms=80))
    assert found(spiked(sorted([*atrial, *AT])))


def test_half_the_beats_may_be_the_heart_s_own() -> None:
    assert found(spiked(AT[::2]))


@pytest.mark.parametrize("qrs_ms", [30, 50, 80, 160])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_narrow_and_high_r_waves_are_no_spikes(qrs_ms: float, scale: float) -> None:
    signal = ecg_mv(BEATS, SECONDS, qrs_ms=qrs_ms, qrs_scale=scale)
    assert pacing_spikes(counts_of(signal), ALL, NV_PER_COUNT) == []


@pytest.mark.parametrize("width", [5, 10])
def test_wide_pulses_are_no_spikes(width: int) -> None:
    assert not found(spiked(width=width))


def test_noise_and_mains_are_no_spikes() -> None:
    t = np.arange(round(SECONDS * 500))[:, None] / 500
    mains = 0.5 * np.sin(2 * np.pi * 50 * t) * AXIS
    for disturbance in (noise_mv(SECONDS, 150, seed=2), mains):
        counts = counts_of(spiked([]) + disturbance)
        assert pacing_spikes(counts, ALL, NV_PER_COUNT) == []


def test_spikes_in_two_channels_or_in_dead_ones_do_not_count() -> None:
    signal = spiked()
    two = signal.copy()
    two[:, 2:] = ecg_mv(BEATS, SECONDS, qrs_ms=160)[:, 2:]
    assert not found(two)
    assert not found(signal, alive=np.arange(8) < 2)
    assert found(signal, alive=np.arange(8) < 3)


def test_glitches_without_regard_to_the_beats_are_no_pacing() -> None:
    rng = np.random.default_rng(3)
    paced = sum(found(spiked(sorted(rng.integers(100, 4900, 10)))) for _ in range(50))
    assert paced == 0
    assert not found(spiked(list(range(150, 4900, 310))))  # a nerve stimulator at 97 /min


def test_two_spikes_are_too_few_and_many_alone_outvote() -> None:
    assert not found(spiked(AT[:2]))
    assert found(spiked(AT[:3]))
    lone = [beat + 200 for beat in BEATS[:3]]
    assert not found(spiked(sorted([*AT[:3], *lone])))


def test_a_spike_whose_beat_is_not_reported_yet_does_not_count() -> None:
    assert paces([1000, 2000, 3000, 4900], [1040, 2040, 3040], WINDOW)
    assert paces([1000, 2000, 3000], [1040, 2040, 3040], WINDOW)
    assert paces([1000, 2000, 3000, 4660, 4810, 4960], [1040, 2040, 3040], WINDOW)
    assert not paces([1000, 1400, 1700, 2000, 3000, 3400], [1040, 2040, 3040], WINDOW)


def test_the_meter_needs_ten_seconds_and_forgets_at_a_gap() -> None:
    raw = RawWindow(NV_PER_COUNT)
    counts = counts_of(spiked())
    raw.push(counts[:-1])
    for beat in BEATS:
        raw.beat(beat)
    assert not paced(raw, WINDOW - 1, {})
    raw.push(counts[-1:])
    assert paced(raw, WINDOW, {})
    dead = ("I", "II", "V1", "V2", "V3", "V4")
    assert not paced(raw, WINDOW, dict.fromkeys(dead, LeadFault.RAILED))
    assert paced(raw, WINDOW, dict.fromkeys(dead, LeadFault.NOISY))
    raw.reset()
    assert not paced(raw, WINDOW, {})


def chip(name: str, seconds: int) -> tuple[FrameBlock, float]:
    frontend = simulated_frontend(preset(name, 0), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    block = frontend.read(seconds * 500, timeout_s=1.0)
    frontend.close()
    return block, info.nv_per_count


def calls(name: str, lengths: Sequence[int] = ()) -> list[Call]:
    block, nv_per_count = chip(name, 14)
    pipeline = Pipeline(nv_per_count, profile=None)
    events = []
    for start, stop in cut(len(block), lengths):
        events += pipeline.push(
            FrameBlock(
                block.first_index + start,
                block.t_ns[start:stop],
                block.counts[start:stop],
                block.status[start:stop],
                block.electrodes_off[start:stop],
            )
        )
    return [event for event in events if isinstance(event, Call)]


@pytest.mark.parametrize(
    "name", ["sinus-70", "af-140", "lbbb-70", "noisy-70", "mains-50", "v5-noisy", "vt-160"]
)
def test_other_simulated_patients_are_not_paced(name: str) -> None:
    assert not any(PACED in call.findings for call in calls(name))


def test_the_paced_patient_is_and_however_the_samples_come() -> None:
    whole = calls("paced-60")
    assert [call.findings for call in whole if call.span == WINDOW][-3:] == [(PACED,)] * 3
    rng = np.random.default_rng(4)
    assert calls("paced-60", rng.integers(1, 90, 140).tolist()) == whole


NETWORK = FindingRule(
    "paced", "PACED?", "ask", Priority.MEDIUM, (("statements", "PACE", 0.2),), instead=True
)
MI = FindingRule("mi", "POSSIBLE MI", "look", Priority.HIGH, (("statements", "AMI", 0.5),))
RULE = CallRule("net-1", "mate4", {"SR": "SINUS RHYTHM"}, {"SR": 0.6}, (MI, NETWORK))
ST = Finding("st_elevation", "ST ELEVATION?", "look at V2 V3", Priority.HIGH, None)
SURE = {"mate4": {"AFIB": 0.02, "SR": 0.98}, "statements": {"PACE": 0.3, "AMI": 0.1}}
EVIDENCE = Evidence(
    4999, 5000, 0, QualityGrade.GOOD, {}, False, 70.0, 0.01, measured=(ST,), paced=True
)


def test_a_paced_rhythm_is_named_once_and_its_st_is_not_read() -> None:
    call = decide(EVIDENCE, SURE, RULE)
    assert (call.label, call.refusal, call.text) == (None, Refusal.OTHER_RHYTHM, "PACED RHYTHM")
    assert call.act == "read the trace"
    assert call.findings == (PACED,)


def test_what_the_network_warns_of_stays_beside_it() -> None:
    scores = {**SURE, "statements": {"PACE": 0.0, "AMI": 0.9}}
    call = decide(EVIDENCE, scores, RULE)
    assert [finding.code for finding in call.findings] == ["mi", "paced"]
    assert call.refusal is Refusal.OTHER_RHYTHM


def test_a_trace_that_cannot_be_read_is_not_called_paced() -> None:
    off = Evidence(
        4999, 5000, 1 << Electrode.RA, QualityGrade.GOOD, {}, False, 70.0, 0.01, paced=True
    )
    call = decide(off, SURE, RULE)
    assert (call.refusal, call.findings) == (Refusal.ELECTRODE_OFF, ())


def test_a_recording_is_paced_when_half_its_windows_are() -> None:
    quiet = {**SURE, "statements": {"PACE": 0.0, "AMI": 0.0}}
    paced = decide(EVIDENCE, quiet, RULE)
    plain = decide(Evidence(4999, 5000, 0, QualityGrade.GOOD, {}, False, 70.0, 0.01), quiet, RULE)
    both = decide_recording([paced, plain], RULE)
    assert (both.text, both.findings) == ("PACED RHYTHM", (PACED,))
    assert decide_recording([paced, plain, plain], RULE).label == "SR"
