"""A capture of a front end's wires, as somebody sends it in to be replayed."""

from __future__ import annotations

import lzma
import random
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from hal.capture_file import (
    BLOCK,
    CRC_FROM,
    HEADER,
    MAGIC,
    VERSION,
    CaptureReader,
)
from hal.clock import VirtualClock
from hal.errors import FrontendError, RecordingError
from hal.frontend import FrontendConfig
from hal.patient.presets import preset
from hal.replay import replay_frontend
from hal.simulated import simulated_frontend
from tests.fuzz.mutate import change_bytes, change_text
from tests.fuzz.watch import FindingError, one_line

FRAMES = 60
PARTS = 4  # of a capture that are replayed
MOST_READS = 4000
WORDS = (b'"x"', b"null", b"[]", b"{}", b"-1", b'"spi"', b'"wait"', b'"no_response"', b"1e999")
_XZ = [{"id": lzma.FILTER_LZMA2, "preset": 0}]


def _blocks(data: bytes) -> list[tuple[int, bytes]]:
    """Time and raw events of each block that can be read."""
    found, at = [], HEADER.size
    with suppress(struct.error, lzma.LZMAError):
        while at < len(data):
            n, _, base_ns = BLOCK.unpack_from(data, at)
            payload = data[at + BLOCK.size : at + BLOCK.size + n]
            raw = lzma.LZMADecompressor(memlimit=1 << 26).decompress(payload, 1 << 20)
            found.append((base_ns, raw))
            at += BLOCK.size + n
    return found


def _file(blocks: list[tuple[int, bytes]]) -> bytes:
    parts = [HEADER.pack(MAGIC, VERSION, 0)]
    for base_ns, raw in blocks:
        payload = lzma.compress(raw, check=lzma.CHECK_NONE, filters=_XZ)
        head = BLOCK.pack(len(payload), 0, base_ns % (1 << 64))
        sum_ = crc32(head[CRC_FROM:] + payload)
        parts += [BLOCK.pack(len(payload), sum_, base_ns % (1 << 64)), payload]
    return b"".join(parts)


class CaptureTarget:
    """An input is a capture file."""

    def seeds(self) -> list[bytes]:
        """Of the simulated chip: read for a moment, and once more."""
        with tempfile.TemporaryDirectory() as name:
            path, clock = Path(name) / "c.l12cap", VirtualClock()
            for _ in range(2):
                frontend = simulated_frontend(preset("sinus-70"), clock, capture=path)
                frontend.configure(FrontendConfig())
                frontend.start()
                held = 0
                while held < FRAMES:
                    held += len(frontend.read(4, 0.5))
                frontend.stop()
                frontend.close()
            return [path.read_bytes(), _file(_blocks(path.read_bytes()))]

    def run(self, data: bytes, folder: Path) -> None:
        """Read up to the damage, which is told; replayed, or refused in one line."""
        path = folder / "c.l12cap"
        path.write_bytes(data)
        try:
            reader = CaptureReader(path)
        except RecordingError as error:
            one_line(str(error))
            return
        events = sum(1 for _ in reader)
        if reader.damage:
            one_line(reader.damage)
        if events and reader.raw_bytes > 1 << 26:
            raise FindingError("more than its blocks may hold")
        clock = VirtualClock()
        for _ in range(PARTS):
            try:
                frontend = replay_frontend(path, clock)
                frontend.configure(FrontendConfig())
                frontend.start()
                for _ in range(MOST_READS):
                    frontend.read(4, 0.5)
            except FrontendError as error:
                one_line(str(error))

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """Bytes or words of a block's events, sums right; blocks; seldom the file itself."""
        blocks = _blocks(data)
        if not blocks or rng.random() < 0.1:
            return change_bytes(rng, data, other)
        at = rng.randrange(len(blocks))
        base_ns, raw = blocks[at]
        match rng.randrange(6):
            case 0:
                base_ns = rng.choice((0, 1 << 62, (1 << 64) - 1, base_ns + 10**9, base_ns - 10**9))
                blocks[at] = base_ns, raw
            case 1:
                blocks.insert(at, rng.choice(_blocks(other) or blocks))
            case 2:
                blocks[at] = base_ns, change_text(rng, raw[:400], WORDS) + raw[400:]
            case _:
                place = rng.randrange(len(raw) + 1) if rng.random() < 0.5 else 0
                changed = change_bytes(rng, raw[place : place + 200], raw)
                blocks[at] = base_ns, raw[:place] + changed + raw[place + 200 :]
        return _file(blocks)


TARGET = CaptureTarget()
