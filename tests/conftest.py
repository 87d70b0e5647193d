"""TensorFlow is imported as the package does, which takes half of the time of a plain import."""

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("tensorflow"):
        from btfer_builder.io.tensorflow_import import import_tensorflow

        import_tensorflow()
