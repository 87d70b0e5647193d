"""From a face box to the rectangle that is cut out, and from that to the crop's pixels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btfer_builder.recipe import CropRecipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A crop that reaches over the border is made smaller first when it has more pixels: with a margin of nearly
#: half the crop, what lies outside would fill any memory.
MOST_PADDED = 100_000_000


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in photo pixels; (x, y) is its upper left corner, which may lie outside the photo."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A rectangle of whole pixels."""

    x: int
    y: int
    width: int
    height: int


def crop_box(face: Box, photo_width: int, photo_height: int, recipe: CropRecipe) -> PixelBox:
    """Return the rectangle to cut out around a face (§2, stage 3: 20 pixels around the region, 256×256).

    With `fit="square"` it is a square around the centre of the face box whose side is the box's longer side plus
    the margin, so nothing is stretched; it may reach over the border of the photo. With `fit="stretch"` it is the
    face box plus the margin, clamped to the photo, as the authors' extractor does.

    Parameters
    ----------
    face
        The detector's box.
    photo_width, photo_height
        Size of the photo in pixels.
    recipe
        `margin_unit="output"` measures the margin in the finished crop: of 256 pixels a margin of 20 leaves 216
        for the face. `"source"` measures it in the photo.
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
    """Return the whole pixels from centre − reach to centre + reach that lie in [0, limit), at least one."""
    low = min(max(0, round(centre - reach)), limit - 1)
    return low, max(low + 1, min(limit, round(centre + reach)))


def cut(photo: "NDArray[np.uint8]", box: PixelBox, size: int) -> "NDArray[np.uint8]":
    """Cut a rectangle out of a photo and scale it to `size` × `size`.

    What lies outside the photo repeats its border pixels, so the face keeps its place and its proportions.

    Parameters
    ----------
    photo
        uint8, shape (height, width, 3).
    box
        The rectangle; it must touch the photo.
    size
        Side of the crop in pixels. Area averaging when it gets smaller, bicubic when it gets larger.
    """
    import cv2

    photo_height, photo_width = photo.shape[:2]
    left, top = max(0, box.x), max(0, box.y)
    right, bottom = min(photo_width, box.x + box.width), min(photo_height, box.y + box.height)
    inside = photo[top:bottom, left:right]
    outside = (top - box.y, box.y + box.height - bottom, left - box.x, box.x + box.width - right)
    if any(outside):
        if (shrink := (MOST_PADDED / (box.width * box.height)) ** 0.5) < 1:
            smaller = (max(1, round(side * shrink)) for side in (right - left, bottom - top))
            inside = cv2.resize(inside, tuple(smaller), interpolation=cv2.INTER_AREA)
            outside = tuple(round(side * shrink) for side in outside)
        inside = cv2.copyMakeBorder(inside, *outside, borderType=cv2.BORDER_REPLICATE)
    shrinks = box.width >= size and box.height >= size
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    crop: NDArray[np.uint8] = cv2.resize(inside, (size, size), interpolation=kernel)
    return crop
