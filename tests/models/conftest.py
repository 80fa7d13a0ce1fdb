from __future__ import annotations

from importlib import resources

import pytest

from firmware.bundle import Bundle


@pytest.fixture(scope="session")
def embedded() -> Bundle:
    return Bundle.from_bytes(resources.files("firmware").joinpath("embedded.l12").read_bytes())
