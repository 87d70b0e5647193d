"""JPEGs decoded at reduced scale: at most 2 bits from `imagehash.phash`, and every broken file is detected."""

import io
import random
from dataclasses import replace

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from skimage import data

from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hashing import hash_images, hash_images_exactly, hash_pixels, pixel_hash
from demo.pictures import encode, grace_hopper
from tests.photos import astronaut, hopper

PHOTOS = {
    "astronaut": data.astronaut(),
    "hopper": grace_hopper(),
    "coffee": data.coffee(),
    "rocket": data.rocket(),
    "chelsea": data.chelsea(),
    "face": astronaut(),
    "small": hopper(),
}
MAX_PIXELS = 10**8


def hashed(folder, content, function=hash_images):
    (folder / "file").write_bytes(content)
    return function([("id", "file")], folder, MAX_PIXELS)[0]


def bits(first, second):
    return (int(first, 16) ^ int(second, 16)).bit_count()


def jpeg(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reduced")


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(sorted(PHOTOS)),
    width=st.integers(40, 1400),
    height=st.integers(40, 1400),
    quality=st.integers(40, 95),
    progressive=st.booleans(),
    subsampling=st.sampled_from(["4:4:4", "4:2:0"]),
    orientation=st.integers(1, 8),
)
def test_any_jpeg_is_within_four_bits(
    folder, name, width, height, quality, progressive, subsampling, orientation
):
    pixels = cv2.resize(PHOTOS[name], (width, height), interpolation=cv2.INTER_AREA)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = jpeg(pixels, quality=quality, progressive=progressive, subsampling=subsampling, exif=exif)
    result = hashed(folder, content)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert (result.width, result.height) == upright.size
    assert bits(result.phash, str(imagehash.phash(upright))) <= 4
    assert bits(result.phash_mirrored, str(imagehash.phash(ImageOps.mirror(upright)))) <= 4
    assert result == replace(result, pixel_sha256="", reduced=True, reason=None)


@pytest.mark.parametrize("name", sorted(PHOTOS))
def test_exact_hashes_are_those_of_imagehash_bit_for_bit(tmp_path, name):
    content = jpeg(PHOTOS[name], quality=85)
    result = hashed(tmp_path, content, hash_images_exactly)
    image = Image.open(io.BytesIO(content))
    assert result.phash == str(imagehash.phash(image))
    assert result.pixel_sha256 == pixel_hash(decode_image(tmp_path / "file"))
    assert not result.reduced


def test_what_is_no_jpeg_is_decoded_whole_at_once(tmp_path):
    for kind in ("PNG", "BMP", "WEBP", "TIFF"):
        result = hashed(tmp_path, encode(hopper(), kind))
        assert result == hashed(tmp_path, encode(hopper(), kind), hash_images_exactly)
        assert result.pixel_sha256


@pytest.mark.parametrize("name", ["hopper", "astronaut", "coffee"])
@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_every_kind_of_jpeg(tmp_path, mode, name):
    file = io.BytesIO()
    image = Image.fromarray(PHOTOS[name]).resize((777, 555)).convert(mode)
    image.save(file, "JPEG", quality=90)
    result = hashed(tmp_path, file.getvalue())
    assert result.reduced
    assert bits(result.phash, hashed(tmp_path, file.getvalue(), hash_images_exactly).phash) <= 2


def test_reduced_decoding_finds_out_the_same_broken_files(tmp_path):
    """Cut short anywhere, bits flipped, stretches zeroed: refused when, and only when, the whole decoder refuses."""
    rng, refused = random.Random(4), 0
    for number in range(160):
        photo = PHOTOS[rng.choice(sorted(PHOTOS))]
        pixels = cv2.resize(photo, (rng.randint(200, 600), rng.randint(200, 600)))
        content = bytearray(jpeg(pixels, progressive=number % 2 == 0))
        if number % 4 == 0:
            del content[rng.randrange(3, len(content)) :]
        elif number % 4 == 1:
            del content[-rng.randint(1, 60) :]
        elif number % 4 == 2:
            for _ in range(rng.randint(1, 30)):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        else:
            start = rng.randrange(len(content))
            content[start : start + 2000] = bytes(len(content[start : start + 2000]))
        result = hashed(tmp_path, bytes(content))
        try:
            decode_image(tmp_path / "file")
            reason = None
        except Undecodable as error:
            reason = error.reason
        assert result.reason == reason, number
        refused += reason is not None
    assert 30 < refused < 120  # a JPEG that lacks only its last bytes is decoded


def test_pixel_hashes_are_made_when_they_are_asked_for(tmp_path):
    content = jpeg(hopper())
    (tmp_path / "a.jpg").write_bytes(content)
    (tmp_path / "b.png").write_bytes(encode(np.asarray(Image.open(io.BytesIO(content))), "PNG"))
    (tmp_path / "broken").write_bytes(content[:900])
    items = [("a", "a.jpg"), ("b", "b.png"), ("c", "broken"), ("d", "gone")]
    first, second, broken, gone = hash_pixels(items, tmp_path, MAX_PIXELS)
    assert first == second == pixel_hash(np.asarray(Image.open(io.BytesIO(content))))
    assert broken == gone == ""
