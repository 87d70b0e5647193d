"""What holds for all tests."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast data are generated depends on the machine and on what else it does, and is no property of the code.
settings.register_profile("btfer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("btfer")

#: Where files are kept in memory, and how many free bytes it must have.
MEMORY, ROOM = Path("/dev/shm"), 6 << 30


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep the files of tests in memory where there is room: each commit of a catalog waits for a disk."""
    if config.option.basetemp or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        return
    folder = tempfile.mkdtemp(prefix="btfer-tests-", dir=MEMORY)
    config.option.basetemp = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Import TensorFlow as the package does, which takes half of the time of a plain import."""
    if item.get_closest_marker("tensorflow"):
        from btfer_builder.io.tensorflow_import import import_tensorflow

        import_tensorflow()
