"""pHashes equal those of imagehash, also mirrored ones, and the pixel hash depends on the pixels only."""

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from skimage import data

from btfer_builder.images.decode import decode_image
from btfer_builder.images.hashing import hash_images, perceptual_hashes, pixel_hash
from btfer_builder.records import ImageHash
from demo.pictures import bomb, encode, portrait
from tests.photos import astronaut, hopper, mirror, some_photos

#: Mirrored and shrunk, or shrunk and mirrored: the rounding of the filter might differ, and never did.
MIRRORED_BITS = 2

PHOTOS = [
    astronaut(),
    hopper(),
    data.coffee(),
    data.rocket(),
    data.chelsea(),
    *(portrait(face, seed) for seed, face in enumerate(data.lfw_subset()[:12])),
]


def bits(first, second):
    return (int(first, 16) ^ int(second, 16)).bit_count()


def check(pixels):
    image = Image.fromarray(pixels)
    plain, mirrored, fine, *_ = perceptual_hashes(pixels)
    assert fine == str(imagehash.phash(image, hash_size=16))
    assert plain == str(imagehash.phash(image))
    assert bits(mirrored, str(imagehash.phash(ImageOps.mirror(image)))) <= MIRRORED_BITS
    assert len(plain) == len(mirrored) == 16


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: f"{photo.shape} {photo.mean():.0f}")
def test_photos_have_the_hash_of_imagehash(photo):
    check(photo)


def test_a_mirrored_photo_has_the_mirrored_hash():
    plain, mirrored, fine, fine_mirrored, _ = perceptual_hashes(hopper())
    assert perceptual_hashes(mirror(hopper()))[:4] == (mirrored, plain, fine_mirrored, fine)
    assert bits(plain, mirrored) > 16


@settings(deadline=None, max_examples=200)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    seed=st.integers(0, 2**32),
    levels=st.sampled_from([1, 2, 8, 256]),
)
def test_any_pixels_have_the_hash_of_imagehash(height, width, seed, levels):
    noise = np.random.default_rng(seed).integers(0, levels, (height, width, 3))
    check((noise * (255 // max(1, levels - 1))).astype(np.uint8))


def test_extreme_shapes():
    for shape in [(1, 1, 3), (1, 3000, 3), (3000, 1, 3)]:
        check(np.full(shape, 77, np.uint8))


def test_the_exact_hash_is_of_the_pixels_and_not_of_the_file(tmp_path):
    hashes = set()
    for kind in ("PNG", "BMP", "TIFF"):
        (tmp_path / kind).write_bytes(encode(hopper(), kind))
        hashes.add(pixel_hash(decode_image(tmp_path / kind)))
    assert len(hashes) == 1


def test_the_exact_hash_tells_shapes_and_single_bits_apart():
    flat = np.zeros((4, 6, 3), np.uint8)
    turned = np.zeros((6, 4, 3), np.uint8)
    one_bit = flat.copy()
    one_bit[2, 3, 1] = 1
    assert flat.tobytes() == turned.tobytes()
    assert len({pixel_hash(pixels) for pixels in (flat, turned, one_bit)}) == 3
    assert pixel_hash(flat[::-1, ::-1]) == pixel_hash(flat.copy())  # a view of other strides


def test_a_shard_keeps_its_order_and_every_failure_its_reason(tmp_path):
    files = {
        "photo": encode(hopper(), "PNG"),
        "page": b"<html>",
        "bomb": bomb(),
        "cut": some_photos()["surprise"]["cut.jpg"],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    ids = [*files, "gone", "folder"]
    hashed = hash_images([(f"id of {name}", name) for name in ids], tmp_path, 1_000_000)
    assert [result.image_id for result in hashed] == [f"id of {name}" for name in ids]
    assert {result.image_id[6:]: result.reason for result in hashed} == {
        "photo": None,
        "page": "unreadable",
        "bomb": "too_large",
        "cut": "unreadable",
        "gone": "missing_file",
        "folder": "missing_file",
    }
    photo = hopper()
    assert hashed[0] == ImageHash(
        "id of photo", photo.shape[1], photo.shape[0], pixel_hash(photo), *perceptual_hashes(photo)
    )
    for failed in hashed[1:]:
        assert failed.detail
        assert (failed.width, failed.phash, failed.phash_mirrored, failed.pixel_sha256) == (0, "", "", "")
