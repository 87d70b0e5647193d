"""Import TensorFlow without its messages on stderr."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def import_tensorflow(*, gpu: bool = True) -> ModuleType:
    """Import and return TensorFlow; with `gpu=False` this process never uses a GPU."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with silent_stderr(), _no_garbage_collection():
        import tensorflow as tf

        # It also warns about intended use, such as one graph for each of several models.
        tf.get_logger().setLevel("ERROR")
        tf.config.list_physical_devices()  # triggers the remaining messages
    module: ModuleType = tf
    return module


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Import without garbage collection, and exempt the imported objects from it: collecting takes half of the time."""
    first, enabled = "tensorflow" not in sys.modules, gc.isenabled()
    gc.disable()
    try:
        yield
        if first:
            gc.freeze()
    finally:
        if enabled:
            gc.enable()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Redirect file descriptor 2 to the null device: the messages come from C++, before its log level can be set."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
