"""Turn the pictures of a labelled set into PNG files with their hashes, in worker processes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.datasets.readers.base import Item
from btfer_builder.images.decode import Undecodable, open_image, upright_rgb

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Converted:
    """A picture as it was written, or why it was not.

    Attributes
    ----------
    item
        What it was in its set, without its pixels.
    file
        Name of the PNG, of 16 hex digits; empty if it was dropped.
    pixels
        SHA-256 of its shape and pixels.
    phash, fine, phash_mirrored, fine_mirrored
        pHashes of 64 and 256 bits, as 16 and 64 hex digits, plain and of its mirror image.
    reason, detail
        Why it was dropped; None and empty if it was not.
    """

    item: Item
    file: str = ""
    pixels: str = ""
    phash: str = ""
    fine: str = ""
    phash_mirrored: str = ""
    fine_mirrored: str = ""
    reason: str | None = None
    detail: str = ""


def convert_items(items: Sequence[Item], folder: Path, *, max_side: int, max_pixels: int) -> list[Converted]:
    """Write a shard of pictures as PNG files into `folder`; one that cannot be decoded gets its reason instead.

    Parameters
    ----------
    items
        Those that were not dropped before.
    folder
        Where the files go, whatever their split and class.
    max_side
        Larger pictures are scaled down to this side; 0 for none.
    max_pixels
        Files with more pixels are not decoded.
    """
    return [_convert(item, folder, max_side, max_pixels) for item in items]


def _convert(item: Item, folder: Path, max_side: int, max_pixels: int) -> Converted:
    light = Item(item.name, item.split, item.label, item.emotion, Path(), item.reason)
    try:
        if isinstance(item.source, bytes):
            return _write(light, _grey(item.source), folder, max_side)
        with open_image(item.source, max_pixels) as image:
            return _write(light, upright_rgb(image), folder, max_side)
    except Undecodable as error:
        return Converted(light, reason=error.reason, detail=error.detail)


def _grey(values: bytes) -> "Image.Image":
    from PIL import Image

    side = isqrt(len(values))
    return Image.frombytes("L", (side, side), values)


def _write(item: Item, image: "Image.Image", folder: Path, max_side: int) -> Converted:
    from PIL import Image, ImageOps

    from btfer_builder.images.face_hashing import coarse_and_fine

    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.BOX)
    pixels = hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()
    # With its name: the same picture twice in a class is two files, and is reported.
    file = hashlib.sha256(f"{pixels} {item.split} {item.name}".encode("utf-8", "surrogateescape"))
    name = f"{file.hexdigest()[:16]}.png"
    image.save(folder / name, "PNG", compress_level=3)  # without what the file said beside its pixels
    grey = image.convert("L")
    plain, mirrored = coarse_and_fine(grey), coarse_and_fine(ImageOps.mirror(grey))
    return Converted(item, name, pixels, *plain, *mirrored)
