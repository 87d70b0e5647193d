"""Faces that ISA-L inflates are those that zlib inflates, and damage is left to zlib."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.images import inflate
from btfer_builder.images.decode import decode_plain_png
from btfer_builder.images.encode import png
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
    assert b"".join(inflate.inflate([whole[:50], whole[50:]], 100_000)) == bytes(100_000)
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    for stream, size in (
        (whole, 99_999),
        (whole, 100_001),
        (whole[:-9], 100_000),
        (damaged, 100_000),
        (b"no", 4),
    ):
        assert inflate.inflate([stream], size) is None


def test_a_long_stream_is_not_inflated_to_its_end():
    pytest.importorskip("isal")
    bomb = zlib.compress(bytes(20_000_000))
    tracemalloc.start()
    assert inflate.inflate([bomb], 1000) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_rows_of_every_filter_are_those_of_pillow(width, height, highest, seed):
    pytest.importorskip("isal")
    random = np.random.default_rng(seed)
    rows = random.integers(0, 256, (height, 1 + 3 * width), np.uint8)
    rows[:, 0] = random.integers(0, highest + 1, height)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, part in ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b"")):
        content += struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(decode_plain_png(content), np.asarray(image))


def test_large_images_are_left_to_opencv():
    pytest.importorskip("isal")
    pixels = np.random.default_rng(0).integers(0, 256, (2050, 2050, 1), np.uint8).repeat(3, axis=2)
    rows = np.zeros((2050, 1 + 3 * 2050), np.uint8)
    rows[:, 1:] = pixels.reshape(2050, -1)
    assert inflate.without_filters([rows.tobytes()], 2050, 2050) is None
    np.testing.assert_array_equal(decode_plain_png(png(pixels)), pixels)


def test_without_it_zlib_inflates(monkeypatch):
    monkeypatch.setattr(inflate, "isal_zlib", None)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    np.testing.assert_array_equal(decode_plain_png(saved(Image.fromarray(pixels), "PNG")), pixels)
