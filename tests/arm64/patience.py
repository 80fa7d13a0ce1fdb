"""A pytest plugin for the root: emulation is slow, so that what waits is given its time."""

import pytest
from hypothesis import HealthCheck, settings

from tests.device import waiting

settings.register_profile("emulated", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("emulated")
waiting.DEADLINE_S *= 10


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what no patience helps."""
    for item in items:
        if (mark := item.get_closest_marker("native")) is not None:
            why = f"needs a processor that is not emulated: {mark.args[0]}"
            item.add_marker(pytest.mark.skip(reason=why))
