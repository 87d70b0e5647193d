"""Freed memory stays in the process, also after TensorFlow has forbidden it."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, threading
import numpy as np
from btfer_builder.io.memory import keep_freed_memory

faults = []

def work():
    for _ in range(60):
        if len(faults) < 51:
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
        first, second = np.ones(200_000, np.uint8), np.ones(800_000, np.uint8)
        del first, second

ctypes.CDLL(None).mallopt(-3, 131072)  # as TensorFlow does, when it first reads a data set
for ask in (lambda: None, keep_freed_memory):
    ask()
    faults.clear()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    print((faults[-1] - faults[10]) // 40)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_arrays_get_the_memory_of_those_before_them():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, after = map(int, run.stdout.split())
    assert before > 200
    assert after == 0
