"""What keeping records costs: bytes on the card, processor, and how long the disk takes."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from device.config_sections import RecordsSection
from device.records.interface import Why
from device.records.keeper import Keeper
from device.records.seal_key import printed
from firmware.events import Beat
from hal.frontend import SAMPLE_NS, SAMPLE_RATE_HZ, FrameBlock, FrontendInfo
from tools.bench.figures import Figure

SECONDS = 120
STEP = 5  # samples, as the live monitor hands them over
INFO = FrontendInfo("ads1298", "bench", 47.684, 6)
IO = Path("/proc/self/io")


def measure() -> list[Figure]:
    """Two minutes of samples and beats, written in a row to a folder of the current disk."""
    to = printed(X25519PrivateKey.generate().public_key().public_bytes_raw())
    part = "continuous record, with one snapshot in two minutes"
    return [*_measure(part, ""), *_measure(f"{part}, sealed", to)]


def _measure(part: str, seal_to: str) -> list[Figure]:
    n = SECONDS * SAMPLE_RATE_HZ
    noise = np.random.default_rng(1).integers(-20_000, 20_000, (n, 8)).astype(np.int32)
    with tempfile.TemporaryDirectory(dir=".") as name:
        keeper = Keeper(
            Path(name),
            RecordsSection(min_free_mb=0, seal_to=seal_to),
            lambda t_ns: datetime.now(UTC),
            firmware="",
        )
        keeper.source(INFO, "bench")
        pages, cpu_s, longest_s = _written(), time.process_time(), 0.0
        for first in range(0, n, STEP):
            began_s = time.perf_counter()
            keeper.block(_block(first, noise[first : first + STEP]))
            longest_s = max(longest_s, time.perf_counter() - began_s)
            if first % 400 == 0:
                keeper.event(Beat(first))
        began_s = time.perf_counter()
        keeper.snapshot(Why.BUTTON, n)
        keeper.close()
        end_s = time.perf_counter() - began_s
        cpu_s = time.process_time() - cpu_s
        pages = _written() - pages
        kept = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
    hours = SECONDS / 3600
    return [
        Figure(part, "kept", kept / hours / 1e6, "MB/h"),
        Figure(part, "written", pages / hours / 1e6, "MB/h", high=200),
        Figure(part, "written for each byte kept", pages / kept, "", high=3),
        Figure(part, "processor, share of one core", 100 * cpu_s / SECONDS, "%", high=2),
        Figure(part, "longest write of 0.8 s of samples", 1000 * longest_s, "ms"),
        Figure(part, "a snapshot and the end of a segment", 1000 * end_s, "ms"),
    ]


def _block(first: int, counts: np.ndarray) -> FrameBlock:
    at = np.arange(first, first + len(counts))
    status, off = np.zeros(len(counts), np.uint32), np.zeros(len(counts), np.uint16)
    return FrameBlock(first, at * SAMPLE_NS, counts, status, off)


def _written() -> int:
    """Bytes of pages this process has dirtied on a disk; 0 on a system that does not count."""
    try:
        lines = dict(line.split(": ") for line in IO.read_text().splitlines())
    except OSError:
        return 0
    return int(lines["write_bytes"])
