"""The screen's own pixels in a terminal: Braille cells, two by four pixels each."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from device.display.outputs import Display, DisplayError
from device.display.screens import Frame
from hal.frontend import SAMPLE_RATE_HZ

WIDE, NARROW = (256, 64), (128, 64)
_BRAILLE = 0x2800
# Bit of each dot of a Braille cell, by row and column (Unicode chapter 21.1).
_DOTS = np.array(((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80)), np.uint16)
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"  # alternate screen, cursor hidden, cleared
_LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"


def braille(pixels: NDArray[np.bool_]) -> list[str]:
    """Rows of Braille cells for ``pixels``, bool [height, width], multiples of 4 and 2."""
    height, width = pixels.shape
    cells = pixels.reshape(height // 4, 4, width // 2, 2)
    codes = _BRAILLE + np.einsum("rycx,yx->rc", cells.astype(np.uint16), _DOTS)
    return ["".join(map(chr, row)) for row in codes]


class Terminal(Display):
    """A live picture on a terminal; one status line a second where the output is none.

    128 columns by 17 rows show the 256x64 layout; narrower ones the 128x64 layout. The size of
    the terminal is asked at each frame, so a change of window needs no signal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._live = self._stream.isatty()
        self._window = (0, 0)
        self._rows: list[str] = []
        self._second = -1
        super().__init__(WIDE, grey=False)
        self._measure()

    def _measure(self) -> bool:
        """Adopt the window's size; whether it changed."""
        window = WIDE[0] // 2, WIDE[1] // 4 + 1
        if self._live:
            try:
                window = (*os.get_terminal_size(self._stream.fileno()),)
            except OSError:
                window = 80, 24
        changed = window != self._window
        self._window = window
        self.size = WIDE if window[0] >= WIDE[0] // 2 else NARROW
        return changed

    def _open(self) -> None:
        self._rows = []
        if self._live:
            atexit.register(self.close)
            self._write(_ENTER)

    def _show(self, frame: Frame) -> None:
        if not self._live:
            second = frame.index // SAMPLE_RATE_HZ
            if second != self._second:
                self._write(frame.status + "\n")
                self._second = second
            return
        fits = frame.image.size
        if self._measure():
            self._rows = []
            self._write("\x1b[2J")
        if self.size != fits:
            return  # the next frame is drawn for the new window
        columns, lines = self._window
        rows = braille(np.asarray(frame.image) >= 128)
        if len(rows[0]) > columns or len(rows) > lines:
            rows = [f"window too small: {columns}x{lines}, need 64x16"[:columns]]
        elif self.caption and len(rows) + 2 <= lines:
            rows += ["", *_filled(self.caption, columns)][: lines - len(rows)]
        parts = []
        for k, row in enumerate(rows):
            if k >= len(self._rows) or row != self._rows[k]:
                parts.append(f"\x1b[{k + 1};1H{row}")
        self._rows = rows
        if parts:
            self._write("".join(parts))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError) as error:
            raise DisplayError(f"display terminal: {error}; run with --display none") from error

    def _close(self) -> None:
        if self._live:
            atexit.unregister(self.close)
            try:
                self._stream.write(_LEAVE)
                self._stream.flush()
            except (OSError, ValueError):
                pass  # the terminal is gone, and with it what there was to restore


def _filled(pieces: Sequence[str], columns: int) -> list[str]:
    """As few lines as hold ``pieces``, none of them broken but where it is longer than a line."""
    lines: list[str] = []
    for piece in pieces:
        together = f"{lines[-1]}    {piece}" if lines else ""
        if lines and len(together) <= columns:
            lines[-1] = together
        else:
            lines.append(piece[:columns])
    return lines
