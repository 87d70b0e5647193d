"""The real detector finds the people in real photographs and nobody in others."""

import io
from dataclasses import asdict
from functools import cache

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from btfer_builder.config import CropRecipe
from btfer_builder.crop import cropping
from btfer_builder.crop.cropping import crop_images
from btfer_builder.crop.detectors.base import DETECTION_SIDE, SMALLEST_SIDE, detect_faces
from btfer_builder.crop.geometry import PixelBox, cut
from btfer_builder.crop.render import render_crop
from btfer_builder.images.decode import decode_image
from btfer_builder.images.encode import png
from btfer_builder.records import Face
from demo.pictures import encode, grace_hopper
from tests.photos import astronaut, hopper, mirror

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

#: Face boxes by eye: x, y, width, height.
PLACES = {"astronaut": (180, 65, 85, 105), "hopper": (180, 110, 170, 220)}


@cache
def photo(name):
    return {"astronaut": data.astronaut, "hopper": grace_hopper}[name]()


@cache
def found(name):
    return detect_faces(photo(name))


def overlap(box, place):
    """Return the intersection over union."""
    x, y, width, height = place
    across = max(0, min(box.x + box.width, x + width) - max(box.x, x))
    down = max(0, min(box.y + box.height, y + height) - max(box.y, y))
    return across * down / (box.width * box.height + width * height - across * down)


@pytest.mark.parametrize("name", PLACES)
def test_a_person_is_found_once_and_in_place(name):
    (face,) = found(name)
    assert overlap(face.box, PLACES[name]) > 0.8
    assert 0.95 <= face.confidence <= 1


@pytest.mark.parametrize("name", PLACES)
def test_the_landmarks_lie_as_in_a_face_seen_from_the_front(name):
    (face,) = found(name)
    box = face.box
    points = (face.left_eye, face.right_eye, face.nose, face.mouth_left, face.mouth_right)
    for x, y in points:
        assert box.x < x < box.x + box.width
        assert box.y < y < box.y + box.height
    assert face.left_eye[0] < face.nose[0] < face.right_eye[0]  # the viewer's left
    assert face.mouth_left[0] < face.mouth_right[0]
    assert (
        max(face.left_eye[1], face.right_eye[1]) < face.nose[1] < min(face.mouth_left[1], face.mouth_right[1])
    )


def test_left_stays_the_viewers_left_in_a_mirrored_photo():
    (face,) = detect_faces(mirror(photo("astronaut")))
    assert face.left_eye[0] < face.nose[0] < face.right_eye[0]
    assert abs(face.box.x + face.box.width + found("astronaut")[0].box.x - 512) < 12


@pytest.mark.parametrize("name", ["coffee", "rocket", "chelsea"])
def test_nobody_is_found_where_nobody_is(name):
    assert detect_faces(getattr(data, name)()) == []


def test_a_large_photo_is_searched_smaller_and_told_in_its_own_pixels():
    large = cv2.resize(photo("astronaut"), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert max(large.shape) > DETECTION_SIDE
    (one,), (other,) = found("astronaut"), detect_faces(large)
    tolerance = 0.03 * max(one.box.width, one.box.height)
    for field in ("x", "y", "width", "height"):
        assert abs(getattr(other.box, field) / 4 - getattr(one.box, field)) <= tolerance, field
    for field in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right"):
        assert np.abs(np.array(getattr(other, field)) / 4 - getattr(one, field)).max() <= tolerance, field


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (SMALLEST_SIDE - 1, 300), (SMALLEST_SIDE, SMALLEST_SIDE), (300, SMALLEST_SIDE), (25, 9000)],
)
def test_photos_of_odd_shapes_don_t_fail(shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    stretched = cv2.resize(astronaut(), shape[::-1], interpolation=cv2.INTER_AREA)
    assert detect_faces(noise) == []
    for face in detect_faces(stretched):
        assert min(face.box.width, face.box.height) > 0


def test_detecting_twice_gives_the_same_numbers():
    assert detect_faces(photo("astronaut")) == found("astronaut")


# The crops of real photographs -----------------------------------------------------------------------


@pytest.fixture
def crop_one(tmp_path):
    """Crop the bytes of a photo."""

    def crop(content, **settings):
        (tmp_path / "photo").write_bytes(content)
        (result,) = crop_images([("image", "photo")], tmp_path, CropRecipe(**settings))
        return result

    return crop


def test_a_photo_that_lies_on_its_side_gives_an_upright_crop(crop_one, tmp_path):
    upright = crop_one(encode(astronaut(), "PNG"))
    exif = Image.Exif()
    exif[0x0112] = 8  # to be turned a quarter to the left
    lying = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.rot90(astronaut(), -1))).save(lying, "PNG", exif=exif)
    turned = crop_one(lying.getvalue())
    assert turned == upright
    assert turned.reason is None


