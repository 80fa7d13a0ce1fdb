"""The pages behind the live screen in their states, for ``gallery``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from device.choices import listed
from device.config import Config
from device.controls import Page
from device.display.example import make_call, patient
from device.display.reasons import Question, Reasons, first_column
from device.display.state import ScreenState
from device.display.trace import SAMPLES_PER_COLUMN
from firmware.alarms import Alarm, AlarmState, Audio, Logged
from firmware.events import LEADS, ElectrodeChange, Refusal
from firmware.explain import Explanation
from firmware.findings import Priority
from firmware.measurements import Measurements
from firmware.profiles import MODEL
from hal.frontend import SAMPLE_RATE_HZ, Electrode, electrode_mask

HOUR = 3600 * SAMPLE_RATE_HZ
_WINDOW = 10 * SAMPLE_RATE_HZ
_MEASURED = Measurements(
    index=_WINDOW, beats=13, rate_bpm=78.0, pr_ms=162.0, qrs_ms=94.0, qt_ms=372.0, qtcb_ms=424.0,
    qtcf_ms=406.0, axis_deg=48.0,
    st_uv=(20.0, 40.0, 20.0, -30.0, 0.0, 30.0, -50.0, 110.0, 240.0, 180.0, None, 30.0),
)  # fmt: skip
_ASYSTOLE = Alarm("asystole", "ASYSTOLE?", "check patient and cable", Priority.HIGH, 0)
_AF = Alarm("new_af", "ATRIAL FIBRILLATION", "new? record 12 leads", Priority.MEDIUM, 0)
_OFF = Alarm("electrode_off", "V3 OFF", "press on or replace", Priority.LOW, 0, technical=True)
_BRADY = Alarm("brady", "EXTREME BRADYCARDIA", "pulse? ready to pace", Priority.HIGH, 0)


def _on(state: ScreenState, page: Page, step: int = 0) -> ScreenState:
    state.controls.show(page, state.index)
    state.controls.step = step
    return state


def _leads() -> Iterator[tuple[str, ScreenState]]:
    yield "page-leads", _on(patient(), Page.LEADS)
    state = _on(patient(irregular=True), Page.LEADS, 3)
    state.saved_at = state.controls.since
    yield "page-leads-saved", state
    state = patient(24.0, gap=(17.0, 17.9))
    state.apply(ElectrodeChange(state.index, electrode_mask((Electrode.V3,))))
    yield "page-leads-gap", _on(state, Page.LEADS, 2)
    state = patient()
    state.apply(replace(_MEASURED, index=state.index))
    yield "page-leads-intervals", _on(state, Page.LEADS, 8)
    state = patient()
    state.apply(replace(_MEASURED, index=state.index))
    yield "page-leads-measured", _on(state, Page.LEADS, 9)


def _explained(state: ScreenState, label: str, text: str, probability: float) -> ScreenState:
    """As if the P waves of II and V1, or what is there without them, had carried the call."""
    state.apply(make_call(state.index - 1, label=label, text=text, probability=probability))
    first = first_column(state.index, _WINDOW, MODEL)
    windows = _WINDOW // SAMPLES_PER_COLUMN
    relevance = np.zeros((len(LEADS), windows), np.int8)
    for beat in state.beats:
        at = beat // SAMPLES_PER_COLUMN - first
        for lead, most in (("II", 127), ("V1", 90), ("aVF", 60), ("III", 30), ("V6", 12)):
            for k, part in ((-5, 0.7), (-4, 1.0), (-3, 0.4), (0, 0.3), (1, 0.2)):
                if 0 <= at + k < windows:
                    relevance[LEADS.index(lead), at + k] = round(most * part)
    state.why = Reasons(
        question=Question("mate4", label, text),
        probability=probability,
        index=state.index - 1,
        strip=state.trace.strip(first, first + windows - 1),
        explanation=Explanation("mate4", label, 3.1, relevance),
    )
    return state


def _why() -> Iterator[tuple[str, ScreenState]]:
    yield "page-why", _on(_explained(patient(), "SR", "SINUS RHYTHM", 0.97), Page.WHY)
    state = _explained(patient(irregular=True), "AFIB", "ATRIAL FIBRILLATION", 0.93)
    yield "page-why-next-lead", _on(state, Page.WHY, 1)
    state = _explained(patient(), "SR", "SINUS RHYTHM", 0.97)
    assert state.why is not None
    state.why = replace(state.why, explanation=None)
    yield "page-why-working", _on(state, Page.WHY)
    state = patient(rate=None)
    refused = {"label": None, "refusal": Refusal.NOISE, "text": "MOVEMENT", "act": "hold still"}
    state.apply(make_call(state.index, **refused))
    yield "page-why-nothing", _on(state, Page.WHY)


def _past(index: int) -> ScreenState:
    """An hour: sinus rhythm, a slow stretch, movement, a break, fibrillation."""
    state = ScreenState(index=index)
    for second in range(index // SAMPLE_RATE_HZ):
        at, minute = second * SAMPLE_RATE_HZ, second / 60
        if 33 <= minute < 37:  # switched off
            continue
        label: str | None = "SR"
        bpm: float | None = 74 + 6 * math.sin(minute / 3) + 2 * math.sin(second)
        if 8 <= minute < 16:
            label, bpm = "SB", 47 + 2 * math.sin(minute)
        elif 22 <= minute < 26:
            label, bpm = None, None
        elif 44 <= minute < 49:
            label, bpm = "GSVT", 148 + 3 * math.sin(second)
        elif minute >= 53:
            label, bpm = "AFIB", 112 + 14 * math.sin(second * 1.7)
        state.history.rate(at, bpm)
        state.history.call(at, label)
    at_min = ((53.2, _AF), (44.1, _AF), (22, _OFF), (8.4, _BRADY))
    state.alarm_log = tuple(
        Logged(
            replace(alarm, since=begin, state=AlarmState.OFF), begin, begin + 40 * SAMPLE_RATE_HZ
        )
        for begin, alarm in (
            (round(minute * 60 * SAMPLE_RATE_HZ), alarm) for minute, alarm in at_min
        )
    )
    state.apply(make_call(index - 1, label="AFIB", text="ATRIAL FIBRILLATION", probability=0.93))
    return state


def _trend() -> Iterator[tuple[str, ScreenState]]:
    yield "page-trend-10min", _on(_past(HOUR), Page.TREND)
    yield "page-trend-hour", _on(_past(HOUR), Page.TREND, 1)


def _alarms() -> Iterator[tuple[str, ScreenState]]:
    state = _past(HOUR)
    here = replace(_ASYSTOLE, since=HOUR - 12 * SAMPLE_RATE_HZ)
    over = replace(_BRADY, since=HOUR - 95 * SAMPLE_RATE_HZ, state=AlarmState.LATCHED)
    state.alarms, state.audio = (here, over), Audio.SOUNDING
    yield "page-alarms", _on(state, Page.ALARMS)
    state = _past(HOUR)
    state.audio, state.audio_left_s = Audio.PAUSED, 83
    yield "page-alarms-paused", _on(state, Page.ALARMS)


def _settings() -> Iterator[tuple[str, ScreenState]]:
    state = patient()
    state.settings = listed(Config())
    yield "page-settings", _on(state, Page.SETTINGS)
    state = patient()
    state.settings = listed(Config())
    yield "page-settings-last", _on(state, Page.SETTINGS, len(state.settings) - 1)


def _health() -> Iterator[tuple[str, ScreenState]]:
    state = patient()
    state.health = {
        "front end": "ok ADS1298",
        "samples": "ok none lost",
        "model": "ok rhythm-2.1 confirmed",
        "serial": "ok",
        "storage": "ok",
        "board": "ok 48 C",
        "uptime": "ok 0 h 23 min",
    }
    yield "page-health", _on(state, Page.HEALTH)
    state = patient()
    state.health = {
        "front end": "ok ADS1298",
        "samples": "37 lost, 0.2 % of all",
        "model": "ok rhythm-2.2 on trial",
        "serial": "off",
        "storage": "disk full: records are not kept; copy them and delete the oldest",
        "board": "82 C: too hot, give it air",
        "uptime": "ok 3 h 2 min",
    }
    yield "page-health-faults", _on(state, Page.HEALTH)


def states() -> Iterator[tuple[str, ScreenState]]:
    """Name and state of every picture of these pages."""
    for part in (_leads, _why, _trend, _alarms, _settings, _health):
        yield from part()
