"""The laptop's end of ``model`` commands: upload, verify and install over a serial line.

The upload goes on where it stopped as soon as cable and monitor are back.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b85encode
from collections.abc import Callable, Sequence
from typing import Any

from device.flash.install import Outcome
from device.link.commands import MAX_CHUNK_LINE
from device.link.protocol import Wrong
from device.link.upload import CHUNK_BYTES
from tools.host_line import (
    SILENCE_S,
    TRIES,
    HostLine,
    NoSessionError,
    RemoteError,
    SilentError,
    understood,
)

WINDOW = 3  # chunks under way: the line stays full while the monitor answers the first of them
INSTALL_S = 60.0  # from one step of the installer to the next: its self-test may take 20 s

_READING = ("list", "info", "log")
# These may be asked again when the answer gets lost; a model installed twice is installed
_REPEATABLE = (*_READING, "begin", "verify", "install")

Progress = Callable[[int, int], None]


class _RestartedError(Exception):
    """The monitor knows of no upload."""


class Remote(HostLine):
    """The models of a monitor at the other end of a line."""

    _acked = 0  # bytes of the upload known to have arrived

    # -- commands

    @understood
    def list(self) -> dict[str, Any]:
        """What is installed, as ``Flasher.list`` says."""
        return dict(self._ask("list")["installed"])

    @understood
    def info(self) -> dict[str, Any]:
        """The model in use and how good it is, as ``Flasher.info`` says."""
        return dict(self._ask("info")["info"])

    @understood
    def confirm(self, who: str) -> str:
        """Keep the model on trial; its id."""
        return str(self._ask("confirm", who=who)["model"])

    @understood
    def rollback(self, who: str) -> str:
        """Back to the model before; its id."""
        return str(self._ask("rollback", who=who)["model"])

    @understood
    def log(self, last: int) -> Sequence[dict[str, Any]]:
        """The last entries of the audit log, oldest first."""
        for _ in range(TRIES):
            parts = [self._ask("log", last=last)]
            asked = parts[0]["re"]
            try:
                while len(parts) < parts[0]["parts"]:
                    parts.append(self.answer(asked, "log"))
            except (SilentError, NoSessionError):
                continue
            if [part["part"] for part in parts] == [*range(len(parts))]:
                return [part["entry"] for part in parts if part["entry"] is not None]
        raise RemoteError(f"the log did not come whole over {self._port}; check the cable")

    @understood
    def verify(self, data: bytes, who: str, tell: Callable[[str, str], None]) -> Outcome:
        """Let the monitor check what was uploaded, without installing it."""
        return self._run_installer("verify", data, who, tell)

    @understood
    def install(self, data: bytes, who: str, tell: Callable[[str, str], None]) -> Outcome:
        """Let the monitor install what was uploaded; ``tell`` hears of each step passed."""
        return self._run_installer("install", data, who, tell)

    # -- upload

    @understood
    def upload(self, data: bytes, progress: Progress = lambda done, total: None) -> None:
        """Bring a bundle to the monitor; what an earlier upload left there is not sent again."""
        best, idle = -1, 0
        while True:
            try:
                self._upload(data, progress)
                return
            except (_RestartedError, SilentError):
                idle = 0 if self._acked > best else idle + 1
                best = max(best, self._acked)
                if idle > TRIES:
                    raise RemoteError(
                        f"the upload over {self._port} does not get on; check the cable, and the "
                        "monitor's own messages"
                    ) from None
            except OSError:
                self.reconnect()

    def _upload(self, data: bytes, progress: Progress) -> None:
        about: dict[str, Any] = {"bytes": len(data), "sha256": _sha256(data)}
        begun = self._ask("begin", **about, keep=True)
        there = begun["offset"]
        if (
            begun["crc32"] != f"{zlib.crc32(data[:there]):08x}"
        ):  # a power cut damaged what was there
            begun = self._ask("begin", **about, keep=False)
        self._acked = sent = begun["offset"]
        window_s = 1.5 + 2 * WINDOW * MAX_CHUNK_LINE * 10 / self._baud
        progress(self._acked, len(data))
        under_way: dict[int, int] = {}  # seq -> offset behind its chunk
        until = self._clock() + window_s
        while self._acked < len(data):
            while sent < len(data) and len(under_way) < WINDOW:
                raw = data[sent : sent + CHUNK_BYTES]
                seq = self.say(chunk(sent, raw))
                sent += len(raw)
                under_way[seq] = sent
            if self._clock() > until:
                raise SilentError
            message = self.hear()
            if message is None:
                continue
            wanted = self._wanted(message)
            if wanted is None:
                continue
            if wanted > self._acked:
                self._acked, until = wanted, self._clock() + window_s
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
            if message["reason"] == Wrong.NO_SESSION and self.forget_session():
                raise _RestartedError
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
                message = self.hear()
            except OSError:
                self.reconnect()
                until = self._clock() + SILENCE_S  # what waited for the port comes first
                continue
            if message is None:
                continue
            if message["type"] == "hello":
                until = self._clock() + SILENCE_S
            if message.get("event") != "flash":
                continue
            if "outcome" in message:
                names = ("reason", "text", "model", "sha256", "head")
                said = {name: _words(message[name]) for name in names}
                return Outcome(ok=message["outcome"] != "refused", **said)
            until = self._clock() + INSTALL_S
            tell(_words(message["stage"]), _words(message["text"]))
        return None

    def _ask(self, action: str, *, again: bool = False, **arguments: Any) -> dict[str, Any]:
        return self.ask(
            {"command": "model", "action": action, **arguments},
            changes=action not in _READING,
            repeat=action in _REPEATABLE,
            again=again,
        )


def _words(value: object) -> str:
    """Raises TypeError for what is no text: no monitor said that."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def chunk(offset: int, raw: bytes) -> dict[str, Any]:
    """The command that brings ``raw``."""
    about = {"command": "model", "action": "chunk", "offset": offset, "bytes": len(raw)}
    return {**about, "data": packed(raw)}


def packed(raw: bytes) -> str:
    """A chunk as it goes over the line."""
    return b85encode(zlib.compress(raw, 9)).decode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
