"""Alarms through the whole instrument: page, line, sound and snapshots."""

from __future__ import annotations

from typing import Any

import pytest

from device.bundles import Model, load_model
from device.config import Config
from device.controls import Page
from device.instrument import Instrument
from device.link.link import Link
from device.records.changes import HELD, ChangedCall
from device.records.interface import Why
from firmware.alarms import Audio
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, FrontendConfig
from hal.patient.changes import Succession
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tests.device.test_host_commands import Notes
from tests.firmware.alarm_seconds import call

BEGINS_S = 15


def watched(
    rhythm: str, seconds: int, *, network: bool = False, **settings: Any
) -> tuple[Instrument, Notes]:
    """An instrument after so many seconds: sinus rhythm, then ``rhythm`` from 15 s on."""
    notes = Notes()
    model = load_model("") if network else Model(None, "none")
    instrument = Instrument(Config().override(settings), model=model, recorder=notes)
    patient = Succession([(0.0, preset("sinus-70")), (BEGINS_S, preset(rhythm))])
    frontend = simulated_frontend(patient, VirtualClock(), bulk=True)
    frontend.open()
    instrument.connect(frontend.configure(FrontendConfig()))
    frontend.start()
    instrument.screen.controls.show(Page.SETTINGS, 0)
    for _ in range(seconds):
        instrument.process(frontend.read(SAMPLE_RATE_HZ, timeout_s=1.0))
    frontend.close()
    return instrument, notes


def test_a_high_alarm_is_seen_heard_and_recorded() -> None:
    instrument, notes = watched("asystole", 24)
    screen = instrument.screen
    assert [alarm.code for alarm in screen.alarms] == ["asystole"]
    assert (screen.audio, screen.controls.page) == (Audio.SOUNDING, Page.LIVE)
    [(why, index)] = notes.snapshots
    assert why is Why.ALARM
    assert BEGINS_S < index / SAMPLE_RATE_HZ <= BEGINS_S + 10
    assert instrument.hello()["alarms"] == {"asystole": "on"}


@pytest.mark.parametrize(("rhythm", "code"), [("vf", "vf_vt"), ("asystole", "asystole")])
def test_the_host_hears_nothing_of_the_rhythm_before(
    rhythm: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []

    def send(_: Link, kind: str, body: dict[str, Any]) -> None:
        told.append({"type": kind, **body})

    monkeypatch.setattr(Link, "send", send)
    watched(rhythm, 30, network=True)
    began = next(n for n, one in enumerate(told) if one.get("code") == code)
    before = [one for one in told[:began] if one["type"] == "result"]
    after = [one for one in told[began:] if one["type"] == "result"]
    assert {(one["call"], one["measurements"] is None) for one in before[11:]} == {("SR", False)}
    assert len(after) > 5
    for one in after:
        assert (one["call"], one["rate_bpm"], one["measurements"]) == (None, None, None)
        assert one["findings"][0]["code"] == code


def test_a_medium_alarm_leaves_the_page_and_is_recorded() -> None:
    instrument, notes = watched("sinus-120", 30, **{"alarms.tachy_bpm": 110})
    assert [alarm.code for alarm in instrument.screen.alarms] == ["tachy"]
    assert instrument.screen.controls.page is Page.SETTINGS
    assert [why for why, _ in notes.snapshots] == [Why.ALARM]


def test_a_technical_alarm_takes_no_snapshot() -> None:
    instrument, notes = watched("sinus-70", 12)
    instrument.fault("storage", "disk full: records are not kept")
    assert [alarm.code for alarm in instrument.screen.alarms] == ["storage"]
    assert notes.snapshots == []


def test_the_screen_knows_how_long_a_pause_lasts() -> None:
    instrument, _ = watched("sinus-70", 12, **{"alarms.pause_s": 60})
    instrument.pause()
    assert (instrument.screen.audio, instrument.screen.audio_left_s) == (Audio.PAUSED, 60)


def test_a_call_that_has_changed_takes_a_snapshot() -> None:
    _, notes = watched("sinus-40", 40, network=True)
    assert [why for why, _ in notes.snapshots if why is Why.CALL] == [Why.CALL]


@pytest.mark.parametrize(
    ("labels", "changes"),
    [
        (["SR"] * 20, 0),
        (["SR"] * 9 + ["AFIB"] * HELD, 1),
        (["SR"] * 9 + ["AFIB"] * (HELD - 1) + ["SR"] * 9, 0),
        (["SR", "AFIB"] * 10, 0),
        (["SR"] * 9 + [None] * 30 + ["SR"] * 9, 0),
        (["SR"] * 9 + [None] * 30 + ["AFIB"] * 9 + ["SR"] * 9, 2),
    ],
)
def test_calls_change_when_another_has_held(labels: list[str | None], changes: int) -> None:
    changed = ChangedCall()
    assert sum(changed.push(call(500, label=label)) for label in labels) == changes
