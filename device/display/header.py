"""The row at the top of the live screen: scale, filter, sound, quality, model, time."""

from __future__ import annotations

import numpy as np

from device.display.canvas import Canvas
from device.display.faces import TEXT, TINY, fit
from device.display.row import TURN
from device.display.state import ScreenState
from firmware.alarms import Audio
from firmware.events import QualityGrade

SPEED = "25mm/s"
_BELL_ROWS = ("...#...", "..###..", ".#####.", ".#####.", ".#####.", "#######", "...#...")
_BELL = np.array([[c == "#" for c in row] for row in _BELL_ROWS], np.bool_)
_WAVE = np.array([[c == "#" for c in row] for row in (".#", "#.", "#.", ".#")])
_CROSS = np.array([[c == "#" for c in row] for row in ("#.#", ".#.", "#.#")], np.bool_)


def draw_header(canvas: Canvas, state: ScreenState, lead: str, gain: str) -> None:
    """One row of 8. ``lead`` is named unless it is "", ``gain`` as in "10mm/mV"."""
    wide = canvas.width >= 256
    x = canvas.text(0, 0, lead) + 4 if lead else 0
    if wide:
        x = canvas.text(x + 1, 2, f"{SPEED} {gain}", TINY) + 5
        x = canvas.text(x, 0, state.tr(state.profile)) + 5
    else:
        x = canvas.text(x, 2, state.tr(state.profile)[:4].rstrip("I"), TINY) + 3
    x = draw_audio(canvas, state, x, 0)
    right = canvas.text_right(canvas.width, 0, state.elapsed_text)
    quality_width = 22
    if wide:
        room = right - 7 - x - quality_width - 7
        right = _draw_model(canvas, state, right - 7, min(room, 60)) - 7
        draw_quality(canvas, right, 0, state.quality)
        return
    right = draw_quality(canvas, right - 5, 0, state.quality)
    turns = [SPEED, gain, *([state.tr("TEST")] if state.on_trial else [])]
    shown = turns[state.index // TURN % len(turns)]
    if x + TINY.width(shown) < right - 1:
        canvas.text(x, 2, shown, TINY)


def _draw_model(canvas: Canvas, state: ScreenState, right: int, room: int) -> int:
    """What makes the calls, as far as there is room; return the x where it begins."""
    shown = f"{state.tr('TEST')} {state.model}" if state.on_trial else state.model
    if not shown or room < 16:
        return right + 7
    face, text = fit(shown, room, (TEXT, TINY))
    return canvas.text_right(right, TEXT.ascent - face.ascent, text, face)


def draw_audio(canvas: Canvas, state: ScreenState, x: int, y: int, level: int = 255) -> int:
    """A bell that rings, one with a cross, or how long the pause lasts; the x after it."""
    match state.audio:
        case Audio.QUIET:
            return x
        case Audio.PAUSED:
            left = f"{state.audio_left_s // 60}:{state.audio_left_s % 60:02d}"
            return canvas.text(x, y + 2, f"{state.tr('PAUSED')} {left}".upper(), TINY, level) + 4
        case Audio.SOUNDING:
            canvas.stamp(x, y + 1, _WAVE, level)
            canvas.stamp(x + 2, y, _BELL, level)
            canvas.stamp(x + 9, y + 1, _WAVE[:, ::-1], level)
            return x + 13
    canvas.stamp(x, y, _BELL, level)
    canvas.stamp(x + 8, y + 2, _CROSS, level)
    return x + 13


def draw_quality(
    canvas: Canvas, right: int, top: int, grade: QualityGrade | None, *, letter: bool = True
) -> int:
    """Three bars ending before ``right``, as many filled as the grade says, after the letter Q.

    Returns the x where that begins.
    """
    x = right - 3 * 5 + 1
    for k in range(3):
        if grade is not None and grade > k:
            canvas.fill(x + 5 * k, top, 4, 7)
        else:
            canvas.frame(x + 5 * k, top, 4, 7)
    if not letter:
        return x
    return canvas.text_right(x - 2, top, "Q" if grade is not None else "Q?")
