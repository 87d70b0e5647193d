"""Real face crops, and what another expression makes of them: mouths and brows moved, nothing else."""

import cv2
import numpy as np
from skimage import data

from demo.pictures import grace_hopper

#: Of the 256 pixels of each crop: the mouth's middle and width, and the eyes.
_PLACES = {
    "astronaut": ((122, 154), 44, ((98, 106), (142, 106))),
    "hopper": ((128, 180), 56, ((100, 118), (158, 118))),
}
_LFW_PLACES = ((128, 194), 70, ((82, 102), (174, 102)))
_LFW = (1, 18, 29, 42, 60, 92)


def _crops() -> dict[str, np.ndarray]:
    crops = {"astronaut": data.astronaut()[12:232, 118:338], "hopper": grace_hopper()[40:390, 90:440]}
    crops |= {
        f"lfw {number}": np.repeat((data.lfw_subset()[number] * 255).astype(np.uint8)[..., None], 3, 2)
        for number in _LFW
    }
    return {name: cv2.resize(crop, (256, 256), interpolation=cv2.INTER_CUBIC) for name, crop in crops.items()}


FACES = _crops()
EXPRESSIONS = ("smile", "frown", "open mouth", "drawn brows")


def places(name: str) -> tuple:
    return _PLACES.get(name, _LFW_PLACES)


def expression(face: np.ndarray, kind: str) -> np.ndarray:
    """Return the face with another expression."""
    name = next(name for name, known in FACES.items() if known is face)
    (mouth_x, mouth_y), width, eyes = places(name)
    y, x = np.mgrid[0:256, 0:256].astype(np.float32)
    move_x, move_y = np.zeros_like(x), np.zeros_like(y)

    def around(where_x, where_y, wide, high):
        return np.exp(-(((x - where_x) / wide) ** 2) - ((y - where_y) / high) ** 2)

    if kind in {"smile", "frown"}:
        for side in (-1, 1):
            corner = around(mouth_x + side * width / 2, mouth_y, width * 0.4, width * 0.35)
            move_x -= (side if kind == "smile" else 0) * 0.18 * width * corner
            move_y += (0.2 if kind == "smile" else -0.22) * width * corner
    if kind == "open mouth":
        move_y -= (y - mouth_y) * 0.45 * around(mouth_x, mouth_y + 0.15 * width, width * 0.55, width * 0.5)
    if kind == "drawn brows":
        for eye_x, eye_y in eyes:
            move_y -= 0.2 * width * around(eye_x, eye_y - 0.3 * width, width * 0.45, width * 0.25)
    moved = cv2.remap(face, x + move_x, y + move_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if kind == "open mouth":
        dark = 0.8 * around(mouth_x, mouth_y + 0.1 * width, width * 0.3, width * 0.22)[..., None]
        moved = (moved * (1 - dark) + np.array([60, 20, 20]) * dark).astype(np.uint8)
    return moved
