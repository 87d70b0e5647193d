"""Of EXIF, only the orientation is read: nothing else in it drops a photo, turns it or ends a command."""

import io
import random
import struct

import numpy as np
import pytest
from PIL import Image

from btfer_builder.images.decode import Undecodable, decode_image, decode_reduced, open_image, orientation
from btfer_builder.images.hashing import hash_images
from tests.photos import astronaut

WIDE = np.ascontiguousarray(astronaut()[:24, :32])

ODD_TAGS = {
    "resolution as text": (0x011A, 2, b"72dpi\0\0\0"),
    "signed rational": (0x011A, 10, struct.pack("<ii", -72, 1)),
    "rational of nothing": (0x011A, 5, struct.pack("<II", 0, 0)),
    "wrong type of YCbCrPositioning": (0x0213, 12, struct.pack("<d", 1.0)),
    "unknown type": (0x0131, 99, b"abcdefgh"),
    "GPS with negative rationals": (
        0x8825,
        4,
        struct.pack("<HHHIII6i", 1, 2, 10, 3, 56, 0, -48, 1, -12, 1, -30, 1),
    ),
    "text that is no UTF-8": (0x013B, 2, b"\xff\xfe\xfd\xfc\0\0\0\0"),
}


def exif_block(turn, tag, kind, value):
    """Return an EXIF block with one odd tag and an orientation."""
    entries = [(0x0112, 3, 1, struct.pack("<HH", turn, 0))]
    count = {2: len(value), 10: 1, 5: 1, 12: 1}.get(kind, 1)
    entries.append((tag, kind, count, struct.pack("<I", 8 + 2 + 24 + 4)))
    entries.sort()
    directory = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + directory + b"\0\0\0\0" + value


def jpeg(exif=b"", **options):
    buffer = io.BytesIO()
    Image.fromarray(WIDE).save(buffer, "JPEG", quality=90, exif=exif, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ODD_TAGS)
@pytest.mark.parametrize("turn", [1, 6])
def test_an_odd_tag_drops_no_photo(tmp_path, name, turn):
    (tmp_path / "photo.jpg").write_bytes(jpeg(exif_block(turn, *ODD_TAGS[name])))
    pixels = decode_image(tmp_path / "photo.jpg")
    assert pixels.shape == ((32, 24, 3) if turn == 6 else (24, 32, 3))
    (result,) = hash_images([("a", "photo.jpg")], tmp_path, 10**8)
    assert (result.reason, result.height, result.width) == (None, *pixels.shape[:2])


def test_of_4000_changed_exif_blocks_none_drops_its_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A], exif[0x011B], exif[0x0213] = 6, "Maker", 72.0, 72.0, 1
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)
    plain = jpeg(exif.tobytes())
    start, length = plain.index(b"Exif\0\0") + 6, len(exif.tobytes()) - 6
    draw = random.Random(0)
    path = tmp_path / "photo.jpg"
    dropped = []
    for _ in range(4000):
        content = bytearray(plain)
        for _ in range(draw.choice((1, 1, 2, 4, 16))):
            content[start + draw.randrange(length)] = draw.randrange(256)
        path.write_bytes(content)
        try:
            if sorted(decode_image(path).shape) != [3, 24, 32]:
                dropped.append(bytes(content))
        except Undecodable as error:
            dropped.append(error.detail)
    assert not dropped


def test_orientation_in_xmp_turns_nothing(tmp_path):
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    (tmp_path / "photo.jpg").write_bytes(jpeg(xmp=xmp))
    assert decode_image(tmp_path / "photo.jpg").shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("value", "read"),
    [(struct.pack("<HH", 6, 0), 6), (struct.pack("<HH", 9, 0), 1), (struct.pack("<HH", 0, 0), 1)],
)
def test_values_beyond_the_standard_turn_nothing(tmp_path, value, read):
    block = b"Exif\0\0II*\0" + struct.pack("<IHHHI", 8, 1, 0x0112, 3, 1) + value + b"\0\0\0\0"
    (tmp_path / "photo.jpg").write_bytes(jpeg(block))
    with open_image(tmp_path / "photo.jpg") as image:
        assert orientation(image) == read


def tiff(tags):
    buffer = io.BytesIO()
    Image.fromarray(WIDE).save(buffer, "TIFF", tiffinfo=tags)
    return buffer.getvalue()


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_size_of_a_tiff_is_that_of_its_upright_pixels(tmp_path, turn):
    (tmp_path / "photo.tif").write_bytes(tiff({0x0112: turn}))
    whole = decode_image(tmp_path / "photo.tif")
    pixels, scale, size = decode_reduced(tmp_path / "photo.tif", 10)
    assert whole.shape[:2] == ((32, 24) if turn >= 5 else (24, 32))
    assert (scale, size) == (1, whole.shape[1::-1])
    np.testing.assert_array_equal(pixels, whole)


@pytest.mark.parametrize("kind", [1, 2, 7])
def test_xmp_neither_turns_nor_drops_a_tiff(tmp_path, kind):
    content = tiff({700: b'<x tiff:Orientation="6"/>'})
    written = next(entry for entry in (struct.pack("<HH", 700, each) for each in (1, 7)) if entry in content)
    (tmp_path / "photo.tif").write_bytes(content.replace(written, struct.pack("<HH", 700, kind)))
    np.testing.assert_array_equal(decode_image(tmp_path / "photo.tif"), WIDE)
