"""The screens, pixel by pixel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from device.controls import Page
from device.display import live
from device.display.example import BLOCK, make_call, patient
from device.display.faces import BOLD, TEXT, TINY, fit, wrap
from device.display.gallery import COMMAND, SIZES, TALL, frames, states
from device.display.screens import render
from device.display.state import ScreenState
from device.display.words import ELECTRODES, PLACES, Naming
from firmware.events import ElectrodeChange, Rate, Refusal, Trace
from hal.frontend import Electrode, electrode_mask

GOLDEN = Path(__file__).parents[2] / "docs" / "screens"
EVERY_SIZE = {**SIZES, **TALL}


@cache
def every_state() -> tuple[tuple[str, ScreenState], ...]:
    """The gallery's, made once: drawing changes nothing in them."""
    return tuple(states())


def draw(state: ScreenState, size: str = "256x64") -> NDArray[np.uint8]:
    pixels, grey = EVERY_SIZE[size]
    return np.array(render(state, pixels, grey=grey).image)


def test_every_picture_is_as_it_was() -> None:
    seen = set()
    for name, frame in frames():
        seen.add(name)
        path = GOLDEN / name
        assert path.is_file(), f"{path} is missing; run: {COMMAND}"
        golden = np.array(Image.open(path))
        changed = int((golden != np.array(frame.image)).sum())
        assert changed == 0, f"{name}: {changed} pixels changed; look, and if meant run: {COMMAND}"
    stale = {path.name for path in GOLDEN.glob("*.png")} - seen
    assert not stale, f"no state draws {stale}; delete them"


def test_one_bit_screens_use_one_bit() -> None:
    for _, state in every_state():
        assert set(np.unique(draw(state, "128x64"))) <= {0, 255}


def test_grey_alone_says_nothing() -> None:
    """What is drawn in grey is the same in every state of a screen: ticks, rules, the torso."""
    for _, state in every_state():
        if state.night or state.controls.page is not Page.LIVE:
            continue
        pixels = draw(state)
        grey = (pixels > 0) & (pixels < 255)
        if state.message is None and not state.connecting:
            trace_box_and_rule = np.zeros_like(grey)
            trace_box_and_rule[51, :188:25] = True
            trace_box_and_rule[8:52:2, 188] = True
            assert not (grey & ~trace_box_and_rule).any()


def test_asystole_and_a_lost_electrode_look_different_in_black_and_white() -> None:
    by_name = dict(every_state())
    call_row = np.s_[-20:, :]
    asystole = draw(by_name["asystole"], "128x64")[call_row]
    fell_off = draw(by_name["electrode-fell-off"], "128x64")[call_row]
    assert (asystole != fell_off).sum() > 200


def test_a_gap_has_no_ink() -> None:
    state = patient(gap=(20.0, 21.5))
    state.notes.clear()
    head = state.trace.head
    columns = np.arange(20 * 25, 21 * 25 + 12)
    assert head - columns[0] < 188 - live.ERASE
    trace_box = draw(state)[live.HEADER + 2 : 51]
    assert not trace_box[:, columns % 188].any()
    assert trace_box[:, (columns[-1] + 2) % 188].any()


def test_a_flat_lead_is_drawn_flat_and_an_invalid_one_not_at_all() -> None:
    flat, off = patient(3.0, flat=True), patient(3.0, invalid_from=0.0)
    for state, ink in ((flat, True), (off, False)):
        state.apply(ElectrodeChange(0, 0))
        state._connected = True
        box = draw(state)[live.HEADER + 2 : 51, : state.trace.head + 1]
        assert box.any(axis=0).all() == ink
        assert box.any() == ink


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_the_sweep_never_jumps(size: str) -> None:
    """From frame to frame only the newest columns and those just ahead of them change."""
    state = patient(16.0)
    width = 188 if size == "256x64" else 96
    bottom = int(size.split("x")[1]) - (12 if size == "256x64" else 20) - 1
    rng = np.random.default_rng(5)
    before = draw(state, size)[live.HEADER : bottom, :width]
    for _ in range(120):
        old = state.trace.head
        uv = rng.integers(-600, 1200, (BLOCK, 12)).astype(np.int32)
        state.apply(Trace(state.index, uv, np.ones(12, np.bool_)))
        after = draw(state, size)[live.HEADER : bottom, :width]
        changed = set(np.flatnonzero((before != after).any(axis=0)).tolist())
        # A beat mark is three columns wide, hence the one before the oldest erased.
        allowed = {c % width for c in range(old, state.trace.head + live.ERASE + 2)}
        assert changed <= allowed
        before = after


def test_a_millivolt_is_ten_rows_and_a_second_25_columns() -> None:
    state = patient(0.5)
    state._connected = True
    uv = np.zeros((1000, 12), np.int32)
    uv[500:] = 1000
    state.apply(Trace(state.index, uv, np.ones(12, np.bool_)))
    box = draw(state)[live.HEADER + 2 : 51, :188]
    rows = [np.flatnonzero(box[:, column]) for column in (30, 55)]
    assert rows[0].max() - rows[1].min() == 10
    step = (state.index - 500) // 20
    assert len(np.flatnonzero(box[:, step])) >= 10