def test_the_crop_can_be_made_again_from_its_row(crop_one, tmp_path):
    """A crop is determined by image, box and size, and its file has no metadata."""
    result = crop_one(encode(astronaut()), size=100)
    (face,) = result.faces
    assert isinstance(face, Face)
    content = (tmp_path / face.path).read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        assert (image.size, image.mode, image.info) == ((100, 100), "RGB", {})
        pixels = np.asarray(image)
    box = PixelBox(face.crop_x, face.crop_y, face.crop_width, face.crop_height)
    again = cut(decode_image(tmp_path / "photo"), box, 100)
    np.testing.assert_array_equal(again, pixels)
    assert png(again) == content


def two_people():
    """Return Grace Hopper, larger, beside Eileen Collins."""
    left = cv2.resize(astronaut(), (272, 240), interpolation=cv2.INTER_AREA)
    right = hopper(0.5)
    return np.hstack([left, right[: left.shape[0]]])


def test_of_two_people_the_largest_all_or_none(crop_one, tmp_path):
    content = encode(two_people(), "PNG")
    largest, every, single = (crop_one(content, faces=policy) for policy in ("largest", "all", "single"))
    assert [(face.state, face.reason) for face in sorted(largest.faces, key=lambda face: -face.width)] == [
        ("kept", None),
        ("dropped", "not_largest"),
    ]
    kept = max(largest.faces, key=lambda face: face.width)
    assert kept.x > 272  # Hopper
    assert [face.state for face in every.faces] == ["kept", "kept"]
    assert {face.face_id for face in every.faces} == {face.face_id for face in largest.faces}
    assert [face.reason for face in single.faces] == ["several_faces"] * 2
    assert (largest.reason, every.reason, single.reason) == (None, None, "several_faces")
    assert {path.stem for path in (tmp_path / "data" / "faces").rglob("*.png")} == {
        face.face_id for face in every.faces
    }


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"min_confidence": 1.0}, "low_confidence"), ({"min_face_size": 300}, "too_small"), ({}, None)],
)
def test_a_face_that_is_not_good_enough_says_why(crop_one, tmp_path, settings, reason):
    result = crop_one(encode(hopper()), **settings)
    assert [result.reason, *(face.reason for face in result.faces)] == [reason, reason]
    assert len(list(tmp_path.rglob("*.png"))) == (reason is None)


def among_small_ones(size):
    """Return a picture with Eileen Collins's face of some pixels, and a smaller one of 16 pixels."""
    picture = cv2.GaussianBlur(cv2.resize(data.coffee(), (640, 420)), (0, 0), 2)
    for face, left in ((size, 30), (16, 400)):
        part = cv2.resize(astronaut(), None, fx=face / 85, fy=face / 85, interpolation=cv2.INTER_AREA)
        picture[20 : 20 + part.shape[0], left : left + part.shape[1]] = part
    return encode(picture, "PNG")


def test_where_no_face_is_large_enough_all_sizes_are_searched(crop_one):
    """So that the image is `too_small`, with the same faces as ever."""
    content = among_small_ones(33)
    every, safe, fast = (crop_one(content, search=sizes) for sizes in ("full", "safe", "fast"))
    assert every == safe == fast
    assert [face.reason for face in every.faces] == ["too_small", "too_small"]
    assert every.reason == "too_small"


def test_a_small_face_that_only_the_search_with_a_border_finds_is_too_small(crop_one):
    (face,) = detect_faces(astronaut())
    box = face.box
    part = astronaut()[
        int(box.y) : int(box.y + box.height), int(box.x + 0.2 * box.width) : int(box.x + box.width)
    ]
    part = cv2.resize(part, None, fx=24 / box.width, fy=24 / box.width, interpolation=cv2.INTER_AREA)
    photo = np.full((80, 100, 3), 128, np.uint8)
    photo[: part.shape[0], : part.shape[1]] = part
    every, safe, fast = (crop_one(encode(photo, "PNG"), search=sizes) for sizes in ("full", "safe", "fast"))
    assert every == safe == fast
    assert (every.reason, [face.found_by for face in every.faces]) == ("too_small", ["bordered"])


