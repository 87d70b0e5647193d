"""The rectangle around a face and its crop: the position of the face and its proportions."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from btfer_builder.config import CropRecipe
from btfer_builder.crop.geometry import MAX_PADDED_PIXELS, Box, PixelBox, crop_box, cut
from btfer_builder.crop.stage import paper_recipe
from tests.photos import astronaut

lengths = st.floats(1, 3000, allow_nan=False)
places = st.floats(-500, 5000, allow_nan=False)
boxes = st.builds(Box, places, places, lengths, lengths)
sides = st.integers(1, 6000)


@st.composite
def recipes(draw, fit):
    """Recipes that the stage accepts."""
    size = draw(st.integers(16, 2048))
    unit = draw(st.sampled_from(["output", "source"]))
    margin = draw(st.integers(0, size * 2 // 5 if unit == "output" else 1024))
    return CropRecipe(size=size, margin=margin, margin_unit=unit, fit=fit)


@given(boxes, sides, sides, recipes("square"))
def test_a_square_around_the_face(face, width, height, recipe):
    box = crop_box(face, width, height, recipe)
    assert box.width == box.height  # never stretched
    assert abs(box.x + box.width / 2 - (face.x + face.width / 2)) <= 1
    assert abs(box.y + box.height / 2 - (face.y + face.height / 2)) <= 1
    longer = max(face.width, face.height)
    if recipe.margin_unit == "source":
        assert abs(box.width - (longer + 2 * recipe.margin)) <= 0.5
    else:
        assert abs(box.width - longer * recipe.size / (recipe.size - 2 * recipe.margin)) <= 0.5


@given(boxes, sides, sides, recipes("square"))
def test_the_face_fills_the_crop_but_for_the_margin(face, width, height, recipe):
    assume(recipe.margin_unit == "output")
    box = crop_box(face, width, height, recipe)
    assume(box.width >= recipe.size)  # below, a whole photo pixel is more than one of the crop
    zoom = recipe.size / box.width
    occupied = max(face.width, face.height) * zoom
    assert abs(occupied - (recipe.size - 2 * recipe.margin)) <= 1.5
    # And what is left over is the same on both sides.
    if face.width >= face.height:
        assert abs((face.x - box.x) * zoom - recipe.margin) <= 1.5
    else:
        assert abs((face.y - box.y) * zoom - recipe.margin) <= 1.5


@given(boxes, sides, sides, recipes("stretch"))
def test_stretched_boxes_stay_inside_the_photo(face, width, height, recipe):
    box = crop_box(face, width, height, recipe)
    assert 0 <= box.x < box.x + box.width <= width
    assert 0 <= box.y < box.y + box.height <= height


def test_the_papers_margin_is_ten_photo_pixels_on_every_side():
    recipe = paper_recipe(CropRecipe())
    assert (recipe.margin, recipe.margin_unit, recipe.fit, recipe.faces, recipe.size) == (
        10, "source", "stretch", "largest", 256,
    )  # fmt: skip
    assert crop_box(Box(100, 200, 80, 120), 1000, 1000, recipe) == PixelBox(90, 190, 100, 140)
    assert crop_box(Box(4, 200, 80, 120), 1000, 325, recipe) == PixelBox(0, 190, 94, 135)


def test_twenty_of_256_pixels_are_the_default_margin():
    """A face of 216 pixels: 20 more on every side."""
    assert crop_box(Box(100, 108, 200, 216), 1000, 1000, CropRecipe()) == PixelBox(72, 88, 256, 256)
    assert crop_box(Box(100, 108, 400, 432), 1000, 1000, CropRecipe()) == PixelBox(44, 68, 512, 512)


@st.composite
def photos_and_boxes(draw):
    """A photo and a box that overlaps it and often extends far beyond it."""
    width, height = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    box_width, box_height = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    x = draw(st.integers(1 - box_width, width - 1))
    y = draw(st.integers(1 - box_height, height - 1))
    photo = np.random.default_rng(draw(st.integers(0, 99))).integers(
        0, 256, (height, width, 3), dtype=np.uint8
    )
    return photo, PixelBox(x, y, box_width, box_height)


def padded(photo, box):
    """Cut with numpy alone: every pixel of the box is the nearest one of the photo."""
    rows = np.arange(box.y, box.y + box.height).clip(0, photo.shape[0] - 1)
    columns = np.arange(box.x, box.x + box.width).clip(0, photo.shape[1] - 1)
    return photo[np.ix_(rows, columns)]


@settings(deadline=None, max_examples=150)
@given(photos_and_boxes(), st.integers(16, 300))
def test_any_box_that_touches_the_photo_gives_a_crop(photo_and_box, size):
    photo, box = photo_and_box
    before = photo.copy()
    crop = cut(photo, box, size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    shrinks = box.width >= size and box.height >= size
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    expected = cv2.resize(padded(photo, box), (size, size), interpolation=kernel)
    np.testing.assert_array_equal(crop, expected)
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("place", [(-700, 50), (300, 50), (50, -700), (50, 260), (-800, -800), (310, 270)])
def test_a_box_far_over_a_border(place):
    photo = astronaut()
    box = PixelBox(*place, 900, 900)
    crop = cut(photo, box, 64)
    expected = cv2.resize(padded(photo, box), (64, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(crop, expected)


def test_a_box_of_the_size_of_the_crop_is_copied():
    photo = astronaut()
    np.testing.assert_array_equal(cut(photo, PixelBox(20, 30, 200, 200), 200), photo[30:230, 20:220])


def test_a_box_of_twice_the_size_is_averaged():
    photo = astronaut()
    blocks = photo[30:230, 20:220].reshape(100, 2, 100, 2, 3).mean(axis=(1, 3))
    assert np.abs(cut(photo, PixelBox(20, 30, 200, 200), 100) - blocks).max() <= 0.51


def test_what_would_fill_the_memory_is_made_smaller_first():
    """A margin of nearly half the crop around a large face: 150000 pixels a side, 67 GB of border."""
    photo = np.zeros((1000, 1200, 3), np.uint8)
    photo[:, 600:] = 200  # left black, right grey: the middle is to stay the middle
    photo[500:] += 50
    side = 150_000
    crop = cut(photo, PixelBox(600 - side // 2, 500 - side // 2, side, side), 64)
    assert side**2 > MAX_PADDED_PIXELS
    np.testing.assert_array_equal(crop[[0, 0, -1, -1], [0, -1, 0, -1], 0], [0, 200, 50, 250])
    np.testing.assert_array_equal(crop[10, [30, 33], 0], [0, 200])
    np.testing.assert_array_equal(crop[[30, 33], 10, 0], [0, 50])


def test_just_above_that_limit_the_crop_is_nearly_the_same(monkeypatch):
    photo, box = astronaut(), PixelBox(-200, -150, 600, 600)
    exact = cut(photo, box, 128).astype(int)
    monkeypatch.setattr("btfer_builder.crop.geometry.MAX_PADDED_PIXELS", 500 * 500)
    assert np.abs(cut(photo, box, 128) - exact).mean() < 3