def test_an_unknown_rate_is_two_dashes() -> None:
    state = patient(rate=None)
    column = draw(state)[live.HEADER : 37, 190:]
    rows, _ = np.nonzero(column)
    assert rows.max() - rows.min() < 4
    state.apply(Rate(state.index, 78.0, None))
    rows, _ = np.nonzero(draw(state)[live.HEADER : 37, 190:])
    assert rows.max() - rows.min() > 20


def test_a_high_alarm_blinks_by_inversion_once_a_second() -> None:
    state = patient(15.0, flat=True)
    state.recording = False
    state.apply(make_call(7500, label=None, refusal=Refusal.NO_SIGNAL, text="ASYSTOLE?", act="x"))
    rows = []
    for index in (7500, 7749, 7750, 7999, 8000):
        state.index = index
        rows.append(draw(state, "128x64")[-20:])
    assert (rows[0] == rows[1]).all()
    assert (rows[2] == rows[3]).all()
    assert (rows[0] == rows[4]).all()
    assert (rows[0] == 255 - rows[2]).all()  # the text is there in both phases


def test_an_electrode_off_is_hollow_and_blinks_one_on_is_steady() -> None:
    def spots(index: int) -> NDArray[np.uint8]:
        state = ScreenState(index=index)
        state.apply(ElectrodeChange(index, electrode_mask((Electrode.RA,))))
        return draw(state, "128x64")[:, :64]

    ra, la = np.s_[13:18, 11:16], np.s_[13:18, 48:53]
    hollow, hidden = spots(0), spots(250)
    assert hollow[ra].any()
    assert hollow[ra][2, 2] == 0
    assert not hidden[ra].any()
    assert hollow[la][2, 2] == hidden[la][2, 2] == 255


# ---- text keeps to its place ----


@given(st.text(max_size=60), st.integers(0, 256))
@example("ATRIAL FIBRILLATION", 0)
def test_fitted_text_fits(text: str, width: int) -> None:
    for faces in ((BOLD, TEXT), (TEXT, TINY), (TINY,)):
        face, shown = fit(text, width, faces)
        assert face.width(shown) <= width
    for line in wrap(text, width, TEXT):
        assert TEXT.width(line) <= width


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=50), st.text(max_size=50), st.sampled_from(sorted(EVERY_SIZE)))
def test_no_text_leaves_the_call_row(head: str, act: str, size: str) -> None:
    row = 12 if size == "256x64" else 20
    state = patient(4.0)
    state._connected = True
    plain = draw(state, size)[:-row]
    refused = make_call(2000, label=None, refusal=Refusal.NOISE, text=head, act=act)
    state.apply(refused)
    assert (draw(state, size)[:-row] == plain).all()


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=80), st.text(max_size=200), st.sampled_from(sorted(EVERY_SIZE)))
def test_any_note_and_message_can_be_drawn(title: str, text: str, size: str) -> None:
    state = patient(0.1)
    state._connected = True
    state.note("x", text)
    state.model = title
    draw(state, size)
    state.message = (title, text)
    draw(state, size)


CALLS = [
    "ATRIAL FIBRILLATION", "SINUS RHYTHM", "SINUS BRADYCARDIA", "SUPRAVENTRICULAR T.",
    "ASYSTOLE?", "NO SIGNAL", "SATURATED", "ANALYSING 10 s", "MAINS NOISE", "MOVEMENT", "UNSURE",
    "NO MODEL", "V1 V2 V3 OFF", "10 ELECTRODES OFF", "NO RESULT",
]  # fmt: skip
TAILS = [
    "very likely 100%", "press on or replace", "check patient and cable", "hold still",
    "clean skin, new electrodes", "move from mains cables", "read the trace", "install a model",
]  # fmt: skip


def test_every_known_word_is_shown_whole() -> None:
    for head in CALLS:
        room = 256 - 2 - 28 - 6 - TINY.width("VERY LIKELY 100%") - 2
        assert fit(head, room, (BOLD, TEXT))[1] == head
        assert fit(head, 126, (BOLD, TEXT))[1] == head
    for tail in TAILS:
        assert fit(tail, 128 - 10, (TEXT, TINY))[1].lower() == tail.lower()
    for naming in Naming:
        for electrode in Electrode:
            name, colour = ELECTRODES[naming][electrode]
            assert BOLD.width(f"{name} OFF") <= 61
            lines = [*wrap(colour, 61, TEXT), *wrap(PLACES[electrode], 61, TEXT)]
            assert len(lines) <= 3
            assert not any(line.endswith("..") for line in lines)


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_a_call_too_long_for_the_row_is_shown_by_its_label(size: str) -> None:
    pictures = []
    for text in ("A RHYTHM WITH A NAME FAR TOO LONG FOR ANY ROW", "GSVT"):
        state = patient(4.0)
        state._connected = True
        state.apply(make_call(2000, label="GSVT", text=text))
        pictures.append(draw(state, size))
    assert (pictures[0] == pictures[1]).all()


def test_faces_draw_every_printable_character_the_screens_use() -> None:
    used = "".join([*CALLS, *TAILS, "25mm/s 10mm/mV", "serial lost +1", "(0x92)"])
    for character in set(used):
        assert character in TEXT.glyphs
        assert character in BOLD.glyphs
    for character in set(used.upper()) | set("ms"):
        assert character in TINY.glyphs
    glyphs = [g.tobytes() + bytes(g.shape) for c, g in TEXT.glyphs.items() if c not in "lI|"]
    assert len(set(glyphs)) == len(glyphs)
