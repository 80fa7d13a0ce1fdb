"""Artefacts and electrode faults: amplitudes, spectra, and the algebra of swapped wires."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import pytest

from hal.frontend import Electrode
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials
from hal.patient.artefact import Artefacts, ArtefactSource, WithArtefacts
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults, swapped
from hal.patient.presets import preset, truth
from tests.hal.patient_leads import amplitude_at, leads_mv

TEN_S = 10 * ANALOG_RATE_HZ


@dataclass
class Marked:
    """Electrode k feels k + 1 volts: whose potential is whose can be read off."""

    name: str = "marked"
    duration: int | None = TEN_S

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        volts = np.tile(np.arange(1.0, 11.0), (n, 1))
        return ElectrodePotentials(volts, np.zeros((n, 10), dtype=bool))


def noise_uv(artefacts: Artefacts, seconds: int = 10, seed: int = 0) -> np.ndarray:
    return 1e6 * ArtefactSource(artefacts, seed).volts(0, seconds * ANALOG_RATE_HZ)


def test_none_is_nothing():
    assert not noise_uv(Artefacts()).any()


def test_wander_is_slow_and_of_its_amplitude():
    uv = noise_uv(Artefacts(wander_uv=200.0), seconds=120)
    assert uv.std(axis=0) == pytest.approx(np.full(10, 200.0), rel=0.15)
    power = np.abs(np.fft.rfft(uv * np.hanning(len(uv))[:, None], axis=0)) ** 2
    hz = np.fft.rfftfreq(len(uv), 1 / ANALOG_RATE_HZ)
    assert power[hz < 0.5].sum() > 0.999 * power.sum()


def test_muscle_noise_has_its_band_and_amplitude():
    uv = noise_uv(Artefacts(muscle_uv=50.0), seconds=60)
    assert uv.std(axis=0) == pytest.approx(np.full(10, 50.0), rel=0.12)
    power = np.square(np.abs(np.fft.rfft(uv, axis=0))).sum(axis=1)
    hz = np.fft.rfftfreq(len(uv), 1 / ANALOG_RATE_HZ)
    assert power[(hz > 15) & (hz < 310)].sum() > 0.98 * power.sum()
    assert np.abs(np.corrcoef(uv.T) - np.eye(10)).max() < 0.05


def test_muscle_noise_has_no_seams_between_chunks():
    uv = noise_uv(Artefacts(muscle_uv=50.0), seconds=30)
    steps = np.abs(np.diff(uv, axis=0))
    at_seams = steps[ANALOG_RATE_HZ - 1 :: ANALOG_RATE_HZ]
    assert at_seams.mean() < 1.3 * steps.mean()


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_mains_is_at_its_frequency_in_the_leads(hz):
    volts = ArtefactSource(Artefacts(mains_uv=100.0, mains_hz=hz), 1).volts(0, TEN_S)
    for column in volts.T:
        assert 50 <= 1e6 * amplitude_at(column, hz) <= 100
        assert amplitude_at(column, 3 * hz) == pytest.approx(0.12 * amplitude_at(column, hz))
    other = 110.0 - hz
    assert amplitude_at(leads_mv(volts)["V1"], other) < 1e-6


def test_common_mains_cancels_in_the_leads():
    volts = ArtefactSource(Artefacts(mains_common_mv=100.0), 1).volts(0, TEN_S)
    assert amplitude_at(volts[:, Electrode.RL], 50) == pytest.approx(0.1)
    assert max(np.abs(mv).max() for mv in leads_mv(volts).values()) < 1e-9


def test_motion_moves_one_electrode_at_a_time():
    uv = noise_uv(Artefacts(motion_uv=1000.0), seconds=60)
    assert 200 < np.abs(uv).max() <= 1000
    assert (np.abs(uv) > 50).sum(axis=1).max() <= 2  # the last bump may still fade
    assert (np.abs(uv).max(axis=0) > 50).sum() >= 4
    assert np.abs(np.diff(uv, axis=0)).max() < 50  # no steps


def test_offsets_stand_per_electrode():
    offsets = tuple(float(mv) for mv in range(-300, 300, 60))
    volts = ArtefactSource(Artefacts(offset_mv=offsets), 0).volts(5, 3)
    np.testing.assert_allclose(volts, np.tile(offsets, (3, 1)) * 1e-3)


def test_offset_preset_reaches_300_mv_in_every_kind_of_lead():
    leads = leads_mv(preset("offset-300mv").potentials(0, 100).volts)
    assert abs(leads["I"].mean()) == pytest.approx(300, abs=2)
    assert abs(leads["II"].mean()) == pytest.approx(300, abs=2)
    assert max(abs(mv.mean()) for mv in leads.values()) < 303


@pytest.mark.parametrize(
    ("offsets", "message"), [((1.0,), "1 values, not 10"), ((301.0,) * 10, "beyond")]
)
def test_impossible_offsets_are_refused(offsets, message):
    with pytest.raises(ValueError, match=message):
        Artefacts(offset_mv=offsets)


def test_artefacts_add_to_the_patient():
    heart = truth("sinus-70")
    noisy = WithArtefacts(heart, Artefacts(muscle_uv=20.0), seed=4)
    added = noisy.potentials(500, 4000).volts - heart.potentials(500, 4000).volts
    want = ArtefactSource(Artefacts(muscle_uv=20.0), 4).volts(500, 4000)
    np.testing.assert_allclose(added, want, atol=1e-15)
    assert noisy.potentials(500, 0).volts.shape == (0, 10)


def test_off_is_said_for_its_time_only():
    event = ElectrodeEvent(Electrode.V3, 1.0, 2.5, Fault.OFF)
    felt = WithElectrodeFaults(Marked(), [event]).potentials(1000, 5000)
    off = np.zeros((5000, 10), dtype=bool)
    off[1000:4000, Electrode.V3] = True
    np.testing.assert_array_equal(felt.off, off)
    np.testing.assert_array_equal(felt.volts, Marked().potentials(0, 5000).volts)


def test_preset_v3_off_is_off_from_15_to_25_s():
    off = preset("v3-off").potentials(0, 30 * ANALOG_RATE_HZ).off
    assert np.flatnonzero(off.any(axis=0)).tolist() == [Electrode.V3]
    rows = np.flatnonzero(off[:, Electrode.V3])
    assert (rows[0], rows[-1] + 1, len(rows)) == (30_000, 50_000, 20_000)


def test_noisy_disturbs_one_electrode_and_no_other():
    event = ElectrodeEvent(Electrode.V5, 1.0, inf, Fault.NOISY)
    felt = WithElectrodeFaults(Marked(), [event]).potentials(0, 8000)
    moved = np.abs(felt.volts - Marked().potentials(0, 8000).volts)
    assert moved[:2000].max() == 0
    assert moved[2000:, Electrode.V5].std() > 1e-4
    assert np.delete(moved, Electrode.V5, axis=1).max() == 0
    assert not felt.off.any()


@pytest.mark.parametrize("one", Electrode)
@pytest.mark.parametrize("other", Electrode)
def test_every_swap_exchanges_its_two_and_no_others(one, other):
    volts = WithElectrodeFaults(Marked(), [swapped(one, other)]).potentials(0, 3).volts
    want = list(range(1, 11))
    want[one], want[other] = want[other], want[one]
    np.testing.assert_array_equal(volts, [want] * 3)


def swap_leads(one: Electrode, other: Electrode) -> tuple[dict, dict]:
    heart = truth("sinus-70")
    right = leads_mv(heart.potentials(0, 4000).volts)
    return right, leads_mv(
        WithElectrodeFaults(heart, [swapped(one, other)]).potentials(0, 4000).volts
    )


SWAPS = {  # Krasteva et al., Sensors 2019;19:2920: lead seen <- what it is on the right body
    (Electrode.LA, Electrode.RA): {
        "I": ("I", -1), "II": ("III", 1), "III": ("II", 1), "aVR": ("aVL", 1), "aVL": ("aVR", 1),
        "aVF": ("aVF", 1), "V1": ("V1", 1), "V6": ("V6", 1),
    },
    (Electrode.LA, Electrode.LL): {
        "I": ("II", 1), "II": ("I", 1), "III": ("III", -1), "aVR": ("aVR", 1),
        "aVL": ("aVF", 1), "aVF": ("aVL", 1), "V3": ("V3", 1),
    },
    (Electrode.RA, Electrode.LL): {
        "I": ("III", -1), "II": ("II", -1), "III": ("I", -1), "aVR": ("aVF", 1),
        "aVF": ("aVR", 1), "aVL": ("aVL", 1), "V4": ("V4", 1),
    },
    (Electrode.V1, Electrode.V2): {"V1": ("V2", 1), "V2": ("V1", 1), "V3": ("V3", 1)},
}  # fmt: skip


@pytest.mark.parametrize("pair", SWAPS)
def test_swap_algebra(pair):
    right, wrong = swap_leads(*pair)
    for lead, (source, sign) in SWAPS[pair].items():
        np.testing.assert_allclose(wrong[lead], sign * right[source], atol=1e-9)


def test_right_arm_with_right_leg_flattens_lead_ii():
    _, wrong = swap_leads(Electrode.RA, Electrode.RL)
    assert np.abs(wrong["II"]).max() < 1e-9
    assert np.ptp(wrong["I"]) > 0.3


def test_events_say_what_is_wrong_with_them():
    with pytest.raises(ValueError, match="no span of time"):
        ElectrodeEvent(Electrode.V1, 3.0, 3.0, Fault.OFF)
    with pytest.raises(ValueError, match="a swap names the other"):
        ElectrodeEvent(Electrode.V1, 0.0, 3.0, Fault.SWAPPED)


def test_demo_changes_without_jumps():
    """At the change of rhythms the trace fades: no step larger than a QRS makes."""
    patient = preset("demo")
    for change_s in (25, 50, 65, 77, 100):
        two = leads_mv(patient.potentials(change_s * ANALOG_RATE_HZ - 2000, 4000).volts)["II"]
        assert np.abs(np.diff(two)).max() < 0.1
    assert patient.potentials(70 * ANALOG_RATE_HZ, 1).off[0, Electrode.V3]
    assert patient.potentials(170 * ANALOG_RATE_HZ, 1).off[0, Electrode.V3]
    assert not patient.potentials(30 * ANALOG_RATE_HZ, 1).off.any()
