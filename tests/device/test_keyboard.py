"""Keys of a terminal become presses, and the terminal is as it was afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.buttons import Press
from device.controls import Button
from device.keyboard import Keyboard, Keys
from tests.device.host import Host
from tests.device.waiting import wait_for

PAGE, OK = Button.PAGE, Button.OK
SETTINGS = "lead12/settings.json"


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """(the terminal's, the person's) end of a terminal that this process has in the foreground."""
    person, terminal = os.openpty()
    yield terminal, person
    for fd in (person, terminal):
        with contextlib.suppress(OSError):
            os.close(fd)


@pytest.fixture
def foreground(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudo-terminal that controls no session has no foreground: as if it were ours."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda fd: os.getpgrp())


@pytest.mark.usefixtures("foreground")
def test_keys_are_read_one_by_one_without_echo_and_the_terminal_is_restored(
    ends: tuple[int, int],
) -> None:
    terminal, person = ends
    before = termios.tcgetattr(terminal)
    keyboard = Keyboard(terminal)
    mode = termios.tcgetattr(terminal)[3]
    assert not mode & (termios.ICANON | termios.ECHO)
    assert mode & termios.ISIG  # Ctrl-C stays what it is
    keys = Keys(keyboard.pipe)
    keyboard.poll()
    assert keys.read() == []
    os.write(person, b"pO?\x1b[A\x1bOP\x1b[15~o")
    keyboard.poll()
    assert keys.read() == [Press(PAGE, held=False), Press(OK, held=True), Press(OK, held=False)]
    keyboard.close()
    keyboard.close()
    assert termios.tcgetattr(terminal) == before


@pytest.mark.usefixtures("foreground")
def test_a_monitor_that_does_not_read_holds_nobody_up(ends: tuple[int, int]) -> None:
    terminal, person = ends
    keyboard = Keyboard(terminal)
    for _ in range(2000):  # far beyond what the pipe holds
        os.write(person, b"p" * 64)
        keyboard.poll()
    assert len(Keys(keyboard.pipe).read()) == 64
    keyboard.close()


@pytest.mark.usefixtures("foreground")
def test_a_terminal_that_goes_away_is_left_alone(ends: tuple[int, int]) -> None:
    terminal, person = ends
    keyboard = Keyboard(terminal)
    os.close(person)
    keyboard.poll()
    keyboard.poll()
    keyboard.close()


def test_in_the_background_the_terminal_is_not_touched(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, person = ends
    before = termios.tcgetattr(terminal)
    monkeypatch.setattr(os, "tcgetpgrp", lambda fd: os.getpgrp() + 1)
    keyboard = Keyboard(terminal)
    os.write(person, b"p\n")
    keyboard.poll()
    assert Keys(keyboard.pipe).read() == []
    keyboard.close()
    assert termios.tcgetattr(terminal) == before


class Session:
    """``lead12 run`` on a terminal of its own."""

    def __init__(self, state: Path) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["XDG_STATE_HOME"] = str(state)
            words = ["-c", "from tools.cli import main; main()", "run", "--model", "none"]
            os.execv(sys.executable, [sys.executable, *words])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
        self.drawn = b""

    def read(self) -> bytes:
        """All that was drawn so far."""
        with contextlib.suppress(OSError):
            while select.select([self.fd], [], [], 0)[0]:
                self.drawn += os.read(self.fd, 65_536)
        return self.drawn

    def end(self) -> int:
        """Its exit code."""

        def ended() -> tuple[int] | None:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (os.waitstatus_to_exitcode(status),) if pid else None

        try:
            return wait_for("its end", ended)[0]
        except AssertionError:
            os.kill(self.pid, signal.SIGKILL)
            raise


def test_the_pages_turn_in_a_terminal_and_ctrl_c_leaves_it_as_it_was(tmp_path: Path) -> None:
    session = Session(tmp_path)
    before = termios.tcgetattr(session.fd)

    def line() -> re.Match[bytes] | None:
        return re.search(rb"p page  o OK .*lead12 listen (/dev/\S+)", session.read())

    name = wait_for("the caption", line)[1].decode()
    host = Host(os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))

    def page(name: str) -> bool:
        session.read()
        host.read()
        return bool(host.of("event", event="page", page=name))

    os.write(session.fd, b"p")
    wait_for("the next page", lambda: page("leads"))
    os.write(session.fd, b"pppp")
    wait_for("the settings", lambda: page("settings"))
    os.write(session.fd, b"O")
    wait_for("the change on disk", lambda: session.read() and (tmp_path / SETTINGS).exists())
    host.write(b'{"type":"command","command":"info"}\n')
    wait_for("hello", lambda: session.read() and host.read() and len(host.of("hello")) > 1)
    assert host.of("hello")[-1]["settings"]["night"] is True
    assert not termios.tcgetattr(session.fd)[3] & termios.ECHO
    wait_for("a sample", lambda: session.read() and host.read() and host.of("result"))
    os.write(session.fd, b"\x03")
    assert session.end() == 0
    assert termios.tcgetattr(session.fd) == before
