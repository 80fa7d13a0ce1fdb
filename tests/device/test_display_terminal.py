"""The terminal: what is written decodes back to the pixels, and the terminal is given back."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import termios
import threading
from collections.abc import Iterator
from typing import TextIO

import numpy as np
import pytest
from numpy.typing import NDArray

from device.display.example import BLOCK, make_call, patient
from device.display.gallery import states
from device.display.outputs import DisplayError
from device.display.screens import render
from device.display.terminal import NARROW, WIDE, Terminal
from firmware.events import Trace


class Emulator:
    """A terminal of a few escape sequences, and the pixels its Braille shows."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], str] = {}
        self.alternate = False
        self.cursor = True
        self.written = 0
        self._at = (1, 1)

    def feed(self, text: str) -> None:
        for token in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|[^\x1b]", text):
            if token == "\x1b[2J":
                self.cells.clear()
            elif token.endswith("H"):
                row, column = token[2:-1].split(";")
                self._at = int(row), int(column)
            elif token in ("\x1b[?1049h", "\x1b[?1049l"):
                self.alternate = token.endswith("h")
            elif token in ("\x1b[?25h", "\x1b[?25l"):
                self.cursor = token.endswith("h")
            elif token == "\x1b[0m":
                pass
            else:
                assert not token.startswith("\x1b"), f"unexpected {token!r}"
                self.cells[self._at] = token
                self._at = self._at[0], self._at[1] + 1
                self.written += 1

    def pixels(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        dots = {
            0: (0, 0),
            1: (1, 0),
            2: (2, 0),
            3: (0, 1),
            4: (1, 1),
            5: (2, 1),
            6: (3, 0),
            7: (3, 1),
        }
        shown = np.zeros((size[1], size[0]), np.bool_)
        for (row, column), cell in self.cells.items():
            for bit, (down, right) in dots.items():
                if ord(cell) - 0x2800 >> bit & 1:
                    shown[4 * (row - 1) + down, 2 * (column - 1) + right] = True
        return shown


class Window:
    """A pseudo-terminal with an emulator reading its other end."""

    def __init__(self, columns: int, rows: int) -> None:
        self._master, slave = os.openpty()
        self.stream: TextIO = os.fdopen(slave, "w", encoding="utf-8")
        self.emulator = Emulator()
        self._received = b""
        self._drained = threading.Event()
        self.resize(columns, rows)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._master, 65536)
            except OSError:
                return
            self._received += chunk
            if self._received.endswith(b"\x00"):
                self._drained.set()

    def settle(self) -> Emulator:
        """Feed all that was written so far to the emulator."""
        self.stream.write("\x00")
        self.stream.flush()
        assert self._drained.wait(10)
        self._drained.clear()
        text, self._received = self._received.rstrip(b"\x00").decode(), b""
        self.emulator.feed(text)
        return self.emulator

    def close(self) -> None:
        self.stream.close()
        self._reader.join(10)  # it ends with the slave; only then may the descriptor be reused
        os.close(self._master)


@pytest.fixture
def window() -> Iterator[Window]:
    opened = Window(130, 30)
    yield opened
    opened.close()


def test_every_screen_is_shown_as_drawn(window: Window) -> None:
    terminal = Terminal(window.stream)
    for _, state in states():
        frame = render(state, terminal.size, grey=terminal.grey)
        terminal.show(frame)
        shown = window.settle().pixels(WIDE)
        assert (shown == (np.array(frame.image) == 255)).all()
    terminal.close()


@pytest.mark.parametrize(
    ("columns", "rows", "below"),
    [
        (130, 30, ["Not a medical device.    p page  o OK    serial: lead12 listen /dev/pts/7"]),
        (64, 30, ["Not a medical device.    p page  o OK", "serial: lead12 listen /dev/pts/7"]),
        (64, 18, ["Not a medical device.    p page  o OK"]),
        (64, 17, []),
    ],
)
def test_what_stands_below_is_whole_in_any_window(
    columns: int, rows: int, below: list[str]
) -> None:
    window = Window(columns, rows)
    terminal = Terminal(window.stream)
    terminal.caption = ["Not a medical device.", "p page  o OK", "serial: lead12 listen /dev/pts/7"]
    terminal.show(render(patient(1.0), terminal.size, grey=False))
    cells = window.settle().cells
    written = [
        "".join(cells.get((row, column), " ") for column in range(1, columns + 1)).rstrip()
        for row in range(17, rows + 9)  # a terminal writes what is below it over its last line
    ]
    assert [line for line in written if line] == below
    terminal.close()
    window.close()


def test_the_terminal_is_given_back(window: Window) -> None:
    terminal = Terminal(window.stream)
    terminal.show(render(patient(1.0), terminal.size, grey=False))
    emulator = window.settle()
    assert emulator.alternate
    assert not emulator.cursor
    terminal.close()
    terminal.close()
    emulator = window.settle()
    assert not emulator.alternate
    assert emulator.cursor


def test_only_rows_that_changed_are_written(window: Window) -> None:
    terminal = Terminal(window.stream)
    state = patient(15.0)
    state.apply(make_call(state.index))
    terminal.show(render(state, terminal.size, grey=False))
    emulator = window.settle()
    emulator.written = 0
    terminal.show(render(state, terminal.size, grey=False))
    assert window.settle().written == 0
    state.apply(Trace(state.index, np.zeros((BLOCK, 12), np.int32), np.ones(12, np.bool_)))
    terminal.show(render(state, terminal.size, grey=False))
    assert 0 < window.settle().written <= 12 * 128
    terminal.close()


def test_a_narrow_window_gets_the_small_layout_and_a_resize_is_followed(window: Window) -> None:
    window.resize(80, 24)
    terminal = Terminal(window.stream)
    assert terminal.size == NARROW
    state = patient(15.0)
    terminal.show(render(state, terminal.size, grey=False))
    window.settle()
    window.resize(200, 50)
    terminal.show(render(state, terminal.size, grey=False))
    assert terminal.size == WIDE
    frame = render(state, terminal.size, grey=False)
    terminal.show(frame)
    assert (window.settle().pixels(WIDE) == (np.array(frame.image) == 255)).all()
    window.resize(40, 10)
    terminal.show(frame)
    terminal.show(render(state, terminal.size, grey=False))
    cells = window.settle().cells
    text = "window too small: 40x10, need 64x16"
    assert cells == {(1, k + 1): character for k, character in enumerate(text)}
    terminal.close()


def test_without_a_terminal_there_is_one_line_a_second() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    state = patient(12.0)
    state.apply(make_call(state.index))
    for _ in range(25):
        state.apply(Trace(state.index, np.zeros((BLOCK, 12), np.int32), np.ones(12, np.bool_)))
        terminal.show(render(state, terminal.size, grey=False))
    terminal.close()
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["00:12", "00:13", "00:14"]
    assert "SINUS RHYTHM  very likely 97%" in lines[0]
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_that_is_gone_is_told_once(window: Window) -> None:
    terminal = Terminal(window.stream)
    frame = render(patient(1.0), terminal.size, grey=False)
    terminal.show(frame)
    window.settle()
    broken = io.StringIO()
    broken.close()
    terminal._stream = broken
    with pytest.raises(DisplayError, match=r"display terminal: .*; run with --display none"):
        terminal.show(render(patient(2.0), terminal.size, grey=False))
    terminal.show(render(patient(2.1), terminal.size, grey=False))
    assert terminal.failure
