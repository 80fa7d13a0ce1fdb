"""The laptop's end of a serial line: commands, their answers, a session where the line is keyed.

A cable may be pulled at any byte and the monitor killed at any line. Results go on in between, and
are passed over.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, ParamSpec, Protocol, Self, TypeVar

import serial

from device.link.commands import MAX_CHUNK_LINE
from device.link.outbox import MAX_BYTES as MAX_BACKLOG
from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, Wrong, decode, encode, pack
from tools.heard import plain
from tools.line_options import VARIABLE
from tools.line_session import LineSession, WrongDeviceError
from tools.serial_port import open_serial

READ_S = 0.05
SILENCE_S = 5.0  # a monitor says something every second
RETRY_S = 0.25
TRIES = 3
_Asked, _Found = ParamSpec("_Asked"), TypeVar("_Found")


class RemoteError(RuntimeError):
    """It did not work; the message is one line: what is wrong and what to do."""


class SilentError(Exception):
    """No answer in the time it may take."""


class NoSessionError(Exception):
    """The monitor takes this from a session only, and knows of none."""


def understood(act: Callable[_Asked, _Found]) -> Callable[_Asked, _Found]:
    """``act``, which takes answers apart as they should be; one that is not is a RemoteError."""

    @wraps(act)
    def asked(*args: _Asked.args, **how: _Asked.kwargs) -> _Found:
        try:
            return act(*args, **how)
        except (KeyError, TypeError, ValueError) as error:
            raise RemoteError(
                "the monitor gave an answer that is not understood here; use the lead12 of its "
                "version, and see what else speaks on its line"
            ) from error

    return asked


class Wire(Protocol):
    """What ``HostLine`` needs of a port; OSError when it is gone."""

    def read(self) -> bytes:
        """What has come in; waits for a moment, then b""."""
        ...

    def write(self, data: bytes) -> None:
        """All of it."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


class SerialWire:
    """A port of this computer, for this program alone."""

    def __init__(self, port: str, baud: int) -> None:
        write_s = SILENCE_S + MAX_CHUNK_LINE * 10 / baud
        self._serial = open_serial(port, baud, READ_S, write_s)

    def read(self) -> bytes:
        """What has come in."""
        return bytes(self._serial.read(max(1, self._serial.in_waiting)))

    def write(self, data: bytes) -> None:
        """All of it."""
        self._serial.write(data)

    def close(self) -> None:
        """Release it."""
        self._serial.close()


