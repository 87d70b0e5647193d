"""What a browser shows is decoded: PNG with odd chunks, JPEG without its last bytes; what is cut off is not."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hashing import hash_images
from tests.photos import astronaut

PICTURE = np.ascontiguousarray(astronaut()[:128, :160])


def png(**options):
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(kind, content, checksum=None):
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return len(content).to_bytes(4) + kind + content + checksum.to_bytes(4)


def with_chunk(added, before=b"IDAT"):
    content = png()
    at = content.index(before) - 4
    return content[:at] + added + content[at:]


LONG = b"x" * (3 << 20)


@pytest.mark.parametrize(
    "content",
    [
        with_chunk(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LONG))),
        with_chunk(chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(LONG))),
        with_chunk(chunk(b"iCCP", b"profile\0\0" + zlib.compress(LONG))),
        with_chunk(chunk(b"tEXt", b"Comment\0hello", checksum=1)),
        with_chunk(chunk(b"gAMA", b"\0\0\xb1\x8f", checksum=1)),
        with_chunk(chunk(b"pHYs", b"\0", checksum=None)),
        with_chunk(chunk(b"tIME", b"\0" * 7, checksum=1), before=b"IEND"),
        with_chunk(chunk(b"eXIf", b"nonsense", checksum=1)),
        with_chunk(chunk(b"tEXt", b"a\0b") * 2000),
    ],
    ids=["zTXt", "iTXt", "iCCP", "tEXt sum", "gAMA sum", "short pHYs", "tIME sum", "eXIf sum", "many texts"],
)
def test_chunks_that_are_not_needed_drop_no_png(tmp_path, content):
    (tmp_path / "picture.png").write_bytes(content)
    assert np.array_equal(decode_image(tmp_path / "picture.png"), PICTURE)


@pytest.mark.parametrize(
    ("content", "lost"),
    [
        (with_chunk(chunk(b"tEXt", b"Comment\0" + b"x" * 50), before=b"IEND"), 30),
        (with_chunk(chunk(b"tEXt", b"Comment\0" + b"x" * 50), before=b"IEND"), 12),
        (with_chunk(chunk(b"tEXt", b"Comment\0hello", checksum=1)), 14),
        (with_chunk(chunk(b"tEXt", b"Comment\0hello", checksum=1)), 6),
    ],
    ids=["in a text", "after a text", "in the data's checksum", "in the end"],
)
def test_a_png_that_lacks_no_pixels_is_a_picture(tmp_path, content, lost):
    (tmp_path / "picture.png").write_bytes(content[:-lost])
    assert np.array_equal(decode_image(tmp_path / "picture.png"), PICTURE)


@pytest.mark.parametrize("kind", [2, 7])  # a text, or undefined bytes
def test_an_odd_tag_drops_no_avif_and_its_orientation_is_applied(tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0  # Pillow writes the orientation as a property of the picture
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "AVIF", exif=exif)
    (tmp_path / "plain.avif").write_bytes(buffer.getvalue())
    resolution = b"\x01\x1a\0\x05\0\0\0\1"
    assert buffer.getvalue().count(resolution) == 1
    odd = buffer.getvalue().replace(resolution, resolution[:3] + bytes([kind]) + resolution[4:])
    (tmp_path / "odd.avif").write_bytes(odd)
    pixels = decode_image(tmp_path / "odd.avif")
    assert pixels.shape == (160, 128, 3)
    assert np.array_equal(pixels, decode_image(tmp_path / "plain.avif"))


def test_why_a_file_is_unreadable_is_the_same_each_time(tmp_path):
    (tmp_path / "picture.png").write_bytes(with_chunk(chunk(b"tEXt", b"a\0b")).replace(b"IHDR", b"IHDX"))
    with pytest.raises(Undecodable, match=r"cannot identify image file$"):
        decode_image(tmp_path / "picture.png")


def test_what_a_png_needs_is_kept(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = Image.fromarray(PICTURE).quantize(16)
    buffer = io.BytesIO()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x")
    palette.save(buffer, "PNG", exif=exif, pnginfo=text, transparency=0)
    (tmp_path / "picture.png").write_bytes(buffer.getvalue())
    expected = palette.convert("RGB").transpose(Image.Transpose.ROTATE_270)
    clear = np.asarray(palette.transpose(Image.Transpose.ROTATE_270)) == 0
    pixels = decode_image(tmp_path / "picture.png")
    assert (pixels[clear] == 255).all()
    assert np.array_equal(pixels[~clear], np.asarray(expected)[~clear])


def test_a_png_with_wrong_data_is_refused(tmp_path):
    content = with_chunk(chunk(b"tEXt", b"Comment\0hello", checksum=1))
    for broken in (content[:-300], content.replace(b"IDAT", b"IDOT"), content.replace(b"IHDR", b"IHDX")):
        (tmp_path / "picture.png").write_bytes(broken)
        with pytest.raises(Undecodable, match="unreadable"):
            decode_image(tmp_path / "picture.png")


def jpeg(**options):
    buffer = io.BytesIO()
    Image.fromarray(astronaut()).save(buffer, "JPEG", quality=85, **options)
    return buffer.getvalue()


KINDS = {"baseline": {}, "progressive": {"progressive": True}, "restart": {"restart_marker_rows": 1}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost", [1, 2, 3, 40, 300])
def test_a_jpeg_without_its_last_bytes_is_a_picture(tmp_path, kind, lost):
    content = jpeg(**KINDS[kind])
    (tmp_path / "photo.jpg").write_bytes(content[:-lost])
    pixels = decode_image(tmp_path / "photo.jpg").astype(int)
    whole = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    assert np.abs(pixels - whole).mean() < 4
    if kind != "progressive":
        assert np.array_equal(pixels[:-48], whole[:-48])
    (result,) = hash_images([("a", "photo.jpg")], tmp_path, 10**8)
    assert result.reason is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_a_jpeg_that_is_cut_off_is_none(tmp_path, kind, share):
    content = jpeg(**KINDS[kind])
    (tmp_path / "photo.jpg").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(Undecodable, match="unreadable"):
        decode_image(tmp_path / "photo.jpg")


def test_what_is_behind_a_jpeg_does_not_matter(tmp_path):
    content = jpeg()
    (tmp_path / "photo.jpg").write_bytes(content + b"appended by a camera" * 100)
    whole = np.asarray(Image.open(io.BytesIO(content)))
    assert np.array_equal(decode_image(tmp_path / "photo.jpg"), whole)
