"""Measure the pictures of a dataset for its audit: hashes, size, sharpness, brightness and faces."""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btfer_builder.datasets.convert import ConvertedItem, hash_item, open_item
from btfer_builder.datasets.readers.base import Item
from btfer_builder.images.decode import Undecodable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from btfer_builder.crop.detectors.base import Detection

#: Pictures whose shorter side is smaller are enlarged to it before the detector looks: MTCNN is trained on faces from
#: 20 pixels on, and finds them in photos, not in crops of 48.
DETECTION_SIDE = 192

#: Angles by which a picture is turned where no face is found, in degrees: MTCNN is trained on upright faces.
ANGLES = (30.0, -30.0)

#: Largest difference of neighbouring pixels, in grey levels, that is flat.
_FLAT = 2

#: Contrast limit and tiles of the adaptive histogram equalisation of dark, pale and watermarked pictures.
_CLIP, _TILES = 2.0, (4, 4)

#: A face narrower than this share of its picture is someone in the background.
SMALLEST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class MeasuredItem:
    """A picture with what was measured.

    Attributes
    ----------
    picture
        The item and its hashes, or the reason why it cannot be decoded.
    width, height
        Size in pixels.
    sharpness
        Variance of the Laplacian at 128×128 grey pixels.
    brightness
        Mean grey value, 0 to 255.
    faces
        Number of faces found; None if nobody looked.
    flatness
        Share of pixels that differ from those right and below by at most 2 grey levels: signs, texts and empty
        pictures have more of them than any photo of a face.
    """

    picture: ConvertedItem
    width: int = 0
    height: int = 0
    sharpness: float = 0.0
    brightness: float = 0.0
    faces: int | None = None
    flatness: float = 0.0


def measure_items(items: Sequence[Item], *, max_pixels: int, faces: bool) -> list[MeasuredItem]:
    """Measure a shard of pictures; one that cannot be decoded gets a reason instead.

    Parameters
    ----------
    items
        The pictures; they are only read.
    max_pixels
        Files with more pixels are not decoded.
    faces
        Whether to look for faces, which takes most of the time.
    """
    import cv2

    if multiprocessing.parent_process() is not None:
        cv2.setNumThreads(1)  # every core has its own worker
    return [_measure(item, max_pixels, faces) for item in items]


def _measure(item: Item, max_pixels: int, faces: bool) -> MeasuredItem:
    import numpy as np

    from btfer_builder.crop.quality import brightness, sharpness

    try:
        image = open_item(item, max_pixels)
    except Undecodable as error:
        return MeasuredItem(ConvertedItem(item.without_pixels(), reason=error.reason, detail=error.detail))
    picture = hash_item(item, image)  # with its source, from which the report makes thumbnails
    pixels = np.asarray(image.convert("RGB"))
    found = _count_faces(pixels) if faces else None
    return MeasuredItem(
        picture, image.width, image.height, sharpness(pixels), brightness(pixels), found, _flatness(pixels)
    )


def _flatness(pixels: "NDArray[np.uint8]") -> float:
    import cv2
    import numpy as np

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.int16)
    if min(grey.shape) < 2:
        return 1.0
    steps = np.maximum(abs(np.diff(grey, axis=0))[:, :-1], abs(np.diff(grey, axis=1))[:-1])
    return float((steps <= _FLAT).mean())


def _count_faces(pixels: "NDArray[np.uint8]") -> int:
    import cv2

    from btfer_builder.crop.detectors.base import detect_faces, detect_with_border

    zoom = DETECTION_SIDE / min(pixels.shape[:2])
    if zoom > 1:
        pixels = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    # A crop is filled by its face, which is found with a border around it; a photo needs none.
    count = _large_enough(detect_with_border(pixels) or detect_faces(pixels), pixels)
    looks = _further_looks(pixels) if count == 0 else ()
    return count or next((1 for look in looks if _large_enough(detect_with_border(look), look)), 0)


def _large_enough(faces: "Sequence[Detection]", pixels: "NDArray[np.uint8]") -> int:
    smallest = SMALLEST_SHARE * min(pixels.shape[:2])
    return sum(face.box.width >= smallest for face in faces)


def _further_looks(pixels: "NDArray[np.uint8]") -> "Iterator[NDArray[np.uint8]]":
    """Yield what a picture looks like otherwise: mirrored, with more contrast, turned, and at half its size."""
    import cv2
    import numpy as np

    from btfer_builder.crop.detectors.base import BORDER_GREY

    yield np.ascontiguousarray(pixels[:, ::-1])
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    yield np.repeat(cv2.createCLAHE(_CLIP, _TILES).apply(grey)[..., None], 3, axis=2)
    height, width = pixels.shape[:2]
    for angle in ANGLES:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
        yield cv2.warpAffine(pixels, turn, (width, height), borderValue=(BORDER_GREY,) * 3)
    yield cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
