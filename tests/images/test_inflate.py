"""Faces that ISA-L inflates are those that zlib inflates, and damage is left to zlib."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.images import inflate
from btfer_builder.images.decode import decode_plain_png
from btfer_builder.images.inflate import with_stored_pixels
from tests.images.test_decode import Image, saved


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_the_pixels_are_the_same(width, height, level, seed):
    pytest.importorskip("isal")
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8) // (1 + seed % 90)
    np.testing.assert_array_equal(
        decode_plain_png(saved(Image.fromarray(pixels), "PNG", compress_level=level)), pixels
    )


def test_a_stream_of_another_length_is_left_to_zlib():
    pytest.importorskip("isal")
    whole = zlib.compress(bytes(100_000))
    assert with_stored_pixels(b"", [whole], 100_000)
    for parts, size in (([whole], 99_999), ([whole], 100_001), ([whole[:-9]], 100_000), ([b"no"], 4)):
        assert with_stored_pixels(b"", parts, size) is None


def test_without_it_zlib_inflates(monkeypatch):
    monkeypatch.setattr(inflate, "isal_zlib", None)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    np.testing.assert_array_equal(decode_plain_png(saved(Image.fromarray(pixels), "PNG")), pixels)
