"""Convert the pictures of a dataset into PNG files and hash them, in worker processes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
        return _write(light, open_item(item, max_pixels), folder, max_side)
    except Undecodable as error:
        return ConvertedItem(light, reason=error.reason, detail=error.detail)


def open_item(item: Item, max_pixels: int) -> "Image.Image":
    """Decode the picture of an item: grey if it comes from a table, else RGB, cut to its box.

    Raises
    ------
    Undecodable
        If it cannot be decoded, or the box is outside of it.
    """
    if isinstance(item.source, bytes):
        return _grey(item.source)
    with open_image(item.source, max_pixels) as image:
        return _cut(upright_rgb(image), item.box)


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
    from PIL import Image

    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.BOX)
    hashed = hash_item(item, image)
    # The name is hashed too: a picture that is twice in a class becomes two files, and the pair is reported.
    file = hashlib.sha256(f"{hashed.pixels} {item.split} {item.name}".encode("utf-8", "surrogateescape"))
    name = f"{file.hexdigest()[:16]}.png"
    image.save(folder / name, "PNG", compress_level=3)  # without metadata
    return replace(hashed, file=name)


def hash_item(item: Item, image: "Image.Image") -> ConvertedItem:
    """Return the hashes of a picture, which is not written."""
    from PIL import ImageOps

    from btfer_builder.images.face_hashing import coarse_and_fine

    pixels = hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()
    grey = image.convert("L")
    plain, mirrored = coarse_and_fine(grey), coarse_and_fine(ImageOps.mirror(grey))
    return ConvertedItem(item, "", pixels, *plain, *mirrored)
