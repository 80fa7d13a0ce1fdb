"""The library of scenarios: what it covers, that a choice of it holds, and that it bites.

``lead12 hil run tests/hil --jobs 2`` runs all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware import model_window, profiles
from firmware.network import Network
from hal.ads1298 import decode
from hal.ads1298.faults import FAULTS
from hal.frontend import Electrode
from hal.patient.presets import presets
from tools.hil.outcome import Status
from tools.hil.requirements import ROOT, SCENARIOS
from tools.hil.scenario import (
    ElectrodeAction,
    FaultAction,
    PatientAction,
    PlugAction,
    Scenario,
    SwapAction,
    load,
    load_all,
)
from tools.hil.virtual import run

LIBRARY = ROOT / SCENARIOS[0]
CHOSEN = (  # one of each folder
    "alarms/asystole-begins",
    "buttons/silence",
    "chip/brown-out",
    "chip/ten-missed-edges",
    "commands/set-nonsense",
    "electrodes/ra-off-and-back",
    "models/bit-flip",
    "noise/muscle-12-db",
    "pacing/pacer-2-mv",
    "rates/sinus-rate-30",
    "rhythms/vf",
    "saturation/saturates-and-recovers",
    "serial/unplugged-and-back",
    "settings/iec-names",
    "swaps/ra-la",
    "traces/notch-50",
    "waves/rate-80-to-120",
)


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    """All of them; names that are there twice do not load."""
    return load_all([ROOT / folder for folder in SCENARIOS])


def failed(name: str) -> list[str]:
    """The sentences of a scenario that do not hold."""
    outcome = run(load(LIBRARY / f"{name}.yaml"))
    return [v.sentence for v in outcome.verdicts if v.status is Status.FAILED]


def test_a_file_has_the_name_of_its_scenario(scenarios: list[Scenario]) -> None:
    assert [s.name for s in scenarios] == [s.path.stem for s in scenarios]


def test_each_scenario_has_something_that_must_hold(scenarios: list[Scenario]) -> None:
    assert not [s.name for s in scenarios if all(e.known for e in s.expect)]


def test_every_preset_is_in_a_scenario(scenarios: list[Scenario]) -> None:
    used = {s.patient.preset for s in scenarios}
    used |= {
        a.patient.preset for s in scenarios for a in s.timeline if isinstance(a, PatientAction)
    }
    assert presets().keys() - used == set()


def test_every_fault_of_chip_and_bus_is_in_a_scenario(scenarios: list[Scenario]) -> None:
    used = {a.name for s in scenarios for a in s.timeline if isinstance(a, FaultAction)}
    assert set(FAULTS) - used == set()


def test_every_electrode_falls_off_and_comes_back(scenarios: list[Scenario]) -> None:
    changes = {
        tuple((a.electrode, a.state) for a in s.timeline if isinstance(a, ElectrodeAction))
        for s in scenarios
    }
    for electrode in Electrode:
        assert ((electrode, "off"), (electrode, "on")) in changes


def test_every_pair_of_limb_electrodes_is_exchanged(scenarios: list[Scenario]) -> None:
    swaps = {
        frozenset((a.one, a.other))
        for s in scenarios
        for a in s.timeline
        if isinstance(a, SwapAction)
    }
    limbs = [Electrode.RA, Electrode.LA, Electrode.LL, Electrode.RL]
    assert {frozenset((a, b)) for a in limbs for b in limbs if a != b} <= swaps


def test_every_noise_from_24_to_0_db(scenarios: list[Scenario]) -> None:
    doses = {(s.patient.noise.kind, s.patient.noise.snr_db) for s in scenarios}
    kinds, levels = ("wander", "muscle", "motion", "mains"), (24, 18, 12, 6, 0)
    assert {(kind, level) for kind in kinds for level in levels} <= doses


def test_line_and_screen_are_pulled_and_put_back(scenarios: list[Scenario]) -> None:
    plugs = {(a.part, a.state) for s in scenarios for a in s.timeline if isinstance(a, PlugAction)}
    assert plugs == {
        ("serial", "unplugged"), ("serial", "stalled"), ("serial", "plugged"),
        ("display", "unplugged"), ("display", "plugged"),
    }  # fmt: skip


def test_a_day_is_beside_the_library(scenarios: list[Scenario]) -> None:
    assert [s.name for s in scenarios if s.seconds >= 86_400] == ["day"]
    assert LIBRARY not in next(s.path for s in scenarios if s.name == "day").parents


@pytest.mark.parametrize("name", CHOSEN)
def test_a_scenario_holds(name: str) -> None:
    assert failed(name) == []


def test_one_of_each_folder_is_chosen() -> None:
    folders = {path.name for path in LIBRARY.iterdir() if path.is_dir()}
    assert folders - {Path(name).parent.name for name in CHOSEN} == {"long"}


# -- broken on purpose, each is red for its own reason


def _any_frame(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decode, "is_frame", lambda status: np.ones(len(status), np.bool_))


def _no_low_pass(patch: pytest.MonkeyPatch) -> None:
    thin = replace(profiles.MODEL, fir_q31=((1 << 31) - 1, *[0] * 140))
    patch.setitem(profiles.PROFILES, "model", thin)
    patch.setattr(model_window, "MODEL", thin)


def _no_high_pass(patch: pytest.MonkeyPatch) -> None:
    through = (1 << 30, 0, 0, 0, 0)
    sections = (through, *profiles.MONITOR.sections_q30[1:])
    patch.setitem(profiles.PROFILES, "monitor", replace(profiles.MONITOR, sections_q30=sections))


def _other_labels(patch: pytest.MonkeyPatch) -> None:
    right = Network.logits
    patch.setattr(Network, "logits", lambda self, tensor: np.roll(right(self, tensor), 1))


@pytest.mark.parametrize(
    ("broken", "name", "sentence"),
    [
        (_any_frame, "chip/one-torn-frame", "samples lost 1..1"),
        (_no_low_pass, "noise/mains-12-db", "call == SR for 100 % of windows from 10 s"),
        (
            _no_high_pass,
            "traces/monitor-band-ends-wander",
            "always from 23 s: height > 1240 and height < 1650",
        ),
        (_other_labels, "rhythms/af-90", "call == AFIB for 100 % of windows from 10 s"),
    ],
)
def test_a_broken_driver_filter_or_model_is_found(
    broken: Callable[[pytest.MonkeyPatch], None],
    name: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(monkeypatch)
    assert sentence in failed(name)
