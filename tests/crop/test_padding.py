"""Crops that reach over their photo, pictures that are crops already, and faces that fill their photo."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.catalog.review import review_items
from btfer_builder.config import CropRecipe, DedupeRecipe, changes, outcome_settings, override
from btfer_builder.crop.cropping import crop_images, place_faces
from btfer_builder.crop.detectors.base import Detection, detect_faces, detect_with_border
from btfer_builder.crop.geometry import Box, PixelBox, cut, padding
from btfer_builder.crop.stage import crop, paper_recipe
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.images.decode import decode_image
from btfer_builder.review.ordering import ORDERS, ReviewSignals
from btfer_builder.workspace import create_workspace
from demo.pictures import encode
from tests.photos import astronaut, crawl_files, hopper

ALONE = CropRecipe(workers=0)


@given(
    st.integers(-60, 60),
    st.integers(-60, 60),
    st.integers(8, 120),
    st.integers(8, 120),
    st.sampled_from([0.0, 30.0, -77.5]),
)
def test_padding_is_the_share_of_pixels_that_are_not_of_the_photo(x, y, width, height, angle):
    photo = np.full((60, 80, 3), 255, np.uint8)
    box = PixelBox(x, y, width, height)
    framed = cv2.copyMakeBorder(photo, *(300,) * 4, borderType=cv2.BORDER_CONSTANT, value=(0, 0, 0))
    inside = cut(framed, PixelBox(x + 300, y + 300, width, height), 240, angle).mean() / 255
    assert padding(box, 80, 60, angle) == pytest.approx(1 - inside, abs=0.02)


def found(box, **fields):
    return Detection(box, 0.99, *[(box.x + box.width / 2, box.y + box.height / 2)] * 5, **fields)


def test_a_limit_drops_padded_crops_with_their_reason():
    detections = [found(Box(0, 0, 90, 90))]
    (face,) = place_faces("a", detections, 100, 100, ALONE)
    assert face.state == "kept"
    assert 0.05 < face.padding < 0.3
    (dropped,) = place_faces("a", detections, 100, 100, override(ALONE, max_padding=0.05))
    assert (dropped.state, dropped.reason) == ("dropped", "padded")
    (stretched,) = place_faces("a", detections, 100, 100, paper_recipe(ALONE))
    assert stretched.padding == 0


def tight(photo, inside=0.1):
    """Return a tight crop of the largest face, cut inside of its box."""
    box = detect_faces(photo)[0].box
    dx, dy = box.width * inside, box.height * inside
    rows = slice(round(box.y + dy), round(box.y + box.height - dy))
    return np.ascontiguousarray(photo[rows, round(box.x + dx) : round(box.x + box.width - dx)])


@pytest.fixture(scope="module")
def face_crops(tmp_path_factory):
    """Return a workspace of two square pictures of 200 pixels that are crops of faces already."""
    pictures = {}
    for name, photo in (("a.png", astronaut()), ("h.png", hopper())):
        box = detect_faces(photo)[0].box
        side, x, y = round(box.width), round(box.x), round(box.y + (box.height - box.width) / 2)
        square = cv2.resize(photo[y : y + side, x : x + side], (200, 200), interpolation=cv2.INTER_CUBIC)
        pictures[name] = encode(square, "PNG")
    workspace = create_workspace(tmp_path_factory.mktemp("tight"))
    crawl_files(workspace, {"happy": pictures})
    dedupe(workspace, DedupeRecipe(workers=0))
    return workspace


def test_pictures_that_are_crops_already_are_asked_about_once_and_kept_as_they_are(face_crops, capsys):
    workspace = face_crops
    crop(workspace, ALONE)
    said = capsys.readouterr().err
    kept = workspace.catalog.rows("SELECT * FROM faces WHERE state = 'kept'")
    assert kept
    assert (
        said.count(
            f"{len(kept)} of {len(kept)} crops reach over the border: are these pictures already cropped?"
        )
        == 1
    )
    items = review_items(workspace.catalog, "face")
    assert all(item.padding > 0.02 for item in items)
    assert all(ORDERS["padding"].signal(item, ReviewSignals()) == item.padding for item in items)
    crop(workspace, ALONE)
    assert "already cropped" not in capsys.readouterr().err

    crop(workspace, override(ALONE, already_cropped=True), recrop=True)
    rows = workspace.catalog.rows("SELECT f.*, i.path AS photo FROM faces f JOIN images i USING (image_id)")
    images = workspace.catalog.value("SELECT count(*) FROM croppable")
    assert len(rows) == images > 1
    for row in rows:
        assert (row["state"], row["padding"], row["found_by"]) == ("kept", 0, "already_cropped")
        assert np.array_equal(
            decode_image(workspace.root / row["path"]), decode_image(workspace.root / row["photo"])
        )
    before = workspace.catalog.rows("SELECT * FROM faces")
    crop(workspace, override(ALONE, already_cropped=True))
    assert workspace.catalog.rows("SELECT * FROM faces") == before


def test_a_face_that_fills_its_photo_is_found_with_a_border(tmp_path):
    photo = tight(astronaut(), 0.15)
    (tmp_path / "photo").write_bytes(encode(photo, "PNG"))
    plain = override(ALONE, second_search=False)
    (once,) = crop_images([("a", "photo")], tmp_path, plain)
    assert once.reason == "no_face", "the photo shows nothing if MTCNN finds its face at once"
    (twice,) = crop_images([("a", "photo")], tmp_path, ALONE)
    assert twice.reason is None
    (face,) = twice.faces
    assert face.found_by == "bordered"
    assert face.padding > 0.05
    height, width = photo.shape[:2]
    assert abs(face.x + face.width / 2 - width / 2) < width / 4
    assert abs(face.y + face.height / 2 - height / 2) < height / 4
    (paper,) = crop_images([("a", "photo")], tmp_path, paper_recipe(ALONE))
    assert paper.reason == "no_face"


def test_tiny_photos_and_photos_without_faces_get_no_face():
    assert detect_with_border(np.zeros((59, 200, 3), np.uint8)) == []
    assert detect_with_border(np.full((300, 300, 3), 90, np.uint8)) == []


def test_new_settings_make_no_earlier_crop_another():
    earlier = {name: value for name, value in outcome_settings(ALONE).items()
               if name not in {"second_search", "max_padding", "already_cropped"}}  # fmt: skip
    assert changes(json.loads(json.dumps(earlier)), ALONE) == []
    assert changes(earlier, override(ALONE, second_search=False)) == []
    assert [str(each) for each in changes(earlier, override(ALONE, max_padding=0.1))] == [
        "max_padding 1.0 → 0.1"
    ]
    now = outcome_settings(ALONE)
    assert [each.name for each in changes(now, override(ALONE, second_search=False))] == ["second_search"]
