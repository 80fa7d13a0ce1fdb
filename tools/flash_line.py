"""The laptop's end of ``model`` commands: upload, verify and install over a serial line.

A cable may be pulled at any byte and the monitor killed at any line; the upload goes on where it
stopped as soon as both are back. Results go on in between, and are passed over.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
import zlib
from base64 import b85encode
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import serial

from device.flash.install import Outcome
from device.link.commands import MAX_CHUNK_LINE
from device.link.outbox import MAX_BYTES as MAX_BACKLOG
from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, Wrong, decode, encode, pack
from device.link.upload import CHUNK_BYTES
from tools.serial_port import open_serial

WINDOW = 3  # chunks under way: the line stays full while the monitor answers the first of them
READ_S = 0.05
SILENCE_S = 5.0  # a monitor says something every second
RETRY_S = 0.25
TRIES = 3
INSTALL_S = 60.0  # from one step of the installer to the next: its self-test may take 20 s

# These may be asked again when the answer gets lost; a model installed twice is installed
_REPEATABLE = ("list", "info", "begin", "log", "verify", "install")

Progress = Callable[[int, int], None]


class RemoteError(RuntimeError):
    """It did not work; the message is one line: what is wrong and what to do."""


class _SilentError(Exception):
    """No answer in the time it may take."""


class _RestartedError(Exception):
    """The monitor knows of no upload."""


class Wire(Protocol):
    """What ``Remote`` needs of a port; OSError when it is gone."""

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


class Remote:
    """A monitor at the other end of ``port``. Every failure is a RemoteError.

    patience_s : how long a port that vanished is waited for
    notice : hears of what is waited for, one line
    open_wire, clock, sleep, seq : the port, the time in seconds and the first number, for tests
    """

    def __init__(
        self,
        port: str,
        baud: int = 115_200,
        *,
        patience_s: float = 60.0,
        notice: Callable[[str], None] = lambda line: None,
        open_wire: Callable[[str, int], Wire] = SerialWire,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        seq: int | None = None,
    ) -> None:
        self._port, self._baud = port, baud
        self._patience_s, self._notice = patience_s, notice
        self._open_wire, self._clock, self._sleep = open_wire, clock, sleep
        # Answers to a program before this one may still be waiting: not to be taken for ours
        self._seq = int.from_bytes(os.urandom(3)) if seq is None else seq
        self._lines = LineSplitter(MAX_LINE)
        self._heard: deque[dict[str, Any]] = deque()
        self._acked = 0  # bytes of the upload known to have arrived
        self._window_s = 1.5 + 2 * WINDOW * MAX_CHUNK_LINE * 10 / baud
        self._backlog_s = SILENCE_S + MAX_BACKLOG * 10 / baud
        try:
            self._wire: Wire | None = self._opened()
        except OSError as error:
            raise RemoteError(str(error.strerror or error)) from None

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the port."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    # -- commands

    def list(self) -> dict[str, Any]:
        """What is installed, as ``Flasher.list`` says."""
        return dict(self._ask("list")["installed"])

    def info(self) -> dict[str, Any]:
        """The model in use and how good it is, as ``Flasher.info`` says."""
        return dict(self._ask("info")["info"])

    def confirm(self, who: str) -> str:
        """Keep the model on trial; its id."""
        return str(self._ask("confirm", who=who)["model"])

    def rollback(self, who: str) -> str:
        """Back to the model before; its id."""
        return str(self._ask("rollback", who=who)["model"])

    def log(self, last: int) -> Sequence[dict[str, Any]]:
        """The last entries of the audit log, oldest first."""
        for _ in range(TRIES):
            parts = [self._ask("log", last=last)]
            asked = parts[0]["re"]
            try:
                while len(parts) < parts[0]["parts"]:
                    parts.append(self._answer(asked, "log"))
            except _SilentError:
                continue
            if [part["part"] for part in parts] == [*range(len(parts))]:
                return [part["entry"] for part in parts if part["entry"] is not None]
        raise RemoteError(f"the log did not come whole over {self._port}; check the cable")

    def verify(self, data: bytes, who: str, tell: Callable[[str, str], None]) -> Outcome:
        """Let the monitor check what was uploaded, without installing it."""
        return self._run_installer("verify", data, who, tell)

    def install(self, data: bytes, who: str, tell: Callable[[str, str], None]) -> Outcome:
        """Let the monitor install what was uploaded; ``tell`` hears of each step passed."""
        return self._run_installer("install", data, who, tell)

    # -- upload

    def upload(self, data: bytes, progress: Progress = lambda done, total: None) -> None:
        """Bring a bundle to the monitor; what an earlier upload left there is not sent again."""
        best, idle = -1, 0
        while True:
            try:
                self._upload(data, progress)
                return
            except (_RestartedError, _SilentError):
                idle = 0 if self._acked > best else idle + 1
                best = max(best, self._acked)
                if idle > TRIES:
                    raise RemoteError(
                        f"the upload over {self._port} does not get on; check the cable, and the "
                        "monitor's own messages"
                    ) from None
            except OSError:
                self._reconnect()

    def _upload(self, data: bytes, progress: Progress) -> None:
        about: dict[str, Any] = {"bytes": len(data), "sha256": _sha256(data)}
        begun = self._ask("begin", **about, keep=True)
        there = begun["offset"]
        if (
            begun["crc32"] != f"{zlib.crc32(data[:there]):08x}"
        ):  # a power cut damaged what was there
            begun = self._ask("begin", **about, keep=False)
        self._acked = sent = begun["offset"]
        progress(self._acked, len(data))
        under_way: dict[int, int] = {}  # seq -> offset behind its chunk
        until = self._clock() + self._window_s
        while self._acked < len(data):
            while sent < len(data) and len(under_way) < WINDOW:
                raw = data[sent : sent + CHUNK_BYTES]
                seq = self._say("chunk", offset=sent, bytes=len(raw), data=packed(raw))
                sent += len(raw)
                under_way[seq] = sent
            if self._clock() > until:
                raise _SilentError
            message = self._hear()
            if message is None:
                continue
            wanted = self._wanted(message)
            if wanted is None:
                continue
            if wanted > self._acked:
                self._acked, until = wanted, self._clock() + self._window_s
                progress(wanted, len(data))
            behind = under_way.get(message["re"], 0)
            under_way = {seq: end for seq, end in under_way.items() if seq > message["re"]}
            if wanted < behind:  # that chunk was not taken: go back to it
                under_way, sent = {}, wanted

    def _wanted(self, message: dict[str, Any]) -> int | None:
        """The offset that the answer to a chunk asks for; None for other messages."""
        if message.get("re") is None:
            return None
        if message["type"] == "error":
            if message["reason"] == Wrong.NO_UPLOAD:
                raise _RestartedError
            raise RemoteError(f"the monitor refused the upload: {message['message']}")
        return int(message["offset"]) if message.get("action") == "chunk" else None

    # -- the installer

    def _run_installer(
        self, action: str, data: bytes, who: str, tell: Callable[[str, str], None]
    ) -> Outcome:
        for again in range(TRIES):
            self._ask(action, again=again > 0, sha256=_sha256(data), who=who)
            if outcome := self._outcome(tell):
                return outcome
        raise RemoteError(
            f"the monitor on {self._port} does not say how it ended; see lead12 model list and log"
        )

    def _outcome(self, tell: Callable[[str, str], None]) -> Outcome | None:
        """What comes of the installer; None when that was lost with the port or the monitor."""
        until = self._clock() + INSTALL_S
        while self._clock() < until:
            try:
                message = self._hear()
            except OSError:
                self._reconnect()
                until = self._clock() + SILENCE_S  # what waited for the port comes first
                continue
            if message is None:
                continue
            if message["type"] == "hello":
                until = self._clock() + SILENCE_S
            if message.get("event") != "flash":
                continue
            if "outcome" in message:
                said = {name: message[name] for name in ("reason", "text", "model", "sha256")}
                return Outcome(ok=message["outcome"] != "refused", head=message["head"], **said)
            until = self._clock() + INSTALL_S
            tell(message["stage"], message["text"])
        return None

    # -- question and answer

    def _ask(self, action: str, *, again: bool = False, **arguments: Any) -> dict[str, Any]:
        """The first reply; what may be repeated is asked again when that gets lost."""
        gone, began_s = False, self._clock()
        for _ in range(TRIES if action in _REPEATABLE else 1):
            try:
                return self._answer(self._say(action, **arguments), action, again=again)
            except _SilentError:
                gone = False
            except OSError:
                gone = True
                self._reconnect()
            again = True
        if gone:
            raise RemoteError(
                f"{self._port} was gone before the monitor answered; see lead12 model list"
            )
        raise self._no_answer(began_s)

    def _answer(self, asked: int, action: str, *, again: bool = False) -> dict[str, Any]:
        """The next reply to what was asked; OSError when the port is gone."""
        latest = self._clock() + self._backlog_s
        silent = self._clock() + SILENCE_S
        while self._clock() < min(latest, silent):
            message = self._hear()
            if message is None:
                continue
            silent = self._clock() + SILENCE_S
            if message.get("re") != asked:
                continue
            if message["type"] == "error":
                if again and message["reason"] == Wrong.BUSY:  # with what was asked before
                    return message
                raise RemoteError(f"the monitor refused: {message['message']}")
            if message["type"] == "reply" and message.get("action") == action:
                return message
        raise _SilentError

    def _say(self, action: str, **arguments: Any) -> int:
        """Send a command; its number."""
        if self._wire is None:
            raise OSError(errno.ENODEV, "closed")
        self._seq += 1
        body = pack({"command": "model", "action": action, **arguments})
        began_s = self._clock()
        try:
            self._wire.write(encode(self._seq, "command", body))
        except serial.SerialTimeoutException:
            raise self._no_answer(began_s) from None
        return self._seq

    def _hear(self) -> dict[str, Any] | None:
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
                    message = decode(line, crc_required=True)
                    if "type" in message:
                        yield message
            except ProtocolError:  # noise, or half a line at the beginning
                continue

    def _no_answer(self, began_s: float) -> RemoteError:
        return RemoteError(
            f"no answer from the monitor on {self._port} within {self._clock() - began_s:.0f} s: "
            f"is it running, and is its line rate {self._baud}?"
        )

    # -- the port

    def _opened(self) -> Wire:
        wire = self._open_wire(self._port, self._baud)
        wire.write(b"\n")  # ends whatever half line another program left
        return wire

    def _reconnect(self) -> None:
        """Wait until the port is there again."""
        self.close()
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


def packed(raw: bytes) -> str:
    """A chunk as it goes over the line."""
    return b85encode(zlib.compress(raw, 9)).decode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
