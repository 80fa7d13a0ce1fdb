"""``python -m tests.arm64.compute FILE.npz``: what the comparison compares, from seeded inputs.

The same program runs on this machine and in the root; it must not depend on which.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.bundles import Model, read_bundle
from device.config import Config
from device.instrument import Instrument
from device.link.port import STDOUT
from firmware.bundle import Bundle
from firmware.filters import COUNT_MAX, COUNT_MIN, FilterChain
from firmware.network import Network, installed
from firmware.profiles import MAINS_HZ, PROFILES
from hal.clock import VirtualClock
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ, FrameBlock, FrontendInfo
from hal.patient.presets import preset, presets
from hal.simulated import simulated_frontend

# Every kind of message: findings, alarms, rests, electrodes off and on again, refusals, swaps
FEW = ("stemi-anterior", "v3-off")
LONG_S, SHORT_S = 30, 20
SEEDS = 5  # of windows per preset
NOISE_WINDOWS = 8
TICK_NS = 1_000_000_000

Arrays = dict[str, NDArray[np.generic]]


class Sink:
    """A port that keeps what is sent."""

    def __init__(self) -> None:
        self.sent = bytearray()

    def read(self, max_bytes: int) -> bytes:
        """Nobody answers."""
        return b""

    def write(self, data: bytes) -> int:
        """Take all."""
        self.sent += data
        return len(data)

    def close(self) -> None:
        """Nothing to close."""


def signals() -> Iterator[tuple[str, NDArray[np.int32]]]:
    """Counts [3000, 8] that filters find hard, beside ordinary ones."""
    rng = np.random.default_rng(12)
    n = 3000
    t = np.arange(n)[:, None]
    yield "impulses", np.where(t % 700 == 350, COUNT_MAX, 0).repeat(CHANNELS, 1).astype(np.int32)
    yield "full-scale noise", rng.integers(COUNT_MIN, COUNT_MAX, (n, CHANNELS), np.int32)
    yield "rail to rail", np.where(t // 250 % 2, COUNT_MAX, COUNT_MIN).repeat(8, 1).astype(np.int32)
    yield "least bit", rng.integers(-1, 2, (n, CHANNELS), np.int32)
    offset = rng.integers(-6_000_000, 6_000_000, CHANNELS)
    sine = 40_000 * np.sin(2 * np.pi * t * np.linspace(0.05, 240, CHANNELS) / SAMPLE_RATE_HZ)
    yield "sines on 300 mV", np.rint(offset + sine).astype(np.int32)
    yield "drift into the rail", np.clip(t * 4001, 0, COUNT_MAX).repeat(8, 1).astype(np.int32)


def filtered() -> Arrays:
    """Every profile with every notch, in uneven blocks: {filter/PROFILE/NOTCH/SIGNAL: counts}."""
    out: Arrays = {}
    for signal, counts in signals():
        for name, profile in PROFILES.items():
            for mains_hz in (None, *MAINS_HZ):
                chain = FilterChain(profile, mains_hz=mains_hz)
                cuts = np.cumsum([1, 7, 50, 333, 500])
                blocks = [chain.push(part) for part in np.split(counts, cuts)]
                out[f"filter/{name}/{mains_hz or 'no notch'}/{signal}"] = np.concatenate(blocks)
    return out


def recorded(name: str, seconds: int, seed: int = 1) -> tuple[list[FrameBlock], FrontendInfo]:
    """Frames of a simulated patient, and what their front end says of itself."""
    frontend = simulated_frontend(preset(name, seed), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(Config().frontend.settings())
    frontend.start()
    blocks = []
    left = seconds * SAMPLE_RATE_HZ
    while left > 0:
        blocks.append(frontend.read(min(left, SAMPLE_RATE_HZ), 1.0))
        left -= len(blocks[-1])
    frontend.stop()
    frontend.close()
    return blocks, info


def messages(
    bundle: Bundle, blocks: list[FrameBlock], info: FrontendInfo, *, reference: bool
) -> bytes:
    """What the instrument says of the frames on its serial line, once a second."""
    sink = Sink()
    model = Model(Network(bundle, reference=reference), "embedded")
    config = Config().override({"serial.port": STDOUT})
    instrument = Instrument(config, model=model, port=sink)
    instrument.connect(info)
    for second, block in enumerate(blocks):
        instrument.process(block)
        instrument.link.poll(second * TICK_NS)
    return bytes(sink.sent)


def compute(few: bool) -> Arrays:
    """Everything; ``few``: two patients and their windows, for a run of seconds."""
    out = filtered()
    bundle = read_bundle()
    windows = [golden.tensor for golden in bundle.golden]
    reference = Network(bundle, reference=True)
    size = bundle.input.samples * 5
    for name in FEW if few else presets():
        seconds = SHORT_S if few else LONG_S
        blocks, info = recorded(name, seconds)
        counts = np.concatenate([block.counts for block in blocks])
        out[f"counts/{name}"] = counts
        for kernels in ("reference", "optimised"):
            said = messages(bundle, blocks, info, reference=kernels == "reference")
            out[f"messages/{kernels}/{name}"] = np.frombuffer(said, np.uint8)
        starts = np.linspace(0, len(counts) - size, SEEDS).astype(int)
        cut = [reference.tensor(counts[start : start + size]) for start in starts]
        out[f"tensors/{name}"] = np.array(cut)
        windows += cut
    rng = np.random.default_rng(34)
    shape = (NOISE_WINDOWS, *windows[0].shape)
    windows += list(rng.integers(-128, 128, shape, np.int8))
    for runtime in installed():
        for kernels in ("reference", "optimised"):
            network = Network(bundle, runtime=runtime, reference=kernels == "reference")
            of = f"logits/{runtime.name.lower()}/{kernels}"
            out[of] = np.array([network.logits(window) for window in windows])
    out["tolerance"] = np.array(bundle.tolerance)
    return out


def main() -> None:
    """Write the arrays."""
    parser = argparse.ArgumentParser(prog="python -m tests.arm64.compute")
    parser.add_argument("file", type=Path)
    parser.add_argument("--few", action="store_true", help="seconds instead of minutes")
    asked = parser.parse_args()
    np.savez(asked.file, **compute(asked.few))


if __name__ == "__main__":
    main()
