"""Turn any image file, however hostile, into an upright RGB array, or say why it cannot be."""

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

#: The formats we decode; everything else Pillow knows (EPS, PDF, ...) stays closed to the network.
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

#: Images with more pixels are refused before a pixel is decoded (a decompression bomb).
MAX_PIXELS = 100_000_000


class Undecodable(Exception):
    """An image that is dropped; `reason` is one of `unreadable` and `too_large`, `detail` says more."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["Undecodable"], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


@cache
def openers() -> tuple[str, ...]:
    """Return the names under which this Pillow opens our formats; MPO opens as JPEG, and AVIF may be missing."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def decode_image(path: File, max_pixels: int = MAX_PIXELS) -> "NDArray[np.uint8]":
    """Decode an image file: first frame, EXIF orientation applied, on white where it is transparent.

    Parameters
    ----------
    path
        The file; its name is not trusted, its content decides the format.
    max_pixels
        Images with more pixels (width × height) are refused unread.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB.

    Raises
    ------
    Undecodable
        With reason `too_large` or `unreadable`.
    BtferError
        If it is on storage that cannot be reached.
    """
    import numpy as np

    with opened(path, max_pixels) as image:
        return np.asarray(upright_rgb(image))


def decode_plain_png(content: bytes, max_pixels: int = MAX_PIXELS) -> "NDArray[np.uint8] | None":
    """Decode a PNG such as we write them, in two thirds of Pillow's time; None for any other content.

    Plain is RGB of 8 bits without transparency, animation or orientation. All checksums must be right: OpenCV would
    otherwise fill up what is missing.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3), or None
        RGB, what `decode_image` returns for it.
    """
    import cv2
    import numpy as np

    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or content[24:29] != b"\x08\2\0\0\0":
        return None
    if int.from_bytes(content[16:20]) * int.from_bytes(content[20:24]) > max_pixels:
        return None
    view, place = memoryview(content), 8
    while place < len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4])
        kind = content[place + 4 : place + 8]
        if kind in {b"tRNS", b"eXIf", b"acTL"}:
            return None
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return None
        if kind == b"IEND":
            return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
        place = end + 4
    return None


@contextmanager
def opened(path: File, max_pixels: int = MAX_PIXELS, also: tuple[str, ...] = ()) -> "Iterator[Image.Image]":
    """Open an image file by its header; whatever fails while it is open is the file's fault.

    `also` names formats of Pillow besides `FORMATS`.

    Raises
    ------
    Undecodable
        With reason `too_large` or `unreadable`.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Pillow's own bomb limit and its remarks on odd metadata are ours to decide on.
            warnings.simplefilter("ignore")
            source = io.BytesIO(path.read_bytes()) if isinstance(path, RemoteFile) else path
            with Image.open(source, formats=openers() + also) as image:
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
    """Decode an opened image: EXIF orientation applied, on white where it is transparent, RGB."""
    from PIL import ImageOps

    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image if image.mode == "RGB" and "transparency" not in image.info else _to_rgb(image)


def _to_rgb(image: "Image.Image") -> "Image.Image":
    """Convert any mode to RGB without clipping 16-bit values or turning transparency black."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":  # 16-bit and wider grey; fractions
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
