"""A workspace of 0.1.0: different people that it dropped come back, and no reviewed photo leaves unasked."""

import sqlite3
from importlib.resources import files

import pytest

from btfer_builder.catalog.catalog import MIGRATIONS
from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import DedupeRecipe
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.errors import BtferError
from btfer_builder.images.hamming import hamming_distance
from btfer_builder.images.same_picture import RADIUS, SAME_BITS
from btfer_builder.records import Decision
from btfer_builder.release.takedown.find_matches import find_matches
from btfer_builder.workspace import Workspace, create_workspace
from demo.pictures import encode
from tests.photos import crawl_files, hopper
from tests.strangers import before_one_wall, strangers

ALONE = DedupeRecipe(workers=0)
COPIED = ("images", "searches", "candidates", "fetches", "hashes", "dedupes")

#: Columns that later migrations renamed.
RENAMED = {("searches", "asked"): "results_requested", ("candidates", "refused"): "opt_out"}


@pytest.fixture
def names(tmp_path):
    """Make a workspace as 0.1.0 left it and return its image ids by file name."""
    one, other = strangers()
    workspace = create_workspace(tmp_path)
    crawl_files(workspace, {"happy": {"one.png": encode(one, "PNG"), "other.png": encode(other, "PNG"),
                                      "hopper.png": encode(hopper(), "PNG")}})  # fmt: skip
    dedupe(workspace, ALONE)
    rows = workspace.catalog.rows("SELECT url, image_id FROM fetches")
    found = {row["url"].rpartition("/")[2]: row["image_id"] for row in rows}
    looks = {
        row["image_id"]: row["phash"] for row in workspace.catalog.rows("SELECT image_id, phash FROM hashes")
    }
    assert hamming_distance(looks[found["one.png"]], looks[found["other.png"]]) <= RADIUS
    with workspace.catalog.transaction() as db:
        db.execute(
            """UPDATE dedupes SET state = 'dropped', reason = 'near_duplicate', duplicate_of = ?, kind = 'near',
               distance = 4 WHERE image_id = ?""",
            (found["one.png"], found["other.png"]),
        )
    _to_first_schema(workspace)
    return found


@pytest.fixture
def cropped(tmp_path):
    """Make a workspace in which 0.1.0 kept a photo and a cropped copy of it, and the copy is reviewed."""
    photo = hopper()
    height, width = photo.shape[:2]
    copy = photo[height // 20 : -height // 20, width // 20 : -width // 20]
    workspace = create_workspace(tmp_path)
    crawl_files(workspace, {"happy": {"photo.png": encode(photo, "PNG"), "copy.png": encode(copy, "PNG")}})
    dedupe(workspace, ALONE)
    found = {
        row["url"].rpartition("/")[2]: row["image_id"]
        for row in workspace.catalog.rows("SELECT * FROM fetches")
    }
    with workspace.catalog.transaction() as db:
        assert (
            db.execute("UPDATE dedupes SET state = 'kept', reason = NULL WHERE state = 'dropped'").rowcount
            == 1
        )
    _to_first_schema(workspace)
    workspace = Workspace(tmp_path)
    with workspace.catalog.transaction() as db:
        db.execute(
            """INSERT INTO runs (command, recipe, version, started_at, outcome)
               VALUES ('dedupe', '{}', '0.1.0', '', 'done')"""
        )
    add_decisions(workspace.catalog, [Decision(found["copy.png"], "image", "accept", "happy", None, "ana")])
    return found


def _to_first_schema(workspace: Workspace) -> None:
    path = workspace.catalog.path
    now = path.with_name("now.sqlite")
    workspace.catalog.connection.execute("VACUUM INTO ?", (str(now),))
    workspace.catalog.connection.close()
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    scripts = files("btfer_builder.catalog")
    first = sqlite3.connect(path)
    first.executescript((scripts / "migrations" / MIGRATIONS[0]).read_text())
    first.execute("PRAGMA user_version = 1")
    first.execute("ATTACH ? AS now", (str(now),))
    for table in COPIED:
        columns = [row[1] for row in first.execute(f"PRAGMA table_info({table})").fetchall()]
        renamed = [RENAMED.get((table, column), column) for column in columns]
        first.execute(
            f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(renamed)} FROM now.{table}"
        )
    first.commit()
    first.close()


def rows(workspace):
    found = workspace.catalog.rows("SELECT * FROM dedupes JOIN hashes USING (image_id)")
    return {row["image_id"]: row for row in found}


