"""Which faces of a photo are kept, and why others and whole images are dropped; without a detector."""

import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.config import CropRecipe
from btfer_builder.crop import cropping
from btfer_builder.crop.cropping import choose_faces, crop_images
from btfer_builder.crop.detectors.base import Detection
from btfer_builder.crop.geometry import Box
from btfer_builder.reasons import REASONS
from demo.pictures import bomb, encode
from tests.photos import astronaut


def detection(x, y, width, height, confidence=0.99):
    return Detection(Box(x, y, width, height), confidence, *[(x + width / 2, y + height / 2)] * 5)


def named(image_id, found, box, size):
    """Return a face with its id, as the cropper makes it."""
    return cropping._named(cropping._face(image_id, found, box, CropRecipe(size=size)), size, ())


def faces(*boxes):
    """Return faces as the cropper makes them out of (width, height, confidence), largest first."""
    ranked = sorted(boxes, key=lambda box: -box[0] * box[1])
    return [
        named("image", detection(n, n, *box), cropping.PixelBox(n, n, 10, 10), 64)
        for n, box in enumerate(ranked)
    ]


def reasons(policy, *boxes, **settings):
    recipe = CropRecipe(faces=policy, **settings)
    return [face.reason for face in choose_faces(faces(*boxes), recipe)]


def test_no_program_takes_a_new_id_for_a_number_and_old_faces_keep_theirs():
    recipe, found = CropRecipe(faces="all", min_face_size=12), [detection(0, 0, 50, 50)]
    before = {}
    for number in range(4000):
        (face,) = cropping.place_faces(f"image{number}", found, 100, 100, recipe)
        identity = (
            f"image{number} {face.crop_x} {face.crop_y} {face.crop_width} {face.crop_height} {recipe.size}"
        )
        before[number] = hashlib.sha256(identity.encode()).hexdigest()[:16], face.face_id
    changed = {number: old for number, (old, new) in before.items() if old != new}
    assert changed  # about one in 400
    assert all(re.fullmatch(r"\d+([de]\d*)?", old) for old in changed.values())
    assert not any(re.fullmatch(r"\d+([de]\d*)?", new) for _, new in before.values())
    for number, old in changed.items():
        (face,) = cropping.place_faces(f"image{number}", found, 100, 100, recipe, frozenset({old}))
        assert (face.face_id, face.path) == (old, f"data/faces/{old[:2]}/{old}.png")


BIG, SMALL, TINY, UNSURE = (100, 120, 0.99), (60, 70, 0.98), (30, 90, 0.99), (150, 150, 0.5)


@pytest.mark.parametrize(
    ("policy", "boxes", "expected", "image_reason"),
    [
        ("largest", [], [], "no_face"),
        ("largest", [BIG], [None], None),
        ("largest", [BIG, SMALL], [None, "not_largest"], None),
        ("largest", [UNSURE, BIG, SMALL], ["low_confidence", None, "not_largest"], None),
        ("largest", [UNSURE, TINY], ["low_confidence", "too_small"], "low_confidence"),
        ("largest", [TINY], ["too_small"], "too_small"),
        ("all", [BIG, SMALL, TINY], [None, None, "too_small"], None),
        ("single", [BIG], [None], None),
        ("single", [UNSURE, BIG, TINY], ["low_confidence", None, "too_small"], None),
        ("single", [BIG, SMALL], ["several_faces", "several_faces"], "several_faces"),
        (
            "single",
            [UNSURE, BIG, SMALL],
            ["low_confidence", "several_faces", "several_faces"],
            "several_faces",
        ),
    ],
)
def test_which_faces_are_kept(policy, boxes, expected, image_reason):
    chosen = choose_faces(faces(*boxes), CropRecipe(faces=policy))
    assert [face.reason for face in chosen] == expected
    assert cropping._image_reason(chosen) == image_reason


