"""Leads by the button, marks of sound and scale, the self-test, the dark."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from device.bundles import Model
from device.config import Config
from device.controls import Button
from device.display.example import make_call, patient
from device.display.faces import TINY
from device.display.gallery import SIZES, states
from device.display.live import HEADER, MIN_ROWS, views
from device.display.row import TURN
from device.display.screens import render
from device.display.state import ScreenState
from device.instrument import Instrument
from firmware.alarms import Alarm, AlarmState, Audio
from firmware.events import LEADS, Rate, Trace
from firmware.findings import Finding, Priority

MEDIUM = Finding("lbbb", "LBBB", "", Priority.MEDIUM, 0.9)
NO_DATA = Alarm("no_data", "NO DATA", "check", Priority.HIGH, 0, technical=True)


def draw(state: ScreenState, size: str = "256x64") -> NDArray[np.uint8]:
    pixels, grey = SIZES[size]
    return np.array(render(state, pixels, grey=grey).image)


def live(seconds: float = 4.0) -> ScreenState:
    state = patient(seconds)
    state._connected = True
    state.recording = False
    state.apply(make_call(state.index))
    return state


def shows(picture: NDArray[np.uint8], word: str) -> bool:
    """Whether ``word`` stands anywhere in the picture, in small capitals."""
    mask = TINY.mask(word)
    windows = np.lib.stride_tricks.sliding_window_view(picture > 0, mask.shape)
    return bool((windows == mask).all(axis=(2, 3)).any())


# ---- leads ----


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("rows", [36, 44, 68, 100])
def test_the_button_steps_through_different_leads_the_chosen_one_first(
    lead: str, rows: int
) -> None:
    every = views(lead, rows)
    assert every[0][0] == lead
    assert len(set(every)) == len(every) <= 5
    for leads in every:
        assert len(set(leads)) == len(leads) <= 3
        assert rows // len(leads) >= MIN_ROWS


def test_the_small_screen_holds_two_leads_the_wide_one_three() -> None:
    assert max(map(len, views("II", 36))) == 2
    assert max(map(len, views("II", 44))) == 3


@pytest.mark.parametrize(("view", "leads", "rows_per_mv"), [(0, 1, 10), (3, 2, 5), (4, 3, 5)])
def test_a_millivolt_is_as_tall_as_the_scale_says(view: int, leads: int, rows_per_mv: int) -> None:
    state = live(0.5)
    state.view = view
    uv = np.zeros((1000, 12), np.int32)
    uv[500:] = 1000
    state.apply(Trace(state.index, uv, np.ones(12, np.bool_)))
    box = draw(state)[HEADER : HEADER + 44, :188]
    each = 44 // leads
    for k in range(leads):
        # Away from marks of beats and seconds, before and behind the step.
        low, high = (np.flatnonzero(box[k * each : (k + 1) * each, column]) for column in (30, 55))
        assert low.max() - high.min() == rows_per_mv


def test_gaps_are_gaps_in_each_lead() -> None:
    state = patient(23.3, invalid_from=20.0)
    state._connected = True
    for view in (3, 4):
        state.view = view
        columns = np.arange(20 * 25 + 1, 3 * 188) % 188  # to the right edge; names are at the left
        # The lowest row has the dots of the seconds.
        assert not draw(state)[HEADER + 2 : 51, columns].any()


def test_leads_are_named_where_there_are_several() -> None:
    state = live()
    state.view = 4
    picture = draw(state)[HEADER:52, :20]
    assert all(shows(picture, lead) for lead in ("II", "V1", "V5"))


def test_a_trace_does_not_leave_its_place() -> None:
    tall = np.full((2000, 12), 9000, np.int32)
    tall[::2] = -9000
    for view in range(5):
        pictures = []
        for uv in (tall, tall // 90):
            state = live(8.0)
            state.view = view
            state.apply(Trace(state.index, uv, np.ones(12, np.bool_)))
            pictures.append(draw(state))
        outside = np.ones(pictures[0].shape, np.bool_)
        outside[HEADER:52, :188] = False
        assert (pictures[0][outside] == pictures[1][outside]).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_one_is_no_bare_bar_at_the_edge(size: str) -> None:
    state = live()
    state.apply(Rate(state.index, 121.0, None))
    left = 97 if size == "128x64" else 189
    box = draw(state, size)[HEADER + 1 : HEADER + (17 if size == "128x64" else 29), left:] > 0
    columns = box.any(axis=0)
    assert not columns[-2:].any()  # a margin
    ends = np.flatnonzero(np.diff(np.concatenate(([0], columns, [0]))))
    widths, gaps = ends[1::2] - ends[::2], ends[2::2] - ends[1:-1:2]
    assert len(widths) == 3
    assert widths[0] == widths[2] < widths[1]
    assert gaps[0] == gaps[1] <= 3
    one = box[:, ends[-2] : ends[-1]]
    rows = one[one.any(axis=1)]
    assert rows[-1].all()  # the foot
    assert rows[:6, 0].any()  # the flag
    assert not rows[8:-4, 0].any()


@pytest.mark.parametrize("code", ["asystole", "vf_vt"])
@pytest.mark.parametrize("size", SIZES)
def test_where_no_heart_beats_no_beat_is_shown(code: str, size: str) -> None:
    state = live(3.6)  # within the first sweep of either size
    since = state.beats[-1] - 500
    state._beat_shown_at = state.index  # one was told just now
    marks = draw(state, size)[HEADER]
    state.alarms = (Alarm(code, "X", "", Priority.HIGH, since, state=AlarmState.LATCHED),)
    assert (draw(state, size)[HEADER] == marks).all()
    assert (state.rate_text, state.beat_seen) == ("78", True)
    state.alarms = (Alarm(code, "X", "", Priority.HIGH, since),)
    assert (state.rate_text, state.beat_seen) == ("--", False)
    left = draw(state, size)[HEADER]
    columns = [beat // 20 for beat in state.beats]
    assert marks[columns].all()
    assert left[columns].astype(bool).tolist() == [beat < since for beat in state.beats]
    assert 0 < left[columns].astype(bool).sum() < len(columns)
    state.apply(Rate(state.index + 2500, 58.0, None))
    assert not state.history.view(state.index, 4, 1).low[-1]


# ---- sound and scale ----


@pytest.mark.parametrize("size", SIZES)
def test_every_state_of_the_sound_looks_different(size: str) -> None:
    state, pictures = live(), []
    for audio in Audio:
        state.audio, state.audio_left_s = audio, 112
        pictures.append(draw(state, size)[:HEADER].tobytes())
    assert len(set(pictures)) == len(Audio)
    state.audio_left_s = 111
    state.audio = Audio.PAUSED
    assert draw(state, size)[:HEADER].tobytes() not in pictures  # it counts down


def test_the_small_screen_says_both_scales_and_a_model_on_trial_in_turns() -> None:
    state, seen = live(), []
    state.on_trial = True
    for turn in range(3):
        state.index = 6000 + turn * TURN
        picture = draw(state, "128x64")[:HEADER]
        seen.append([shows(picture, word) for word in ("25mm/s", "10mm/mV", "TEST")])
        assert shows(picture, "MON")  # the filter is always named
    assert seen == np.eye(3).tolist()
    state.view = 3
    state.index = 6000 + TURN
    assert shows(draw(state, "128x64")[:HEADER], "5mm/mV")


# ---- the start ----


def test_the_selftest_tells_every_part_and_ends_with_the_first_sample() -> None:
    state = ScreenState(message=("STARTING", "waiting"), health={"model": "ok core", "storage": ""})
    assert state.starting
    assert dict(state.selftest) == {
        "front end": "", "filters": "", "model": "ok core", "storage": "",
    }  # fmt: skip
    state.note("storage", "disk full")
    state.note("frontend", "no answer")
    told = dict(state.selftest)
    assert (told["front end"], told["storage"]) == ("no answer", "disk full")
    state.apply(Trace(0, np.zeros((50, 12), np.int32), np.ones(12, np.bool_)))
    assert not state.starting


def test_a_fault_at_the_start_is_shown_even_if_nobody_noted_it() -> None:
    state = ScreenState(message=("NO SIGNAL", "acquire is not running"))
    assert dict(state.selftest)["front end"] == "acquire is not running"


@pytest.mark.parametrize("size", SIZES)
def test_a_fault_of_the_selftest_differs_from_ok_and_from_waiting(size: str) -> None:
    pictures = set()
    for said in ("", "ok", "off", "no answer; check the cable"):
        state = ScreenState(message=("STARTING", ""), health={"model": said})
        pictures.add(draw(state, size).tobytes())
    assert len(pictures) == 4


def test_no_data_blinks_in_its_title() -> None:
    state = patient(23.0)
    state.message = ("NO SIGNAL", "check the cable")
    state.alarms = (NO_DATA,)
    bright, dark = (draw(state) for state.index in (11500, 11750))
    assert (bright[:12, 100:200] == 255).all()
    assert not (dark[1:11, 100:200] > 0).any()
    assert dark[3:14, 4:60].any()  # the words are there in both phases


# ---- the dark ----


@pytest.mark.parametrize("size", SIZES)
def test_at_night_fewer_pixels_are_lit_and_the_same_is_said(size: str) -> None:
    state = live()
    state.apply(make_call(state.index, findings=(MEDIUM,)))
    day = draw(state, size).astype(int)
    state.night = True
    night = draw(state, size).astype(int)
    assert night.sum() < 0.8 * day.sum()
    assert night.any()
    calm = live()
    calm.night = True
    plain = draw(calm, size)
    assert (plain[-20:] > 0).sum() < (night[-20:] > 0).sum()  # framed


def test_at_night_a_high_alarm_still_fills_its_row() -> None:
    state = live()
    high = Finding("vf", "VF OR VT?", "", Priority.HIGH, None)
    state.night, state.index = True, 5000
    state.apply(make_call(state.index, findings=(high,)))
    assert (draw(state, "128x64")[-20:] > 0).mean() > 0.6


def test_grey_screens_are_dim_at_night() -> None:
    state = live()
    state.night = True
    assert draw(state).max() <= 127
    assert render(state, (256, 64)).night


# ---- any language ----


@pytest.mark.parametrize("size", SIZES)
def test_words_half_as_long_again_stay_in_their_places(size: str) -> None:
    """Nothing that is drawn around the words changes with their length."""
    pixels, grey = SIZES[size]
    for name, state in states():
        if name.startswith("page-"):
            continue
        state.tr = lambda text: text + "W" * (len(text) // 2)
        picture = np.array(render(state, pixels, grey=grey).image)
        if state.message is None and not state.connecting:
            state.tr = str
            plain = np.array(render(state, pixels, grey=grey).image)
            top, bottom = HEADER, pixels[1] - (12 if pixels[0] >= 256 else 20)
            assert (picture[top:bottom] == plain[top:bottom]).all(), name
            clock = picture[:HEADER, -26:]
            assert (clock == plain[:HEADER, -26:]).all(), name


# ---- the button ----


def test_ok_shows_other_leads_and_a_lead_that_is_set_stands_alone() -> None:
    instrument = Instrument(Config(), model=Model(None, "none"))
    instrument.screen._connected = True
    instrument.press(Button.OK, held=False)
    instrument.press(Button.OK, held=False)
    assert instrument.screen.view == 2
    instrument.set("mains_hz", 60)
    assert instrument.screen.view == 2
    instrument.set("lead", "aVF")
    assert (instrument.screen.lead, instrument.screen.view) == ("aVF", 0)
    instrument.press(Button.PAGE, held=False)
    instrument.press(Button.OK, held=False)
    assert instrument.screen.view == 0


@pytest.mark.parametrize("hidden", ["connecting", "message"])
def test_ok_changes_no_lead_that_nobody_sees(hidden: str) -> None:
    instrument = Instrument(Config(), model=Model(None, "none"))
    if hidden == "message":
        instrument.screen._connected = True
        instrument.front_end("", samples=False)
    instrument.press(Button.OK, held=False)
    assert instrument.screen.view == 0


def test_ok_acknowledges_while_the_sound_is_paused() -> None:
    instrument = Instrument(Config(), model=Model(None, "none"))
    instrument.screen._connected = True
    instrument.pause()
    instrument.fault("storage", "disk full")
    assert instrument.screen.audio is Audio.PAUSED
    instrument.press(Button.OK, held=False)
    assert instrument.screen.view == 0
    assert all(alarm.acknowledged for alarm in instrument.screen.alarms)
    instrument.press(Button.OK, held=False)
    assert instrument.screen.view == 1
