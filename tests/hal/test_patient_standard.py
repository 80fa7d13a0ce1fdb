"""Calibrators, test waves of the standards, and patients that change: exact, and pure in time."""

from __future__ import annotations

import numpy as np
import pytest

from hal.clock import VirtualClock
from hal.frontend import Electrode, FrontendConfig
from hal.patient import ANALOG_RATE_HZ
from hal.patient import calibration as cal
from hal.patient.changes import Scaled, Succession, later
from hal.patient.generator import RhythmPatient, rr_s
from hal.patient.pacing import PATTERN, Pulse
from hal.patient.presets import preset, truth
from hal.patient.standard import families, rate_step
from hal.simulated import simulated_frontend
from tests.hal.patient_leads import amplitude_at, leads_mv

S = ANALOG_RATE_HZ
FAMILIES = [
    "rate-80-to-120",
    "b1-vt-half",
    "qrs-500uv-40ms-80bpm",
    "t-1200uv",
    "pacer-neg250mv-100us-overshoot-double",
    "pacer-2mv-2000us-ineffective",
]


def leads(patient, seconds: float = 10, start_s: float = 0) -> dict[str, np.ndarray]:
    return leads_mv(patient.potentials(round(start_s * S), round(seconds * S)).volts)


# --- calibrators ------------------------------------------------------------------------------


def test_a_lead_has_what_it_was_given_and_no_other_lead_has():
    patient = cal.Calibration("c", {"V3": cal.sine(10.0, 5.0)})
    mv = leads(patient, 2)
    assert amplitude_at(mv["V3"], 5.0) == pytest.approx(5.0, abs=1e-9)
    assert all(np.abs(mv[lead]).max() < 1e-12 for lead in mv if lead != "V3")


def test_limb_leads_are_independent_and_the_rest_follows():
    mv = leads(cal.Calibration("c", {"I": cal.steady(0.7), "II": cal.steady(-2.0)}), 1)
    assert mv["I"] == pytest.approx(0.7)
    assert mv["II"] == pytest.approx(-2.0)
    assert mv["III"] == pytest.approx(-2.7)
    with pytest.raises(ValueError, match="no wave can be put on III"):
        cal.Calibration("c", {"III": cal.steady(1.0)})


@pytest.mark.parametrize("wave", [cal.sine, cal.square, cal.triangle])
def test_amplitudes_are_from_peak_to_valley(wave):
    mv = wave(3.0, 10.0)(np.arange(4 * S) / S)
    assert np.ptp(mv) == pytest.approx(3.0)
    assert mv.mean() == pytest.approx(0.0, abs=2e-3)


def test_pulses_keep_their_area_however_narrow():
    t = np.arange(2 * S) / S
    for width_s in (0.0001, 0.0005, 0.0007, 0.1):
        one = cal.pulses(4.0, width_s, at_s=0.7501)(t)
        assert one.sum() / S == pytest.approx(4.0 * width_s)
        train = cal.pulses(4.0, width_s, at_s=0.25, every_s=0.5)(t)
        assert train.sum() / S == pytest.approx(4 * 4.0 * width_s)
    assert set(np.unique(cal.square(2.0, 1.0)(t))) == {-1.0, 1.0}


def test_offsets_are_those_of_the_electrodes():
    patient = cal.Calibration("c", cal.steady(0.0), {Electrode.LA: 300.0, Electrode.V1: -300.0})
    mv = leads(patient, 0.01)
    assert mv["I"] == pytest.approx(300.0)
    assert mv["V1"] == pytest.approx(-400.0)


def test_a_millivolt_is_a_millivolt_behind_the_chip():
    patient = cal.Calibration("c", cal.square(1.0, 0.5))
    frontend = simulated_frontend(patient, VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig())
    frontend.start()
    blocks = [frontend.read(500, 1.0).counts for _ in range(4)]
    mv = np.concatenate(blocks) * info.nv_per_count * 1e-6
    assert np.median(mv[100:450], axis=0) - np.median(mv[600:950], axis=0) == pytest.approx(
        np.ones(8), rel=1e-3
    )


