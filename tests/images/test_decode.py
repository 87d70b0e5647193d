"""Any file is decoded to an upright RGB array or gets a reason, whatever its content."""

import io
import os
import pickle
import resource
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from btfer_builder.images.decode import Undecodable, decode_image, decode_plain_png, decode_reduced
from btfer_builder.reasons import REASONS
from demo.pictures import bomb, encode
from tests.photos import astronaut, hopper

#: No symmetry of the square maps it onto itself, and JPEG keeps its flat 16×16 blocks nearly exactly.
QUARTERS = np.kron(
    np.array(
        [[[250, 20, 20], [20, 250, 20]], [[20, 20, 250], [20, 20, 20]], [[240, 240, 240], [90, 90, 90]]]
    ),
    np.ones((16, 16, 1)),
).astype(np.uint8)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def decoded(tmp_path):
    def decode_bytes(content, name="file", **options):
        (tmp_path / name).write_bytes(content)
        pixels = decode_image(tmp_path / name, **options)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        return pixels

    return decode_bytes


@pytest.fixture
def refused(decoded):
    def reason_of(content, **options):
        with pytest.raises(Undecodable) as caught:
            decoded(content, **options)
        assert caught.value.detail
        return caught.value.reason

    return reason_of


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_lossless_formats_are_exact(decoded, kind):
    assert np.array_equal(decoded(encode(QUARTERS, kind)), QUARTERS)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_come_close(decoded, kind):
    photo = astronaut()
    difference = decoded(encode(photo, kind)).astype(int) - photo
    assert difference.std() < 8


def test_the_name_of_a_file_is_not_trusted(decoded):
    assert np.array_equal(decoded(encode(QUARTERS, "PNG"), "photo.jpg"), QUARTERS)
    assert np.array_equal(decoded(encode(QUARTERS, "BMP"), "page.html"), QUARTERS)


PHOTO = encode(astronaut())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 500,
        b"<!DOCTYPE html><title>Sign in to see this picture</title>",
        PHOTO[: len(PHOTO) // 3],
        PHOTO[:3],
        encode(astronaut(), "PNG")[:-5000],
        encode(astronaut(), "PNG").replace(b"IDAT", b"IDOT"),
        encode(astronaut(), "WEBP")[:1000],
    ],
    ids=["empty", "zeros", "html", "cut JPEG", "3 bytes", "cut PNG", "broken PNG", "cut WebP"],
)
def test_what_is_no_whole_image_is_unreadable(refused, content):
    assert refused(content) == "unreadable"


@pytest.mark.parametrize("kind", ["EPS", "PDF", "TGA"])
def test_formats_that_stay_closed(refused, kind):
    content = saved(Image.fromarray(QUARTERS), kind)
    assert refused(content) == "unreadable"


def test_folders_and_missing_files_are_unreadable_and_symlinks_are_followed(tmp_path):
    (tmp_path / "photo").write_bytes(encode(QUARTERS, "PNG"))
    (tmp_path / "link").symlink_to("photo")
    (tmp_path / "nowhere").symlink_to("gone")
    assert np.array_equal(decode_image(tmp_path / "link"), QUARTERS)
    for name in ("", "nowhere", "gone"):
        with pytest.raises(Undecodable, match="unreadable"):
            decode_image(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_undone(decoded, orientation, kind):
    # How an upright picture lies in a file of each orientation.
    turned = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
        8: lambda p: np.rot90(p, -1),
    }[orientation](QUARTERS)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True}
    content = saved(Image.fromarray(np.ascontiguousarray(turned)), kind, exif=exif, **options)
    pixels = decoded(content)
    assert pixels.shape == QUARTERS.shape
    assert np.abs(pixels.astype(int) - QUARTERS).max() <= (3 if kind == "JPEG" else 0)


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0" + b"garbage!" * 5, b"Exif\0\0MM", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0"],
    ids=["garbage", "short", "far offset", "empty"],
)
def test_a_photo_with_broken_exif_is_still_a_photo(decoded, exif):
    plain = saved(Image.fromarray(QUARTERS), "JPEG")
    content = saved(Image.fromarray(QUARTERS), "JPEG", exif=exif)
    assert np.array_equal(decoded(content), decoded(plain))


