"""The device's end of the serial line, with a store behind it: any bytes in any portions."""

from __future__ import annotations

import base64
import json
import random
import re
import zlib
from pathlib import Path
from typing import Any

from device.config import Config, ConfigError
from device.link.commands import SETTINGS
from device.link.link import Link
from device.link.protocol import MAX_LINE, LineSplitter, decode, encode, pack
from device.link.upload import ABOUT, PART
from firmware.archive import MAX_BYTES, sha256
from tests.device.cable import Store
from tests.device.host import VALIDATOR
from tests.device.link_kit import Stub
from tests.fuzz.mutate import change_bytes, change_json, dump
from tests.fuzz.watch import FindingError, one_line

BUNDLE = random.Random(0).randbytes(10_240)
DIGEST = sha256(BUNDLE)
CUT, KILL = b"--cut--\n", b"--kill--\n"  # in an input: the cable comes out, the monitor dies
STEP_NS = 20_000_000  # between polls
MAX_LIVES = 4
WRITE_BYTES = 300  # that the line takes at once
QUIET_POLLS = 20  # after the last byte


class MemoryPort:
    """What comes in is known, what goes out is kept; at its end the cable is out."""

    def __init__(self, data: bytes) -> None:
        self.incoming, self.sent = memoryview(data), b""
        self.out = False

    def read(self, max_bytes: int) -> bytes:
        if self.out:
            raise OSError("the cable is out")
        taken, self.incoming = bytes(self.incoming[:max_bytes]), self.incoming[max_bytes:]
        return taken

    def write(self, data: bytes) -> int:
        self.sent += data[:WRITE_BYTES]
        return min(len(data), WRITE_BYTES)

    def close(self) -> None:
        """Nothing to release."""


class Settings(Stub):
    """With the monitor's own judgement of what is set."""

    def set(self, setting: str, value: Any) -> Any:
        if value is None:
            raise ConfigError(f"set: {setting} needs a value")
        dotted = SETTINGS[setting]
        self.config = getattr(self, "config", Config()).override({dotted: value}, "set")
        section, _, key = dotted.partition(".")
        return getattr(getattr(self.config, section), key)


def command(seq: int = 0, **members: Any) -> bytes:
    """A line with its CRC."""
    return encode(seq, "command", pack(members))


def model(action: str, **members: Any) -> bytes:
    return command(command="model", action=action, **members)


def chunk(offset: int, raw: bytes) -> bytes:
    data = base64.b85encode(zlib.compress(raw)).decode()
    return model("chunk", offset=offset, bytes=len(raw), data=data)


_VALID: set[bytes] = set()  # lines that fit the schema, numbers aside


def sound(sent: bytes) -> list[dict[str, Any]]:
    """What a device said: whole lines that fit the schema; the last may be cut."""
    messages = []
    for line in LineSplitter(MAX_LINE).push(sent):
        if line is None:
            raise FindingError("a line longer than allowed was sent")
        message = decode(line, crc_required=True)
        if (alike := re.sub(rb"\d+", b"0", line[:-18])) not in _VALID:
            VALIDATOR.validate(message)
            _VALID.add(alike)
        if message["type"] == "error":
            one_line(message["message"])
        messages.append(message)
    return messages