def test_beside_a_large_face_the_smallest_are_left_out(crop_one):
    content = among_small_ones(90)
    every, fast = (crop_one(content, search=sizes, min_face_size=80) for sizes in ("full", "fast"))
    assert [face.reason for face in every.faces] == ["too_small", None]
    assert fast.faces == every.faces[1:]


@pytest.mark.parametrize(
    "settings", [{"faces": "single"}, {"blur_others": True}, {"detector": "mtcnn-reference"}]
)
def test_where_smaller_faces_matter_all_sizes_are_searched(crop_one, settings):
    every, fast = (crop_one(among_small_ones(90), search=sizes, **settings) for sizes in ("full", "fast"))
    assert len(every.faces) == 2
    assert fast == every


def test_a_smaller_smallest_face_is_found_by_every_search(crop_one):
    for sizes in ("full", "safe", "fast"):
        result = crop_one(among_small_ones(90), search=sizes, min_face_size=14, faces="all")
        assert [face.state for face in result.faces] == ["kept", "kept"]


def test_in_a_photo_that_is_searched_smaller_the_sizes_are_those_of_the_photo(crop_one):
    """A face of 90 pixels in 4000 has 45 in the 2000 that are searched: less than twice the smallest window."""
    photo = np.full((1000, 4000, 3), 128, np.uint8)
    part = cv2.resize(astronaut(), None, fx=90 / 85, fy=90 / 85, interpolation=cv2.INTER_CUBIC)
    photo[100 : 100 + part.shape[0], 100 : 100 + part.shape[1]] = part
    every, fast = (
        crop_one(encode(photo, "PNG"), search=sizes, min_face_size=80) for sizes in ("full", "fast")
    )
    assert [face.state for face in every.faces] == ["kept"]
    assert fast == every


def test_a_large_jpeg_is_searched_reduced_and_its_crop_is_that_of_the_whole_photo(crop_one, tmp_path):
    content = encode(cv2.resize(data.astronaut(), (4100, 4100), interpolation=cv2.INTER_CUBIC))
    full, safe = (crop_one(content, search=search) for search in ("full", "safe"))
    (one,), (other,) = full.faces, safe.faces
    pixel = 4100 / DETECTION_SIDE  # of the picture that is searched
    for side in ("x", "y", "width", "height"):
        assert abs(getattr(one, side) - getattr(other, side)) <= 2.01 * pixel
    with Image.open(tmp_path / other.path) as image:
        pixels = np.asarray(image)
    np.testing.assert_array_equal(render_crop(asdict(other), decode_image(tmp_path / "photo"), 256), pixels)


def test_a_large_jpeg_without_a_face_is_never_decoded_whole(crop_one, monkeypatch):
    monkeypatch.setattr(cropping, "decode_image", lambda *_: pytest.fail("decoded at full scale"))
    result = crop_one(encode(cv2.resize(data.coffee(), (4000, 2600), interpolation=cv2.INTER_AREA)))
    assert (result.reason, result.faces) == ("no_face", ())


def test_a_photo_without_a_face_says_so(crop_one):
    result = crop_one(encode(data.coffee()))
    assert (result.reason, result.faces) == ("no_face", ())


def test_a_face_at_the_border_keeps_its_place_in_the_crop(crop_one, tmp_path):
    """The box extends beyond the photo: border pixels are repeated."""
    result = crop_one(encode(np.ascontiguousarray(data.astronaut()[66:300, 180:420]), "PNG"))
    (face,) = result.faces
    assert face.crop_x < 0
    assert face.crop_width == face.crop_height
    assert abs(face.crop_x + face.crop_width / 2 - (face.x + face.width / 2)) <= 1
    with Image.open(tmp_path / face.path) as image:
        pixels = np.asarray(image)
    border = round(-face.crop_x * 256 / face.crop_width)
    assert (np.abs(np.diff(pixels[:, : border - 2].astype(int), axis=1)) <= 1).all()


def test_the_papers_crop_is_stretched_and_inside_the_photo(crop_one):
    (face,) = crop_one(
        encode(hopper()), margin=10, margin_unit="source", fit="stretch", faces="largest"
    ).faces
    assert abs(face.crop_width - (face.width + 20)) <= 1
    assert abs(face.crop_height - (face.height + 20)) <= 1
    assert abs(face.x - face.crop_x - 10) <= 1
