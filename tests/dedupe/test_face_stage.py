"""The face stage: crops that show the same picture are found across photos and dropped with a reason."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from btfer_builder.catalog.catalog import insert
from btfer_builder.catalog.dedupe_faces import hashed_faces
from btfer_builder.catalog.duplicates_of import peers
from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.review import add_decisions, emotions_found, review_items
from btfer_builder.catalog.sample import accepted_faces
from btfer_builder.config import DedupeRecipe
from btfer_builder.dedupe.face_grouping import FacePair, candidate_pairs, group_faces
from btfer_builder.dedupe.face_stage import dedupe_faces
from btfer_builder.dedupe.grouping import best_first
from btfer_builder.errors import BtferError
from btfer_builder.images.alignment import Overlay
from btfer_builder.records import Decision
from btfer_builder.workspace import create_workspace
from demo.pictures import encode
from tests.dedupe.face_pictures import FACES, expression
from tests.factories import fill_catalog
from tests.photos import btfer, table

ALONE = DedupeRecipe(workers=0)
ASTRONAUT, HOPPER = FACES["astronaut"], FACES["hopper"]


def shifted(face, x, y):
    return np.roll(cv2.copyMakeBorder(face, 8, 8, 8, 8, cv2.BORDER_REPLICATE), (y, x), (0, 1))[8:-8, 8:-8]


def put(workspace, face_id, pixels, side=300):
    path = workspace.catalog.value("SELECT path FROM faces WHERE face_id = ?", face_id)
    (workspace.root / path).write_bytes(encode(np.ascontiguousarray(pixels), "PNG"))
    with workspace.catalog.transaction() as db:
        db.execute(
            "UPDATE faces SET crop_width = ?, crop_height = ? WHERE face_id = ?", (side, side, face_id)
        )


@pytest.fixture
def named(tmp_path):
    """Fill a workspace with two faces, copies of them, and another expression."""
    workspace = create_workspace(tmp_path)
    filled = fill_catalog(workspace, ("happy", "sad", "fear"), 3)
    happy, sad, fear = (filled.faces[emotion] for emotion in ("happy", "sad", "fear"))
    names = {
        "astronaut": (happy[0], ASTRONAUT, 300),
        "smaller": (happy[1], cv2.resize(cv2.resize(ASTRONAUT, (90, 90)), (256, 256)), 90),
        "frown": (happy[2], expression(ASTRONAUT, "frown"), 300),
        "mirrored": (sad[0], shifted(ASTRONAUT, 2, 1)[:, ::-1], 280),
        "hopper": (sad[1], HOPPER, 200),
        "larger hopper": (sad[2], shifted(HOPPER, -2, 2), 220),
        "lfw": (fear[0], FACES["lfw 18"], 100),
        "other lfw": (fear[1], FACES["lfw 60"], 100),
        "third lfw": (fear[2], FACES["lfw 42"], 100),
    }
    for face_id, pixels, side in names.values():
        put(workspace, face_id, pixels, side)
    return SimpleNamespace(
        workspace=workspace, ids={name: face_id for name, (face_id, _, _) in names.items()}
    )


def outcome(named):
    of = {face_id: name for name, face_id in named.ids.items()}
    return {
        of[row["face_id"]]: (row["reason"], of.get(row["duplicate_of"]), bool(row["conflict"]))
        for row in named.workspace.catalog.rows("SELECT * FROM face_dedupes")
    }


def test_what_is_kept(named):
    dedupe_faces(named.workspace, ALONE)
    assert outcome(named) == {
        "astronaut": (None, None, True),
        "smaller": ("near_duplicate", "astronaut", True),
        "mirrored": ("mirrored_duplicate", "astronaut", True),
        "frown": (None, None, False),
        "larger hopper": (None, None, False),
        "hopper": ("near_duplicate", "larger hopper", False),
        "lfw": (None, None, False),
        "other lfw": (None, None, False),
        "third lfw": (None, None, False),
    }
    groups = {row["item_id"]: row for row in named.workspace.catalog.rows("SELECT * FROM duplicate_groups")}
    ids = named.ids
    assert set(groups) == {ids["astronaut"], ids["larger hopper"]}
    assert groups[ids["astronaut"]]["copies"] == 2
    assert {row["kept_because"] for row in groups.values()} == {"pixels"}
    for row in named.workspace.catalog.rows("SELECT * FROM face_dedupes WHERE duplicate_of IS NOT NULL"):
        assert row["distance"] <= ALONE.face_radius
        assert 0 < row["difference"] <= ALONE.face_difference
    listed = (named.workspace.manifests / "face_duplicates.csv").read_text().splitlines()
    assert len(listed) == 1 + 3


def test_dropped_faces_leave_review_and_sample_with_a_reason(named):
    ids, catalog = named.ids, named.workspace.catalog
    add_decisions(catalog, [Decision(face, "face", "accept", None, reviewer="ana") for face in ids.values()])
    before = len(review_items(catalog, "face")), len(accepted_faces(catalog))
    assert before == (9, 9)
    dedupe_faces(named.workspace, ALONE, regroup=True)
    gone = {ids[name] for name in ("smaller", "mirrored", "hopper")}
    in_review = {item.item_id for item in review_items(catalog, "face")}
    assert in_review == set(ids.values()) - gone
    # The one found under two emotions waits for a label, too.
    assert {face.face_id for face in accepted_faces(catalog)} == in_review - {ids["astronaut"]}
    stages = {stage.stage: stage for stage in funnel(catalog)}
    assert stages["dedupe-faces"].came_in == 9
    assert stages["dedupe-faces"].dropped == {"near_duplicate": 2, "mirrored_duplicate": 1}
    assert stages["review-faces"].came_in == 6
    rows = {row["face_id"]: row for row in catalog.rows("SELECT * FROM face_rows")}
    assert {face for face, row in rows.items() if row["state"] == "dropped"} == gone
    assert rows[ids["mirrored"]]["reason"] == "mirrored_duplicate"
    with (named.workspace.manifests / "faces.csv").open() as file:
        assert sum("near_duplicate" in line for line in file) == 2


def test_a_face_under_two_emotions_is_shown_as_a_conflict(named):
    dedupe_faces(named.workspace, ALONE)
    ids = named.ids
    items = {item.item_id: item for item in review_items(named.workspace.catalog, "face")}
    assert items[ids["astronaut"]].conflict
    assert items[ids["astronaut"]].proposed is None
    assert not items[ids["larger hopper"]].conflict
    assert emotions_found(named.workspace.catalog, "face", [ids["astronaut"]]) == {
        ids["astronaut"]: ["happy", "sad"]
    }
    side_by_side = peers(named.workspace.catalog, "face", ids["astronaut"])
    assert [peer.kind for peer in side_by_side] == [None, "mirrored", "near"] or [
        peer.kind for peer in side_by_side
    ] == [None, "near", "mirrored"]


def test_it_can_be_said_otherwise(named):
    dedupe_faces(named.workspace, DedupeRecipe(workers=0, mirrored=False))
    assert outcome(named)["mirrored"] == (None, None, False)
    dedupe_faces(named.workspace, DedupeRecipe(workers=0, face_difference=0.0))
    assert {reason for reason, _, _ in outcome(named).values()} == {None}
    dedupe_faces(named.workspace, DedupeRecipe(workers=0, face_difference=2.0))
    assert outcome(named)["frown"][0] == "near_duplicate"  # only the second signal tells expressions apart


def test_any_number_of_workers_and_any_rerun_give_the_same(named):
    dedupe_faces(named.workspace, ALONE)
    first = [table(named.workspace, name) for name in ("face_hashes", "face_dedupes", "duplicate_groups")]
    with named.workspace.catalog.transaction() as db:
        db.execute("DELETE FROM face_hashes")
    done = btfer(named.workspace, "dedupe", "--faces", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "dedupe-faces" in done.stdout
    assert [
        table(named.workspace, name) for name in ("face_hashes", "face_dedupes", "duplicate_groups")
    ] == first


def test_a_rejected_face_takes_nobodys_place(named):
    ids = named.ids
    add_decisions(
        named.workspace.catalog,
        [Decision(ids["astronaut"], "face", "reject", reason="occluded", reviewer="ana")],
    )
    dedupe_faces(named.workspace, ALONE)
    results = outcome(named)
    assert results["astronaut"] == (None, None, False)
    assert results["mirrored"][0] is None  # now the best of the two that are left
    assert results["smaller"] == ("mirrored_duplicate", "mirrored", True)


def test_a_copy_comes_back_when_the_face_it_repeats_is_gone(named):
    dedupe_faces(named.workspace, ALONE)
    ids = named.ids
    with named.workspace.catalog.transaction() as db:
        db.execute(
            "UPDATE faces SET state = 'dropped', reason = 'too_small' WHERE face_id = ?",
            (ids["larger hopper"],),
        )
    rows = {
        row["face_id"]: row["state"]
        for row in named.workspace.catalog.rows("SELECT face_id, state FROM face_rows")
    }
    assert rows[ids["hopper"]] == "kept"


def test_a_file_that_is_gone_or_broken_is_dropped_with_its_reason(named):
    ids = named.ids
    paths = {
        name: named.workspace.root
        / named.workspace.catalog.value("SELECT path FROM faces WHERE face_id = ?", ids[name])
        for name in ("lfw", "other lfw")
    }
    kept = paths["lfw"].read_bytes()
    paths["lfw"].unlink()
    paths["other lfw"].write_bytes(b"no image")
    dedupe_faces(named.workspace, ALONE)
    assert outcome(named)["lfw"] == ("missing_file", None, False)
    assert outcome(named)["other lfw"] == ("unreadable", None, False)
    paths["lfw"].write_bytes(kept)
    dedupe_faces(named.workspace, ALONE)
    assert outcome(named)["lfw"] == (None, None, False)


def test_stars_never_chains(named):
    """A face that is like a dropped one but not like the kept one is kept."""
    dedupe_faces(named.workspace, ALONE)
    faces = best_first(hashed_faces(named.workspace.catalog))[:4]
    near = Overlay(2, 0.1)
    chain = {FacePair(0, 1, False): near, FacePair(1, 2, False): near, FacePair(2, 3, False): Overlay(2, 0.2)}
    results = {result.face_id: result for result in group_faces(faces, chain, 4, 0.15)}
    assert [results[face.image_id].state for face in faces] == ["kept", "dropped", "kept", "kept"]
    assert results[faces[1].image_id].difference == 0.1


def test_candidates_are_the_pairs_that_both_hashes_bring_near(named):
    dedupe_faces(named.workspace, ALONE)
    faces = best_first(hashed_faces(named.workspace.catalog))
    of = {face.image_id: place for place, face in enumerate(faces)}
    ids = named.ids
    pairs = candidate_pairs(faces, mirrored=True)
    assert pairs == sorted(set(pairs), key=lambda pair: (pair.first, pair.second, pair.mirrored))
    assert all(pair.first < pair.second for pair in pairs)
    found = {(frozenset((pair.first, pair.second)), pair.mirrored) for pair in pairs}
    assert (frozenset((of[ids["astronaut"]], of[ids["mirrored"]])), True) in found
    assert (frozenset((of[ids["astronaut"]], of[ids["smaller"]])), False) in found
    assert not any(pair.mirrored for pair in candidate_pairs(faces, mirrored=False))


def test_the_reasons_are_on_the_list(named):
    from btfer_builder.records import FaceDedupe

    with pytest.raises(ValueError, match="not reasons"), named.workspace.catalog.transaction() as db:
        insert(db, "face_dedupes", [FaceDedupe("x", "dropped", "ugly")])


def test_other_settings_drop_no_reviewed_face_unasked(named):
    workspace, ids = named.workspace, named.ids
    dedupe_faces(workspace, ALONE)
    add_decisions(
        workspace.catalog,
        [Decision(ids[name], "face", "accept", "happy", reviewer="ana") for name in ("astronaut", "frown")],
    )
    before = outcome(named)
    looser = DedupeRecipe(workers=0, face_difference=2.0)
    with pytest.raises(BtferError, match=r"1 reviewed faces would be dropped.*face_difference 0\.15 → 2\.0"):
        dedupe_faces(workspace, looser)
    assert outcome(named) == before
    dedupe_faces(workspace, looser, regroup=True)
    assert outcome(named)["frown"][0] == "near_duplicate"
    dedupe_faces(workspace, looser)


def test_after_the_review_the_reviewed_copy_is_kept(named):
    workspace, ids = named.workspace, named.ids
    add_decisions(workspace.catalog, [Decision(ids["smaller"], "face", "accept", "happy", reviewer="ana")])
    dedupe_faces(workspace, ALONE)
    assert outcome(named)["smaller"][0] is None
    assert outcome(named)["astronaut"][:2] == ("near_duplicate", "smaller")
    group = workspace.catalog.value(
        "SELECT kept_because FROM duplicate_groups WHERE item_id = ?", ids["smaller"]
    )
    assert group == "reviewed"


def test_reviewed_faces_that_repeat_each_other_are_dropped_only_on_request(named):
    workspace, ids = named.workspace, named.ids
    accepted = [
        Decision(ids[name], "face", "accept", "happy", reviewer="ana") for name in ("smaller", "astronaut")
    ]
    add_decisions(workspace.catalog, accepted)
    with pytest.raises(
        BtferError, match=r"1 reviewed faces would be dropped because they repeat other.*--regroup"
    ):
        dedupe_faces(workspace, ALONE)
    assert outcome(named) == {}
    dedupe_faces(workspace, ALONE, regroup=True)
    assert outcome(named)["smaller"][:2] == ("near_duplicate", "astronaut")
    dedupe_faces(workspace, ALONE)