class UploadTarget:
    """A whole session of bytes."""

    name = "upload"

    def seeds(self) -> list[bytes]:
        """Uploads: whole, with chunks twice, wrong, too many, cut off; every other command."""
        begin = model("begin", bytes=len(BUNDLE), sha256=DIGEST, keep=True)
        chunks = [chunk(at, BUNDLE[at : at + 4096]) for at in range(0, len(BUNDLE), 4096)]
        wrong = b"".join(
            model("chunk", offset=4096, bytes=4, data=data) for data in ("~~~~~", '"', "0", "00000")
        )
        deep = b'{"type":"command","command":"model","action":"chunk","data":' + b"[" * 9000 + b"\n"
        install = model("install", sha256=DIGEST, who="bench")
        verify = model("verify", sha256=DIGEST, who="bench")
        rest = [model("list"), model("info"), model("log", last=5), model("confirm", who="a"),
                model("rollback", who="b"), command(command="info"), command(command="snapshot"),
                command(command="set", setting="lead", value="V1"), command(command="stop"),
                command(command="start"), b'{"type":"command","command":"info"}\n']  # fmt: skip
        return [
            b"".join([begin, *chunks, verify, install]),
            b"".join(
                [begin, chunks[0], chunks[0], begin, wrong, deep, *chunks[1:], chunks[2], install]
            ),
            b"".join([begin, *chunks, chunk(len(BUNDLE), b"more"), install]),
            b"".join(
                [begin, *chunks[:2], CUT, begin, chunks[2], KILL, begin, install, CUT, install]
            ),
            b"".join(rest),
            rest[0] * 40,
        ]

    def run(self, data: bytes, folder: Path) -> None:
        """No exception; what is said is sound; in the folder the upload and nothing else."""
        store = Store(folder / "models")
        store.entries = [{"n": 1, "text": "a"}]
        ports = [
            port
            for life in data.split(KILL)[:MAX_LIVES]
            for port in self._live(life.split(CUT)[:MAX_LIVES], store)
        ]
        for port in ports:
            sound(port.sent)
        self._check_files(folder)

    def _live(self, connections: list[bytes], store: Store) -> list[MemoryPort]:
        """One life of a monitor, connected to so many hosts one after the other."""
        now_ns = 10**9
        ports = [MemoryPort(data) for data in connections]
        link = Link("memory", 115_200, Settings(200), port=ports[0], flasher=store)
        for port in ports:
            if not link.connected:
                link._given = port  # what Opener would bring
            quiet = 0
            while quiet < QUIET_POLLS:
                quiet = quiet + 1 if not port.incoming else 0
                now_ns += STEP_NS
                link.poll(now_ns)
                store.busy = store.busy and quiet < QUIET_POLLS // 2
            port.out = True
            link.poll(now_ns)
            if link.connected:
                raise FindingError("the link holds on to a cable that is out")
        return ports

    def _check_files(self, folder: Path) -> None:
        left = {str(path.relative_to(folder)) for path in folder.rglob("*")}
        if not left <= {"models", f"models/{PART}", f"models/{ABOUT}"}:
            raise FindingError(f"files {left}")
        if f"models/{PART}" in left:
            announced = json.loads((folder / "models" / ABOUT).read_bytes())["bytes"]
            if (folder / "models" / PART).stat().st_size > min(announced, MAX_BYTES):
                raise FindingError("an upload larger than was announced")

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """A line, with its CRC right or not; the order of lines; seldom the bytes themselves."""
        lines, others = data.splitlines(keepends=True), other.splitlines(keepends=True)
        if not lines or rng.random() < 0.1:
            return change_bytes(rng, data, other)
        at = rng.randrange(len(lines))
        match rng.randrange(11):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, rng.choice(lines))
            case 2:
                lines.insert(at, rng.choice(others or lines))
            case 3:
                lines[at] = change_bytes(rng, lines[at], other)
            case 4:
                to = rng.randrange(len(lines))
                lines[at], lines[to] = lines[to], lines[at]
            case 5:
                lines.insert(at, rng.choice((CUT, KILL)))
            case _:
                lines[at] = self._line(rng, lines[at])
        return b"".join(lines)

    def _line(self, rng: random.Random, line: bytes) -> bytes:
        try:
            message = json.loads(line)
            if "data" in message and rng.random() < 0.3:
                raw = zlib.decompress(base64.b85decode(message["data"]))
                raw = change_bytes(rng, raw, BUNDLE)
                packed = zlib.compress(raw)
                if rng.random() < 0.3:
                    packed = change_bytes(rng, packed, packed)
                message["data"] = base64.b85encode(packed).decode()
                message["bytes"] = len(raw)
            else:
                message = change_json(rng, message)
            message.pop("crc", None)
        except (ValueError, AttributeError, TypeError, zlib.error, RecursionError):
            return change_bytes(rng, line, line)
        text = dump(rng, message)
        if rng.random() < 0.1 or not text.endswith(b"}"):
            return text + b"\n"
        return b'%s,"crc":"%08x"}\n' % (text[:-1], zlib.crc32(text[:-1]))


TARGET = UploadTarget()
