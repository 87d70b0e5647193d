"""Networks come and go by the dozen in these tests."""

import gc
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def fresh_session() -> Iterator[None]:
    """Throw a test's networks away at its end, and look for garbage only then: it is half of the time else."""
    gc.disable()
    yield
    gc.enable()
    if "keras" in sys.modules:
        import keras

        keras.backend.clear_session()
