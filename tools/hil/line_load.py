"""What injected frames take of a serial line: ``python -m tools.hil.line_load``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from device.link.inject import pack_frames
from device.link.protocol import encode, pack
from hal.ads1298.frame import FRAME_BYTES
from hal.ads1298.frame import pack as as_frames
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, FrontendConfig
from hal.patient.presets import preset, presets
from hal.simulated import simulated_frontend

SECONDS = 10
BITS_PER_BYTE = 10  # 8N1
BLOCKS = (25, 50, 64)


def preset_frames(name: str) -> bytes:
    """Ten seconds of frames of a patient."""
    chip = simulated_frontend(preset(name, 1), VirtualClock(), bulk=True)
    chip.configure(FrontendConfig())
    chip.start()
    blocks = [chip.read(SAMPLE_RATE_HZ, 1.0) for _ in range(SECONDS)]
    return b"".join(as_frames(block.status, block.counts).tobytes() for block in blocks)


def noise_frames() -> bytes:
    """Ten seconds of bytes that no packing makes smaller: the worst that can be."""
    return (
        np.random.default_rng(1)
        .integers(0, 256, SECONDS * SAMPLE_RATE_HZ * FRAME_BYTES, np.uint8)
        .tobytes()
    )


def bytes_per_s(frames: bytes, block: int) -> float:
    """On the line, in lines of ``block`` frames."""
    size, total = block * FRAME_BYTES, 0
    for number, at in enumerate(range(0, len(frames), size)):
        data = frames[at : at + size]
        body = {
            "command": "inject",
            "action": "frames",
            "index": at // FRAME_BYTES,
            "n": len(data) // FRAME_BYTES,
            "data": pack_frames(data),
        }
        total += len(encode(number, "command", pack(body)))
    return total / SECONDS


def rows() -> Iterator[str]:
    """One line each, as text."""
    yield (
        f"{'patient':<20}" + "".join(f"{f'{n} frames':>12}" for n in BLOCKS) + "   share of 115200"
    )
    every = {name: preset_frames(name) for name in presets()} | {"noise": noise_frames()}
    for name, frames in every.items():
        loads = [bytes_per_s(frames, block) for block in BLOCKS]
        share = loads[1] * BITS_PER_BYTE / 115_200
        yield f"{name:<20}" + "".join(f"{load:12.0f}" for load in loads) + f"{share:18.0%}"


if __name__ == "__main__":
    for row in rows():
        print(row)