def test_cmyk_as_adobe_writes_it_is_not_inverted(decoded):
    """Pillow and Photoshop store CMYK inverted and say so in an Adobe marker."""
    cmyk = Image.fromarray(astronaut()).convert("CMYK")
    adobe = saved(cmyk, "JPEG", quality=95)
    assert b"Adobe" in adobe
    expected = np.asarray(cmyk.convert("RGB")).astype(int)
    assert np.abs(decoded(adobe) - expected).mean() < 4


def test_cmyk_is_what_another_decoder_makes_of_it(decoded):
    content = saved(Image.fromarray(astronaut()).convert("CMYK"), "JPEG", quality=95)
    other = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(decoded(content).astype(int) - other).max() <= 2


RAMP = np.linspace(0, 255, 64 * 48).reshape(48, 64)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.fromarray((RAMP * 257).round().astype(np.uint16)), "PNG"),
        (Image.fromarray((RAMP * 257).round().astype(np.uint16)), "TIFF"),
        (Image.frombytes("I;16B", (64, 48), (RAMP * 257).round().astype(">u2").tobytes()), "TIFF"),
        (Image.fromarray((RAMP * 257).round().astype(np.int32)), "TIFF"),
        (Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
        (Image.fromarray((RAMP / 255).astype(np.float32)), "TIFF"),
    ],
    ids=["16-bit PNG", "16-bit TIFF", "big-endian TIFF", "32-bit TIFF", "float TIFF", "float TIFF 0-1"],
)
def test_deep_grey_is_scaled_and_not_clipped(decoded, image, kind):
    pixels = decoded(saved(image, kind))
    assert np.abs(pixels - RAMP[..., None]).max() <= 1


def test_values_that_are_no_numbers_do_not_fail(decoded):
    strange = np.full((8, 8), np.nan, np.float32)
    assert decoded(saved(Image.fromarray(strange), "TIFF")).shape == (8, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit(decoded, kind):
    black_and_white = Image.fromarray(RAMP > 128)
    assert black_and_white.mode == "1"
    pixels = decoded(saved(black_and_white, kind))
    assert np.array_equal(pixels[..., 0], np.where(RAMP > 128, 255, 0))


def holes():
    """Return the picture with its left half transparent, black underneath."""
    alpha = np.full(QUARTERS.shape[:2], 255, np.uint8)
    alpha[:, :16] = 0
    rgba = np.dstack([QUARTERS, alpha])
    rgba[:, :16, :3] = 0
    on_white = QUARTERS.copy()
    on_white[:, :16] = 255
    return Image.fromarray(rgba), on_white


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})],
)
def test_transparent_is_white(decoded, kind, options):
    image, on_white = holes()
    assert np.array_equal(decoded(saved(image, kind, **options)), on_white)


def test_transparent_grey_is_white(decoded):
    image, on_white = holes()
    pixels = decoded(saved(image.convert("LA"), "PNG"))
    assert np.array_equal(pixels[:, :16], on_white[:, :16])
    assert np.array_equal(pixels[:, 16:, 0], np.asarray(Image.fromarray(on_white).convert("L"))[:, 16:])


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_white(decoded, kind):
    index = np.arange(6, dtype=np.uint8).reshape(3, 2).repeat(16, 0).repeat(16, 1)
    image = Image.fromarray(index)
    image.putpalette(QUARTERS[::16, ::16].reshape(-1).tolist())
    assert image.mode == "P"
    pixels = decoded(saved(image, kind, transparency=3))
    expected = QUARTERS.copy()
    expected[16:32, 16:] = 255
    assert np.array_equal(pixels, expected)


def test_a_transparent_colour_without_a_palette_is_white(decoded):
    pixels = decoded(saved(Image.fromarray(QUARTERS), "PNG", transparency=(20, 20, 250)))
    assert (pixels[20, 4] == 255).all()
    assert np.array_equal(pixels[:16], QUARTERS[:16])


@pytest.mark.parametrize(
    ("kind", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})]
)
def test_of_an_animation_the_first_frame(decoded, kind, options):
    frames = [Image.fromarray(np.roll(QUARTERS, 16 * n, axis=0)) for n in range(3)]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    with Image.open(io.BytesIO(content)) as animation:
        assert animation.n_frames == 3
    assert np.array_equal(decoded(content), QUARTERS)


def test_a_photo_of_two_lenses_is_its_first(decoded):
    two = [Image.fromarray(pixels) for pixels in (QUARTERS, QUARTERS[::-1].copy())]
    content = saved(two[0], "MPO", save_all=True, append_images=two[1:], quality=100, subsampling=0)
    assert np.abs(decoded(content).astype(int) - QUARTERS).max() <= 3


