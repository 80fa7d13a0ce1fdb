"""The other direction: what a laptop reads from a line on which anybody may be."""

from __future__ import annotations

import io
import json
import random
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from device.flash.install import Outcome
from device.link.protocol import LineSplitter, encode, pack
from tests.device.cable import Line
from tests.device.link_kit import RESULT
from tests.fuzz.mutate import change_bytes, change_json, dump
from tests.fuzz.serial_target import KEY
from tests.fuzz.watch import FindingError, one_line
from tools.flash_line import Remote
from tools.host_line import RemoteError
from tools.listen import Checker, readable

BUNDLE = random.Random(0).randbytes(10_000)
FIRST_SEQ = 1000
MOST_READS = 4000
ACTS: tuple[Callable[[Remote], object], ...] = (
    lambda remote: remote.list(),
    lambda remote: remote.info(),
    lambda remote: remote.log(5),
    lambda remote: remote.confirm("a"),
    lambda remote: remote.rollback("a"),
    lambda remote: remote.upload(BUNDLE),
    lambda remote: remote.install(BUNDLE, "a", lambda stage, text: None),
    lambda remote: remote.ask({"command": "snapshot"}, changes=False),
)


class Liar:
    """A port at which all that somebody prepared comes in, a line at each read."""

    def __init__(self, lines: Iterator[bytes], now: list[float]) -> None:
        self._lines, self._now, self._left = lines, now, MOST_READS

    def read(self) -> bytes:
        self._now[0] += 0.05
        self._left -= 1
        if self._left < 0:
            raise FindingError(f"more than {MOST_READS} reads")
        return next(self._lines, b"")

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


def _message(kind: str, body: dict[str, Any], seq: int = 0) -> bytes:
    return encode(seq, kind, pack(body))


def _talk(folder: Path) -> list[bytes]:
    """What the device says to a laptop that does each of ``ACTS``; one input for each."""
    found = []
    for number, act in enumerate(ACTS):
        line = Line(folder / str(number))
        line.store.given = b"x"
        heard: list[bytes] = []
        take = line.take

        def tap(way: str, most: int, take: Any = take, heard: list[bytes] = heard) -> bytes:
            data: bytes = take(way, most)
            if way == "up" and data:
                heard.append(data)
            return data

        line.take = tap  # type: ignore[method-assign]
        with Remote("tty", open_wire=line.open_wire, clock=line.clock, sleep=line.sleep,
                    seq=FIRST_SEQ) as remote:  # fmt: skip
            if act is not ACTS[6]:  # nobody installs there
                act(remote)
        found.append(bytes([number]) + b"".join(heard))
    return found


class HostTarget:
    """An input is a byte that says what the laptop wants, and what comes in meanwhile."""

    def seeds(self) -> list[bytes]:
        """What a device says; an installer's end; a session begun; every other message."""
        with tempfile.TemporaryDirectory() as name:
            found = _talk(Path(name))
        flash = [
            {"event": "flash", "index": 0, "stage": "signature", "text": "signed"},
            {"event": "flash", "index": 0, "outcome": "installed", "reason": "", "text": "on trial",
             "model": "rhythm-2.1", "sha256": "0" * 64, "head": "1:ab"},
        ]  # fmt: skip
        started = {"re": FIRST_SEQ + 1, "command": "model", "action": "install"}
        begun = {"re": FIRST_SEQ + 1, "command": "auth", "action": "begin",
                 "nonce": "00" * 16, "proof": "00" * 32}  # fmt: skip
        error = {"re": FIRST_SEQ + 1, "reason": "no_session", "message": "begin one"}
        return [
            *found,
            b"\x06"
            + _message("reply", started)
            + b"".join(_message("event", one) for one in flash),
            b"\x83" + _message("reply", begun),
            b"\x03" + _message("error", error),
            b"\x00" + _message("result", RESULT) + _message("result", RESULT, 7),
        ]

    def run(self, data: bytes, folder: Path) -> None:
        """An answer, or RemoteError in one line; every line read is told in one line."""
        wanted, heard = data[:1] or b"\0", data[1:]
        self._listen(heard)
        now = [0.0]
        lines = iter(heard.splitlines(keepends=True))
        try:
            with Remote(
                "tty", key=KEY if wanted[0] & 0x80 else b"", open_wire=lambda *_: Liar(lines, now),
                clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s), seq=FIRST_SEQ,
            ) as remote:  # fmt: skip
                found = ACTS[(wanted[0] & 0x7F) % len(ACTS)](remote)
        except RemoteError as error:
            one_line(str(error))
            return
        if isinstance(found, Outcome):
            one_line(found.text or "-")

    def _listen(self, heard: bytes) -> None:
        checker, errors = Checker(), io.StringIO()
        for line in LineSplitter(4096).push(heard):
            with redirect_stderr(errors):
                message, wrong = checker.check(line)
            if wrong:
                one_line(wrong)
            if message is not None:
                one_line(readable(message))

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """A line more, less, elsewhere; a member of one, the CRC right."""
        head, lines = data[:1], data[1:].splitlines(keepends=True) or [b"\n"]
        others = other[1:].splitlines(keepends=True) or lines
        at = rng.randrange(len(lines))
        match rng.randrange(9):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, rng.choice(lines))
            case 2:
                lines.insert(at, rng.choice(others))
            case 3:
                lines[at] = change_bytes(rng, lines[at], other)
            case 4:
                head = rng.randbytes(1)
            case _:
                lines[at] = self._member(rng, lines[at])
        return head + b"".join(lines)

    def _member(self, rng: random.Random, line: bytes) -> bytes:
        try:
            message = change_json(rng, json.loads(line))
            if isinstance(message, dict):
                message.pop("crc", None)
        except (ValueError, AttributeError, RecursionError):
            return change_bytes(rng, line, line)
        text = dump(rng, message)
        return b'%s,"crc":"%08x"}\n' % (text[:-1], zlib.crc32(text[:-1]))


TARGET = HostTarget()
