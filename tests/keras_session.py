"""A fixture for tests that build networks by the dozen."""

import gc
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def fresh_session() -> Iterator[None]:
    """Discard the networks of a test at its end, and collect garbage only then: it is half of the time else."""
    gc.disable()
    yield
    gc.enable()
    if "keras" in sys.modules:
        import keras

        keras.backend.clear_session()
