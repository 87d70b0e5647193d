"""The pyramid has the levels of the package, and they equal OpenCV's area averaging."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from btfer_builder.crop.detectors.mtcnn.pyramid import (
    CELL,
    SCALE_FACTOR,
    SMALLEST,
    levels,
    levels_to_skip,
    shrink,
    shrink_part,
)


@given(st.integers(24, 3000), st.integers(24, 3000))
def test_levels_shrink_by_the_factor_and_none_is_smaller_than_the_window(height, width):
    sizes = levels(height, width)
    for number, (scale, rows, columns) in enumerate(sizes):
        assert np.isclose(scale, CELL / SMALLEST * SCALE_FACTOR**number)
        assert (rows, columns) == (int(height * scale), int(width * scale))
        assert min(rows, columns) >= CELL
    if min(height, width) >= 2 * SMALLEST:
        assert sizes


@given(st.integers(40, 3000), st.floats(0, 5000))
def test_the_search_begins_at_the_largest_window_that_is_not_above_the_smallest_face(side, smallest):
    sizes = levels(side, side)
    windows = [CELL / scale for scale, *_ in sizes]
    skipped = levels_to_skip(sizes, smallest)
    fitting = [window for window in windows if window <= smallest]
    assert windows[skipped] == pytest.approx(max(fitting, default=SMALLEST))
    assert len(sizes[skipped:]) >= 1


@pytest.mark.parametrize(
    ("smallest", "window"), [(0, 20), (20, 20), (28.2, 20), (40 / 2**0.5, 28.2), (40, 39.8)]
)
def test_windows_of_usual_sizes(smallest, window):
    sizes = levels(1200, 1600)
    assert CELL / sizes[levels_to_skip(sizes, smallest)][0] == pytest.approx(window, abs=0.02)


def test_a_photo_without_levels_has_none_to_skip():
    assert levels_to_skip(levels(24, 24), 40) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(12, 300), st.integers(12, 300), st.lists(st.floats(0.03, 1), min_size=1, max_size=6))
def test_shrinking_is_area_averaging(height, width, scales):
    photo = np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.float32)
    sizes = [(max(1, int(height * scale)), max(1, int(width * scale))) for scale in scales]
    for size, level in zip(sizes, shrink(photo, sizes), strict=True):
        expected = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(level, expected, atol=2e-3)


def test_the_pyramid_of_a_photo_is_that_of_opencv():
    photo = data.astronaut()[:501, :489].astype(np.float32)
    sizes = [size for _, *size in levels(*photo.shape[:2])]
    assert len(sizes) > 5
    for size, level in zip(sizes, shrink(photo, sizes), strict=True):
        assert np.abs(level - cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)).max() < 1e-3


def test_an_even_picture_stays_even():
    (level,) = shrink(np.full((777, 31, 3), 200, np.float32), [(123, 13)])
    assert np.abs(level - 200).max() < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_part_of_a_level_is_that_of_the_whole_level(draw):
    height, width = draw.draw(st.integers(30, 300)), draw.draw(st.integers(30, 300))
    scale = draw.draw(st.floats(0.1, 1))
    photo = np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.float32)
    size = int(height * scale), int(width * scale)
    (level,) = shrink(photo, [size])
    rows, columns = (
        slice(*sorted(draw.draw(st.lists(st.integers(0, side), min_size=2, max_size=2, unique=True))))
        for side in size
    )
    part = shrink_part(photo, size, rows, columns)
    np.testing.assert_allclose(part, level[rows, columns], atol=2e-3)
    beyond = shrink_part(photo, size, slice(rows.start, size[0] + 2), columns)
    np.testing.assert_allclose(beyond, level[rows.start :, columns], atol=2e-3)
