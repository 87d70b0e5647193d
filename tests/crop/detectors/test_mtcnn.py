"""The fast detector finds the same faces as mtcnn 1.0.0 and does not have its faults."""

import subprocess
import sys
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from benchmarks.compose import compose, compose_faces, photographs
from btfer_builder.config import CropRecipe
from btfer_builder.crop.cropping import crop_images
from btfer_builder.crop.detectors import mtcnn_reference as reference
from btfer_builder.crop.detectors.mtcnn import detector as mtcnn
from demo.pictures import encode, grace_hopper, portrait
from tests.photos import astronaut


@cache
def pictures():
    """Return pictures with many faces and without, large and small, whole and cut off."""
    lfw = data.lfw_subset()
    return [
        *(cv2.resize(picture, None, fx=0.5, fy=0.5) for picture in compose(photographs(None), 4, seed=5)),
        *(cv2.resize(portrait(lfw[i], seed=i), (200 + 3 * i, 180 + i)) for i in range(1, 100, 16)),
        data.astronaut()[:, 200:],
        data.astronaut()[80:, :],
        grace_hopper()[100:, :300],
        data.chelsea(),
        astronaut()[60:160, 90:180],
        *(astronaut()[60 : 160 + n, 90 : 180 + n] for n in range(1, 6)),
        np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8),
        np.zeros((40, 60, 3), np.uint8),
    ]


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_the_same_faces_as_the_package_finds():
    faces = 0
    for number, picture in enumerate(pictures()):
        boxes, landmarks = mtcnn.find_faces(picture)
        expected, expected_landmarks = reference.find_faces(picture)
        assert len(boxes) == len(expected), number
        assert np.abs(boxes[:, :4] - expected[:, :4]).max(initial=0) <= 0.05, number  # promised: 0.5
        assert np.abs(boxes[:, 4] - expected[:, 4]).max(initial=0) <= 5e-4, number  # promised: 1e-3
        assert np.abs(landmarks - expected_landmarks).max(initial=0) <= 0.05, number  # promised: 0.5
        faces += len(boxes)
    assert faces >= 12


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_both_detectors_make_the_same_crops(tmp_path):
    items = []
    for number, picture in enumerate([*pictures()[4:9], grace_hopper()]):
        (tmp_path / f"{number}.png").write_bytes(encode(picture, "PNG"))
        items.append((f"{number}", f"{number}.png"))
    ours, theirs = (
        crop_images(items, tmp_path, CropRecipe(faces="all", detector=name))
        for name in ("mtcnn", "mtcnn-reference")
    )
    ids = [[face.face_id for face in result.faces] for result in ours]
    assert sum(map(len, ids)) >= 5
    assert ids == [[face.face_id for face in result.faces] for result in theirs]


