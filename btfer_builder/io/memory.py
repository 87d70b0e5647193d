"""Keep the memory of freed arrays in the process, where the C library has a say."""

import ctypes
from contextlib import suppress

#: Numbers of the settings of glibc's `mallopt`.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

#: Arrays up to so many bytes get memory that was freed before: the most to which glibc's own rule goes.
_ARRAY = 32 * 2**20


def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MB of freed memory for each thread; do nothing with other C libraries.

    It does so by itself after the first large arrays, until TensorFlow's data sets forbid it. Each array above 128 kB
    is then asked from the system page by page, which can take as long as decoding the face for which it is.
    """
    with suppress(AttributeError, OSError, TypeError):  # macOS, musl; Windows
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _ARRAY)
        mallopt(_TRIM_THRESHOLD, 2 * _ARRAY)
