"""What is no ECG is refused, kind by kind; what people recorded, or the generator makes, is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device.bundles import load_network
from firmware.events import Call, Refusal
from firmware.network import Network
from firmware.pipeline import Pipeline
from hal.frontend import Electrode
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults
from hal.patient.presets import preset
from hal.patient.record import Recording
from tests.firmware.test_pipeline import NV_PER_COUNT, frames
from tools.bench import not_ecg
from tools.bench.recordings import packed
from tools.bench.refusal import refusal_of
from tools.classify import classify_recording

# The network's own doubts come and go with the network: the signal must be refused without them.
OPEN = (None, Refusal.UNSURE, Refusal.DISAGREES, Refusal.OTHER_RHYTHM)
DRAWS = 50  # of each kind; ``lead12 bench refusal`` takes 400
FIRST_SEED = 500_000


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network()


@pytest.mark.parametrize("kind", [kind for kind in not_ecg.KINDS if kind != not_ecg.HARD])
def test_what_is_no_ecg_is_refused(kind: str, network: Network) -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + DRAWS)
    called = [seed for seed in seeds if refusal_of(kind, seed, network) in OPEN]
    assert len(called) <= 1, called


def test_draws_are_repeatable_and_differ() -> None:
    for kind in not_ecg.KINDS:
        assert np.array_equal(not_ecg.draw(kind, 1), not_ecg.draw(kind, 1))
        assert not np.array_equal(not_ecg.draw(kind, 1), not_ecg.draw(kind, 2))


def _doubted(patient: object, network: Network) -> set[Refusal | None]:
    events = Pipeline(NV_PER_COUNT, profile=None, network=network).push(frames(patient, 20))
    given = {event.refusal for event in events if isinstance(event, Call)}
    return given & {Refusal.NOT_ECG, Refusal.DISAGREES}


@pytest.mark.parametrize(
    "name",
    ["sinus-40", "svt-180", "af-140", "flutter-2to1", "paced-60", "bigeminy", "noisy-70"],
)
def test_no_simulated_heart_is_doubted_at_any_second(name: str, network: Network) -> None:
    assert not _doubted(preset(name), network)


@pytest.mark.parametrize("electrode", list(Electrode))
def test_an_electrode_off_makes_no_heart_doubtful(electrode: Electrode, network: Network) -> None:
    off = ElectrodeEvent(electrode, 12.0, 15.0, Fault.OFF)
    assert not _doubted(WithElectrodeFaults(preset("sinus-70"), [off]), network)


def test_the_wrong_patient_is_refused_as_a_recording_too(network: Network) -> None:
    """Eleven seconds in ``classify``, several windows: the refusal survives their sum."""
    wave = np.where(np.arange(11 * 500) % 400 < 40, 1.0, 0.0)  # 75 pulses a minute, 80 ms
    found = classify_recording(Recording("pulses", 500, wave[:, None] * np.ones(8)), network)
    assert found["windows"] > 1
    assert (found["call"], found["reason"]) == (None, Refusal.NOT_ECG)


def test_recorded_ecgs_are_not_refused(recordings: Path, network: Network) -> None:
    reasons = [
        classify_recording(Recording(record.record, 500, record.mv), network)["reason"]
        for record in packed(recordings, "ecg_500hz", every=16)
    ]
    refused = [reason for reason in reasons if reason not in (None, Refusal.OTHER_RHYTHM)]
    assert len(reasons) == 50
    assert len(refused) <= 1, refused
    assert Refusal.NOT_ECG not in refused
