"""Fixtures of the device's tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device.flash.store import Store
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock, FrontendConfig, FrontendInfo
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tests.device.bedside import Bedside
from tests.device.bundle_kit import KEYRING, NOW


@pytest.fixture(scope="session")
def signal_20s() -> tuple[FrontendInfo, FrameBlock]:
    """20 s of a simulated patient through the simulated chip."""
    frontend = simulated_frontend(preset("sinus-70"), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig())
    frontend.start()
    blocks = []
    left = 20 * SAMPLE_RATE_HZ
    while left:
        blocks.append(frontend.read(left, 1.0))
        left -= len(blocks[-1])
    frontend.close()
    joined = {
        name: np.concatenate([getattr(b, name) for b in blocks])
        for name in ("t_ns", "counts", "status", "electrodes_off")
    }
    return info, FrameBlock(0, **joined)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where the system has such."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="lead12-test-", dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def bedside(tmp_path: Path, signal_20s: tuple[FrontendInfo, FrameBlock]) -> Bedside:
    return Bedside(tmp_path / "bedside.ring", signal_20s[0])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One that trusts the keys of the tests."""
    store = Store(tmp_path / "models", 3, wait_s=0.0)
    store.trust(KEYRING, "anna", NOW)
    return store
