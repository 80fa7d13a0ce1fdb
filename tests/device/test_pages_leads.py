"""The twelve leads, frozen: the same ten seconds, at a scale that is marked and holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from device.controls import Page
from device.display.canvas import Canvas
from device.display.example import patient, synthetic_ecg
from device.display.faces import TEXT, Face
from device.display.pages import leads as page
from device.display.pages.strips import (
    PULSE,
    SCALES,
    bands,
    draw_name,
    draw_pulse,
    draw_strip,
)
from device.display.screens import render
from device.display.state import ScreenState
from device.display.trace import SAMPLES_PER_COLUMN, Strip
from firmware.events import LEADS, Trace
from firmware.measurements import Measurements
from hal.frontend import SAMPLE_RATE_HZ

WIDE, NARROW = (256, 64), (128, 64)
ALL = np.ones(len(LEADS), np.bool_)


def draw(state: ScreenState, size: tuple[int, int] = WIDE) -> NDArray[np.uint8]:
    return np.array(render(state, size, grey=size == WIDE).image)


def go_on(state: ScreenState, seconds: float, valid: NDArray[np.bool_] = ALL) -> None:
    uv = synthetic_ecg(seconds, np.arange(0.1, seconds, 0.31), p_wave=False)
    first = state.trace.next_index or 0
    for k in range(0, len(uv), 50):
        state.apply(Trace(first + k, uv[k : k + 50], valid))


def chosen(state: ScreenState, step: int = 0) -> ScreenState:
    state.controls.show(Page.LEADS, state.index)
    state.controls.step = step
    return state


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_what_was_frozen_stays_however_long_one_looks(size: tuple[int, int]) -> None:
    state = chosen(patient())
    state.controls.since += 7  # a press between two blocks: the last samples come after it
    draw(state, size)
    go_on(state, 0.2)
    first = draw(state, size)
    for _ in range(5):
        go_on(state, 10.0)  # the trace itself has forgotten those seconds
        state.controls.show(Page.LEADS, state.controls.since)
        assert (draw(state, size) == first).all()
    state.controls.show(Page.LEADS, state.index)
    assert (draw(state, size) != first).any()


def test_it_is_kept_though_nobody_draws() -> None:
    state = chosen(patient())
    twin = chosen(patient())
    go_on(twin, 0.2)
    expected = draw(twin)
    go_on(state, 40.0)
    state.controls.show(Page.LEADS, state.controls.since)
    assert (draw(state) == expected).all()


@pytest.mark.parametrize(("size", "parts"), [(WIDE, 1), (NARROW, 2)])
def test_the_steps_show_every_lead_and_all_ten_seconds(
    size: tuple[int, int], parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[int]] = {lead: [] for lead in LEADS}

    def spy(canvas: Canvas, strip: Strip, lead: str, place: tuple[int, int, int], uv: int) -> None:
        seen[lead] += range(strip.first, strip.first + len(strip.low))
        assert place[0] + len(strip.low) == size[0]  # nothing is cut off at the right
        draw_strip(canvas, strip, lead, place, uv)

    monkeypatch.setattr(page, "draw_strip", spy)
    state = chosen(patient())
    end = state.controls.since // SAMPLES_PER_COLUMN
    for step in range(5 * parts):
        state.controls.step = step
        draw(state, size)
    for columns in seen.values():
        assert columns == list(range(end - 250, end))


def step_strip(uv: int) -> Strip:
    low = np.zeros((250, len(LEADS)), np.int32)
    low[100:] = uv
    return Strip(0, low, low.copy(), np.ones(low.shape, np.bool_))


@pytest.mark.parametrize(("uv", "scale"), [(1000, 100), (4200, 200), (9000, 400)])
def test_a_millivolt_is_as_high_as_the_pulse_beside_it(uv: int, scale: int) -> None:
    uv_per_row, (rows,) = bands(step_strip(uv), ("II",), 40)
    assert uv_per_row == scale
    canvas = Canvas(256, 64, grey=True)
    draw_pulse(canvas, 0, 50, uv_per_row)
    ink_rows, ink_columns = np.nonzero(canvas.pixels)
    assert ink_rows.max() - ink_rows.min() == 1000 // scale
    assert ink_columns.max() - ink_columns.min() == PULSE == 0.2 * 25
    canvas = Canvas(256, 64, grey=True)
    draw_strip(canvas, step_strip(uv), "II", (0, 10, rows), uv_per_row)
    heights = [int(np.flatnonzero(canvas.pixels[:, x])[0]) for x in (50, 150)]
    assert heights[0] - heights[1] == pytest.approx(uv / scale, abs=1)
    assert SCALES[scale] == f"{1000 / scale:g}mm/mV"


def test_three_leads_share_the_rows_by_what_they_need() -> None:
    strip = step_strip(0)
    strip.low[100:, :] = (300, 2500, 300, *[0] * 9)
    strip.high[100:, :] = strip.low[100:, :]
    uv_per_row, rows = bands(strip, ("I", "II", "III"), 55)
    assert uv_per_row == 100
    assert rows[1] >= 27 > rows[0]
    assert sum(rows) == 55


def test_what_is_too_tall_for_every_scale_stays_in_its_band() -> None:
    strip = step_strip(40_000)
    uv_per_row, rows = bands(strip, ("I", "II", "III"), 43)
    assert (uv_per_row, sum(rows)) == (400, 43)
    canvas = Canvas(256, 64, grey=True)
    draw_strip(canvas, strip, "II", (6, 20, rows[1]), uv_per_row)
    assert not canvas.pixels[:20].any()
    assert not canvas.pixels[20 + rows[1] :].any()


def test_gaps_and_leads_that_are_off_have_no_ink() -> None:
    state = patient(24.0, gap=(17.0, 18.0))
    chosen(state)
    first = state.controls.since // SAMPLES_PER_COLUMN - 250
    gap = slice(6 + 17 * 25 - first, 6 + 18 * 25 - first)
    assert not draw(state)[9:, gap].any()
    off = ALL.copy()
    off[LEADS.index("III")] = False
    state = ScreenState()
    go_on(state, 12.0, off)
    pixels = draw(chosen(state))
    _, rows = bands(state.frozen.strip, LEADS[:3], 55)
    assert not pixels[-rows[2] :, 30:].any()  # right of the name
    assert pixels[9 : 9 + rows[0], 30:].any()


def test_it_says_whether_it_was_saved() -> None:
    state = chosen(patient())
    before = draw(state)
    state.saved_at = state.controls.since
    saved = draw(state)
    assert (before[:9] != saved[:9]).any()
    assert (before[9:] == saved[9:]).all()
    state.saved_at = state.controls.since - 1  # another one
    assert (draw(state) == before).all()


def test_measurements_are_those_of_the_frozen_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    inner = Canvas.text

    def spy(self: Canvas, x: int, y: int, text: str, *more: object, **others: object) -> int:
        said.append(text)
        return inner(self, x, y, text, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(Canvas, "text", spy)
    state = patient()
    st_uv = (150.0, -60.0, 4.0, *[None] * 9)
    found = Measurements(state.index, 12, 71.6, None, 93.4, 381.0, 415.6, 404.0, -31.0, st_uv)
    state.apply(found)
    chosen(state, 4)
    draw(state)
    assert {"72", "93", "381", "416", "404", "-31", "°", "+0.15", "-0.06", "0.00"} <= set(said)
    assert said.count("--") == 1 + 9  # PR, and ST of nine leads
    go_on(state, 2.0)
    state.apply(replace(found, index=state.index, rate_bpm=120.0))
    said.clear()
    draw(state)
    assert "72" in said
    assert "120" not in said


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_values_of_st_keep_off_the_names(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes: list[tuple[int, int, int]] = []  # row of the baseline, first x, the x behind it
    inner = Canvas.text

    def spy(self: Canvas, x: int, y: int, text: str, face: Face = TEXT, level: int = 255) -> int:
        end = inner(self, x, y, text, face, level)
        boxes.append((y + face.ascent, x, end))
        return end

    monkeypatch.setattr(Canvas, "text", spy)
    state = patient()
    st_uv = (-1880.0,) * 12
    state.apply(
        Measurements(state.index, 12, 71.6, 160.0, 93.4, 381.0, 415.6, 404.0, -131.0, st_uv)
    )
    draw(chosen(state, 4 if size == WIDE else 9), size)
    boxes = sorted(box for box in boxes if box[0] > 9)
    assert len(boxes) >= 24
    for (row, _, end), (next_row, x, _) in pairwise(boxes):
        assert row != next_row or end < x


def test_a_name_hides_nothing_where_there_is_room_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    state = chosen(patient())
    named = draw(state)
    monkeypatch.setattr(page, "draw_name", lambda *what: None)
    bare = draw(state)
    assert (named != bare).any()
    assert (named[bare > 0] > 0).all()
    # A trace that fills the first second leaves no room: the name stands on ground of its own.
    canvas = Canvas(64, 20, grey=False)
    canvas.pixels[:] = 255
    draw_name(canvas, "II", (0, 0, 20))
    assert (canvas.pixels == 0).any()


def test_without_measurements_all_is_blank_and_said() -> None:
    with_none = chosen(patient(), 4)
    assert with_none.frozen.measurements is None
    draw(with_none)
    draw(chosen(patient(0.1), 9), NARROW)


def test_the_pulse_fits_every_band_above_an_alarm() -> None:
    """The row at the foot leaves 43 rows to three leads."""
    state = patient()
    state.message = ("NO SIGNAL", "x")
    for step in range(5):
        pixels = draw(chosen(state, step))
        assert pixels[-12:].any()
    assert state.index > 10 * SAMPLE_RATE_HZ
