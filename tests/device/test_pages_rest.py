"""Alarms, settings and health, as somebody reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from device.bundles import Model, load_model
from device.config import Config
from device.controls import Button, Page
from device.display.canvas import Canvas
from device.display.pages import PAGES, alarms, health
from device.display.pages.words import clock, lasted
from device.display.pages_gallery import states
from device.display.screens import render
from device.display.state import ScreenState
from device.instrument import Instrument
from device.parts import Board, Facts, parts
from firmware.alarms import Alarm, AlarmState, Audio, Logged
from firmware.findings import Priority
from hal.frontend import FrameBlock, FrontendInfo

SIZES = [(256, 64), (128, 64), (128, 128)]
Signal = tuple[FrontendInfo, FrameBlock]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is drawn, in capitals, as the smallest face has it."""
    texts: list[str] = []
    inner = Canvas.text

    def spy(self: Canvas, x: int, y: int, text: str, *more: object, **others: object) -> int:
        texts.append(text.upper())
        assert 0 <= y < self.height
        return inner(self, x, y, text, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(Canvas, "text", spy)
    return texts


def draw(state: ScreenState, page: Page, size: tuple[int, int], step: int = 0) -> None:
    canvas = Canvas(*size, grey=False)
    state.controls.show(page, state.index)
    state.controls.step = step
    PAGES[page](canvas, state)


def alarm(code: str, priority: Priority = Priority.MEDIUM, since: int = 0) -> Alarm:
    return Alarm(code, code.upper(), f"act on {code}", priority, since)


def test_every_page_has_a_drawing_and_a_picture() -> None:
    assert set(PAGES) == set(Page) - {Page.LIVE}
    names = [name for name, _ in states()]
    for page in PAGES:
        assert any(name.startswith(f"page-{page}") for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("size", SIZES)
def test_an_alarm_is_seen_on_every_page(size: tuple[int, int]) -> None:
    for page in PAGES:
        pictures = []
        for active in ((), (alarm("asystole", Priority.HIGH),)):
            state = ScreenState(index=30_000, alarms=active, audio=Audio.SOUNDING)
            state.controls.show(page, state.index)
            pictures.append(np.array(render(state, size, grey=False).image))
        assert (pictures[0] != pictures[1]).sum() > 200


# ---- alarms ----


@pytest.mark.parametrize("size", SIZES)
def test_every_alarm_its_act_and_the_whole_log_can_be_reached(
    size: tuple[int, int], said: list[str]
) -> None:
    active = tuple(alarm(f"now{k}") for k in range(7))
    past = tuple(
        Logged(replace(alarm(f"then{k}"), state=AlarmState.OFF), k * 5000, k * 5000 + 500)
        for k in range(20)
    )
    state = ScreenState(index=200_000, alarms=active, alarm_log=past)
    for step in range(40):
        said.clear()
        draw(state, Page.ALARMS, size, step)
        assert "! NOW0" in said  # the gravest stays
        assert "ACT ON NOW0" in said
        if step == 0:
            everything: set[str] = set()
        everything |= set(said)
    for k in range(7):
        assert {f"! NOW{k}", f"ACT ON NOW{k}"} <= everything
    for k in range(20):
        assert {f"! THEN{k}", clock(k * 5000)} <= everything
    assert "ALARMS 7" in everything


def test_an_alarm_that_is_over_says_so_and_one_that_is_not_since_when(said: list[str]) -> None:
    latched = replace(alarm("vf", Priority.HIGH), state=AlarmState.LATCHED)
    state = ScreenState(index=45_000, alarms=(alarm("asystole", Priority.HIGH, 7500), latched))
    draw(state, Page.ALARMS, (256, 64))
    assert {"!! ASYSTOLE", "1:15 MIN", "!! VF", "IS OVER"} <= set(said)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_before_a_restart_is_told_apart_on_every_page(
    size: tuple[int, int], said: list[str]
) -> None:
    over = replace(alarm("vf", Priority.HIGH), state=AlarmState.OFF)
    times = ["", *(f"2026-05-17T14:{minute:02d}:09+00:00" for minute in range(9))]
    log = (Logged(over, 5000, 6000), *(Logged(over, 0, 500, None, utc) for utc in times))
    everything: list[str] = []
    for step in range(8):
        said.clear()
        draw(ScreenState(index=9000, alarm_log=log), Page.ALARMS, size, step)
        there = [text for text in said if "UTC" in text]
        assert ("BEFORE RESTART" in said) or not there
        everything += said
    assert {f"14:{minute:02d} UTC" for minute in range(9)} <= set(everything)


@pytest.mark.parametrize(
    ("audio", "left", "text"),
    [
        (Audio.PAUSED, 83, "SOUND PAUSED 1:23"),
        (Audio.SILENCED, 0, "SILENCED"),
        (Audio.SOUNDING, 0, "OK: SILENCE"),
        (Audio.QUIET, 0, "SOUND ON"),
    ],
)
def test_what_is_heard_is_said(audio: Audio, left: int, text: str, said: list[str]) -> None:
    draw(ScreenState(audio=audio, audio_left_s=left), Page.ALARMS, (128, 64))
    assert text in said
    assert "NO ALARM" in said


def test_a_record_that_was_made_is_not_asked_for(said: list[str]) -> None:
    af = Alarm("af", "ATRIAL FIBRILLATION", "new? record", Priority.MEDIUM, 5000)
    for saved_at, asked in ((None, True), (4999, True), (5000, False)):
        said.clear()
        draw(ScreenState(index=6000, alarms=(af,), saved_at=saved_at), Page.ALARMS, (256, 64))
        assert ("NEW? RECORD" in said) is asked


@pytest.mark.parametrize("size", SIZES)
def test_connecting_names_the_alarm_that_sounds(size: tuple[int, int], said: list[str]) -> None:
    text = "LIMB ELECTRODE OFF"
    off = Alarm("electrode_off", text, "press on or replace", Priority.MEDIUM, 0, technical=True)
    state = ScreenState(alarms=(off,), electrodes_off=1)
    render(state, size, grey=False)
    words = " ".join(said)
    assert f"! {text}" in words
    said.clear()
    state.alarms = (replace(off, acknowledged=True),)
    render(state, size, grey=False)
    assert text not in " ".join(said)


def test_times_are_short() -> None:
    assert [clock(s * 500) for s in (0, 221, 3600)] == ["00:00", "03:41", "1:00:00"]
    assert [lasted(s * 500) for s in (0, 59, 185, 7260)] == ["0 s", "59 s", "3:05 min", "2:01 h"]


def test_the_log_of_the_instrument_reaches_the_screen(signal_20s: Signal) -> None:
    made = Instrument(Config(), model=Model(None, "none"))
    made.connect(signal_20s[0])
    made.process(signal_20s[1])
    made.fault("frontend", "unplugged")
    made.frame((256, 64), grey=True)
    assert [entry.alarm.code for entry in made.screen.alarm_log] == ["no_data"]
    assert alarms.draw_alarms is PAGES[Page.ALARMS]


# ---- settings ----


def to(made: Instrument, page: Page) -> None:
    while made.screen.controls.page is not page:
        made.press(Button.PAGE, held=False)


@pytest.mark.parametrize("size", SIZES)
def test_two_buttons_change_every_setting(
    size: tuple[int, int], said: list[str], signal_20s: Signal
) -> None:
    made = Instrument(Config(), model=Model(None, "none"))
    made.connect(signal_20s[0])
    to(made, Page.SETTINGS)
    for name, value in made.screen.settings:
        said.clear()
        draw_now(made, size)
        assert {name, value.upper()} <= set(said)
        made.press(Button.OK, held=True)
        now = dict(made.screen.settings)[name]
        assert now != value
        said.clear()
        draw_now(made, size)
        assert now.upper() in said
        made.press(Button.OK, held=False)
    assert made.config.electrodes.naming == "IEC"
    assert made.config.filters.profile == "diagnostic"
    assert made.screen.night


def draw_now(made: Instrument, size: tuple[int, int]) -> None:
    PAGES[Page.SETTINGS](Canvas(*size, grey=False), made.screen)


def test_the_marked_setting_is_inverted_and_always_on_the_page() -> None:
    for step in range(12):
        state = ScreenState(settings=tuple((f"S{k}", "V") for k in range(12)))
        canvas = Canvas(128, 52, grey=False)
        state.controls.show(Page.SETTINGS, 0)
        state.controls.step = step
        PAGES[Page.SETTINGS](canvas, state)
        white = (canvas.pixels[9:] > 0).mean(axis=1) > 0.5
        assert white.sum() >= 8


# ---- health ----

WELL = Facts(
    faults={}, info=FrontendInfo("ads1298", "x", 47.7, 6), index=500_000, lost=0, filters="MONITOR",
    model=load_model(""), serial=True, recording=True, board=Board(4000.0, 48.2, 80),
)  # fmt: skip


def test_a_well_instrument_is_well_in_every_part() -> None:
    found = parts(WELL)
    assert all(health.well(text) for text in found.values()), found
    assert found["front end"] == "ok ADS1298"
    assert found["model"] == f"ok {WELL.model.id} built in"
    assert found["battery"] == "ok 80 %"
    assert found["board"] == "ok 48 C"
    assert found["uptime"] == "ok 1 h 6 min"
    assert list(found)[:5] == ["front end", "samples", "filters", "model", "serial"]


@pytest.mark.parametrize(
    ("change", "part", "text"),
    [
        ({"faults": {"frontend": "chip gone"}}, "front end", "chip gone"),
        ({"faults": {"ring": "no ring"}}, "front end", "no ring"),
        ({"faults": {"storage": "disk full"}}, "storage", "disk full"),
        ({"faults": {"serial": "line lost"}}, "serial", "line lost"),
        ({"faults": {"analysis": "failed at 3"}}, "filters", "failed at 3"),
        ({"lost": 1000}, "samples", "1000 lost, 0.2 % of all"),
        ({"info": None}, "front end", "not found yet"),
        ({"board": Board(None, 85.0, None)}, "board", "85 C: too hot, give it air"),
        (
            {"faults": {"battery": "battery at 12 %: connect power"}},
            "battery",
            "battery at 12 %: connect power",
        ),
        ({"model": Model(None, "none", fault="no model: x")}, "model", "no model: x"),
    ],
)
def test_what_is_wrong_is_said_in_its_part(change: dict[str, object], part: str, text: str) -> None:
    found = parts(replace(WELL, **change))  # type: ignore[arg-type]
    assert found[part] == text
    assert not health.well(text)
    others = {name: said for name, said in found.items() if name != part}
    assert all(health.well(said) for said in others.values())


def test_what_is_not_there_is_off_or_left_out() -> None:
    found = parts(replace(WELL, serial=False, recording=False, board=Board()))
    assert found["serial"] == "off"
    assert found["storage"].startswith("off")
    assert not {"board", "battery", "uptime"} & set(found)
    failed = {"model": "rhythm-9", "why": "too slow", "utc": "x"}
    told = parts(replace(WELL, model=replace(WELL.model, state="confirmed", failed=failed)))
    assert told["model"].endswith("confirmed; rhythm-9 was taken back: too slow")
    on_trial = parts(replace(WELL, model=replace(WELL.model, state="trial")))
    assert on_trial["model"].endswith("on trial")


@pytest.mark.parametrize("size", SIZES)
def test_no_sentence_is_cut_and_what_is_wrong_comes_first(
    size: tuple[int, int], said: list[str]
) -> None:
    text = "disk full: records are not kept any more; copy them and delete the oldest of them"
    state = ScreenState(health={**parts(WELL), "storage": text})
    draw(state, Page.HEALTH, size)
    assert "! STORAGE" in said
    assert said.index("! STORAGE") == 2  # behind the title and the count
    words: list[str] = []
    for step in range(4):
        said.clear()
        draw(state, Page.HEALTH, size, step)
        words += " ".join(said).split()
    for word in text.upper().split():
        assert word in words
    assert "1" in words  # part not well


def test_the_page_follows_the_instrument(signal_20s: Signal) -> None:
    made = Instrument(Config(), model=Model(None, "none"))
    made.connect(signal_20s[0])
    made.board = Board(60.0, 90.0, None)
    to(made, Page.HEALTH)
    made.frame((256, 64), grey=True)
    assert not health.well(made.screen.health["board"])
    made.fault("storage", "disk full")
    made.frame((256, 64), grey=True)
    assert made.screen.health["storage"] == "disk full"
    made.fault("storage", "")
    made.frame((256, 64), grey=True)
    assert health.well(made.screen.health["storage"])


def test_at_night_no_row_is_white() -> None:
    for night, most in ((False, 1.0), (True, 0.5)):
        state = ScreenState(night=night, alarms=(alarm("vf"),), settings=(("A", "B"),))
        for page in (Page.ALARMS, Page.SETTINGS):
            canvas = Canvas(128, 64, grey=False)
            state.controls.show(page, 0)
            PAGES[page](canvas, state)
            share = (canvas.pixels > 0).mean(axis=1).max()
            assert share <= most
            assert (share > 0.5) is not night
