"""Nothing is thrown away silently: in = kept + Σ dropped for every stage, and every reason is on the list."""

import json

import cv2
import numpy as np
import pytest
from skimage import data

from btfer_builder.catalog.catalog import insert
from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import CropRecipe, DedupeRecipe, SampleRecipe
from btfer_builder.crop.stage import crop
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.reasons import REASONS
from btfer_builder.records import CropResult, Decision, DedupeResult, Fetch, ImageHash
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import create_workspace
from demo.pictures import bomb, encode, portrait
from tests.factories import fill_catalog
from tests.photos import astronaut, btfer, crawl_files, hopper, some_photos

#: Which list a stage's reasons are from.
LIST_OF = {
    "crawl": "crawl",
    "dedupe": "dedupe",
    "review-images": "review",
    "crop": "crop",
    "dedupe-faces": "dedupe",
    "review-faces": "review",
    "sample": "sample",
}


def check(catalog):
    """Check every sum and every reason of the funnel, and return it by stage."""
    stages = {stage.stage: stage for stage in funnel(catalog)}
    assert tuple(stages) == tuple(LIST_OF)
    for name, stage in stages.items():
        assert stage.came_in == stage.kept + sum(stage.dropped.values()), name
        assert set(stage.dropped) <= set(REASONS[LIST_OF[name]]), name
        assert sum(stage.per_emotion.values()) == stage.kept, name
        assert stage.to_dict()["in"] == stage.came_in
    # What one stage kept is what the next finds, worked on or waiting.
    for one, other in [("crawl", "dedupe"), ("dedupe", "review-images"), ("review-images", "crop")]:
        assert stages[one].kept == stages[other].came_in + stages[other].waiting
    assert stages["review-faces"].kept == stages["sample"].came_in + stages["sample"].waiting
    return stages


def check_the_rows(catalog):
    """Check every reason that is written anywhere, and that a dropped row has one and a kept row none."""
    for table, stage in [
        ("fetches", "crawl"),
        ("hashes", "dedupe"),
        ("dedupes", "dedupe"),
        ("crops", "crop"),
        ("faces", "crop"),
        ("decisions", "review"),
    ]:
        found = {row[0] for row in catalog.rows(f"SELECT DISTINCT reason FROM {table}")}
        assert found - {None} <= set(REASONS[stage]), table
    for view in ("candidate_fates", "dedupes", "faces"):
        assert catalog.rows(f"SELECT 1 FROM {view} WHERE (state = 'dropped') <> (reason IS NOT NULL)") == []


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_a_set_with_drops_in_every_stage(tmp_path):
    workspace = create_workspace(tmp_path)
    catalog = workspace.catalog
    check(catalog)  # nothing yet

    two = np.hstack([cv2.resize(astronaut(), (272, 240), interpolation=cv2.INTER_AREA), hopper(0.5)[:240]])
    files = some_photos() | {
        "sad": {
            "copy.png": some_photos()["happy"]["a.png"],
            "empty.jpg": b"",
            "page.jpg": b"<!DOCTYPE html><title>Sign in</title>",
            "bomb.png": bomb(12_000),
            "two.png": encode(two, "PNG"),
            "small.png": encode(cv2.resize(portrait(data.lfw_subset()[0], 0), (120, 100)), "PNG"),
            "portrait.png": encode(portrait(data.lfw_subset()[3], 3), "PNG"),
            "cat.png": encode(data.chelsea(), "PNG"),
        }
    }
    crawl_files(workspace, files)
    stages = check(catalog)
    assert stages["crawl"].dropped == {"same_bytes": 1, "empty": 1, "not_an_image": 1}
    assert stages["crawl"].came_in == sum(map(len, files.values()))
    assert stages["dedupe"].waiting == stages["crawl"].kept

    dedupe(workspace, DedupeRecipe(workers=0))
    stages = check(catalog)
    assert set(stages["dedupe"].dropped) == {
        "same_pixels", "near_duplicate", "mirrored_duplicate", "unreadable", "too_large",
    }  # fmt: skip

    (cat,) = catalog.rows("SELECT image_id FROM fetches WHERE url LIKE '%/cat.png'")
    add_decisions(catalog, [Decision(cat[0], "image", "reject", reason="non_human", reviewer="ana")])
    stages = check(catalog)
    assert stages["review-images"].dropped == {"non_human": 1}
    assert stages["crop"].waiting == stages["review-images"].kept

    crop(workspace, CropRecipe(workers=0, faces="single", min_face_size=60))
    stages = check(catalog)
    assert stages["crop"].dropped.keys() >= {"no_face", "several_faces", "too_small"}
    assert stages["crop"].waiting == 0
    assert stages["review-faces"].waiting == stages["crop"].kept >= 3  # single: a face an image

    faces = catalog.rows("SELECT face_id, conflict FROM face_rows WHERE state = 'kept' ORDER BY face_id")
    settled, disputed = ([row[0] for row in faces if row[1] == conflict] for conflict in (0, 1))
    assert disputed, "the photo of Hopper was found under two emotions"
    add_decisions(
        catalog,
        [
            *(Decision(face, "face", "accept", "happy", reviewer="ana") for face in settled),
            *(Decision(face, "face", "accept", None, reviewer="ana") for face in disputed),
        ],
    )
    check(catalog)
    sample(workspace, SampleRecipe(per_class=1, allow_short=True))
    stages = check(catalog)
    assert stages["sample"].kept == 1
    assert stages["sample"].dropped == {"conflict": len(disputed), "reserve": len(settled) - 1}
    add_decisions(catalog, [Decision(settled[0], "face", "reject", reason="occluded", reviewer="ana")])
    stages = check(catalog)
    assert stages["review-faces"].dropped == {"occluded": 1}
    check_the_rows(catalog)

    command = btfer(workspace, "status", "--json")
    assert json.loads(command.stdout)["stages"] == [stage.to_dict() for stage in funnel(catalog)]


@pytest.mark.parametrize("conflicts", [0, 2])
def test_conflicts_and_skips_are_counted_once(tmp_path, conflicts):
    workspace = create_workspace(tmp_path)
    filled = fill_catalog(workspace, per_emotion=4, conflicts=conflicts)
    stages = check(workspace.catalog)
    assert stages["crawl"].dropped == ({"same_url": 7 * conflicts} if conflicts else {})
    assert stages["review-faces"].waiting == 28
    add_decisions(
        workspace.catalog, [Decision(face, "face", "skip", reviewer="a") for face in filled.face_ids]
    )
    assert check(workspace.catalog)["review-faces"].waiting == 28
    check_the_rows(workspace.catalog)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("fetches", Fetch("http://a.example", reason="because")),
        ("hashes", ImageHash("x", reason="no_face")),
        ("dedupes", DedupeResult("x", "dropped", "no_face")),
        ("crops", CropResult("x", "near_duplicate")),
        ("decisions", Decision("x", "face", "reject", reason="too_small")),
    ],
)
def test_a_reason_of_no_or_another_stage_is_refused(tmp_path, table, row):
    catalog = create_workspace(tmp_path).catalog
    with (
        pytest.raises(ValueError, match=f"{table}: .* are not reasons of the stage"),
        catalog.transaction() as db,
    ):
        insert(db, table, [row])
    assert catalog.rows(f"SELECT * FROM {table}") == []


def test_every_reason_says_what_it_means():
    for reasons in REASONS.values():
        for name, reason in reasons.items():
            assert name == reason.name == name.lower().replace(" ", "_")
            assert len(reason.meaning) > 8
