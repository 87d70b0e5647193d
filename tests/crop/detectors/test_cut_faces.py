"""The second search finds the faces that a search of the whole bordered photo finds, and looks at a fraction of it."""

from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from btfer_builder.config import CropRecipe
from btfer_builder.crop.cropping import crop_images
from btfer_builder.crop.detectors.base import Search, detect_faces, detect_with_border
from btfer_builder.crop.detectors.mtcnn import cut_faces, detector
from btfer_builder.crop.detectors.mtcnn.pyramid import CELL, levels
from btfer_builder.crop.geometry import Box
from demo.pictures import encode, portrait
from tests.photos import astronaut

WIDTH, HEIGHT = 720, 540
ALL_SIZES = Search(device="cpu")


def nobody():
    return cv2.GaussianBlur(cv2.resize(data.coffee(), (WIDTH, HEIGHT)), (0, 0), 2)


@cache
def people():
    """Return pictures of a person, each with the box of the face."""
    lfw = data.lfw_subset()
    pictures = [astronaut(), *(cv2.resize(portrait(lfw[i], seed=i), (260, 260)) for i in (1, 17, 33, 49))]
    return [(picture, face.box) for picture in pictures for face in detect_faces(picture)[:1]]


def with_face(number, size, x, y):
    """Return a photo with a face of some pixels, whose box begins at (x, y), perhaps outside of the photo."""
    picture, box = people()[number]
    zoom = size / box.width
    picture = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    left, top = round(x - box.x * zoom), round(y - box.y * zoom)
    picture = picture[max(0, -top) : HEIGHT - top, max(0, -left) : WIDTH - left]
    photo = nobody()
    left, top = max(0, left), max(0, top)
    photo[top : top + len(picture), left : left + picture.shape[1]] = picture
    return photo


def photos():
    """Yield photos with a face that an edge cuts."""
    for number in range(len(people())):
        for size, hidden in ((26, 0.15), (60, 0.2), (240, 0.22)):
            yield with_face(number, size, -hidden * size, 200)
            yield with_face(number, size, WIDTH - (1 - hidden) * size, 80)
            yield with_face(number, size, 300, -hidden * size)


def differences(one, other):
    assert len(one) == len(other)
    for face, same in zip(one, other, strict=True):
        yield abs(face.confidence - same.confidence)
        yield from (
            abs(getattr(face.box, side) - getattr(same.box, side)) for side in ("x", "y", "width", "height")
        )
        yield from np.abs(np.subtract(face.left_eye, same.left_eye))


def certain_and_cut(faces):
    """Return the faces that `btfer crop` keeps and whose box is partly outside of the photo."""
    return [
        face
        for face in faces
        if face.confidence >= CropRecipe().min_confidence
        and not (0 <= face.box.x <= WIDTH - face.box.width and face.box.y >= 0)
    ]


def test_faces_at_the_edge_are_those_of_a_search_of_the_whole():
    faces = sizes = 0
    for photo in photos():
        every, found = (certain_and_cut(detect_with_border(photo, ALL_SIZES, seen)) for seen in (None, []))
        assert max(differences(every, found), default=0) <= 1e-3
        faces += len(found)
        sizes += sum(face.box.width < 40 for face in found)
    assert faces >= 20
    assert sizes >= 3


@pytest.mark.parametrize("search", ["safe", "fast"])
def test_what_becomes_of_a_photo_is_what_a_full_search_says(tmp_path, search):
    reasons = set()
    for number, photo in enumerate([*list(photos())[::5], nobody()]):
        (tmp_path / "photo").write_bytes(encode(photo, "PNG"))
        full, other = (
            crop_images([(f"{number}", "photo")], tmp_path, CropRecipe(search=sizes, device="cpu"))[0]
            for sizes in ("full", search)
        )
        assert other.reason == full.reason
        if full.reason:
            assert [face.reason for face in other.faces] == [face.reason for face in full.faces]
        kept = ([face for face in result.faces if face.state == "kept"] for result in (full, other))
        assert [face.found_by for face in next(kept)] == [face.found_by for face in next(kept)]
        reasons.add(full.reason)
    assert reasons >= {None, "too_small", "no_face"}


def test_a_photo_without_a_face_is_hardly_searched_again(monkeypatch):
    pixels = []
    run = detector.likely_cells
    for module in (detector, cut_faces):
        monkeypatch.setattr(
            module,
            "likely_cells",
            lambda net, tile, *place: (pixels.append(tile.size), run(net, tile, *place))[1],
        )
    photo = cv2.resize(nobody(), (1000, 750))
    work = []
    for uncertain in (None, []):
        pixels.clear()
        assert detect_with_border(photo, ALL_SIZES, uncertain) == []
        work.append(sum(pixels))
    assert work[0] > 3 * work[1] > 0


def test_inside_the_photo_only_uncertain_faces_are_looked_for():
    photo = with_face(0, 28, 300, 200)
    (face,) = detect_faces(photo, ALL_SIZES)
    assert detect_with_border(photo, ALL_SIZES, []) == []
    (again,) = detect_with_border(photo, ALL_SIZES, [face])
    (expected,) = detect_with_border(photo, ALL_SIZES)
    assert max(differences([expected], [again])) <= 1e-3


def test_a_photo_that_is_searched_smaller_has_its_edge_elsewhere():
    """With its border it has more than the 2000 pixels that are searched; it was decoded at half its size, too."""
    photo = cv2.resize(with_face(0, 110, -20, 200), None, fx=2.2, fy=2.2, interpolation=cv2.INTER_CUBIC)
    for scale in (1, 2):
        search = Search(device="cpu", scale=scale)
        every, found = detect_with_border(photo, search), detect_with_border(photo, search, [])
        assert len(found) == 1
        assert max(differences(every, found)) <= 1e-3 * scale


def test_a_small_photo_is_searched_whole():
    """Which costs less than the parts: a small face inside it is found, although nothing says where it is."""
    photo = with_face(0, 60, 300, 200)[100:400, 200:500]
    assert len(detect_with_border(photo, ALL_SIZES, [])) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.integers(200, 900),
    st.integers(200, 900),
    st.floats(0.1, 0.4),
    st.integers(0, 5),
    st.sampled_from([0, 1500]),
)
def test_the_cells_at_the_edge_are_all_that_are_not_inside_and_not_outside(
    height, width, border, number, spared
):
    across, down = border * width, border * height
    searched = Box(across, down, width - 2 * across, height - 2 * down)
    level = levels(height, width)[number]
    rows, columns = detector.cell_counts(*level[1:])
    seen = np.zeros((rows, columns), int)
    for top, bottom, left, right in cut_faces._at_edge((height, width), level, searched, spared):
        seen[top:bottom, left:right] += 1
    assert seen.max() == 1
    y, x = (np.arange(count) * 2 * side / pixels for count, side, pixels in zip(
        (rows, columns), (height, width), level[1:], strict=True))  # fmt: skip
    window_y, window_x = (
        CELL * side / pixels for side, pixels in zip((height, width), level[1:], strict=True)
    )
    near = 1e-6
    inside = np.logical_and.outer(
        (y >= down - near) & (y + window_y <= height - down + near),
        (x >= across - near) & (x + window_x <= width - across + near),
    )
    reaching = np.logical_and.outer(
        (y + window_y > down + near) & (y < height - down - near),
        (x + window_x > across + near) & (x < width - across - near),
    )
    assert (seen[reaching & ~inside] == 1).all()
    if not spared:  # two rings more: cells beside the edge, and what the network has beyond an odd side
        assert seen.sum() <= (reaching & ~inside).sum() + 4 * (rows + columns)