def test_tensorflow_is_not_imported(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(astronaut(), "PNG"))
    code = f"""
import sys
from pathlib import Path
from btfer_builder.crop.cropping import crop_images
from btfer_builder.config import CropRecipe
(result,) = crop_images([("a", "a.png")], Path({str(tmp_path)!r}), CropRecipe())
assert [face.state for face in result.faces] == ["kept"], result
print(*(name for name in ("tensorflow", "keras", "mtcnn", "pandas", "torch") if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize("smallest", [24, 30, 40, 60])
def test_a_larger_smallest_face_loses_no_larger_face(smallest):
    # mtcnn 1.0.0 loses some at 24 and all at 30.
    boxes, _ = mtcnn.find_faces(data.astronaut(), min_face_size=smallest)
    assert len(boxes) == 1
    assert np.abs(boxes[0, :4] - mtcnn.find_faces(data.astronaut())[0][0, :4]).max() < 15


@cache
def scenes():
    """Return pictures of one to six faces of 20 to 400 pixels."""
    return list(compose_faces(photographs(None)[:12], 6, seed=2))


@pytest.mark.parametrize("smallest", [40 / 2**0.5, 40.0])
def test_large_faces_are_those_of_the_full_search(smallest):
    faces = 0
    for picture in scenes():
        expected, found = mtcnn.find_faces(picture)[0], mtcnn.find_faces(picture, smallest)[0]
        for box in expected[(expected[:, 2:4] - expected[:, :2]).min(axis=1, initial=np.inf) >= 40]:
            assert np.abs(found[:, :4] - box[:4]).max(axis=1).min() <= 0.5
            faces += 1
    assert faces >= 6


def test_where_the_faces_are_not_enough_the_result_is_that_of_the_full_search():
    asked = []

    def refuse(boxes, landmarks):
        asked.append((boxes, landmarks))
        return False

    for picture in [*scenes()[:3], data.chelsea()]:
        asked.clear()
        full, again = mtcnn.find_faces(picture), mtcnn.find_faces(picture, 40, refuse)
        assert all(np.array_equal(one, other) for one, other in zip(full, again, strict=True))
        (reduced,) = asked
        accepted = mtcnn.find_faces(picture, 40, lambda boxes, landmarks: True)
        assert all(np.array_equal(one, other) for one, other in zip(reduced, accepted, strict=True))


def test_a_search_that_skips_levels_computes_fewer_cells(monkeypatch):
    cells = []
    windows = mtcnn._windows
    monkeypatch.setattr(
        mtcnn, "_windows", lambda net, level: (cells.append(level.size), windows(net, level))[1]
    )
    work = {}
    for smallest in (20, 40 / 2**0.5, 40):
        cells.clear()
        mtcnn.find_faces(scenes()[0], smallest)
        work[smallest] = sum(cells)
    assert work[20] > 1.9 * work[40 / 2**0.5] > 3.6 * work[40]


def test_a_photo_does_not_depend_on_those_before_it():
    first, *others = pictures()[:4]
    alone = mtcnn.find_faces(first)
    for other in others:
        mtcnn.find_faces(other)
    again = mtcnn.find_faces(first)
    assert all(np.array_equal(one, other) for one, other in zip(alone, again, strict=True))


def test_tiles_and_chunks_change_nothing(monkeypatch):
    picture = pictures()[1]
    whole = mtcnn.find_faces(picture)
    monkeypatch.setattr(mtcnn, "TILE_COLUMNS", 17)
    monkeypatch.setattr(mtcnn, "TILE_CELLS", 300)
    monkeypatch.setattr(mtcnn, "CHUNK", 5)
    parts = mtcnn.find_faces(picture)
    assert len(whole[0])
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_crops_are_bilinear_between_pixel_centres_and_grey_outside():
    photo = np.random.default_rng(1).uniform(0, 255, (40, 50, 3)).astype(np.float32)
    boxes = np.array([[3.2, 4.1, 30.7, 35.9, 1], [-9.5, -3, 20, 26.5, 1], [30, 20, 62, 52, 1]])
    crops = mtcnn._crops(photo, boxes, 24)
    for box, crop in zip(boxes, crops, strict=True):
        for row in range(24):
            for column in range(24):
                x = (box[0] + (box[2] - box[0]) * column / 23) * 49 / 50
                y = (box[1] + (box[3] - box[1]) * row / 23) * 39 / 40
                if 0 <= x <= 49 and 0 <= y <= 39:
                    left, top = min(int(x), 48), min(int(y), 38)
                    a, b = x - left, y - top
                    upper = photo[top, left] * (1 - a) + photo[top, left + 1] * a
                    lower = photo[top + 1, left] * (1 - a) + photo[top + 1, left + 1] * a
                    expected = upper * (1 - b) + lower * b
                else:
                    expected = 127.5
                assert np.abs(crop[:, row, column] - expected).max() < 0.01


@pytest.mark.parametrize("height", [12, 13, 20, 21])
@pytest.mark.parametrize("width", [12, 13, 14, 15, 48, 49])
def test_tiles_see_every_cell_that_the_network_has(monkeypatch, height, width):
    monkeypatch.setattr(mtcnn, "TILE_COLUMNS", 5)
    monkeypatch.setattr(mtcnn, "TILE_CELLS", 15)
    level = np.random.default_rng(width).integers(0, 256, (height, width, 3)).astype(np.float32)
    pnet = mtcnn.load_networks().pnet
    (whole,) = pnet.run(None, {"image": level.transpose(2, 0, 1)[None]})

    tiles = []

    class Recorder:
        def run(self, names, feed):
            tiles.append(pnet.run(names, feed)[0])
            return tiles[-1:]

    mtcnn._windows(Recorder(), level)
    cells = np.concatenate([tile[0].reshape(6, -1) for tile in tiles], axis=1)
    expected = whole[0].reshape(6, -1)
    assert cells.shape == expected.shape
    np.testing.assert_allclose(np.sort(cells, axis=1), np.sort(expected, axis=1), atol=1e-4)


@pytest.mark.parametrize("shape", [(37, 162), (814, 59), (12, 12)])
def test_in_a_photo_smaller_than_the_smallest_face_there_is_none(shape):
    boxes, landmarks = mtcnn.find_faces(np.zeros((*shape, 3), np.uint8), min_face_size=60)
    assert (boxes.shape, landmarks.shape) == ((0, 5), (0, 10))


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(0, 40)] * 4), st.integers(0, 255))
def test_edges_of_one_colour_are_left_out_and_nothing_else(edges, grey):
    face = cv2.resize(astronaut()[60:160, 90:180], (18, 20), interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(face, *edges, borderType=cv2.BORDER_CONSTANT, value=(grey, 9, 200))
    level = framed.astype(np.float32)
    pnet = mtcnn.load_networks("cpu").pnet
    found = mtcnn._windows(pnet, level)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mtcnn, "_with_contrast", lambda _, count: (0, count))
        np.testing.assert_allclose(found, mtcnn._windows(pnet, level), atol=1e-4)


def test_no_colour_looks_like_a_face():
    steps = np.arange(0, 256, 51, dtype=np.float32)
    colours = np.array(np.meshgrid(steps, steps, steps), np.float32).reshape(3, -1).T
    windows = np.tile(colours[:, :, None, None], (1, 1, 12, 12))
    (heads,) = mtcnn.load_networks("cpu").pnet.run(None, {"image": windows})
    assert mtcnn._scores(heads[:, 4:, 0, 0]).max() < 0.01
    level = np.tile(colours[7], (40, 50, 1))
    assert len(mtcnn._windows(mtcnn.load_networks("cpu").pnet, level)) == 0
