"""Decode untrusted image files into upright RGB arrays."""

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from btfer_builder.errors import BtferError
from btfer_builder.io.storage import File, RemoteFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

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
}

#: Suffixes of the files in a folder that are taken for images.
IMAGE_SUFFIXES = frozenset(
    {f".{suffix}" for suffix in FORMATS.values()} | {".jpeg", ".jpe", ".jfif", ".tiff"}
)

#: How every PNG begins.
_PNG = b"\x89PNG\r\n\x1a\n"

#: Images with more pixels are refused before they are decoded (decompression bombs).
MAX_PIXELS = 100_000_000


class Undecodable(Exception):
    """An image cannot be decoded: `reason` is `unreadable` or `too_large`, `detail` describes the error."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["Undecodable"], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


@cache
def openers() -> tuple[str, ...]:
    """Return the formats that this Pillow can open; MPO opens as JPEG, and AVIF may be missing."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def decode_image(path: File, max_pixels: int = MAX_PIXELS) -> "NDArray[np.uint8]":
    """Decode the first frame of an image file, with its EXIF orientation applied, over white where it is transparent.

    Parameters
    ----------
    path
        The file; the format is determined by its content, not by its name.
    max_pixels
        Images with more pixels (width × height) are refused before they are decoded.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB.

    Raises
    ------
    Undecodable
        With reason `too_large` or `unreadable`.
    BtferError
        If the file is on storage that cannot be reached.
    """
    import numpy as np

    with open_image(path, max_pixels) as image:
        return np.asarray(upright_rgb(image))


def decode_plain_png(content: bytes, max_pixels: int = MAX_PIXELS) -> "NDArray[np.uint8] | None":
    """Decode a plain PNG, such as a face crop, in two thirds of Pillow's time; return None for any other content.

    A plain PNG is 8-bit RGB without transparency, animation or orientation. Its checksums are verified, because OpenCV
    silently fills in missing data.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), or None
        RGB, as from `decode_image`.
    """
    import cv2
    import numpy as np

    if content[:8] != _PNG or content[12:16] != b"IHDR" or content[24:29] != b"\x08\2\0\0\0":
        return None
    if int.from_bytes(content[16:20]) * int.from_bytes(content[20:24]) > max_pixels:
        return None
    view, start = memoryview(content), 8
    while start < len(content):
        end = start + 8 + int.from_bytes(content[start : start + 4])
        kind = content[start + 4 : start + 8]
        if kind in {b"tRNS", b"eXIf", b"acTL"}:
            return None
        if zlib.crc32(view[start + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return None
        if kind == b"IEND":
            return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
        start = end + 4
    return None


def is_whole_png(content: bytes) -> bool:
    """Return whether a PNG has all its chunks with their checksums, without decoding it."""
    if content[:8] != _PNG:
        return False
    view, start = memoryview(content), 8
    while start + 12 <= len(content):
        end = start + 8 + int.from_bytes(content[start : start + 4])
        if zlib.crc32(view[start + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return False
        if content[start + 4 : start + 8] == b"IEND":
            return end + 4 == len(content)
        start = end + 4
    return False


@contextmanager
def open_image(
    path: File, max_pixels: int = MAX_PIXELS, extra_formats: tuple[str, ...] = ()
) -> "Iterator[Image.Image]":
    """Open an image file lazily; any exception in the block becomes `Undecodable`.

    `extra_formats` names formats of Pillow that are accepted in addition to `FORMATS`.

    Raises
    ------
    Undecodable
        With reason `too_large` or `unreadable`.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Silence Pillow's warnings about large images and odd metadata: `max_pixels` is our limit.
            warnings.simplefilter("ignore")
            source = io.BytesIO(path.read_bytes()) if isinstance(path, RemoteFile) else path
            with Image.open(source, formats=openers() + extra_formats) as image:
                if image.width * image.height > max_pixels:
                    raise Undecodable(
                        "too_large", f"{image.width}×{image.height} pixels, at most {max_pixels}"
                    )
                yield image
    except (Undecodable, BtferError):
        raise
    except Image.DecompressionBombError as error:
        raise Undecodable("too_large", str(error)) from None
    except Exception as error:
        raise Undecodable("unreadable", f"{type(error).__name__}: {error}"[:200]) from None


def upright_rgb(image: "Image.Image") -> "Image.Image":
    """Decode an opened image as RGB, with its EXIF orientation applied, over white where it is transparent."""
    from PIL import ImageOps

    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image if image.mode == "RGB" and "transparency" not in image.info else _to_rgb(image)


def _to_rgb(image: "Image.Image") -> "Image.Image":
    """Convert any mode to RGB without clipping 16-bit values or turning transparency black."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":  # grey of 16 bits and more, and floats
        values = np.asarray(image, dtype=np.float64)
        brightest = values.max(initial=0)
        span = 1.0 if image.mode == "F" and brightest <= 1 else 255.0 if brightest <= 255 else 65535.0
        return Image.fromarray((values.clip(0, span) * (255.0 / span)).round().astype(np.uint8)).convert(
            "RGB"
        )
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
