"""Import TensorFlow without the dozen lines it writes to the terminal first."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def import_tensorflow(*, gpu: bool = True) -> ModuleType:
    """Return TensorFlow; with `gpu=False` the process never takes a graphics card."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with silent_stderr():
        import tensorflow as tf

        # It also warns of what is meant, as of a graph for each of several models.
        tf.get_logger().setLevel("ERROR")
        tf.config.list_physical_devices()  # the rest of the lines comes with the first look for devices
    module: ModuleType = tf
    return module


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere: such lines come from C++, before its log level can be set."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