def test_the_limits_are_inclusive():
    assert reasons("all", (40, 40, 0.95)) == [None]
    assert reasons("all", (39.9, 80, 0.95)) == ["too_small"]
    assert reasons("all", (80, 39.9, 0.95)) == ["too_small"]
    assert reasons("all", (40, 40, 0.9499)) == ["low_confidence"]
    assert reasons("all", (20, 20, 0.1), min_confidence=0, min_face_size=12) == [None]


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200), st.floats(0, 1)), max_size=6),
    st.sampled_from(["largest", "all", "single"]),
)
def test_what_holds_for_any_faces(boxes, policy):
    before, recipe = faces(*boxes), CropRecipe(faces=policy)
    chosen = choose_faces(before, recipe)
    assert [face.face_id for face in chosen] == [face.face_id for face in before]
    kept = [face for face in chosen if face.state == "kept"]
    for face in chosen:
        assert (face.state == "kept") == (face.reason is None) == (face.path is not None)
        assert face.reason in {None, *REASONS["crop"]}
    good = [b for b in boxes if b[2] >= recipe.min_confidence and min(b[:2]) >= recipe.min_face_size]
    assert len(kept) == {"all": len(good), "largest": min(1, len(good)), "single": len(good) == 1}[policy]
    if policy == "largest" and kept:
        assert kept[0].width * kept[0].height == max(width * height for width, height, _ in good)
    assert (cropping._image_reason(chosen) is None) == bool(kept)


def test_a_face_is_named_by_its_image_its_box_and_its_size():
    box = cropping.PixelBox(1, 2, 3, 4)
    face = named("image", detection(0, 0, 50, 50), box, 256)
    assert face.path == f"data/faces/{face.face_id[:2]}/{face.face_id}.png"
    assert len(face.face_id) == 16
    assert face.face_id == named("image", detection(9, 9, 60, 60, 0.5), box, 256).face_id
    others = {
        named("other", detection(0, 0, 50, 50), box, 256).face_id,
        named("image", detection(0, 0, 50, 50), box, 255).face_id,
        *(
            named("image", detection(0, 0, 50, 50), replace(box, **{side: 9}), 256).face_id
            for side in ("x", "y", "width", "height")
        ),
    }
    assert len(others | {face.face_id}) == 7


@pytest.mark.parametrize(
    ("policy", "kept", "reason"),
    [("largest", 1, None), ("all", 1, None), ("single", 0, "several_faces")],
)
def test_two_faces_that_share_a_crop_are_one_row(tmp_path, monkeypatch, policy, kept, reason):
    """With a margin wider than the photo, every face's crop is the whole photo."""
    (tmp_path / "photo").write_bytes(encode(astronaut(), "PNG"))
    found = [detection(50, 50, 90, 90), detection(150, 50, 80, 80)]
    monkeypatch.setattr(cropping, "detect_faces", lambda _photo, _detector: found)
    recipe = CropRecipe(fit="stretch", margin=1000, margin_unit="source", faces=policy)
    (result,) = crop_images([("image", "photo")], tmp_path, recipe)
    (face,) = result.faces
    assert (face.state == "kept", face.width, result.reason) == (kept, 90, reason)
    assert len(list(tmp_path.rglob("*.png"))) == kept


def test_a_kept_face_goes_before_a_dropped_one_with_the_same_crop(tmp_path, monkeypatch):
    (tmp_path / "photo").write_bytes(encode(astronaut(), "PNG"))
    found = [detection(50, 50, 90, 90, 0.3), detection(150, 50, 80, 80)]
    monkeypatch.setattr(cropping, "detect_faces", lambda _photo, _detector: found)
    (result,) = crop_images(
        [("image", "photo")], tmp_path, CropRecipe(fit="stretch", margin=1000, margin_unit="source")
    )
    assert [(face.state, face.width) for face in result.faces] == [("kept", 80)]


def test_every_image_that_cannot_be_read_has_its_reason(tmp_path):
    """They never reach the detector."""
    files = {"page": b"<html>", "bomb": bomb(), "cut": encode(astronaut())[:3000]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    results = crop_images([(name, name) for name in [*files, "gone"]], tmp_path, CropRecipe())
    assert [(result.image_id, result.reason, result.faces) for result in results] == [
        ("page", "unreadable", ()),
        ("bomb", "too_large", ()),
        ("cut", "unreadable", ()),
        ("gone", "missing_file", ()),
    ]
    assert all(result.detail for result in results)
