"""Convert the pictures of a dataset into PNG files and hash them, in worker processes."""

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
class ConvertedItem:
    """A picture that was written, or the reason why it was not.

    Attributes
    ----------
    item
        The item without its pixels.
    file
        Name of the PNG file: 16 hex digits and the suffix; empty if the item was dropped.
    pixels
        SHA-256 of the shape and the pixels.
    phash, phash_256, phash_mirrored, phash_256_mirrored
        pHashes of 64 and 256 bits (16 and 64 hex digits) of the picture and of its mirror image.
    reason, detail
        Why the item was dropped; None and empty otherwise.
    """

    item: Item
    file: str = ""
    pixels: str = ""
    phash: str = ""
    phash_256: str = ""
    phash_mirrored: str = ""
    phash_256_mirrored: str = ""
    reason: str | None = None
    detail: str = ""


def convert_items(
    items: Sequence[Item], folder: Path, *, max_side: int, max_pixels: int
) -> list[ConvertedItem]:
    """Write a shard of pictures as PNG files into `folder`; a picture that cannot be decoded gets a reason instead.

    Parameters
    ----------
    items
        Items without a reason.
    folder
        Folder for the files of all splits and classes.
    max_side
        Larger pictures are scaled down to this side; 0 keeps their size.
    max_pixels
        Files with more pixels are not decoded.
    """
    return [_convert(item, folder, max_side, max_pixels) for item in items]


def _convert(item: Item, folder: Path, max_side: int, max_pixels: int) -> ConvertedItem:
    light = item.without_pixels()
    try:
        if isinstance(item.source, bytes):
            return _write(light, _grey(item.source), folder, max_side)
        with open_image(item.source, max_pixels) as image:
            return _write(light, _cut(upright_rgb(image), item.box), folder, max_side)
    except Undecodable as error:
        return ConvertedItem(light, reason=error.reason, detail=error.detail)


def _cut(image: "Image.Image", box: tuple[int, int, int, int] | None) -> "Image.Image":
    """Cut the face out; a box that reaches over the border ends there."""
    if box is None:
        return image
    left, top, right, bottom = (
        max(box[0], 0),
        max(box[1], 0),
        min(box[2], image.width),
        min(box[3], image.height),
    )
    if left >= right or top >= bottom:
        raise Undecodable(
            "unreadable", f"the box {box} is outside of the {image.width}×{image.height} picture"
        )
    return image.crop((left, top, right, bottom))


def _grey(values: bytes) -> "Image.Image":
    from PIL import Image

    side = isqrt(len(values))
    return Image.frombytes("L", (side, side), values)


def _write(item: Item, image: "Image.Image", folder: Path, max_side: int) -> ConvertedItem:
    from PIL import Image, ImageOps

    from btfer_builder.images.face_hashing import coarse_and_fine

    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.BOX)
    pixels = hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()
    # The name is hashed too: a picture that is twice in a class becomes two files, and the pair is reported.
    file = hashlib.sha256(f"{pixels} {item.split} {item.name}".encode("utf-8", "surrogateescape"))
    name = f"{file.hexdigest()[:16]}.png"
    image.save(folder / name, "PNG", compress_level=3)  # without metadata
    grey = image.convert("L")
    plain, mirrored = coarse_and_fine(grey), coarse_and_fine(ImageOps.mirror(grey))
    return ConvertedItem(item, name, pixels, *plain, *mirrored)
