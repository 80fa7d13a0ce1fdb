"""A pytest plugin for the root: emulation is slow, so drawing an example may take its time."""

from hypothesis import HealthCheck, settings

settings.register_profile("emulated", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("emulated")