def test_strangers_come_back(tmp_path, names):
    workspace = Workspace(tmp_path)
    before = rows(workspace)[names["other.png"]]
    assert (before["state"], before["phash_256"]) == ("dropped", "")
    dedupe(workspace, ALONE)
    after = rows(workspace)
    assert {row["state"] for row in after.values()} == {"kept"}
    assert {len(row["phash_256"]) for row in after.values()} == {64}


def test_a_takedown_before_that_deletes_no_stranger(tmp_path, names):
    workspace = Workspace(tmp_path)
    assert list(find_matches(workspace, names["one.png"]).reasons) == [names["one.png"]]
    given = tmp_path / "given.jpg"
    given.write_bytes(encode(strangers()[0], quality=60))
    assert list(find_matches(workspace, str(given)).reasons) == [names["one.png"]]


def test_a_takedown_deletes_nobody_in_front_of_the_same_background(tmp_path):
    workspace = create_workspace(tmp_path)
    first, second = before_one_wall(1), before_one_wall(2)
    crawl_files(
        workspace, {"happy": {"first.png": encode(first, "PNG"), "second.png": encode(second, "PNG")}}
    )
    dedupe(workspace, ALONE)
    kept = rows(workspace)
    assert {row["state"] for row in kept.values()} == {"kept"}
    bits = [hamming_distance(*(row[name] for row in kept.values())) for name in ("phash", "phash_256")]
    assert bits[0] <= RADIUS
    assert bits[1] <= SAME_BITS  # by the hashes alone they would be the same
    given = tmp_path / "given.jpg"
    given.write_bytes(encode(first, quality=60))
    assert len(find_matches(workspace, str(given)).reasons) == 1


def test_what_an_old_tombstone_matches_waits_for_a_label(tmp_path, names):
    workspace = Workspace(tmp_path)
    with workspace.catalog.transaction() as db:
        db.execute(
            """INSERT INTO tombstones (phash, phash_mirrored, taken_down_at, reason)
               SELECT phash, phash_mirrored, '', '' FROM hashes WHERE image_id = ?""",
            (names["one.png"],),
        )
    dedupe(workspace, ALONE)
    listed = (workspace.manifests / "duplicates.csv").read_text()
    for name in ("one.png", "other.png"):
        row = rows(workspace)[names[name]]
        assert (row["state"], row["kind"], row["conflict"], row["fine_distance"]) == (
            "kept",
            "taken_down",
            1,
            None,
        )
        assert f"{names[name]},,taken_down," in listed
    add_decisions(workspace.catalog, [Decision(names["other.png"], "image", "accept", "happy", None, "ana")])
    waiting = workspace.catalog.rows("SELECT image_id FROM image_rows WHERE conflict")
    assert [row["image_id"] for row in waiting] == [names["one.png"]]


def test_reviewed_photos_do_not_leave_because_the_rules_are_new(tmp_path, cropped):
    workspace = Workspace(tmp_path)
    decision = Decision(cropped["photo.png"], "image", "accept", "happy", None, "ana")
    add_decisions(workspace.catalog, [decision])  # so both are reviewed
    for _ in range(2):  # the first call adds the missing hashes
        with pytest.raises(
            BtferError, match=r"1 reviewed images .* rules, .* of version 0\.1\.0\..*--regroup"
        ):
            dedupe(workspace, ALONE)
        assert {row["state"] for row in rows(workspace).values()} == {"kept"}
    dedupe(workspace, ALONE, regroup=True)
    assert sorted(row["state"] for row in rows(workspace).values()) == ["dropped", "kept"]
    dedupe(workspace, ALONE)  # the rules are the same from now on


def test_of_a_reviewed_photo_and_a_copy_the_reviewed_one_stays(tmp_path, cropped):
    workspace = Workspace(tmp_path)
    dedupe(workspace, ALONE)
    assert rows(workspace)[cropped["copy.png"]]["state"] == "kept"


def test_a_photo_whose_file_is_gone_keeps_its_hashes(tmp_path, cropped):
    workspace = Workspace(tmp_path)
    before = rows(workspace)[cropped["copy.png"]]
    path = workspace.catalog.value("SELECT path FROM images WHERE image_id = ?", cropped["copy.png"])
    (workspace.files / path).unlink()
    dedupe(workspace, ALONE)
    after = rows(workspace)[cropped["copy.png"]]
    assert (after["state"], after["phash"], after["reason"]) == ("kept", before["phash"], None)
