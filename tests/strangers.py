"""Pictures whose pHashes agree although they show different things, as those of different people often do."""

import cv2
import numpy as np
from skimage import data

SIDE = 64


def waves_of(pixels: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.dct(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32))


def picture(waves: np.ndarray) -> np.ndarray:
    grey = cv2.resize(cv2.idct(waves), (256, 256), interpolation=cv2.INTER_CUBIC)
    return np.repeat(cv2.normalize(grey, None, 10, 245, cv2.NORM_MINMAX).astype(np.uint8)[..., None], 3, 2)


def strangers() -> tuple[np.ndarray, np.ndarray]:
    """Return two pictures with the light and shade of one photograph, and the structure of two."""
    one, other = waves_of(data.astronaut()[:300, 60:400]), waves_of(data.coffee()[:300, :400])
    mixed = other * (np.abs(one[8:, 8:]).mean() / np.abs(other[8:, 8:]).mean())
    mixed[:8, :8] = one[:8, :8]
    return picture(one), picture(mixed)


def before_one_wall(person: int) -> np.ndarray:
    """Return a photo of a face that takes a third of it, in front of the same background for each person."""
    face = (data.lfw_subset()[person] * 255).astype(np.uint8)
    scene = data.coffee()[:400, :400].copy()
    scene[130:270, 130:270] = cv2.resize(face, (140, 140))[..., None]
    return scene
