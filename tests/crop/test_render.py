"""Rotated crops, blurred bystanders, the limit of upscaling, and rendering all of it again from the catalog."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from btfer_builder.catalog.crop import faces_to_render
from btfer_builder.config import CropRecipe, DedupeRecipe
from btfer_builder.crop.blur_bystanders import blur, bystanders
from btfer_builder.crop.cropping import crop_images
from btfer_builder.crop.detectors.base import detect_faces
from btfer_builder.crop.geometry import Box, PixelBox, cut, place_in_crop
from btfer_builder.crop.render import render_crop
from btfer_builder.crop.stage import crop as crop_stage
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.images.decode import decode_image
from btfer_builder.images.encode import png
from btfer_builder.workspace import Workspace, create_workspace
from demo.pictures import encode, grace_hopper
from tests.crop.test_quality import turned
from tests.photos import astronaut, crawl_files, face_files, hopper


def group():
    """Return two people cheek by cheek."""
    left, right = astronaut(120, 20, 290, 220), cv2.resize(grace_hopper()[80:370, 120:390], (186, 200))
    return np.hstack([left, right])


@pytest.fixture
def crop_one(tmp_path):
    """Crop a photo; return its faces from left to right, each with its crop."""

    def crop(photo, **settings):
        (tmp_path / "photo").write_bytes(encode(photo, "PNG"))
        (result,) = crop_images([("image", "photo")], tmp_path, CropRecipe(**settings))
        faces = sorted(result.faces, key=lambda face: face.x)
        return [(face, np.asarray(Image.open(tmp_path / face.path)) if face.path else None) for face in faces]

    return crop


def same(one, other):
    return np.abs(one.astype(int) - other).mean()


# Alignment -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [-35, 20, 40])
def test_an_aligned_crop_has_level_eyes_and_keeps_the_face_in_the_middle(crop_one, angle):
    photo = turned(grace_hopper(), angle)
    ((face, crop),) = crop_one(photo, align=True)
    assert face.crop_angle == face.roll
    assert abs(face.crop_angle - angle) < 8
    (seen,) = detect_faces(crop)
    assert abs(seen.right_eye[1] - seen.left_eye[1]) < 0.08 * (seen.right_eye[0] - seen.left_eye[0])
    assert abs(seen.box.x + seen.box.width / 2 - 128) < 20
    assert abs(seen.box.y + seen.box.height / 2 - 128) < 20


def test_landmarks_lie_in_the_crop_where_the_geometry_says(crop_one):
    ((face, crop),) = crop_one(turned(grace_hopper(), 25), align=True)
    box = PixelBox(face.crop_x, face.crop_y, face.crop_width, face.crop_height)
    points = np.array([[face.left_eye_x, face.left_eye_y], [face.right_eye_x, face.right_eye_y]])
    (left, right) = place_in_crop(points, box, 256, face.crop_angle)
    assert abs(left[1] - right[1]) < 0.5
    (seen,) = detect_faces(crop)
    assert np.abs(left - seen.left_eye).max() < 8
    assert np.abs(right - seen.right_eye).max() < 8


def test_without_align_nothing_is_turned_and_ids_differ_when_something_is(crop_one):
    photo = turned(grace_hopper(), 25)
    ((plain, _),), ((aligned, _),) = crop_one(photo), crop_one(photo, align=True)
    assert plain.crop_angle == 0
    assert plain.roll == aligned.roll != 0
    assert plain.face_id != aligned.face_id
    assert (plain.crop_x, plain.crop_width) == (aligned.crop_x, aligned.crop_width)


@given(st.sampled_from([90.0, 180.0, -90.0]), st.integers(-20, 60), st.integers(-20, 60), st.integers(8, 50))
def test_a_quarter_turn_is_exact(angle, x, y, side):
    photo = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    box = PixelBox(min(x, 59), min(y, 59), max(side, 1 - min(x, y)), max(side, 1 - min(x, y)))
    upright = cut(photo, box, box.width)
    expected = np.rot90(upright, {90.0: 1, 180.0: 2, -90.0: 3}[angle])
    assert np.abs(cut(photo, box, box.width, angle).astype(int) - expected).max() <= 1


@given(st.floats(-180, 180), st.integers(0, 90), st.integers(0, 70))
def test_what_is_cut_out_lies_where_the_geometry_says(angle, x, y):
    photo = np.zeros((80, 100, 3), np.uint8)
    cv2.circle(photo, (x, y), 4, (255, 255, 255), -1)
    box = PixelBox(10, 0, 80, 80)
    crop = cut(photo, box, 160, angle).astype(float)[..., 0]
    (expected,) = place_in_crop(np.array([[x + 0.5, y + 0.5]]), box, 160, angle)
    if min(expected) > 12 and max(expected) < 148 and 4 < x < 95 and 4 < y < 75:
        down, across = (np.average(index + 0.5, weights=crop) for index in np.indices(crop.shape))
        assert abs(across - expected[0]) < 0.5
        assert abs(down - expected[1]) < 0.5


def test_a_huge_turned_crop_fits_into_memory():
    photo = np.random.default_rng(0).integers(0, 256, (300, 40_000, 3), dtype=np.uint8)
    crop = cut(photo, PixelBox(-10_000, -30_000, 60_000, 60_000), 64, 30.0)
    assert crop.shape == (64, 64, 3)


# Bystanders ------------------------------------------------------------------------------------------


def test_the_other_face_is_gone_and_the_own_one_untouched(crop_one):
    sharp = crop_one(group(), faces="all", margin=85)
    blurred = crop_one(group(), faces="all", margin=85, blur_others=True)
    assert len(sharp) == len(blurred) == 2
    for (before, crop), (after, hidden), other in zip(sharp, blurred, reversed(sharp), strict=True):
        assert before.face_id != after.face_id, "other pixels have another id"
        assert json.loads(after.blurred) == [[other[0].x, other[0].y, other[0].width, other[0].height]]
        assert before.blurred == ""
        assert len(detect_faces(crop)) == 2
        (left,) = detect_faces(hidden)
        box = PixelBox(after.crop_x, after.crop_y, after.crop_width, after.crop_height)
        corners = np.array([[after.x, after.y], [after.x + after.width, after.y + after.height]])
        (x1, y1), (x2, y2) = place_in_crop(corners, box, 256)
        assert abs(left.box.x - x1) < 25
        inner = np.s_[
            int(y1 * 0.7 + y2 * 0.3) : int(y1 * 0.3 + y2 * 0.7),
            int(x1 * 0.7 + x2 * 0.3) : int(x1 * 0.3 + x2 * 0.7),
        ]
        np.testing.assert_array_equal(crop[inner], hidden[inner])
        assert same(crop, hidden) > 1


def test_a_blurred_face_is_beyond_recognition(crop_one):
    (_, crop), _ = crop_one(group(), faces="all", margin=85, blur_others=True)
    (face, _), (other, _) = crop_one(group(), faces="all", margin=85)
    box = PixelBox(face.crop_x, face.crop_y, face.crop_width, face.crop_height)
    centre = np.array([[other.x + other.width / 2, other.y + other.height / 2]])
    x, y = place_in_crop(centre, box, 256)[0].astype(int)
    patch = crop[max(0, y - 20) : y + 20, max(0, x - 20) : x + 20].astype(float).mean(axis=2)
    assert np.abs(np.diff(patch, axis=0)).max() < 6  # no edge is left
    assert np.abs(np.diff(patch, axis=1)).max() < 6


def test_who_counts_as_a_bystander():
    face, box = Box(100, 100, 80, 100), PixelBox(90, 90, 120, 120)
    beside, far, itself = Box(190, 110, 60, 80), Box(400, 100, 60, 80), Box(104, 96, 84, 110)
    part, above = Box(120, 120, 30, 40), Box(120, 40, 60, 60)
    assert bystanders(face, [face, beside, far, itself, part, above], box, 0.0) == [beside, above]
    assert bystanders(face, [Box(230, 230, 30, 30)], box, 0.0) == []
    assert bystanders(face, [Box(135, 225, 30, 30)], box, 45.0) == [
        Box(135, 225, 30, 30)
    ]  # a corner turned there


def test_a_child_before_a_parents_chin_is_no_part_of_the_parent():
    parent, box = Box(100, 100, 100, 130), PixelBox(60, 60, 200, 200)
    child, cheek = Box(125, 175, 50, 65), Box(160, 130, 50, 65)
    assert bystanders(parent, [parent, child, cheek], box, 0.0) == [child, cheek]
    assert bystanders(child, [parent, child], box, 0.0) == [parent]


def test_where_two_faces_meet_the_own_one_stays_sharp():
    crop = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    own, other, box = Box(20, 20, 50, 60), Box(55, 25, 40, 50), PixelBox(0, 0, 100, 100)
    hidden = blur(crop, own, [other], box, 0.0)
    down, across = np.indices((100, 100)) + 0.5
    in_own = ((across - 45) / 24) ** 2 + ((down - 50) / 29) ** 2 < 1
    np.testing.assert_array_equal(crop[in_own], hidden[in_own])
    assert same(crop[40:60, 75:90], hidden[40:60, 75:90]) > 30


def test_nobody_else_changes_nothing():
    crop = astronaut(0, 0, 256, 256)
    np.testing.assert_array_equal(blur(crop, Box(0, 0, 9, 9), [], PixelBox(0, 0, 256, 256), 0.0), crop)


# Enlarging -------------------------------------------------------------------------------------------


def test_enlarging_is_recorded_and_limited(crop_one):
    ((face, _),) = crop_one(hopper())
    assert face.upscale == pytest.approx(256 / face.crop_width, abs=1e-4)
    assert face.upscale > 1
    ((kept, _),) = crop_one(hopper(), max_upscale=face.upscale)
    assert kept.state == "kept"
    ((dropped, crop),) = crop_one(hopper(), max_upscale=face.upscale - 0.01)
    assert (dropped.state, dropped.reason, crop) == ("dropped", "upscaled", None)
    assert dropped.sharpness is None


def test_what_is_measured_is_there(crop_one):
    ((face, crop),) = crop_one(hopper())
    assert face.sharpness > 0
    assert abs(face.brightness - crop.mean()) < 12
    assert -45 < face.yaw < 45


# Again from the catalog alone ------------------------------------------------------------------------

SETTINGS = [
    {},
    {"align": True},
    {"faces": "all", "margin": 85, "blur_others": True},
    {"faces": "all", "margin": 33, "blur_others": True, "align": True, "size": 100},
    {"fit": "stretch", "margin": 10, "margin_unit": "source", "align": True},
]


@pytest.fixture(scope="module")
def crawled(tmp_path_factory):
    """A workspace with three photos to crop; not to be changed."""
    workspace = create_workspace(tmp_path_factory.mktemp("crawled"))
    photos = {"group": group(), "turned": turned(hopper(), 20), "border": astronaut(150, 60)}
    crawl_files(workspace, {"happy": {f"{name}.jpg": encode(photo) for name, photo in photos.items()}})
    dedupe(workspace, DedupeRecipe(workers=0))
    return workspace


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_crop_is_made_again_from_the_catalog_alone(crawled, tmp_path, settings):
    shutil.copytree(crawled.root, tmp_path / "copy")
    workspace = Workspace(tmp_path / "copy")
    crop_stage(workspace, CropRecipe(workers=0, **settings))
    before = face_files(workspace)
    with (workspace.manifests / "faces.csv").open(encoding="utf-8") as file:
        lines = {line["face_id"]: line for line in csv.DictReader(file)}
    kept = workspace.catalog.rows("SELECT face_id FROM faces WHERE state = 'kept'")
    rows = faces_to_render(workspace.catalog, [row["face_id"] for row in kept])
    assert len(rows) == len(before) >= 3
    for row in rows:
        photo = decode_image(workspace.root / row["photo"])
        again = render_crop(row, photo, row["size"])
        assert png(again) == before[f"{row['face_id'][:2]}/{row['face_id']}.png"]
        np.testing.assert_array_equal(render_crop(lines[row["face_id"]], photo, row["size"]), again)
