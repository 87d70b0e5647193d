"""Counting items by their facts gives what the views say of each of them, and counts are kept as long as they hold."""

from collections import Counter

import pytest

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.agreement import ConsensusRule, set_rule
from btfer_builder.catalog.item_counts import OUTCOMES, ItemCounts
from btfer_builder.catalog.review import decide
from btfer_builder.io.json import json_text
from btfer_builder.records import Decision
from tests.catalog.conftest import tables_read, touch
from tests.synthetic import fill_tables

IDS = {
    "candidates": "SELECT candidate_id FROM candidates",
    "images": "SELECT image_id FROM images",
    "faces": "SELECT face_id FROM faces",
}

#: What a filled catalog has not: items that wait, files that were purged, faces that only dedupe or nobody knows, a
#: face that is kept no longer, and addresses of one image found in another order.
CHANGES = (
    "DELETE FROM dedupes WHERE image_id IN (SELECT image_id FROM images WHERE image_id GLOB '*3')",
    "DELETE FROM crops WHERE image_id GLOB '*5' AND image_id NOT IN "
    "(SELECT image_id FROM faces JOIN sample USING (face_id))",
    "DELETE FROM face_dedupes WHERE face_id GLOB '*7'",
    "UPDATE face_dedupes SET conflict = 1 WHERE face_id GLOB '*[89]'",
    "UPDATE faces SET state = 'dropped', reason = 'too_small' WHERE face_id IN (SELECT duplicate_of FROM face_dedupes "
    "WHERE duplicate_of GLOB '*[0-7]')",
    "INSERT INTO purged SELECT 'face', face_id, 0, 'sample', '' FROM faces WHERE face_id GLOB '*[13]'",
    "INSERT OR IGNORE INTO purged SELECT 'image', image_id, 0, 'sample', '' FROM images WHERE image_id GLOB '*[15]'",
    "UPDATE candidates SET candidate_id = -candidate_id WHERE page_url GLOB '*4.jpg'",
    "UPDATE undrawn SET reason = 'leaked' WHERE face_id GLOB '*c'",
    "UPDATE undrawn SET emotion = 'happy' WHERE face_id GLOB '*[ab]'",
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    catalog = Catalog(tmp_path_factory.mktemp("counts") / "btfer.sqlite")
    fill_tables(catalog, 1500)
    return catalog


def one_by_one(catalog: Catalog, name: str) -> Counter[tuple[object, ...]]:
    ids = [row[0] for row in catalog.rows(IDS[name])]
    return Counter(tuple(row)[1:] for row in catalog.rows(OUTCOMES[name], json_text(ids)))


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_counts_are_those_of_the_views(catalog, name):
    counted = {tuple(item.values()): n for item, n in ItemCounts(catalog).of(name)}
    assert counted == one_by_one(catalog, name)
    assert len(counted) > 20


def test_the_counts_stay_those_of_the_views_whatever_happens(catalog):
    def check(change: str) -> set[object]:
        for name in OUTCOMES:
            counted = {tuple(item.values()): n for item, n in ItemCounts(catalog).of(name)}
            assert counted == one_by_one(catalog, name), (name, change)
        return {item["open"] for item, _ in ItemCounts(catalog).faces}

    for change in CHANGES:
        with catalog.transaction() as db:
            db.execute(change)
        opens = check(change)
    assert {"unseen", "skipped", "disputed"} <= opens
    set_rule(catalog, ConsensusRule(2, 0.6))
    assert "few_votes" in check("two votes")


@pytest.fixture
def small(tmp_path):
    catalog = Catalog(tmp_path / "btfer.sqlite")
    fill_tables(catalog, 300)
    return catalog


@pytest.mark.parametrize("name", OUTCOMES)
def test_counts_are_kept_until_a_table_they_come_from_changes(small, name):
    def count() -> object:
        return ItemCounts(small).of(name)

    read = tables_read(small, count) - {"item_counts"}
    assert len(read) >= 4
    assert tables_read(small, count) == {"item_counts"}
    for table in read - {"decisions"}:  # only ever appended
        touch(small, table)
        assert tables_read(small, count) > {"item_counts"}, table


def test_a_decision_on_a_face_leaves_the_other_counts(small):
    for name in OUTCOMES:
        ItemCounts(small).of(name)
    face = small.value("SELECT max(face_id) FROM faces")
    decide(small, [Decision(face, "face", "accept", "sad", reviewer="new")])
    assert [row[0] for row in small.rows("SELECT DISTINCT items FROM item_counts")] == [
        "candidates",
        "images",
    ]


def test_counts_of_an_old_snapshot_are_not_kept(small, tmp_path):
    other = Catalog(tmp_path / "btfer.sqlite")
    with small.snapshot():
        small.value("SELECT min_votes FROM consensus")
        set_rule(other, ConsensusRule(2, 0.6))
        before = ItemCounts(small).faces
    assert small.value("SELECT count(*) FROM item_counts") == 0
    assert ItemCounts(small).faces != before
    assert small.value("SELECT count(*) FROM item_counts") > 0


def test_counts_that_cannot_be_kept_are_right(small):
    small.connection.execute("PRAGMA query_only = ON")  # as a write-protected file, which root may write to
    counted = ItemCounts(small).faces
    small.connection.execute("PRAGMA query_only = OFF")
    assert small.value("SELECT count(*) FROM item_counts") == 0
    assert counted == ItemCounts(small).faces


def test_a_snapshot_does_not_see_what_others_commit(tmp_path):
    mine, other = Catalog(tmp_path / "btfer.sqlite"), Catalog(tmp_path / "btfer.sqlite")
    asked = "SELECT min_votes FROM consensus"
    with mine.snapshot():
        before = mine.value(asked)
        set_rule(other, ConsensusRule(before + 1, 0.5))
        with mine.snapshot():
            assert mine.value(asked) == before
    assert mine.value(asked) == before + 1