# --- families ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_the_same_however_cut(name):
    whole = preset(name, 3).potentials(S // 2, 6001).volts
    again = preset(name, 3)
    starts = reversed(range(0, 6001, 777))
    parts = [again.potentials(S // 2 + k, min(777, 6001 - k)).volts for k in starts]
    np.testing.assert_array_equal(np.concatenate(parts[::-1]), whole)
    assert len(FAMILIES) >= len(families())


def test_qrs_pulses_are_as_high_wide_and_frequent_as_their_name_says():
    mv = leads(preset("qrs-1000uv-10ms-80bpm"), 60)["II"]
    assert mv.max() == pytest.approx(1.0)
    begins = np.flatnonzero((mv[1:] > 0) & (mv[:-1] <= 0))
    assert len(begins) == 80
    assert 8 <= 1000 * np.mean(mv > 1e-9) * 60 / 80 <= 10
    assert leads(preset("qrs-1000uv-10ms-80bpm"), 2)["I"].max() == pytest.approx(2 / 3)


def test_tall_t_waves_end_350_ms_after_the_qrs_began():
    mv = leads(preset("t-1200uv"), 0.75, 0.3)["V2"]
    t = np.arange(len(mv)) / S
    assert mv[t < 0.1].max() == pytest.approx(1.0)
    assert mv[t > 0.1].max() == pytest.approx(1.2, rel=1e-4)
    on = t[mv > 1e-6]
    assert on.max() == pytest.approx(0.35, abs=0.001)
    assert on[on > 0.12].min() == pytest.approx(0.17, abs=0.001)
    assert np.ptp(leads(preset("t-0uv"), 0.5, 0.45)["V2"]) == 0


@pytest.mark.parametrize(
    ("name", "mv", "bpm"),
    [("b1-vt-half", 0.5, 206), ("b1-vt-double", 2.0, 206), ("b2-vt-normal", 2.0, 195)],
)
def test_alarm_waves_have_their_height_and_rate(name, mv, bpm):
    two = leads(preset(name, 5), 10)["II"]
    assert np.ptp(two) == pytest.approx(mv, rel=0.02)
    spectrum = np.abs(np.fft.rfft((two - two.mean()) * np.hanning(len(two)), 1 << 18))
    hz = np.fft.rfftfreq(1 << 18, 1 / S)
    inside = (hz > 2) & (hz < 5)
    assert hz[inside][np.argmax(spectrum[inside])] * 60 == pytest.approx(bpm, rel=0.01)


@pytest.mark.parametrize(
    ("name", "bpm"),
    [
        ("a1-bigeminy-80", 80),
        ("a2-bigeminy-60", 60),
        ("a3-bigeminy-120", 120),
        ("a4-bidirectional-90", 90),
    ],
)
def test_irregular_waves_have_their_rate_and_two_beats_by_turns(name, bpm):
    beats = truth(name).beats(0, 60 * S)
    assert len(beats) == pytest.approx(bpm, abs=1)
    rr = rr_s(beats)
    assert rr[:-1] + rr[1:] == pytest.approx(np.full(len(rr) - 1, 120 / bpm), abs=0.002)
    two = leads(truth(name), 60)["II"]
    even, odd = (two[beats[k:40:2]].mean() for k in (0, 1))
    assert abs(even - odd) > 0.2


def test_the_rate_steps_from_one_beat_to_the_next():
    for first, then in ((80, 120), (80, 40)):
        heart = RhythmPatient("step", rate_step(first, then))
        beats = np.array(heart.beats(0, 40 * S)) / S
        rr = np.diff(beats)
        assert rr[beats[:-1] < 20] == pytest.approx(60 / first, abs=0.001)
        assert rr[beats[:-1] >= 20] == pytest.approx(60 / then, abs=0.001)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("sinus", 20, 300), ("svt", 100, 300), ("vt", 100, 300), ("paced", 30, 180), ("af", 30, 240)],
)
def test_rates_go_to_their_limits(name, low, high):
    for bpm in (low, high):
        beats = truth(f"{name}-{bpm}", 2).beats(0, 120 * S)
        assert len(beats) / 2 == pytest.approx(bpm, rel=0.06)
    with pytest.raises(ValueError, match=f"from {low} to {high} bpm"):
        preset(f"{name}-{high + 1}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rate-80-to-301", "301 bpm is not 20 to 300"),
        ("qrs-9uv-10ms-80bpm", "no simulated patient"),
        ("qrs-1000uv-151ms-80bpm", "151 ms is not 5 to 150"),
        ("pacer-1mv-500us", "height is 2 to 700 mV"),
        ("pacer-20mv-2001us", r"width is 0.1 to 2 ms"),
        ("t-2001uv", "2001 uV is not 0 to 2000"),
        ("nobody", "pacer-.*mV"),
    ],
)
def test_names_out_of_range_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        preset(name)


# --- pacing -----------------------------------------------------------------------------------


def spikes(name: str, seconds: int = 20) -> np.ndarray:
    """Points of the pulses, by the largest step of any chest lead."""
    mv = np.stack([leads(preset(name), seconds)[f"V{k}"] for k in range(1, 7)])
    step = np.abs(np.diff(mv, axis=1)).max(axis=0)
    at = np.flatnonzero(step > step.max() / 2)
    return at[np.diff(at, prepend=-100) > 20]


