"""Hash images: their pixels exactly, and what they look like (64-bit pHash), also mirrored."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.decode import Undecodable, decode_image
from btfer_builder.records import ImageHash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def hash_images(items: Sequence[tuple[str, str]], root: Path, max_pixels: int) -> list[ImageHash]:
    """Hash a shard of images; one that cannot be decoded gets its reason instead.

    Parameters
    ----------
    items
        (image_id, path relative to `root`).
    root
        The workspace.
    max_pixels
        Images with more pixels are not decoded.
    """
    return [_hash_file(image_id, root / path, max_pixels) for image_id, path in items]


def _hash_file(image_id: str, path: Path, max_pixels: int) -> ImageHash:
    if not path.is_file():
        return ImageHash(image_id, reason="missing_file", detail=f"{path} is gone")
    try:
        pixels = decode_image(path, max_pixels)
    except Undecodable as error:
        return ImageHash(image_id, reason=error.reason, detail=error.detail)
    height, width = pixels.shape[:2]
    plain, mirrored = perceptual_hashes(pixels)
    return ImageHash(image_id, width, height, pixel_hash(pixels), plain, mirrored)


def pixel_hash(pixels: "NDArray[np.uint8]") -> str:
    """Return the SHA-256 of an image's shape and RGB bytes: equal for the same picture in two file formats."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def perceptual_hashes(pixels: "NDArray[np.uint8]") -> tuple[str, str]:
    """Return the pHash of an image and of its mirror image, as 16 hex digits each.

    Equal to `imagehash.phash` bit by bit: the 32×32 grey image it makes first is made once for both.

    Parameters
    ----------
    pixels
        RGB, uint8, shape (height, width, 3).
    """
    import imagehash
    from PIL import Image, ImageOps

    small = Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    return str(imagehash.phash(small)), str(imagehash.phash(ImageOps.mirror(small)))
