"""The face detector: MTCNN (Zhang et al. 2016) with the weights of the `mtcnn` package, in two implementations."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

from btfer_builder.config import DetectorName
from btfer_builder.crop.geometry import Box
from btfer_builder.io.device import Device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Photos are reduced to this longest side for detection, which bounds time and memory.
DETECTION_SIDE = 2000

#: Width of the border of a second search, as a share of the shorter side of the photo, its grey value, and the
#: smallest side of a photo that is searched so.
BORDER, BORDER_GREY, SMALLEST_BORDERED = 0.35, 127, 60

#: Smaller photos have no face: the smallest window of the network is 12 pixels at 0.6 of their size.
SMALLEST_SIDE = 24


@dataclass(frozen=True, slots=True)
class Detection:
    """A face: its box, the detector's confidence (0–1) and five landmarks (x, y), in photo pixels.

    Left and right are the viewer's: `left_eye` is the eye further left in the photo. `found_by` is `bordered` for a
    face that was found by `detect_with_border`.
    """

    box: Box
    confidence: float
    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    mouth_left: tuple[float, float]
    mouth_right: tuple[float, float]
    found_by: str = field(default="", kw_only=True)


def largest_first(detections: Iterable[Detection]) -> list[Detection]:
    """Return the faces of a photo sorted by size, the order in which they are chosen and blurred."""
    return sorted(detections, key=lambda face: (-face.box.width * face.box.height, face.box.x, face.box.y))


class Detector(Protocol):
    """A function that finds the faces of a photo, such as `mtcnn.detector.find_faces`."""

    def __call__(
        self,
        photo: "NDArray[np.uint8]",
        min_face_size: float,
        enough: "Callable[[NDArray[np.float64], NDArray[np.float64]], bool]",
        device: Device,
    ) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
        """Return the boxes (n, 5), x1, y1, x2, y2, score, and landmarks (n, 10), five x and five y, of an RGB photo.

        It may skip faces below `min_face_size` pixels if the others are enough, and compute on the device.
        """
        ...


@cache
def load_detector(name: DetectorName = "mtcnn") -> Detector:
    """Return a detector by its name in the recipe; its networks are loaded on first use."""
    if name == "mtcnn-reference":
        from btfer_builder.crop.detectors import mtcnn_reference as reference

        return lambda photo, *_: reference.find_faces(photo)
    from btfer_builder.crop.detectors.mtcnn import detector as mtcnn

    return mtcnn.find_faces


@dataclass(frozen=True, slots=True)
class SearchBefore:
    """An earlier search of a part of a picture.

    Attributes
    ----------
    part
        The part, in pixels of the picture.
    uncertain
        Faces that it found there without certainty, which are looked for again.
    """

    part: Box
    uncertain: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """How photos are searched for faces.

    Attributes
    ----------
    detector
        `mtcnn`, or `mtcnn-reference` for the package itself, which always searches for all sizes.
    smallest
        Size of face to begin with, in photo pixels; 0 for all sizes.
    wanted
        Return whether a face is wanted; where none is, all sizes are searched. None: they are not.
    device
        As in `io.device.onnx_device`.
    scale
        Pixels of the photo in one of the given picture, along each side, if it was decoded at reduced scale.
    before
        An earlier search of a part of the given picture, whose faces are not found again; None: there was none.
        `mtcnn-reference` always searches the whole.
    """

    detector: DetectorName = "mtcnn"
    smallest: float = 0.0
    wanted: Callable[[Detection], bool] | None = None
    device: Device = "auto"
    scale: int = 1
    before: SearchBefore | None = None


#: All faces.
FULL_SEARCH = Search()


def detect_faces(photo: "NDArray[np.uint8]", search: Search = FULL_SEARCH) -> list[Detection]:
    """Find all faces in a photo, largest first.

    Boxes are rounded to whole pixels of the photo that the detector sees, like those of the `mtcnn` package, so that
    crops have the same ids with both implementations.

    Parameters
    ----------
    photo
        RGB, uint8, shape (height, width, 3).
    search
        Detector, device and sizes.
    """
    import cv2

    height, width = photo.shape[:2]
    if min(height, width) * search.scale < SMALLEST_SIDE:
        return []
    shrink = min(1.0, DETECTION_SIDE / max(height, width))
    if shrink < 1.0:
        small = (max(SMALLEST_SIDE, round(width * shrink)), max(SMALLEST_SIDE, round(height * shrink)))
        photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    zoom = search.scale * width / photo.shape[1], search.scale * height / photo.shape[0]

    def enough(boxes: "NDArray[np.float64]", landmarks: "NDArray[np.float64]") -> bool:
        return search.wanted is None or any(map(search.wanted, _detections(boxes, landmarks, zoom)))

    if search.before and search.detector == "mtcnn":
        from btfer_builder.crop.detectors.mtcnn.cut_faces import find_cut_faces

        boxes_before = (search.before.part, *search.before.uncertain)
        resize = photo.shape[1] / width, photo.shape[0] / height
        part, *uncertain = (box.scaled(*resize) for box in boxes_before)
        find: Detector = partial(find_cut_faces, part, uncertain)
    else:
        find = load_detector(search.detector)
    boxes, landmarks = find(photo, search.smallest / max(zoom), enough, search.device)
    return largest_first(_detections(boxes, landmarks, zoom))


def _detections(
    boxes: "NDArray[np.float64]", landmarks: "NDArray[np.float64]", zoom: tuple[float, float]
) -> Iterator[Detection]:
    """Yield the faces that a detector found, scaled to the photo."""
    zoom_x, zoom_y = zoom
    corners = boxes[:, :2].round()
    sizes = (boxes[:, 2:4] - boxes[:, :2]).round()
    for corner, size, score, points in zip(corners, sizes, boxes[:, 4], landmarks, strict=True):
        if size.min() <= 0:  # outside the photo
            continue
        x, y = points[:5] * zoom_x, points[5:] * zoom_y
        yield Detection(
            Box(
                float(corner[0]) * zoom_x,
                float(corner[1]) * zoom_y,
                float(size[0]) * zoom_x,
                float(size[1]) * zoom_y,
            ),
            float(score),
            *((float(a), float(b)) for a, b in zip(x, y, strict=True)),
        )


def detect_with_border(
    photo: "NDArray[np.uint8]", search: Search = FULL_SEARCH, uncertain: Sequence[Detection] | None = None
) -> list[Detection]:
    """Find the faces in a photo with a grey border around it, largest first: faces that fill their photo.

    MTCNN finds few faces whose outline touches the border of the photo. Boxes and landmarks are in pixels of the photo
    and may be outside of it; faces whose middle is outside are left out.

    Parameters
    ----------
    photo, search
        As in `detect_faces`.
    uncertain
        The faces that `detect_faces` found, if none of them is certain: only these are looked for, and faces at the
        edge. None: all faces are.
    """
    import cv2

    height, width = photo.shape[:2]
    if min(height, width) * search.scale < SMALLEST_BORDERED:
        return []
    border = round(BORDER * min(height, width))
    grey = (BORDER_GREY,) * 3
    framed = cv2.copyMakeBorder(photo, *(border,) * 4, borderType=cv2.BORDER_CONSTANT, value=grey)
    shift = -border * search.scale

    def inside(face: Detection) -> bool:
        x, y = face.box.x + face.box.width / 2, face.box.y + face.box.height / 2
        return bool(0 <= x <= width * search.scale and 0 <= y <= height * search.scale)

    def wanted(face: Detection) -> bool:
        moved = _moved(face, shift)
        return inside(moved) and (search.wanted is None or search.wanted(moved))

    before = None
    if uncertain is not None:
        seen = (_moved(face, -shift).box.scaled(1 / search.scale, 1 / search.scale) for face in uncertain)
        before = SearchBefore(Box(border, border, width, height), tuple(seen))
    faces = (
        _moved(face, shift) for face in detect_faces(framed, replace(search, wanted=wanted, before=before))
    )
    return [face for face in faces if inside(face)]


def _moved(face: Detection, by: float) -> Detection:
    """Return a face moved right and down, marked as found with a border."""
    box = Box(face.box.x + by, face.box.y + by, face.box.width, face.box.height)
    points = (face.left_eye, face.right_eye, face.nose, face.mouth_left, face.mouth_right)
    return Detection(box, face.confidence, *((x + by, y + by) for x, y in points), found_by="bordered")
