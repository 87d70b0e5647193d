"""Decode untrusted image files into upright RGB arrays."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from btfer_builder.errors import BtferError
from btfer_builder.images.formats import ICON, START, largest_in_icon, openers, unsupported
from btfer_builder.images.inflate import crc32, inflate, with_stored_pixels, without_filters
from btfer_builder.images.repair import readable
from btfer_builder.io.storage import File, RemoteFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

#: How every PNG begins.
_PNG = b"\x89PNG\r\n\x1a\n"

#: Images with more pixels are refused before they are decoded (decompression bombs).
MAX_PIXELS = 100_000_000


#: Number of the EXIF tag.
_ORIENTATION = 0x0112


class Undecodable(Exception):
    """An image cannot be decoded.

    `reason` is `unreadable`, `too_large` or `unsupported_format`; `detail` describes the error.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["Undecodable"], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


def decode_image(path: File | IO[bytes], max_pixels: int = MAX_PIXELS) -> "NDArray[np.uint8]":
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
        With reason `too_large`, `unsupported_format` or `unreadable`.
    BtferError
        If the file is on storage that cannot be reached.
    """
    import numpy as np

    with open_image(path, max_pixels) as image:
        return np.asarray(upright_rgb(image))


def decode_reduced(
    path: File, side: int, max_pixels: int = MAX_PIXELS
) -> "tuple[NDArray[np.uint8], int, tuple[int, int]]":
    """Decode an image like `decode_image`, a JPEG at 1/2, 1/4 or 1/8 scale if its longer side keeps `side` pixels.

    Skipping the high frequencies takes a fifth to a half of the time.

    Returns
    -------
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB.
    scale : int
        1, 2, 4 or 8: pixels of the photo in one of these, along each side; the last ones may be filled in part.
    size : tuple of int
        Width and height of the upright photo.

    Raises
    ------
    Undecodable, BtferError
        As `decode_image`.
    """
    import numpy as np

    with open_image(path, max_pixels) as image:
        width, height = image.size
        scale = 1
        if image.format in {"JPEG", "MPO"} and (times := max(image.size) // side) >= 2:
            if orientation(image) >= 5:
                width, height = height, width
            image.draft(image.mode, (max(1, image.width // times), max(1, image.height // times)))
            scale = round(max(width, height) / max(image.size))
        upright_image = upright_rgb(image)
    # Of other formats, Pillow may have the size before or after it turns the picture.
    return np.asarray(upright_image), scale, upright_image.size if scale == 1 else (width, height)


def decode_plain_png(content: bytes, max_pixels: int = MAX_PIXELS) -> "NDArray[np.uint8] | None":
    """Decode a plain PNG, such as a face crop, faster than Pillow does; return None for any other content.

    A plain PNG is 8-bit RGB without transparency, animation or orientation. Its checksums are verified, because OpenCV
    silently fills in missing data.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), or None
        RGB, as from `decode_image`.
    """
    if content[:8] != _PNG or content[12:16] != b"IHDR" or content[24:29] != b"\x08\2\0\0\0":
        return None
    width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    if width * height > max_pixels:
        return None
    view, start = memoryview(content), 8
    pixels: list[memoryview] = []
    while start < len(content):
        end = start + 8 + int.from_bytes(content[start : start + 4])
        kind = content[start + 4 : start + 8]
        if kind in {b"tRNS", b"eXIf", b"acTL"}:
            return None
        if crc32(view[start + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return None
        if kind == b"IDAT":
            pixels.append(view[start + 8 : end])
        if kind == b"IEND":
            return _plain_pixels(content, pixels, height, width)
        start = end + 4
    return None


def _plain_pixels(
    content: bytes, parts: Sequence[memoryview], height: int, width: int
) -> "NDArray[np.uint8] | None":
    """Return the pixels of a plain PNG; `parts` are the contents of its chunks of pixels."""
    import cv2
    import numpy as np

    if blocks := inflate(parts, height * (1 + 3 * width)):
        plain = without_filters(blocks, height, width)
        if plain is not None:
            return plain
        content = with_stored_pixels(content[:33], blocks)
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)


def is_whole_png(content: bytes) -> bool:
    """Return whether a PNG has all its chunks with their checksums, without decoding it."""
    if content[:8] != _PNG:
        return False
    view, start = memoryview(content), 8
    while start + 12 <= len(content):
        end = start + 8 + int.from_bytes(content[start : start + 4])
        if crc32(view[start + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return False
        if content[start + 4 : start + 8] == b"IEND":
            return end + 4 == len(content)
        start = end + 4
    return False


@contextmanager
def open_image(path: File | IO[bytes], max_pixels: int = MAX_PIXELS) -> "Iterator[Image.Image]":
    """Open an image file lazily; any exception in the block becomes `Undecodable`.

    Raises
    ------
    Undecodable
        With reason `too_large`, `unsupported_format` or `unreadable`.
    """
    from PIL import Image

    start = b""
    try:
        with warnings.catch_warnings(), _opened(path) as file:
            # Silence Pillow's warnings about large images and odd metadata: `max_pixels` is our limit.
            warnings.simplefilter("ignore")
            start = file.read(START)
            file.seek(0)
            if start.startswith(ICON):  # Pillow decodes icons when it opens them
                _check_size(largest_in_icon(file), max_pixels)
            with Image.open(readable(file), formats=openers()) as image:
                _check_size(image.size, max_pixels)
                image.info.pop("xmp", None)  # by which Pillow turns a TIFF, and fails if it is text
                yield image
    except (Undecodable, BtferError):
        raise
    except Image.DecompressionBombError as error:
        raise Undecodable("too_large", str(error)) from None
    except Exception as error:
        if cure := unsupported(start):
            raise Undecodable("unsupported_format", cure) from None
        detail = str(error).split(" <_io.")[
            0
        ]  # Pillow names the object that it reads, which differs each time
        raise Undecodable("unreadable", f"{type(error).__name__}: {detail}"[:200]) from None


@contextmanager
def _opened(path: File | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(path, RemoteFile):
        yield io.BytesIO(path.read_bytes())
    elif isinstance(path, Path):
        with path.open("rb") as file:
            yield file
    else:
        yield path


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise Undecodable("too_large", f"{width}×{height} pixels, at most {max_pixels}")


def upright_rgb(image: "Image.Image") -> "Image.Image":
    """Decode an opened image as RGB, with its EXIF orientation applied, over white where it is transparent."""
    image.load()
    image = upright(image)
    return image if image.mode == "RGB" and "transparency" not in image.info else _to_rgb(image)


def upright(image: "Image.Image") -> "Image.Image":
    """Return the image with its EXIF orientation applied; the copy has no orientation."""
    from PIL import Image

    methods = (
        None, None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90,
    )  # fmt: skip
    method = methods[orientation(image)]
    if method is None:
        return image
    turned = image.transpose(method)
    turned.info.pop("exif", None)
    return turned


def orientation(image: "Image.Image") -> int:
    """Return the EXIF orientation of an image, 1 to 8; 1 if there is none.

    Only this tag is read: other tags of intact photos are often invalid. An orientation in XMP turns nothing, as in
    browsers.
    """
    if image.format == "TIFF":
        try:
            value = image.tag_v2.get(_ORIENTATION)  # type: ignore[attr-defined]  # of every TiffImageFile
        except Exception:  # the tag has a wrong type
            return 1
    else:
        value = _orientation_tag(image.info.get("exif"))
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _orientation_tag(exif: object) -> int:
    """Return the value of the orientation in the first directory of an EXIF block; 0 if there is none."""
    if not isinstance(exif, bytes):
        return 0
    block = exif.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if block[:2] == b"II" else "big"
    if block[:4] not in {b"II*\0", b"MM\0*"}:
        return 0
    start = int.from_bytes(block[4:8], order)
    for at in range(start + 2, start + 2 + 12 * int.from_bytes(block[start : start + 2], order), 12):
        entry = block[at : at + 12]
        if len(entry) < 12:
            return 0
        tag, kind, count = (int.from_bytes(part, order) for part in (entry[:2], entry[2:4], entry[4:8]))
        if tag == _ORIENTATION:
            width = {3: 2, 4: 4}.get(kind, 0)  # SHORT as the standard has it, or LONG
            return int.from_bytes(entry[8 : 8 + width], order) if count == 1 else 0
    return 0


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
