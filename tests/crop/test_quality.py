"""The measures of a face follow its rotation and its image quality."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from btfer_builder.crop import quality
from btfer_builder.crop.detectors.base import Detection, detect_faces
from btfer_builder.crop.geometry import Box
from demo.pictures import grace_hopper
from tests.photos import mirror


def turned(photo, angle):
    """Return a photo rotated clockwise about its centre."""
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1)
    return cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


def face(left_eye=(40, 50), right_eye=(80, 50), nose=(60, 70)):
    return Detection(Box(20, 20, 80, 100), 0.99, left_eye, right_eye, nose, (45, 95), (75, 95))


@pytest.mark.parametrize("angle", [-30, -15, 20, 30])
def test_the_roll_follows_a_photo_that_is_turned(angle):
    (before,), (after,) = detect_faces(grace_hopper()), detect_faces(turned(grace_hopper(), angle))
    assert abs(quality.roll(after) - quality.roll(before) - angle) < 5


def test_a_mirrored_face_looks_the_other_way():
    (one,), (other,) = detect_faces(data.astronaut()), detect_faces(mirror(data.astronaut()))
    assert abs(quality.yaw(one)) > 2
    assert abs(quality.yaw(one) + quality.yaw(other)) < 5
    assert abs(quality.roll(one) + quality.roll(other)) < 5


@given(st.floats(-40, 40), st.floats(-60, 60))
def test_angles_of_a_known_head(roll, yaw):
    half, depth = 30, 30  # the nose is as far in front of the eyes as they are from the middle
    eye, nose = half * np.cos(np.radians(yaw)), depth * np.sin(np.radians(yaw))
    turn = np.radians(roll)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = [tuple(np.array(point) @ axes + 60) for point in ((-eye, 0), (eye, 0), (nose, 20))]
    seen = face(*points)
    assert quality.roll(seen) == pytest.approx(roll, abs=1e-6)
    assert quality.yaw(seen) == pytest.approx(yaw, abs=1e-6)


def test_eyes_on_one_another_tell_nothing():
    assert quality.roll(face((60, 50), (62, 55))) == 0
    assert quality.yaw(face((60, 50), (60, 50), (70, 70))) == 90
    assert quality.yaw(face((60, 50), (60, 50), (50, 70))) == -90


@pytest.mark.parametrize("size", [64, 128, 256])
def test_blur_is_less_sharp_and_dark_less_bright(size):
    crop = cv2.resize(data.astronaut()[:256, 100:356], (size, size), interpolation=cv2.INTER_AREA)
    steps = [crop, *(cv2.GaussianBlur(crop, (0, 0), size * sigma / 256) for sigma in (2, 4, 8))]
    values = [quality.sharpness(step) for step in steps]
    assert values == sorted(values, reverse=True)
    assert values[0] > 4 * values[2]
    assert quality.brightness(crop // 2) == pytest.approx(quality.brightness(crop) / 2, abs=1)
    assert quality.brightness(np.full_like(crop, 200)) == pytest.approx(200)


def test_crops_of_all_sizes_compare():
    large = data.astronaut()[:256, 100:356]
    small = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
    assert quality.sharpness(small) == pytest.approx(quality.sharpness(large), rel=0.05)
