"""Render a crop deterministically from a photo and a face's row of the catalog."""

import json
from typing import TYPE_CHECKING, Any, Protocol

from btfer_builder.crop.blur_bystanders import blur
from btfer_builder.crop.geometry import Box, PixelBox, cut

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FaceRow(Protocol):
    """A row of the table `faces`, a line of `faces.csv`, or a dictionary with the same keys."""

    def __getitem__(self, name: str, /) -> Any:  # noqa: ANN401 - what a column holds
        """Return a column's value."""
        ...


def render_crop(face: FaceRow, photo: "NDArray[np.uint8]", size: int) -> "NDArray[np.uint8]":
    """Render the crop of a face; the same row and photo always give the same pixels.

    Parameters
    ----------
    face
        Columns x, y, width, height, crop_x, crop_y, crop_width, crop_height, crop_angle, blurred.
    photo
        The upright photo: RGB, uint8, shape (height, width, 3).
    size
        Side of the crop in pixels: the setting `size` with which the face was cropped.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
    """
    box = PixelBox(*(int(face[f"crop_{name}"]) for name in ("x", "y", "width", "height")))
    angle = float(face["crop_angle"])
    crop = cut(photo, box, size, angle)
    if face["blurred"]:
        others = [Box(*map(float, other)) for other in json.loads(face["blurred"])]
        own = Box(*(float(face[name]) for name in ("x", "y", "width", "height")))
        crop = blur(crop, own, others, box, angle)
    return crop
