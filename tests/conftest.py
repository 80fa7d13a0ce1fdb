"""Shared fixtures: the development recordings where they are, a virtual clock everywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.clock import VirtualClock

DATA = Path(os.environ.get("LEAD12_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of development recordings; skips where it is absent."""
    if not (DATA / "wfdb").is_dir():
        pytest.skip(f"development recordings not found in {DATA}")
    return DATA


@pytest.fixture(autouse=True, scope="session")
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Models installed on the developer's machine are none of the tests' business."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("STATE_DIRECTORY", raising=False)
        yield


@pytest.fixture(autouse=True)
def _settings_of_the_file(_state_home: None) -> Iterator[None]:
    """What one test changes on its monitor is not kept for the next."""
    yield
    (Path(os.environ["XDG_STATE_HOME"]) / "lead12" / "settings.json").unlink(missing_ok=True)