def test_each_paced_beat_follows_its_pulse():
    heart = truth("paced-60")
    at = spikes("pacer-20mv-500us")
    beats = np.array(heart.beats(0, 20 * S))
    assert 19 <= len(at) <= 20
    follows = beats[np.searchsorted(beats, at)] - at
    assert follows == pytest.approx(0.085 * S, abs=2)
    assert len(spikes("pacer-20mv-500us-double")) == pytest.approx(2 * len(at), abs=1)


def test_ineffective_pulses_keep_their_time_and_make_no_beat():
    at = spikes("pacer-neg20mv-500us-ineffective")
    assert np.diff(at) == pytest.approx(0.8 * S, abs=1)
    mv = leads(preset("pacer-neg20mv-500us-ineffective"))["V2"]
    quiet = np.delete(
        mv, np.unique(np.concatenate([at[at < len(mv) - 9] + k for k in range(-4, 8)]))
    )
    assert np.ptp(quiet) < 0.5


def test_a_pulse_keeps_its_sign_and_its_overshoot_waits_for_its_end():
    for name, sign in (("pacer-neg100mv-500us", -1), ("pacer-100mv-500us", 1)):
        two = leads(preset(name), 5)["V2"]
        assert two[np.argmax(np.abs(two))] * sign * np.sign(PATTERN[3]) > 30
    wide = Pulse(100.0, 2.0, overshoot_mv=2.0).at(np.arange(10) / S)
    assert wide[:4].tolist() == [100.0] * 4
    assert wide[4] == pytest.approx(-2.0)


def test_a_pulse_has_its_area_sign_and_overshoot():
    t = np.arange(-100, 2000) / S
    plain, over = Pulse(-250.0, 0.1), Pulse(-250.0, 0.1, overshoot_mv=2.0, tau_ms=4.0)
    assert plain.at(t).sum() / S == pytest.approx(-250.0 * 0.1e-3)
    tail = over.at(t) - plain.at(t)
    assert (tail >= 0).all()
    assert 1.5 < tail.max() <= 2.0
    assert tail[np.searchsorted(t, 0.0101)] == pytest.approx(2.0 * np.exp(-2.5), rel=0.15)


# --- changes ----------------------------------------------------------------------------------


def test_succession_is_each_patient_from_its_own_beginning():
    first, second = preset("sinus-70", 1), preset("vf", 1)
    both = Succession([(0, first), (5, second)])
    felt = both.potentials(0, 10 * S).volts
    np.testing.assert_array_equal(felt[: 5 * S], first.potentials(0, 5 * S).volts)
    np.testing.assert_array_equal(felt[5 * S + 500 :], second.potentials(500, 5 * S - 500).volts)
    steps = np.abs(np.diff(felt[5 * S - 2 : 5 * S + 502, :], axis=0)).max()
    assert steps < 1e-4
    again = Succession([(0, preset("sinus-70", 1)), (5, preset("vf", 1))])
    parts = [again.potentials(k, min(333, 10 * S - k)).volts for k in range(0, 10 * S, 333)]
    np.testing.assert_array_equal(np.concatenate(parts), felt)
    assert both.duration is None
    assert both.name == "sinus-70 then vf"


class Short:
    name, duration = "short", 4 * S

    def potentials(self, first, n):
        return preset("asystole").potentials(first, n)


def test_impossible_successions_are_refused():
    heart = preset("sinus-70")
    for stages, message in (
        ([(1, heart)], "begins at 0 s"),
        ([(0, heart), (0.1, heart)], "too soon"),
        ([(0, Short()), (4, heart)], "short ends before 4 s"),
    ):
        with pytest.raises(ValueError, match=message):
            Succession(stages)
    assert Succession([(0, heart), (3, Short())]).duration == 7 * S


def test_a_patient_goes_on_later():
    heart = preset("af-90", 2)
    np.testing.assert_array_equal(
        later(heart, 7.5).potentials(10, 900).volts, heart.potentials(10 + 15_000, 900).volts
    )
    assert later(heart, 0) is heart
    assert later(Short(), 1).duration == 3 * S
    with pytest.raises(ValueError, match="short has nothing at 4 s"):
        later(Short(), 4)


def test_scaled_is_taller():
    heart = preset("sinus-70")
    assert np.array_equal(
        Scaled(heart, 0.25).potentials(0, 99).volts, heart.potentials(0, 99).volts / 4
    )
