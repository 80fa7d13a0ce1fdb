"""The whole instrument at the end of a line that needs a key: its owner's lines and anybody's."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from device.bundles import Model
from device.config import Config
from device.instrument import Instrument
from device.link.inject import Injection, pack_frames
from device.link.link import COMMAND_BURST
from device.link.outbox import MAX_BYTES
from device.link.protocol import ProtocolError, decode, encode, pack
from device.link.session import IDLE_S, Gate
from device.patient import Patient
from device.records.interface import Why
from hal.injected import Frames
from tests.device.cable import Store
from tests.fuzz.mutate import change_bytes, change_json, dump
from tests.fuzz.records_target import INFO, blocks, frames
from tests.fuzz.upload_target import DIGEST, MemoryPort, chunk, command, model, sound
from tests.fuzz.watch import FindingError
from tools.line_session import LineSession

KEY = bytes(range(32))
OWNER, AGAIN, TIME = b"!", b"?", b"~"  # begin a line: signed by the owner; one of those; s pass
STEP_NS = 100_000_000  # between two lines, at which no command comes too fast
MOST_LINES = 40
CONFIG = Config().override({"serial.port": "line", "model.path": "none"})
OTHER = {"no_session", "bad_key", "locked", "read_only"}  # why the owner must not be refused


class Keeper:
    """Notes what is to be kept on disk."""

    failure, recording, saved_at = "", True, None

    def __init__(self) -> None:
        self.told: list[object] = []

    def source(self, info: object, model: str) -> None: ...

    def set_patient(self, patient: Patient) -> None:
        self.told.append(patient)

    def block(self, block: object) -> None: ...

    def event(self, event: object) -> None: ...

    def snapshot(self, why: Why, index: int) -> None:
        if why is Why.COMMAND:
            self.told.append(index)

    def close(self) -> None: ...


class Taker:
    """acquire, at the other end of the pipe."""

    def __init__(self) -> None:
        self.given: list[Frames] = []

    def send(self, frames: Frames) -> bool:
        self.given.append(frames)
        return len(self.given) % 3 > 0


class Bedside:
    """An instrument on a line, its owner and somebody else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "models"
        self.store, self.keeper, self.taker = Store(self.folder), Keeper(), Taker()
        self.kept: list[tuple[str, Any]] = []
        self.port = MemoryPort(b"")
        self.instrument = Instrument(
            CONFIG,
            model=Model(None, "none"),
            port=self.port,
            flasher=self.store,
            injection=Injection(self.taker, 6),
            recorder=self.keeper,
            save=lambda name, value: self.kept.append((name, value)),
        )
        nonces: Iterator[int] = iter(range(1 << 30))
        self.link = self.instrument.link
        self.link.gate = Gate(KEY, nonce=lambda: next(nonces).to_bytes(16))
        self._host_nonces: Iterator[int] = iter(range(1 << 30))
        self.now_ns = 1 << 40
        self.instrument.connect(INFO)
        for block in blocks(50):
            self.instrument.process(block)
        self.spoken: list[bytes] = []  # the owner's lines
        self._session: LineSession | None = None
        self._used_ns = 0

    def state(self) -> object:
        """All that a command of the owner could have changed."""
        it = self.instrument
        parts = [path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return (
            it.config, it.screen.controls.page, it.alarms.audio, it.alarms.active,
            len(self.keeper.told), len(self.taker.given), len(self.kept), len(self.store.asked),
            it.link._injection.health()["running"] if it.link._injection else None, parts,
        )  # fmt: skip

    def say(self, line: bytes) -> list[dict[str, Any]]:
        """Bring bytes to the device; what it says, checked."""
        sent = len(self.port.sent)
        self.port.incoming = memoryview(line)
        while True:
            self.now_ns += STEP_NS
            self.link.poll(self.now_ns)
            if not self.port.incoming:
                break
        for _ in range(5):
            self.link.poll(self.now_ns)
        if self.link.waiting > MAX_BYTES or len(self.link._lines._held) > 1 << 14:
            raise FindingError("what waits has no bound")
        return sound(self.port.sent[sent:])

    def owner(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """A command of who holds the key, in a session that is begun where there is none."""
        idle = self.now_ns - self._used_ns > (IDLE_S - 1) * 1_000_000_000  # the device is later
        if self._session is None or idle:
            session = LineSession(KEY, lambda: next(self._host_nonces).to_bytes(16))
            begun = self.say(encode(1, "command", pack(session.begin)))
            if not (reply := [one for one in begun if one["type"] == "reply"]):
                return begun  # locked: somebody tried keys
            self.say(encode(2, "command", pack(session.prove(reply[0]))))
            self._session, self._used_ns = session, self.now_ns
        line = self._session.encode(3, body)
        self.spoken.append(line)
        said = self.say(line)
        if body.get("command") == "auth":
            self._session = None  # ended, or about to be replaced
        elif any(one.get("reason") in OTHER for one in said):
            raise FindingError(f"the owner is refused: {said}")
        if not any(one["type"] == "error" for one in said):
            self._used_ns = self.now_ns
        return said

    def stranger(self, line: bytes) -> None:
        """Bytes of somebody without the key: they must not change anything."""
        before = self.state()
        self.say(line)
        if self.state() != before:
            raise FindingError(f"changed by {line[:200]!a}")


class SerialTarget:
    """An input is lines; see the marks above for those that are not what somebody sends."""

    def seeds(self) -> list[bytes]:
        """Every command by the owner and by somebody; sessions guessed, replayed, outlived."""
        frames_ = {"command": "inject", "action": "frames", "index": 0, "n": 4,
                   "data": pack_frames(frames(4))}  # fmt: skip
        bodies: list[dict[str, Any]] = [
            {"command": "info"}, {"command": "stop"}, {"command": "start"}, {"command": "snapshot"},
            *({"command": "set", "setting": name, "value": value} for name, value in (
                ("mains_hz", 60), ("profile", "diagnostic"), ("naming", "IEC"), ("lead", "V1"),
                ("night", True), ("language", "de"), ("lead", "V9"))),
            {"command": "set", "setting": "lead", "value": "V2", "keep": False},
            {"command": "press", "button": "page"},
            {"command": "press", "button": "ok", "held": True},
            {"command": "alarm", "action": "silence"}, {"command": "alarm", "action": "pause"},
            {"command": "record"},
            {"command": "patient", "id": "17", "name": "Ada", "born": "1948-02-29", "sex": "F"},
            {"command": "model", "action": "list"}, {"command": "model", "action": "info"},
            {"command": "model", "action": "log", "last": 5},
            {"command": "model", "action": "begin", "bytes": 10, "sha256": DIGEST, "keep": True},
            {"command": "model", "action": "rollback", "who": "a"},
            {"command": "inject", "action": "begin", "gain": 6, "rate_hz": 500}, frames_,
            {"command": "inject", "action": "end", "index": 4},
            {"command": "auth", "action": "end"},
        ]  # fmt: skip
        owner = [OWNER + json.dumps(body).encode() + b"\n" for body in bodies]
        other = [command(**body) for body in bodies]
        auth = [
            command(command="auth", action="begin", nonce="00" * 16),
            command(command="auth", action="prove", proof="00" * 32),
        ]
        signed = LineSession(KEY)
        signed._session_key = b"guessed"
        forged = [signed.encode(9, body) for body in bodies[4:7]]
        return [
            b"".join(owner[:14]), b"".join(owner[14:]), b"".join(other[:20]), b"".join(other[20:]),
            b"".join([owner[4], AGAIN + b"0\n", *forged, owner[5], AGAIN + b"1\n", AGAIN + b"0\n"]),
            b"".join([owner[4], *auth, *auth, owner[5], owner[-1], AGAIN + b"0\n", owner[6]]),
            b"".join([*auth * 6, owner[4], TIME + b"31\n", owner[5], TIME + b"601\n", owner[6]]),
            b"".join([owner[17], *[chunk(0, b"x" * 10)], owner[19], TIME + b"1\n", other[0]]),
            b'{"type":"command","command":"info"}\n' * (COMMAND_BURST + 5),
            model("chunk", offset=0, bytes=1, data="~") + b"x" * 12_000 + b"\n",
        ]  # fmt: skip

    def run(self, data: bytes, folder: Path) -> None:
        """No exception; what is said is sound; nobody but the owner changes anything."""
        bedside = Bedside(folder)
        for line in data.split(b"\n")[:MOST_LINES]:
            mark, rest = line[:1], line[1:]
            if mark == OWNER:
                with suppress(ValueError, RecursionError, ProtocolError):
                    body = json.loads(rest)
                    if isinstance(body, dict):
                        decode(encode(0, "command", pack(body)).rstrip(b"\n"), crc_required=True)
                        bedside.owner(body)
            elif mark == AGAIN and rest.isdigit() and bedside.spoken:
                bedside.stranger(bedside.spoken[int(rest[:3]) % len(bedside.spoken)])
            elif mark == TIME and rest.isdigit():
                bedside.now_ns += int(rest[:4]) * 1_000_000_000
                bedside.say(b"")
            else:
                bedside.stranger(line + b"\n")

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """A line more, less, elsewhere; a member of one, with its CRC right or not."""
        lines = data.splitlines(keepends=True) or [b"\n"]
        others = other.splitlines(keepends=True) or lines
        at = rng.randrange(len(lines))
        match rng.randrange(10):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, rng.choice(lines))
            case 2:
                lines.insert(at, rng.choice(others))
            case 3:
                lines[at] = change_bytes(rng, lines[at], other)
            case 4:
                lines.insert(at, AGAIN + b"%d\n" % rng.randrange(8))
            case 5:
                lines.insert(at, TIME + b"%d\n" % rng.choice((1, 9, 11, 31, 500, 599, 601)))
            case 6 if lines[at][:1] == OWNER:
                lines[at] = lines[at][1:]
            case _:
                lines[at] = self._member(rng, lines[at])
        return b"".join(lines)

    def _member(self, rng: random.Random, line: bytes) -> bytes:
        owned = line[:1] == OWNER
        try:
            message = change_json(rng, json.loads(line[owned:]))
            text = dump(rng, message)
        except (ValueError, RecursionError):
            return change_bytes(rng, line, line)
        if owned:
            return OWNER + text + b"\n"
        if not isinstance(message, dict) or not text.endswith(b"}") or rng.random() < 0.1:
            return text + b"\n"
        message.pop("crc", None)
        text = dump(rng, message)
        return b'%s,"crc":"%08x"}\n' % (text[:-1], zlib.crc32(text[:-1]))


TARGET = SerialTarget()
