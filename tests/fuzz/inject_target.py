"""Injected frames: lines of a bench to the monitor, its datagrams to acquire, and into the ring."""

from __future__ import annotations

import base64
import json
import random
import socket
import struct
import zlib
from contextlib import suppress
from pathlib import Path

from device.acquire import Acquisition
from device.inject_pipe import FrameReceiver, FrameSender
from device.link.inject import Injection, pack_frames
from device.link.link import Link
from device.ring import RingReader, RingWriter
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_NS, FrontendConfig
from hal.injected import InjectedFrontend
from tests.device.link_kit import Stub
from tests.fuzz.mutate import change_bytes, change_json, dump
from tests.fuzz.records_target import frames
from tests.fuzz.spi_target import account
from tests.fuzz.upload_target import MemoryPort, command, sound
from tests.fuzz.watch import one_line

SLOTS = 1024
MOST_LINES = 40
RAW = b"="  # begins a line: hexadecimal, a datagram of somebody on the device
_HEAD = struct.Struct("<qq")
_NUMBERS = (0, 1, -1, 63, 64, 1 << 31, 1 << 40, -(1 << 40), 1 << 62, (1 << 63) - 1, -(1 << 63))


class Bench(FrameReceiver):
    """acquire's end of the pipe; while it waits, the monitor takes the next line."""

    def __init__(self, path: Path, clock: VirtualClock, lines: list[bytes]) -> None:
        super().__init__(path)
        self._clock, self._lines = clock, lines
        self._sender = FrameSender(path)
        self._anybody = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._anybody.setblocking(False)
        self._port = MemoryPort(b"")
        self._link = Link(
            "line", 921_600, Stub(100), port=self._port, injection=Injection(self._sender, 6)
        )

    @property
    def over(self) -> bool:
        """Whether all was sent and received."""
        return not self._lines and not self.waiting

    def _ready(self, timeout_s: float) -> bool:
        while self._lines and not super()._ready(0):
            self._say(self._lines.pop(0))
        if super()._ready(0):
            return True
        self._clock.advance_ns(round(timeout_s * 1e9))
        return False

    def _say(self, line: bytes) -> None:
        self._clock.advance_ns(20 * SAMPLE_NS)
        if line[:1] == RAW:
            with suppress(ValueError, OSError):
                self._anybody.sendto(bytes.fromhex(line[1:].decode("ascii", "replace")),
                                     str(self._path))  # fmt: skip
            return
        self._port.incoming = memoryview(line + b"\n")
        while self._port.incoming:
            self._link.poll((1 << 40) + self._clock.now_ns())
        self._link.poll((1 << 40) + self._clock.now_ns())

    def close(self) -> None:
        sound(self._port.sent)
        self._anybody.close()
        self._sender.close()
        super().close()


def inject(action: str, **members: object) -> bytes:
    return command(command="inject", action=action, **members)


def _frames(index: int, n: int, data: bytes = b"") -> bytes:
    return inject("frames", index=index, n=n, data=pack_frames(data or frames(n)))


def _raw(origin_ns: int, index: int, data: bytes) -> bytes:
    return RAW + (_HEAD.pack(origin_ns, index) + data).hex().encode() + b"\n"


class InjectTarget:
    """An input is lines of the serial line, and datagrams."""

    def seeds(self) -> list[bytes]:
        """An injection; another; with gaps, bad frames, too many; datagrams that are none."""
        begin, end = inject("begin", gain=6, rate_hz=500), inject("end", index=128)
        bad = b"\0" * 27
        return [
            b"".join([begin, _frames(0, 64), _frames(64, 64), end, begin, _frames(0, 10), end]),
            b"".join([begin, _frames(0, 5), _frames(900, 5), _frames(3, 5), _frames(1 << 40, 1)]),
            b"".join([begin, _frames(0, 4, bad + frames(1) + bad * 2), _frames(4, 10, bad * 10)]),
            b"".join([_raw(10**9, 0, frames(3)), _raw(10**9, 3, frames(64)), _raw(5, 0, bad),
                      _raw(10**9, 0, frames(70)), RAW + b"00\n", _raw(1 << 62, 1 << 40, bad)]),
            inject("begin", gain=4, rate_hz=500) + inject("end", index=0) + _frames(0, 1),
        ]  # fmt: skip

    def run(self, data: bytes, folder: Path) -> None:
        """What is said is sound; every sample is in the ring or counted as lost."""
        clock = VirtualClock()
        bench = Bench(folder / "inject", clock, data.split(b"\n")[:MOST_LINES])
        ring = RingWriter(folder / "ring", clock.now_ns(), SLOTS)
        reader = RingReader(folder / "ring")
        acquisition = Acquisition(
            lambda: InjectedFrontend(bench), FrontendConfig(), ring, clock, one_line,
            injected=bench,
        )  # fmt: skip
        acquisition.run(lambda: bench.over)
        account(ring, reader)
        ring.close()
        reader.close()
        bench.close()

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """A line more, less, elsewhere; frames of one, packed right; a datagram's numbers."""
        lines = data.splitlines(keepends=True) or [b"\n"]
        others = other.splitlines(keepends=True) or lines
        at = rng.randrange(len(lines))
        match rng.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, rng.choice(lines))
            case 2:
                lines.insert(at, rng.choice(others))
            case 3:
                lines[at] = change_bytes(rng, lines[at], other)
            case _ if lines[at][:1] == RAW:
                lines[at] = self._datagram(rng, lines[at])
            case _:
                lines[at] = self._line(rng, lines[at])
        return b"".join(lines)

    def _datagram(self, rng: random.Random, line: bytes) -> bytes:
        try:
            raw = bytes.fromhex(line[1:].decode())
            origin_ns, index = _HEAD.unpack_from(raw)
        except (ValueError, struct.error):
            return _raw(rng.choice(_NUMBERS), rng.choice(_NUMBERS), frames(2))
        rest = raw[_HEAD.size :]
        match rng.randrange(4):
            case 0:
                origin_ns = rng.choice((*_NUMBERS, origin_ns + SAMPLE_NS, origin_ns - 10**12))
            case 1:
                index = rng.choice((*_NUMBERS, index + 1, index - 1))
            case 2:
                rest = change_bytes(rng, rest, frames(3))
            case _:
                rest = rest * 2
        low, high = -(1 << 63), (1 << 63) - 1
        return _raw(min(max(origin_ns, low), high), min(max(index, low), high), rest)

    def _line(self, rng: random.Random, line: bytes) -> bytes:
        try:
            message = json.loads(line)
            if "data" in message and rng.random() < 0.5:
                planes = zlib.decompress(base64.b85decode(message["data"]))
                packed = zlib.compress(change_bytes(rng, planes, planes))
                message["data"] = base64.b85encode(packed).decode()
            else:
                message = change_json(rng, message)
            message.pop("crc", None)
        except (ValueError, AttributeError, TypeError, zlib.error, RecursionError):
            return change_bytes(rng, line, line)
        text = dump(rng, message)
        return b'%s,"crc":"%08x"}\n' % (text[:-1], zlib.crc32(text[:-1]))


TARGET = InjectTarget()
