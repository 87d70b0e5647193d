"""Files with the same pixels are distinguished from similar ones, although JPEGs are first decoded at reduced scale."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from btfer_builder.config import DedupeRecipe
from btfer_builder.dedupe import stage
from btfer_builder.dedupe.grouping import group_duplicates, unproven_copies
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.images.hashing import hash_pixels
from btfer_builder.workspace import create_workspace
from demo.pictures import encode
from tests.photos import astronaut, crawl_files, hopper, table

PHOTO = encode(cv2.resize(data.coffee(), (700, 500)), quality=90)


def decoded(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def without_metadata(content):
    """Return the same JPEG with a comment in it: other bytes, the same pixels."""
    return content[:2] + b"\xff\xfe\x00\x0cby nobody." + content[2:]


@pytest.fixture
def workspace(tmp_path):
    workspace = create_workspace(tmp_path)
    files = {
        "a.jpg": PHOTO,
        "b-stripped.jpg": without_metadata(PHOTO),
        "c-pixels.png": encode(decoded(PHOTO), "PNG"),
        "d-again.jpg": encode(decoded(PHOTO), quality=60),
        "e-smaller.jpg": encode(cv2.resize(decoded(PHOTO), (350, 250)), quality=90),
        "f-other.jpg": encode(astronaut()),
        "g-another.jpg": encode(hopper()),
    }
    crawl_files(workspace, {"happy": files})
    return workspace


def outcome(workspace):
    names = {
        row["image_id"]: row["url"].rpartition("/")[2]
        for row in workspace.catalog.rows("SELECT * FROM fetches")
    }
    return {
        names[row["image_id"]]: (row["kind"], names.get(row["duplicate_of"]))
        for row in workspace.catalog.rows("SELECT * FROM dedupes")
    }


COPIES = {
    "a.jpg": (None, None),
    "b-stripped.jpg": ("pixels", "a.jpg"),
    "c-pixels.png": ("pixels", "a.jpg"),
    "d-again.jpg": ("near", "a.jpg"),
    "e-smaller.jpg": ("near", "a.jpg"),
    "f-other.jpg": (None, None),
    "g-another.jpg": (None, None),
}


def test_the_same_pixels_are_told_from_look_alikes(workspace):
    dedupe(workspace, DedupeRecipe(workers=0))
    assert outcome(workspace) == COPIES


def test_they_are_found_at_radius_0_too(workspace):
    """Reduced decoding may move the pHash of one of them by two bits."""
    dedupe(workspace, DedupeRecipe(workers=0, radius=0))
    with workspace.catalog.transaction() as db:
        png = "(SELECT image_id FROM images WHERE format = 'PNG')"
        (phash,) = db.execute(f"SELECT phash FROM hashes WHERE image_id = {png}").fetchone()
        db.execute(f"UPDATE hashes SET phash = ? WHERE image_id = {png}", (f"{int(phash, 16) ^ 0b101:016x}",))
    dedupe(workspace, DedupeRecipe(workers=0, radius=0))
    found = outcome(workspace)
    assert found["b-stripped.jpg"] == ("pixels", "a.jpg")
    assert found["c-pixels.png"] == ("pixels", "a.jpg")


def test_only_images_that_may_be_copies_are_decoded_whole(workspace, monkeypatch):
    asked = []

    def note(items, root, max_pixels):
        asked.extend(path for _, path in items)
        return hash_pixels(items, root, max_pixels)

    monkeypatch.setattr(stage, "hash_pixels", note)
    dedupe(workspace, DedupeRecipe(workers=0))
    first = len(asked)
    assert first == 3  # a, b, d: the others have another size, look different, or have theirs already
    dedupe(workspace, DedupeRecipe(workers=0))
    assert len(asked) == first


def test_exact_hashes_replace_reduced_ones_and_stay(workspace):
    dedupe(workspace, DedupeRecipe(workers=0))
    assert workspace.catalog.value("SELECT count(*) FROM hashes WHERE reduced") == 6
    dedupe(workspace, DedupeRecipe(workers=0, exact_hash=True))
    assert workspace.catalog.value("SELECT count(*) FROM hashes WHERE reduced OR pixel_sha256 = ''") == 0
    exact = table(workspace, "hashes")
    assert outcome(workspace) == COPIES
    dedupe(workspace, DedupeRecipe(workers=0))
    assert table(workspace, "hashes") == exact


def test_unknown_pixels_are_not_the_same_pixels(workspace):
    dedupe(workspace, DedupeRecipe(workers=0))
    from dataclasses import replace

    from btfer_builder.catalog.dedupe import hashed_images

    images = [replace(image, pixel_sha256="") for image in hashed_images(workspace.catalog)]
    assert {result.kind for result in group_duplicates(images, 8, True)} == {None, "near"}
    assert len(unproven_copies(images)) == 4


def test_groups_say_how_wide_they_are_and_why_their_best_was_kept(workspace):
    dedupe(workspace, DedupeRecipe(workers=0))
    (group,) = workspace.catalog.rows("SELECT * FROM duplicate_groups")
    hashes = {
        row["image_id"]: int(row["phash"], 16) for row in workspace.catalog.rows("SELECT * FROM hashes")
    }
    near = [
        row["image_id"] for row in workspace.catalog.rows("SELECT * FROM dedupes WHERE kind = 'near'")
    ] + [group["item_id"]]
    widest = max((hashes[one] ^ hashes[other]).bit_count() for one in near for other in near)
    assert (group["kind"], group["copies"], group["diameter"]) == ("image", 4, widest)
    assert widest <= 16
    assert group["kept_because"] == "earliest"  # five files of the same size
    header, *rows = (workspace.manifests / "duplicates.csv").read_text().splitlines()
    assert header.split(",") == [
        "image_id", "duplicate_of", "kind", "distance", "conflict", "diameter", "kept_for", "fine_distance", "likeness",
    ]  # fmt: skip
    assert len(rows) == 4
    assert {row.split(",")[6] for row in rows} == {"earliest"}


@pytest.mark.parametrize(
    ("better", "rule"),
    [({"width": 101}, "pixels"), ({"licensed": True}, "license"), ({"order": 0}, "earliest")],
)
def test_what_decided_is_recorded(better, rule):
    from btfer_builder.dedupe.grouping import describe_groups
    from tests.dedupe.test_grouping import image

    images = [
        image("best", 0b11, **{"order": 5} | better),
        image("a", 0, order=7),
        image("b", 0b1111, order=8),
    ]
    (group,) = describe_groups("image", images, group_duplicates(images, 4, True))
    assert (group.item_id, group.copies, group.diameter, group.kept_because) == ("best", 2, 4, rule)
