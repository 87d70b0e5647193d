"""Perceptual hashes of face crops: 64 and 256 bits, at full size and as 48×48 grey, plain and mirrored."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from btfer_builder.images.decode import MAX_PIXELS, Undecodable, open_image, upright_rgb
from btfer_builder.io.storage import File, Root
from btfer_builder.records import FaceHash

if TYPE_CHECKING:
    import imagehash
    from PIL import Image

#: FER2013 and many later sets store faces as grey images of this side.
SMALL_SIDE = 48

#: Side of the fine pHash: 16² = 256 bits distinguish pictures that the 64 bits of the coarse one do not.
FINE_SIDE = 16


def hash_faces(
    items: Sequence[tuple[str, str]],
    root: Root,
    max_pixels: int = MAX_PIXELS,
) -> list[FaceHash]:
    """Hash a shard of face crops; a crop that cannot be decoded gets a reason instead of hashes.

    Parameters
    ----------
    items
        (face_id, path relative to `root`).
    root
        The workspace, or the folder of a training set.
    max_pixels
        Images with more pixels are not decoded.
    """
    return [_hash_face(face_id, root / path, max_pixels) for face_id, path in items]


def _hash_face(face_id: str, path: File, max_pixels: int) -> FaceHash:
    if not path.is_file():
        return FaceHash(face_id, reason="missing_file")
    try:
        with open_image(path, max_pixels) as image:
            return face_hash(face_id, upright_rgb(image).convert("L"))
    except Undecodable as error:
        return FaceHash(face_id, reason=error.reason)


def face_hash(face_id: str, grey: "Image.Image") -> FaceHash:
    """Hash a crop given as a Pillow image of mode L."""
    from PIL import Image, ImageOps

    small = grey.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.LANCZOS)
    hashes = [
        value
        for image in (grey, ImageOps.mirror(grey), small, ImageOps.mirror(small))
        for value in coarse_and_fine(image)
    ]
    return FaceHash(face_id, *hashes)


def coarse_and_fine(grey: "Image.Image") -> tuple[str, str]:
    """Return the 64-bit and the 256-bit pHash, as 16 and 64 hex digits."""
    import imagehash

    return hex_digits(imagehash.phash(grey)), hex_digits(imagehash.phash(grey, hash_size=FINE_SIDE))


def hex_digits(hashed: "imagehash.ImageHash") -> str:
    """Return what `str` of a hash of imagehash is, in a tenth of its time."""
    import numpy as np

    return np.packbits(hashed.hash).tobytes().hex()
