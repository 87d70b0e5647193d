"""What holds for all tests."""

import pytest
from hypothesis import HealthCheck, settings

# How fast data are generated depends on the machine and on what else it does, and is no property of the code.
settings.register_profile("btfer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("btfer")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Import TensorFlow as the package does, which takes half of the time of a plain import."""
    if item.get_closest_marker("tensorflow"):
        from btfer_builder.io.tensorflow_import import import_tensorflow

        import_tensorflow()
