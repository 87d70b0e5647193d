"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# How fast data are generated depends on the machine and on what else it does, and is no property of the code.
settings.register_profile("btfer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("btfer")
