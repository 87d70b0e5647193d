"""Recognise the format of an image by its first bytes, and say which ones can be decoded."""

import re
from contextlib import suppress
from functools import cache
from typing import IO

#: The formats that are decoded, with their suffixes; Pillow's other formats (EPS, PDF, …) are never opened.
FORMATS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
    "HEIF": "heic",
    "JPEG2000": "jp2",
    "JXL": "jxl",
    "ICO": "ico",
    "PPM": "ppm",
}

#: Suffixes of image files. A file that has one and is no image by its content is broken, not another kind of file.
IMAGE_SUFFIXES = frozenset(
    {f".{suffix}" for suffix in FORMATS.values()}
    | {".jpeg", ".jpe", ".jfif", ".tiff", ".heif", ".j2k", ".jpx", ".pgm", ".pbm", ".pnm", ".apng", ".dib"}
)

#: Bytes of a file by which its format is recognised.
START = 1024

#: First bytes of an icon.
ICON = b"\0\0\1\0"

#: First bytes of a file, and the format.
_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"\xff\x0a", "JXL"),
    (ICON, "ICO"),
    (b"8BPS", "PSD"),
)

#: Brands of ISO base media files (`ftyp`) that hold still images.
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIF"
)

#: Sizes of the headers of a BMP, and the start of a PBM, PGM or PPM: both begin with letters, as texts do.
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_PPM = re.compile(rb"P[1-6]\s(?:\s*#[^\n]*\n)*\s*\d+\s")

#: How to read a format that this installation cannot decode.
_CURES = {
    "HEIF": "HEIC: to read it, pip install pillow-heif",
    "AVIF": "AVIF: to read it, install a Pillow with libavif (pip install --upgrade pillow)",
    "JPEG2000": "JPEG 2000: to read it, install a Pillow with OpenJPEG (pip install --upgrade pillow)",
    "JXL": "JPEG XL: to read it, pip install pillow-jxl-plugin, or convert it to PNG or JPEG",
    "SVG": "SVG: convert it to PNG",
    "PSD": "PSD: convert it to PNG or JPEG",
}


@cache
def openers() -> tuple[str, ...]:
    """Return the formats that this Pillow can open; MPO opens as JPEG, and some need optional packages."""
    from PIL import Image

    Image.init()
    _register_optional()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def recognise(start: bytes) -> str | None:
    """Return the format of an image by the first `START` bytes of its file; None if it is not an image.

    Besides `FORMATS`, SVG and PSD are recognised.
    """
    text = start.lower()
    tests = (
        next((name for beginning, name in _STARTS if start.startswith(beginning)), None),
        "WEBP" if start[:4] == b"RIFF" and start[8:12] == b"WEBP" else None,
        _format_of_container(start) if start[4:8] == b"ftyp" else None,
        "BMP" if start[:2] == b"BM" and int.from_bytes(start[14:18], "little") in _BMP_HEADERS else None,
        "PPM" if _PPM.match(start) else None,
        "SVG" if b"<svg" in text and b"<html" not in text and b"<!doctype html" not in text else None,
    )
    return next(filter(None, tests), None)


def _format_of_container(start: bytes) -> str | None:
    """Return the format of an ISO base media file by its brands; those of AVIF may include `mif1`, too."""
    end = min(int.from_bytes(start[:4]), 64)
    brands = [start[8:12], *(start[at : at + 4] for at in range(16, end, 4))]
    found = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    return "AVIF" if "AVIF" in found else next(iter(found), None)


def unsupported(start: bytes) -> str | None:
    """Return the name of the format and what to do, if it is recognised and cannot be decoded; None otherwise."""
    name = recognise(start)
    return None if name is None or name in openers() else _CURES.get(name, name)


def largest_in_icon(file: IO[bytes]) -> tuple[int, int]:
    """Return the largest size (width, height) in an icon by the headers of its pictures, with the file at its start.

    The icon's own header may state smaller ones.
    """
    sizes = [(0, 0)]
    for number in range(int.from_bytes(file.read(6)[4:], "little")):
        file.seek(6 + 16 * number)
        file.seek(int.from_bytes(file.read(16)[12:], "little"))
        start = file.read(24)
        if start.startswith(b"\x89PNG"):
            sizes.append((int.from_bytes(start[16:20]), int.from_bytes(start[20:24])))
        else:
            sizes.append((int.from_bytes(start[4:8], "little"), int.from_bytes(start[8:12], "little")))
    file.seek(0)
    return max(sizes, key=lambda size: size[0] * size[1])


def _register_optional() -> None:
    """Let the optional packages register their formats with Pillow."""
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    with suppress(ImportError):
        import pillow_jxl  # noqa: F401 - registers itself
