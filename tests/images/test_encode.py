"""Encoded pictures have their pixels and nothing else, with ISA-L and without it."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.data import astronaut

from btfer_builder.images import inflate
from btfer_builder.images.decode import decode_plain_png, is_whole_png
from btfer_builder.images.encode import png


@pytest.fixture(params=["ISA-L", "zlib"])
def library(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setattr(inflate, "isal_zlib", None)
    elif inflate.isal_zlib is None:
        pytest.skip("isal is not installed")


@pytest.mark.usefixtures("library")
def test_a_png_has_pixels_and_nothing_else():
    content = png(astronaut())
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})
        np.testing.assert_array_equal(np.asarray(image), astronaut())
    kinds, at = [], 8
    while at < len(content):
        kinds.append(content[at + 4 : at + 8])
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
    assert is_whole_png(content)
    assert content == png(astronaut())
    assert len(content) < 0.75 * astronaut().nbytes


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 255), st.integers(0, 2**32 - 1))
def test_any_pixels_come_back(width, height, step, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8) // step * step
    for picture in (pixels, pixels[:, ::-1]):  # the second is not contiguous
        content = png(picture)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), picture)
        np.testing.assert_array_equal(decode_plain_png(content), picture)
