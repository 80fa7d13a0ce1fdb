"""Keys of the terminal as the two buttons: ``lead12 run`` reads them, the monitor takes them.

``p`` and ``o`` are PAGE and OK, ``P`` and ``O`` the same held. They go through a pipe whose reading
end the monitor inherits, also the next one after a restart. Ctrl-C and Ctrl-Z stay what they are.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import select
import sys
import termios
import tty
from collections.abc import Mapping
from typing import Any

from device.buttons import Press
from device.controls import Button

VARIABLE = "LEAD12_KEYS"  # number of the pipe's reading end, in the monitor's environment
CAPTION = "p page  o OK  (P O: held)"
_PRESSES: Mapping[int, Press] = {
    ord("p"): Press(Button.PAGE, held=False),
    ord("P"): Press(Button.PAGE, held=True),
    ord("o"): Press(Button.OK, held=False),
    ord("O"): Press(Button.OK, held=True),
}
_AT_ONCE = 64  # bytes
# What arrows and function keys send: it has letters in it that nobody typed (ECMA-48 5.4, VT100).
_SEQUENCE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|O.|)")


class Keyboard:
    """The terminal on ``terminal`` (a descriptor), key by key and without echo, until ``close``."""

    def __init__(self, terminal: int) -> None:
        self._terminal: int | None = terminal
        self._before: list[Any] = termios.tcgetattr(terminal)
        self.pipe, self._into = os.pipe()
        os.set_blocking(self._into, False)
        atexit.register(self.close)
        if self._ours:
            tty.setcbreak(terminal, termios.TCSADRAIN)

    def poll(self) -> None:
        """Pass on the keys that were pressed; never waits."""
        if self._terminal is None or not self._ours:
            return
        if not select.select([self._terminal], [], [], 0)[0]:
            return
        try:
            keys = os.read(self._terminal, _AT_ONCE)
        except OSError:
            keys = b""
        if not keys:  # the terminal has gone
            self._terminal = None
            return
        with contextlib.suppress(BlockingIOError):  # a monitor that is being started again
            os.write(self._into, _SEQUENCE.sub(b"", keys))

    def close(self) -> None:
        """The terminal as it was; safe to call twice."""
        atexit.unregister(self.close)
        if self._terminal is not None and self._ours:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
        self._terminal = None
        for fd in (self.pipe, self._into):
            with contextlib.suppress(OSError):
                os.close(fd)

    @property
    def _ours(self) -> bool:
        """Whether we are in the foreground: who is not, is stopped for touching the terminal."""
        try:
            return self._terminal is not None and os.tcgetpgrp(self._terminal) == os.getpgrp()
        except OSError:
            return False


def keyboard() -> Keyboard | None:
    """The one of this terminal, when ``lead12 run`` draws on it and may read it."""
    try:
        if os.isatty(sys.stdin.fileno()) and os.isatty(sys.stdout.fileno()):
            return Keyboard(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError, termios.error):
        pass
    return None


class Keys:
    """The monitor's end."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def read(self) -> list[Press]:
        """The presses since the last call; never waits."""
        try:
            typed = os.read(self._fd, _AT_ONCE)
        except OSError:
            return []
        return [_PRESSES[key] for key in typed if key in _PRESSES]


def inherited() -> Keys | None:
    """What the supervisor gave this process, if anything."""
    number = os.environ.get(VARIABLE, "")
    return Keys(int(number)) if number.isdigit() else None