class HostLine:
    """A monitor at the other end of ``port``. Every failure is a RemoteError.

    key : of the device; with one, nothing is changed but in a session
    patience_s : how long a port that vanished is waited for
    notice : hears of what is waited for, one line
    open_wire, clock, sleep, seq : the port, the time in seconds and the first number, for tests
    """

    def __init__(
        self,
        port: str,
        baud: int = 115_200,
        *,
        key: bytes = b"",
        patience_s: float = 60.0,
        notice: Callable[[str], None] = lambda line: None,
        open_wire: Callable[[str, int], Wire] = SerialWire,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        seq: int | None = None,
    ) -> None:
        self._port, self._baud, self._key = port, baud, key
        self._session: LineSession | None = None
        self._patience_s, self._notice = patience_s, notice
        self._open_wire, self._clock, self._sleep = open_wire, clock, sleep
        # Answers to a program before this one may still be waiting: not to be taken for ours
        self._seq = int.from_bytes(os.urandom(3)) if seq is None else seq
        self._lines = LineSplitter(MAX_LINE)
        self._heard: deque[dict[str, Any]] = deque()
        self._backlog_s = SILENCE_S + MAX_BACKLOG * 10 / baud
        try:
            self._wire: Wire | None = self._opened()
        except OSError as error:
            raise RemoteError(str(error.strerror or error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the port."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    # -- question and answer

    @understood
    def ask(
        self,
        body: Mapping[str, Any],
        *,
        changes: bool = True,
        repeat: bool = False,
        again: bool = False,
    ) -> dict[str, Any]:
        """The first reply.

        changes : false of what only reads, for which no session is begun
        repeat : ask again when the answer gets lost
        again : it was asked before: ``busy`` is an answer, too
        """
        gone, began_s, renewed = False, self._clock(), False
        tries = TRIES if repeat else 1
        while tries:
            try:
                if changes and self._key and self._session is None:
                    self._begin_session()
                return self.answer(self.say(body), body.get("action"), again=again)
            except NoSessionError:
                if not self.forget_session():
                    raise self.key_wanted() from None
                if renewed:
                    raise RemoteError(
                        f"the monitor on {self._port} forgets each session at once; does another "
                        "program use its line?"
                    ) from None
                renewed = True  # it did nothing: this was no try
                continue
            except SilentError:
                gone = False
            except OSError:
                gone = True
                self.reconnect()
            tries, again = tries - 1, True
        if gone:
            raise RemoteError(
                f"{self._port} was gone before the monitor answered; see lead12 model list"
            )
        raise self._no_answer(began_s)

    def answer(self, asked: int, action: object, *, again: bool = False) -> dict[str, Any]:
        """The next reply to what was asked; OSError when the port is gone."""
        latest = self._clock() + self._backlog_s
        silent = self._clock() + SILENCE_S
        while self._clock() < min(latest, silent):
            message = self.hear()
            if message is None:
                continue
            silent = self._clock() + SILENCE_S
            if message.get("re") != asked:
                continue
            if message["type"] == "error":
                if again and message["reason"] == Wrong.BUSY:  # with what was asked before
                    return message
                if message["reason"] == Wrong.NO_SESSION:
                    raise NoSessionError
                raise RemoteError(f"the monitor refused: {message['message']}")
            if message["type"] == "reply" and message.get("action") == action:
                return message
        raise SilentError

    def say(self, body: Mapping[str, Any]) -> int:
        """Send a command, in the session if there is one; its number."""
        if self._wire is None:
            raise OSError(errno.ENODEV, "closed")
        self._seq += 1
        began_s = self._clock()
        line = (
            encode(self._seq, "command", pack(body))
            if self._session is None
            else self._session.encode(self._seq, body)
        )
        try:
            self._wire.write(line)
        except serial.SerialTimeoutException:
            raise self._no_answer(began_s) from None
        return self._seq

    def hear(self) -> dict[str, Any] | None:
        """The next message, None for a moment of silence. OSError when the port is gone."""
        if not self._heard:
            if self._wire is None:
                raise OSError(errno.ENODEV, "closed")
            self._heard.extend(self._messages(self._wire.read()))
        return self._heard.popleft() if self._heard else None

    def _messages(self, data: bytes) -> Iterator[dict[str, Any]]:
        for line in self._lines.push(data):
            try:
                if line is not None:
                    message = plain(decode(line, crc_required=True))
                    if "type" in message:
                        yield message
            except ProtocolError:  # noise, or half a line at the beginning
                continue

    def _no_answer(self, began_s: float) -> RemoteError:
        return RemoteError(
            f"no answer from the monitor on {self._port} within {self._clock() - began_s:.0f} s: "
            f"is it running, and is its line rate {self._baud}?"
        )

    # -- the session

    def _begin_session(self) -> None:
        session = LineSession(self._key)
        try:
            reply = self.answer(self.say(session.begin), "begin")
            self.answer(self.say(session.prove(reply)), "prove")
        except WrongDeviceError as error:
            raise RemoteError(str(error)) from None
        self._session = session

    def forget_session(self) -> bool:
        """The monitor knows of none any more; whether another can be begun."""
        self._session = None
        return bool(self._key)

    def key_wanted(self) -> RemoteError:
        """What to say when there is no key."""
        return RemoteError(
            f"the device on {self._port} wants a key for this: --key FILE, or {VARIABLE}=FILE"
        )

    # -- the port

    def _opened(self) -> Wire:
        wire = self._open_wire(self._port, self._baud)
        wire.write(b"\n")  # ends whatever half line another program left
        return wire

    def reconnect(self) -> None:
        """Wait until the port is there again."""
        self.close()
        self._session = None
        self._lines.forget()
        self._heard.clear()
        self._notice(f"{self._port} is gone; waiting for it")
        until = self._clock() + self._patience_s
        while self._clock() < until:
            try:
                self._wire = self._opened()
            except OSError:
                self._sleep(RETRY_S)
            else:
                self._notice(f"{self._port} is back")
                return
        raise RemoteError(
            f"{self._port} did not come back within {self._patience_s:.0f} s; connect it and give "
            "the same command again, it goes on where it stopped"
        )
