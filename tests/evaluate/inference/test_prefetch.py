"""Decoding ahead uses the same memory for one face after the other, also after TensorFlow has forbidden it."""

import platform
import subprocess
import sys

import numpy as np
import pytest

from btfer_builder.images.encode import png

PROGRAM = """
import ctypes, resource, sys
from pathlib import Path
from btfer_builder.evaluate import faces_in_folder
from btfer_builder.evaluate.inference.kept_faces import KeptFaces, as_it_is, geometry_of
from btfer_builder.evaluate.inference.prefetch import prefetch
from btfer_builder.networks.preprocessing import preprocessing_of

faces, way = faces_in_folder(Path(sys.argv[1])), preprocessing_of("lenet5", size=48)
ctypes.CDLL(None).mallopt(-3, 131072)  # as TensorFlow does, when it first reads a data set
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    list(prefetch(faces, [[way]], [as_it_is], 16, 1, KeptFaces([[geometry_of(way)]])))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults // len(faces))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_faces_get_the_memory_of_those_before_them(tmp_path):
    (tmp_path / "happy").mkdir()
    content = png(np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8))
    for number in range(48):
        (tmp_path / "happy" / f"{number}.png").write_bytes(content)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 50