@pytest.mark.parametrize(
    "side", [12_000, 40_000]
)  # below and above the size at which Pillow refuses on its own
def test_a_bomb_is_refused(refused, side):
    assert refused(bomb(side)) == "too_large"


def test_pixels_are_counted_before_they_are_made(decoded, refused):
    content = encode(QUARTERS, "PNG")  # 48 × 32
    assert decoded(content, max_pixels=48 * 32).shape == QUARTERS.shape
    assert refused(content, max_pixels=48 * 32 - 1) == "too_large"


def test_a_real_bomb_takes_no_memory(tmp_path):
    """A whole 12000×12000 PNG in a process that may take 200 MB more than it has: decoded, it is 432 MB."""
    Image.new("RGB", (12_000, 12_000)).save(tmp_path / "bomb.png", compress_level=1)
    script = f"""
import resource
from pathlib import Path
from btfer_builder.images.decode import Undecodable, decode_image, decode_plain_png, decode_reduced
import numpy, PIL.Image, PIL.ImageOps
PIL.Image.init()
size = int(Path("/proc/self/statm").read_text().split()[0]) * {resource.getpagesize()}
resource.setrlimit(resource.RLIMIT_AS, (size + 200_000_000,) * 2)
for allowed in (100_000_000, 150_000_000):
    try:
        decode_image(Path({str(tmp_path / "bomb.png")!r}), allowed)
    except Undecodable as error:
        print(error.reason, error.detail)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    first, second = ran.stdout.splitlines()
    assert first == "too_large 12000×12000 pixels, at most 100000000"
    assert second.startswith("unreadable MemoryError")  # the limit is real


def test_a_reason_is_one_of_the_list_and_survives_the_way_between_processes(refused):
    assert {refused(b"no image"), refused(bomb())} <= set(REASONS["dedupe"]) & set(REASONS["crop"])
    error = pickle.loads(pickle.dumps(Undecodable("unreadable", "broken")))
    assert (error.reason, error.detail, str(error)) == ("unreadable", "broken", "unreadable: broken")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("decode") / "file"


def never_fails(path, content):
    path.write_bytes(content)
    try:
        pixels = decode_image(path, max_pixels=1_000_000)
    except Undecodable as error:
        reason = error.reason
    else:
        assert pixels.shape[2] == 3
        reason = "unreadable"
    assert reason in REASONS["dedupe"]


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"%!PS"]
    ),
    st.binary(max_size=400),
)
def test_random_bytes_never_fail_otherwise(scratch, start, rest):
    never_fails(scratch, start + rest)


def _with_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(Image.fromarray(hopper(0.2)), "JPEG", exif=exif, progressive=True)


SEEDS = [
    encode(hopper(0.2)),
    _with_exif(),
    encode(hopper(0.2), "PNG"),
    saved(Image.fromarray(hopper(0.2)).quantize(16), "PNG", transparency=3),
    encode(hopper(0.2), "WEBP"),
    encode(data.coffee()[:40, :60], "GIF"),
    encode(data.coffee()[:40, :60], "TIFF"),
]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutated_images_never_fail_otherwise(scratch, data):
    content = bytearray(data.draw(st.sampled_from(SEEDS), label="seed"))
    # Headers are where it hurts.
    place = st.one_of(st.integers(0, 200), st.integers(0, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 8), label="mutations")):
        at = data.draw(place) % max(1, len(content))
        what = data.draw(st.sampled_from(["set", "cut", "insert", "delete"]))
        if what == "set":
            content[at] = data.draw(st.integers(0, 255))
        elif what == "cut" and at > 4:
            del content[at:]
        elif what == "insert":
            content[at:at] = data.draw(st.binary(max_size=8))
        else:
            del content[at : at + data.draw(st.integers(1, 8))]
        if not content:
            break
    never_fails(scratch, bytes(content))


def test_warnings_of_the_library_are_not_shown(tmp_path):
    """Our limit applies, not Pillow's, to an image with more pixels than Pillow allows."""
    (tmp_path / "large.png").write_bytes(bomb(10_000))
    script = "from pathlib import Path\nfrom btfer_builder.images.decode import *\n"
    script += f"try: decode_image(Path({str(tmp_path / 'large.png')!r}))\n"
    ran = subprocess.run(
        [sys.executable, "-c", script + "except Undecodable as error: print(error.reason)"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "always"},
    )
    assert (ran.stdout, ran.stderr) == ("unreadable\n", "")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 9), st.integers(0, 2**32 - 1), st.booleans())
