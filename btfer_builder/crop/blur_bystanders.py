"""Blur the faces of other people that reach into a crop (§2, stage 2: anonymity)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from btfer_builder.crop.geometry import Box, PixelBox, place_in_crop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Size of the blurred ellipse relative to the face box, which ends at the hair.
REACH = 1.3

#: Standard deviation of the blur in widths of the face: about five blobs of it remain.
STRENGTH = 0.2

#: Standard deviation of the ellipse's soft edge, in the same unit.
EDGE = 0.03


def bystanders(face: Box, others: Sequence[Box], box: PixelBox, angle: float) -> list[Box]:
    """Return the other faces of a photo that reach into a crop.

    A detection whose centre is close to that of the face itself is the same face, detected twice.

    Parameters
    ----------
    face
        The face of the crop, in photo pixels.
    others
        The other detections, whatever the detector's confidence.
    box, angle
        The crop.
    """
    return [other for other in others if not _same(face, other) and _mask(other, box, 64, angle, REACH).any()]


def blur(
    crop: "NDArray[np.uint8]", face: Box, others: Sequence[Box], box: PixelBox, angle: float
) -> "NDArray[np.uint8]":
    """Return a crop with the other faces in it blurred beyond recognition and its own face unchanged.

    Parameters
    ----------
    crop
        RGB, uint8, shape (size, size, 3).
    face, others, box, angle
        As for `bystanders`.
    """
    import cv2
    import numpy as np

    size = crop.shape[0]
    own = _mask(face, box, size, angle, 1.0).astype(np.float32)[..., None]
    blurred = crop.astype(np.float32)
    for other in others:
        width = max(other.width * size / box.width, other.height * size / box.height)
        mask = _mask(other, box, size, angle, REACH).astype(np.float32)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, EDGE * width))[..., None]
        mask *= 1 - own
        smooth = cv2.GaussianBlur(blurred, (0, 0), min(STRENGTH * width, size / 2))
        blurred = mask * smooth + (1 - mask) * blurred
    return blurred.round().clip(0, 255).astype(np.uint8)


def _same(face: Box, other: Box) -> bool:
    """Return whether the centre of the other box is in the inner half of the face's ellipse.

    Further out, it may be another person: cheek to cheek, or a child in front of somebody's chin.
    """
    across = (other.x + other.width / 2 - face.x - face.width / 2) / (face.width / 2)
    down = (other.y + other.height / 2 - face.y - face.height / 2) / (face.height / 2)
    return across**2 + down**2 < 0.25


def _mask(face: Box, box: PixelBox, size: int, angle: float, reach: float) -> "NDArray[np.uint8]":
    """Return the mask of a face's ellipse in a crop: uint8, shape (size, size), 1 inside."""
    import cv2
    import numpy as np

    turns = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x = face.x + face.width / 2 * (1 + reach * np.cos(turns))
    y = face.y + face.height / 2 * (1 + reach * np.sin(turns))
    outline = place_in_crop(np.column_stack([x, y]), box, size, angle)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, outline.round().clip(-(2**20), 2**20).astype(np.int32), 1)
    return mask
