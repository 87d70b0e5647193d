"""Areas that are averaged by matrices are those of OpenCV, bit for bit."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.networks import resizing
from btfer_builder.networks.resizing import resize

SIDES = st.one_of(st.integers(1, 300), st.sampled_from([16, 32, 64, 96, 128, 192, 256, 320, 512]))


@given(
    SIDES, SIDES, st.integers(1, 240), st.integers(1, 240), st.sampled_from([(), (3,)]), st.integers(0, 99)
)
def test_areas_are_those_of_opencv(height, width, tall, wide, channels, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), np.uint8)
    expected = cv2.resize(pixels, (wide, tall), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(resize(pixels, (tall, wide), "area"), expected)


@pytest.mark.parametrize("side", [40, 48, 80, 96, 112, 160, 224])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_those_of_crops_are_averaged_by_matrices(side, channels):
    pixels = np.random.default_rng(side).integers(0, 256, (256, 256, *channels), np.uint8)
    expected = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(resizing._areas(pixels, (side, side)), expected)


@pytest.mark.parametrize(
    ("side", "target"),
    [
        pytest.param(
            (256, 256), (64, 64), id="whole pixels, of which OpenCV rounds some sums in another way"
        ),
        pytest.param((250, 250), (48, 48), id="thirds of a pixel are inexact"),
        pytest.param((256, 256), (48, 300), id="wider"),
        pytest.param((256, 256), (250, 250), id="large matrices"),
    ],
)
def test_other_sizes_are_left_to_opencv(side, target):
    assert resizing._areas(np.zeros((*side, 3), np.uint8), target) is None
