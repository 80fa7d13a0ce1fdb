"""Rest of the last four seconds: VF and VT from hearts that beat, without network or filter."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.events import LEADS, LeadFault
from firmware.raw_window import RawWindow
from firmware.unrest import SPAN, UNREST_BELOW, recent_rest
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend


def window(name: str, seconds: int = 6) -> RawWindow:
    frontend = simulated_frontend(preset(name), VirtualClock(), bulk=True)
    frontend.open()
    raw = RawWindow(frontend.configure(FrontendConfig()).nv_per_count)
    frontend.start()
    for _ in range(seconds):
        raw.push(frontend.read(SAMPLE_RATE_HZ, timeout_s=1.0).counts)
    frontend.close()
    return raw


@pytest.mark.parametrize("name", ["vf", "vt-160", "vt-250", "b1-vt-half", "b2-vt-double"])
def test_ventricles_that_fibrillate_do_not_rest(name: str) -> None:
    share = recent_rest(window(name), {})
    assert share is not None
    assert share < UNREST_BELOW


@pytest.mark.parametrize(
    "name",
    ["sinus-70", "sinus-180", "af-140", "svt-180", "flutter-1to1", "lbbb-70", "paced-60",
     "bigeminy", "tall-t", "noisy-70", "mains-50", "mains-60", "offset-300mv"],
)  # fmt: skip
def test_hearts_that_beat_rest_between(name: str) -> None:
    share = recent_rest(window(name), {})
    assert share is not None
    assert share > UNREST_BELOW


def test_nothing_is_known_of_less_than_four_seconds() -> None:
    assert recent_rest(window("vf", 3), {}) is None


def test_nothing_is_known_of_silence() -> None:
    assert recent_rest(window("asystole"), {}) is None


def test_hiss_is_rough_and_no_fibrillation() -> None:
    raw = window("sinus-70")
    hiss = np.random.default_rng(1).normal(0, 1.5e6 / raw.nv_per_count, raw.counts.shape)
    raw.push((raw.counts + hiss)[-SPAN:].astype(np.int32))
    assert recent_rest(raw, {}) is None


def test_leads_that_cannot_be_read_do_not_count() -> None:
    raw = window("sinus-70")
    raw.counts[:, :4] = window("vf").counts[:, :4]
    spoiled = {lead: LeadFault.NOISY for lead in LEADS if lead in ("V6", "I", "II", "V2")}
    with_all, without = recent_rest(raw, {}), recent_rest(raw, spoiled)
    assert with_all is not None
    assert without is not None
    assert with_all < without
    assert recent_rest(raw, dict.fromkeys(LEADS, LeadFault.NOISY)) is None
