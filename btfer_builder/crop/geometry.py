"""Compute the rectangle to crop around a face, and crop it from the photo."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btfer_builder.config import CropRecipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A crop that extends beyond the photo and has more pixels is reduced before it is padded: with a margin of nearly
#: half the crop, the padding would fill any memory.
MAX_PADDED_PIXELS = 100_000_000

#: A rotated crop whose longer side has more pixels is reduced first, for the same reason.
MAX_ROTATED_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in photo pixels; (x, y) is its upper left corner, which may be outside the photo."""

    x: float
    y: float
    width: float
    height: float

    def scaled(self, across: float, down: float) -> "Box":
        """Return the box in a photo that is resized by these factors."""
        return Box(self.x * across, self.y * down, self.width * across, self.height * down)


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A rectangle of whole pixels."""

    x: int
    y: int
    width: int
    height: int


def crop_box(face: Box, photo_width: int, photo_height: int, recipe: CropRecipe) -> PixelBox:
    """Return the rectangle to cut out around a face (§2, stage 3: 20 pixels around the region, 256×256).

    With `fit="square"` it is a square around the centre of the face box, whose side is the longer side of the box plus
    the margin: nothing is stretched, and it may extend beyond the photo. With `fit="stretch"` it is the face box plus
    the margin, clamped to the photo, as in the authors' extractor.

    Parameters
    ----------
    face
        The detector's box.
    photo_width, photo_height
        Size of the photo in pixels.
    recipe
        With `margin_unit="output"` the margin is in pixels of the crop: 20 of 256 pixels leave 216 for the face. With
        `"source"` it is in pixels of the photo.
    """
    width, height = face.width, face.height
    if recipe.fit == "square":
        width = height = max(width, height)
    if recipe.margin_unit == "output":
        stretch = recipe.size / (recipe.size - 2 * recipe.margin)
        margin_x, margin_y = width * (stretch - 1) / 2, height * (stretch - 1) / 2
    else:
        margin_x = margin_y = float(recipe.margin)
    centre_x, centre_y = face.x + face.width / 2, face.y + face.height / 2
    if recipe.fit == "square":
        side = max(1, round(width + 2 * margin_x))
        return PixelBox(round(centre_x - side / 2), round(centre_y - side / 2), side, side)
    left, right = _clamped(centre_x, width / 2 + margin_x, photo_width)
    top, bottom = _clamped(centre_y, height / 2 + margin_y, photo_height)
    return PixelBox(left, top, right - left, bottom - top)


def _clamped(centre: float, reach: float, limit: int) -> tuple[int, int]:
    """Return the range of whole pixels from centre − reach to centre + reach within [0, limit), at least one."""
    low = min(max(0, round(centre - reach)), limit - 1)
    return low, max(low + 1, min(limit, round(centre + reach)))


def cut(photo: "NDArray[np.uint8]", box: PixelBox, size: int, angle: float = 0.0) -> "NDArray[np.uint8]":
    """Cut a rectangle out of a photo and scale it to `size` × `size`.

    Outside the photo its border pixels are repeated, so the face keeps its position and proportions.

    Parameters
    ----------
    photo
        uint8, shape (height, width, 3).
    box
        The rectangle; it must overlap the photo.
    size
        Side of the crop in pixels. Reduced by area averaging, enlarged bicubically.
    angle
        Rotation of the rectangle about its centre, in degrees clockwise.
    """
    import cv2

    inside = _rotated(photo, box, angle) if angle else _upright(photo, box)
    shrinks = box.width >= size and box.height >= size
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    crop: NDArray[np.uint8] = cv2.resize(inside, (size, size), interpolation=kernel)
    return crop


def padding(box: PixelBox, photo_width: int, photo_height: int, angle: float = 0.0) -> float:
    """Return the share of a rectangle that is beyond the photo, 0 to 1; arguments as in `cut`."""
    import cv2
    import numpy as np

    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64) * (box.width, box.height)
    turned = math.radians(angle)
    turn = np.array([[math.cos(turned), math.sin(turned)], [-math.sin(turned), math.cos(turned)]])
    middle = np.array([box.width, box.height]) / 2
    # Relative to the rectangle, since float32 would round the coordinates of large photos.
    rectangle = (corners - middle) @ turn + middle
    photo = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64) * (photo_width, photo_height) - (
        box.x,
        box.y,
    )
    inside, _ = cv2.intersectConvexConvex(rectangle.astype(np.float32), photo.astype(np.float32))
    return min(max(1 - float(inside) / (box.width * box.height), 0.0), 1.0)


def place_in_crop(
    points: "NDArray[np.float64]", box: PixelBox, size: int, angle: float = 0.0
) -> "NDArray[np.float64]":
    """Return the positions of points (n, 2) of a photo in the crop that `cut` makes with the same arguments."""
    import numpy as np

    turned = np.deg2rad(angle)
    across, down = (points - (box.x + box.width / 2, box.y + box.height / 2)).T
    x = across * np.cos(turned) + down * np.sin(turned) + box.width / 2
    y = down * np.cos(turned) - across * np.sin(turned) + box.height / 2
    return np.column_stack([x * (size / box.width), y * (size / box.height)])


def _upright(photo: "NDArray[np.uint8]", box: PixelBox) -> "NDArray[np.uint8]":
    """Cut out a rectangle at the scale of the photo."""
    import cv2

    photo_height, photo_width = photo.shape[:2]
    left, top = max(0, box.x), max(0, box.y)
    right, bottom = min(photo_width, box.x + box.width), min(photo_height, box.y + box.height)
    inside = photo[top:bottom, left:right]
    outside = (top - box.y, box.y + box.height - bottom, left - box.x, box.x + box.width - right)
    if any(outside):
        if (shrink := (MAX_PADDED_PIXELS / (box.width * box.height)) ** 0.5) < 1:
            smaller = (max(1, round(side * shrink)) for side in (right - left, bottom - top))
            inside = cv2.resize(inside, tuple(smaller), interpolation=cv2.INTER_AREA)
            outside = tuple(round(side * shrink) for side in outside)
        inside = cv2.copyMakeBorder(inside, *outside, borderType=cv2.BORDER_REPLICATE)
    return inside


def _rotated(photo: "NDArray[np.uint8]", box: PixelBox, angle: float) -> "NDArray[np.uint8]":
    """Cut out a rotated rectangle at the scale of the photo, reduced if it is larger than MAX_ROTATED_SIDE."""
    import cv2
    import numpy as np

    photo_height, photo_width = photo.shape[:2]
    centre_x, centre_y = box.x + box.width / 2, box.y + box.height / 2
    reach = math.hypot(box.width, box.height) / 2 + 2  # plus two pixels for the bicubic kernel
    left, right = _clamped(centre_x, reach, photo_width)
    top, bottom = _clamped(centre_y, reach, photo_height)
    inside = photo[top:bottom, left:right]
    shrink = min(1.0, MAX_ROTATED_SIDE / max(box.width, box.height))
    if shrink < 1:
        smaller = tuple(max(1, round(side * shrink)) for side in (right - left, bottom - top))
        inside = cv2.resize(inside, smaller, interpolation=cv2.INTER_AREA)
    size = max(1, round(box.width * shrink)), max(1, round(box.height * shrink))
    # Map the pixels of the rectangle to those of `inside`; the centre of a pixel is at +0.5.
    turned = math.radians(angle)
    back = np.array([[math.cos(turned), -math.sin(turned)], [math.sin(turned), math.cos(turned)]])
    scale_x, scale_y = inside.shape[1] / (right - left), inside.shape[0] / (bottom - top)
    back = np.diag([scale_x, scale_y]) @ back @ np.diag([box.width / size[0], box.height / size[1]])
    middle = np.array([(centre_x - left) * scale_x, (centre_y - top) * scale_y])
    shift = middle - 0.5 - back @ (np.array(size) / 2 - 0.5)
    rectangle: NDArray[np.uint8] = cv2.warpAffine(
        inside, np.column_stack([back, shift]), size,
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return rectangle