def test_a_plain_png_is_what_pillow_says(tmp_path_factory, width, height, level, seed, described):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8) // (1 + seed % 90)
    more = {"icc_profile": b"\0" * 200, "dpi": (72, 72)} if described else {}
    content = saved(Image.fromarray(pixels), "PNG", compress_level=level, **more)
    got = decode_plain_png(content)
    assert got is not None
    np.testing.assert_array_equal(got, pixels)
    path = tmp_path_factory.getbasetemp() / "plain.png"
    path.write_bytes(content)
    np.testing.assert_array_equal(got, decode_image(path))
    assert decode_plain_png(content, max_pixels=width * height - 1) is None


def test_a_png_that_is_not_plain_or_not_whole_is_left_to_pillow():
    whole = saved(Image.fromarray(astronaut()), "PNG")
    assert decode_plain_png(whole) is not None
    for cut in (0, 8, 20, 33, 40, 5000, len(whole) - 12, len(whole) - 1):
        assert decode_plain_png(whole[:cut]) is None
    for place in (17, 30, 60, 9000, len(whole) - 2):
        broken = bytearray(whole)
        broken[place] ^= 1
        assert decode_plain_png(bytes(broken)) is None
    picture = Image.fromarray(astronaut()[:40, :40])
    for mode in ("L", "P", "RGBA", "LA", "1", "I;16"):
        other = Image.fromarray(np.zeros((4, 4), np.uint16)) if mode == "I;16" else picture.convert(mode)
        assert decode_plain_png(saved(other, "PNG")) is None
    assert decode_plain_png(saved(picture, "PNG", transparency=(0, 0, 0))) is None
    turned = Image.Exif()
    turned[0x0112] = 6
    assert decode_plain_png(saved(picture, "PNG", exif=turned)) is None
    assert decode_plain_png(saved(picture, "JPEG")) is None


# JPEGs at reduced scale -----------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("side", "scale"), [(20, 8), (51, 4), (100, 4), (101, 2), (200, 2), (201, 1), (9000, 1)]
)
def test_a_jpeg_is_decoded_no_smaller_than_it_has_to_be(tmp_path, side, scale, orientation):
    photo = cv2.resize(astronaut(), (400, 304), interpolation=cv2.INTER_AREA)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo).save(tmp_path / "photo", "JPEG", quality=95, exif=exif)
    whole = decode_image(tmp_path / "photo")
    pixels, found, size = decode_reduced(tmp_path / "photo", side)
    assert found == scale
    assert size == whole.shape[1::-1]
    assert pixels.shape[:2] == tuple(-(-length // scale) for length in whole.shape[:2])
    assert max(pixels.shape) >= min(side, max(whole.shape))
    if scale == 1:
        np.testing.assert_array_equal(pixels, whole)
    else:
        averaged = cv2.resize(whole, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(averaged.astype(int) - pixels).mean() < 3


@pytest.mark.parametrize("size", [(4000, 1), (1, 4000), (4001, 3)])
def test_a_jpeg_of_a_few_lines_can_be_reduced(tmp_path, size):
    (tmp_path / "photo").write_bytes(encode(np.full((*size, 3), 90, np.uint8)))
    pixels, scale, whole = decode_reduced(tmp_path / "photo", 500)
    assert whole == size[::-1]
    assert pixels.shape[:2] == tuple(-(-length // scale) for length in size)


def test_other_formats_are_decoded_whole_and_what_is_refused_is_refused(tmp_path):
    (tmp_path / "photo").write_bytes(encode(astronaut(), "PNG"))
    pixels, scale, size = decode_reduced(tmp_path / "photo", 30)
    assert (scale, size) == (1, pixels.shape[1::-1])
    np.testing.assert_array_equal(pixels, astronaut())
    (tmp_path / "photo").write_bytes(encode(astronaut())[:2000])
    with pytest.raises(Undecodable, match="unreadable"):
        decode_reduced(tmp_path / "photo", 30)
    with pytest.raises(Undecodable, match="too_large"):
        decode_reduced(tmp_path / "photo", 30, 10_000)
