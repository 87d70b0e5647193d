"""Formats are recognised by their content; one that cannot be decoded is named with what to install."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from btfer_builder.images import formats
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.formats import FORMATS, openers, recognise, unsupported
from demo.pictures import bomb
from tests.photos import astronaut

SMALL = Image.fromarray(np.ascontiguousarray(astronaut()[:64, :64]))
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 200
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 200


def saved(kind):
    buffer = io.BytesIO()
    SMALL.save(buffer, kind)
    return buffer.getvalue()


WRITTEN = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "ICO", "PPM")


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_is_written_is_recognised_and_opened(kind):
    assert recognise(saved(kind)[:1024]) == kind
    assert kind in openers()
    assert set(openers()) <= set(FORMATS)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (HEIC, "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41", None),
        (JXL, "JXL"),
        (b"\xff\x0a\xfa\x1f", "JXL"),
        (b"\xff\x4f\xff\x51\0\x2f", "JPEG2000"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html><html><svg/></html>", None),
        (b"BMI,age\n22,3\n", None),
        (b"P1 is the first person\n", None),
        (b"P5\n# a comment\n48 48\n255\n", "PPM"),
        (b"path,emotion\n", None),
        (b"", None),
        (b"GIF", None),
    ],
)
def test_the_first_bytes_say_the_format(content, kind):
    assert recognise(content) == kind


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (HEIC, "HEIC: .*pip install pillow-heif"),
        (JXL, "JPEG XL: .*pillow-jxl-plugin"),
        (b"8BPS\0\1" + b"\0" * 99, "PSD: convert"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "SVG: convert"),
    ],
)
def test_a_format_that_cannot_be_decoded_is_named(tmp_path, monkeypatch, content, says):
    without = tuple(name for name in openers() if name not in {"HEIF", "JXL"})
    monkeypatch.setattr(formats, "openers", lambda: without)
    monkeypatch.setattr("btfer_builder.images.decode.openers", lambda: without)
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(Undecodable, match=says) as caught:
        decode_image(tmp_path / "photo.jpg")
    assert caught.value.reason == "unsupported_format"


def test_what_can_be_decoded_is_not_unsupported():
    assert unsupported(saved("JPEG")) is None
    assert unsupported(b"words") is None


def test_heic_is_decoded_where_its_package_is_installed(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(astronaut())).save(tmp_path / "photo.jpg", quality=95)
    pixels = decode_image(tmp_path / "photo.jpg")
    assert np.abs(pixels.astype(int) - astronaut()).mean() < 6


def test_an_icon_is_its_largest_picture(tmp_path):
    (tmp_path / "favicon.ico").write_bytes(saved("ICO"))
    assert decode_image(tmp_path / "favicon.ico").shape == (64, 64, 3)


def test_a_bomb_in_an_icon_is_refused(tmp_path):
    picture = bomb(12_000)
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(picture), 22)
    (tmp_path / "favicon.ico").write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + picture)
    with pytest.raises(Undecodable) as caught:
        decode_image(tmp_path / "favicon.ico", 100_000_000)
    assert caught.value.reason == "too_large"
