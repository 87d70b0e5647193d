"""The face detector: MTCNN (Zhang et al. 2016) with the weights of the `mtcnn` package."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from btfer_builder.crop.geometry import Box
from btfer_builder.quiet import import_tensorflow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Photos are scaled down to this longest side for detection: the network's memory grows with the pixels.
DETECTION_SIDE = 2000

#: The network cannot see smaller pictures: its smallest window is 12 pixels at 0.6 of the size.
SMALLEST_SIDE = 24


@dataclass(frozen=True, slots=True)
class Detection:
    """A face: its box, the detector's confidence (0–1), and five landmarks (x, y), all in photo pixels.

    Left and right are the viewer's: `left_eye` is the one further left in the photo.
    """

    box: Box
    confidence: float
    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    mouth_left: tuple[float, float]
    mouth_right: tuple[float, float]


def detect_faces(photo: "NDArray[np.uint8]") -> list[Detection]:
    """Find all faces in a photo, largest first.

    mtcnn's own `min_face_size` is left at 20: larger values silently lose faces (mtcnn 1.0.0 counts the levels of
    its pyramid without it). Photos are given one at a time: batches of mixed sizes misplace boxes.

    Parameters
    ----------
    photo
        RGB, uint8, shape (height, width, 3).
    """
    import cv2

    height, width = photo.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        return []
    scale = min(1.0, DETECTION_SIDE / max(height, width))
    if scale < 1.0:
        small = (max(SMALLEST_SIDE, round(width * scale)), max(SMALLEST_SIDE, round(height * scale)))
        photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    zoom_x, zoom_y = width / photo.shape[1], height / photo.shape[0]

    def point(name: str, found: dict[str, Any]) -> tuple[float, float]:
        x, y = found["keypoints"][name]
        return float(x) * zoom_x, float(y) * zoom_y

    detections = []
    for found in _mtcnn().detect_faces(photo):
        x, y, box_width, box_height = (float(value) for value in found["box"])
        if box_width <= 0 or box_height <= 0:  # clipped away at the border
            continue
        detections.append(
            Detection(
                Box(x * zoom_x, y * zoom_y, box_width * zoom_x, box_height * zoom_y),
                float(found["confidence"]),
                *(
                    point(name, found)
                    for name in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
                ),
            )
        )
    return sorted(detections, key=lambda face: (-face.box.width * face.box.height, face.box.x, face.box.y))


@cache
def _mtcnn() -> Any:  # noqa: ANN401 - an untyped package
    """Load the network once a process; one thread, so that any number of workers gives the same numbers."""
    tf = import_tensorflow(gpu=False)
    from mtcnn import MTCNN

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return MTCNN()
