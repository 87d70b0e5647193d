"""Measures of a face for sorting: roll, yaw, and the sharpness and brightness of its crop."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from btfer_builder.crop.detectors.base import Detection

#: Sharpness is measured at this size, so that crops of all sizes can be compared.
MEASURED_SIDE = 128

#: Eyes closer than this fraction of the box belong to a face in profile, whose roll is not known.
CLOSEST_EYES = 0.1

#: Distance of the tip of the nose from the plane of the eyes, in half eye distances (about 32 mm in adults).
NOSE_DEPTH = 1.0


def roll(face: "Detection") -> float:
    """Return the roll in degrees clockwise, −180 to 180; 0 if the eyes are too close to tell."""
    across, down = face.right_eye[0] - face.left_eye[0], face.right_eye[1] - face.left_eye[1]
    if math.hypot(across, down) < CLOSEST_EYES * face.box.width:
        return 0.0
    return math.degrees(math.atan2(down, across))


def yaw(face: "Detection") -> float:
    """Return roughly how many degrees the face is turned to the viewer's right, −90 to 90.

    The angle follows from how far the tip of the nose is off the middle of the eyes. It assumes noses of equal length,
    and the landmarks of faces in profile are unreliable: use it for sorting, not for measuring.
    """
    turned = math.radians(roll(face))
    middle_x = (face.left_eye[0] + face.right_eye[0]) / 2
    middle_y = (face.left_eye[1] + face.right_eye[1]) / 2
    offset = (face.nose[0] - middle_x) * math.cos(turned) + (face.nose[1] - middle_y) * math.sin(turned)
    half = math.hypot(face.right_eye[0] - face.left_eye[0], face.right_eye[1] - face.left_eye[1]) / 2
    return math.degrees(math.atan2(offset, half * NOSE_DEPTH)) if half else math.copysign(90.0, offset)


def sharpness(crop: "NDArray[np.uint8]") -> float:
    """Return the variance of the Laplacian at 128×128 grey pixels (Pech-Pacheco et al. 2000); higher is sharper.

    Parameters
    ----------
    crop
        RGB, uint8, shape (size, size, 3).
    """
    import cv2

    side = (MEASURED_SIDE, MEASURED_SIDE)
    kernel = cv2.INTER_AREA if crop.shape[0] >= MEASURED_SIDE else cv2.INTER_LINEAR
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), side, interpolation=kernel)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def brightness(crop: "NDArray[np.uint8]") -> float:
    """Return the mean luma of an RGB crop, 0–255."""
    import cv2

    return float(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).mean())
