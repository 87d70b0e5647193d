"""The catalog: its columns, its migrations, its transactions, and decisions nobody can change."""

import dataclasses
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from importlib.resources import files

import pytest

from btfer_builder import records
from btfer_builder.catalog import Catalog
from btfer_builder.catalog.catalog import MIGRATIONS, insert, replace_rows
from btfer_builder.catalog.fetches import add_fetches
from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.manifests import MANIFESTS, write_manifests
from btfer_builder.catalog.review import add_decisions, undo
from btfer_builder.catalog.searches import add_search
from btfer_builder.errors import BtferError
from btfer_builder.reasons import REASONS
from btfer_builder.records import Candidate, Decision, DuplicateGroup, Fetch, Image, Search
from tests.synthetic import fill_tables

TABLES = {
    "searches": records.Search,
    "candidates": records.Candidate,
    "fetches": records.Fetch,
    "images": records.Image,
    "hashes": records.ImageHash,
    "dedupes": records.DedupeResult,
    "crops": records.CropResult,
    "faces": records.Face,
    "decisions": records.Decision,
    "sample": records.SampledFace,
}


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "btfer.sqlite")


def search(emotion="happy", query="woman smiling"):
    return Search("bing", query, "en", emotion, "white", "female", "adult", "smiling")


@pytest.mark.parametrize("table", TABLES)
def test_every_field_of_a_record_is_a_column(catalog, table):
    columns = {row["name"] for row in catalog.rows(f"PRAGMA table_info({table})")}
    assert {field.name for field in dataclasses.fields(TABLES[table])} - {"faces"} <= columns


def test_a_failed_transaction_leaves_nothing(catalog):
    def fail_half_way():
        with catalog.transaction() as db:
            insert(db, "images", [Image("a", "data/images/a.jpg", "JPEG", 1)])
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail_half_way()
    assert catalog.value("SELECT count(*) FROM images") == 0


def test_what_is_no_catalog_is_said_in_one_line(tmp_path):
    (tmp_path / "btfer.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(BtferError, match="not a usable catalog"):
        Catalog(tmp_path / "btfer.sqlite")


def test_a_locked_catalog_is_no_broken_one(tmp_path, monkeypatch):
    path = tmp_path / "btfer.sqlite"
    monkeypatch.setattr("btfer_builder.catalog.catalog.BUSY_SECONDS", 0.1)
    Catalog(path).connection.execute("PRAGMA user_version = 1")  # so that it is migrated
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BtferError, match="locked; nothing was changed, run the command again"):
            Catalog(path)


def test_a_catalog_of_a_newer_version_is_left_alone(catalog):
    with sqlite3.connect(catalog.path) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(BtferError, match="newer btfer"):
        Catalog(catalog.path)


def test_many_may_open_a_new_catalog_at_once(tmp_path):
    code = "import sys; from pathlib import Path; from btfer_builder.catalog import Catalog; Catalog(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "btfer.sqlite")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[1] for process in processes] == [""] * 4


def test_threads_write_side_by_side_and_lose_nothing(catalog):
    def decide(reviewer):
        for number in range(50):
            add_decisions(catalog, [Decision(f"face{number}", "face", "accept", "happy", reviewer=reviewer)])

    threads = [threading.Thread(target=decide, args=(f"reviewer{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalog.value("SELECT count(*) FROM decisions") == 200


@pytest.mark.parametrize("sql", ["UPDATE decisions SET verdict = 'reject'", "DELETE FROM decisions"])
def test_decisions_are_appended_and_never_changed(catalog, sql):
    add_decisions(catalog, [Decision("face", "face", "accept", "happy", reviewer="ana")])
    with pytest.raises(sqlite3.IntegrityError, match="never"), catalog.transaction() as db:
        db.execute(sql)


def verdicts(catalog):
    return {
        row["item_id"]: (row["verdict"], row["emotion"]) for row in catalog.rows("SELECT * FROM verdicts")
    }


def test_the_last_word_counts_until_it_is_undone(catalog):
    for verdict, emotion in [("accept", "happy"), ("accept", "sad"), ("reject", None)]:
        add_decisions(catalog, [Decision("f", "face", verdict, emotion, reviewer="ana")])
    assert verdicts(catalog) == {"f": ("reject", None)}
    undo(catalog, "face", "ana")
    assert verdicts(catalog) == {"f": ("accept", "sad")}
    undo(catalog, "face", "ana")
    undo(catalog, "face", "ana")
    assert verdicts(catalog) == {}
    assert undo(catalog, "face", "ana") == []
    assert catalog.value("SELECT count(*) FROM decisions") == 6  # nothing was taken off the record


def test_most_reviewers_decide_and_a_tie_decides_nothing(catalog):
    for reviewer, emotion in [("ana", "happy"), ("bo", "sad")]:
        add_decisions(catalog, [Decision("f", "face", "accept", emotion, reviewer=reviewer)])
    assert verdicts(catalog) == {}
    add_decisions(catalog, [Decision("f", "face", "skip", reviewer="cy")])
    assert verdicts(catalog) == {}
    add_decisions(catalog, [Decision("f", "face", "accept", "sad", reviewer="di")])
    assert verdicts(catalog) == {"f": ("accept", "sad")}


def test_each_candidate_of_a_picture_has_its_fate(catalog):
    picture = Image("p", "data/images/p/p.jpg", "JPEG", 9)
    urls = ["http://a/1.jpg", "http://b/same-bytes.jpg", "http://c/gone.jpg", "http://d/later.jpg"]
    add_search(catalog, search(), [Candidate(rank, url) for rank, url in enumerate(urls)], requested=10)
    add_search(
        catalog, search(query="woman happy"), [Candidate(0, urls[2]), Candidate(1, urls[0])], requested=10
    )
    add_fetches(
        catalog, [(Fetch(urls[1], image_id="p"), picture), (Fetch(urls[2], reason="not_found"), None)]
    )
    add_fetches(catalog, [(Fetch(urls[0], image_id="p"), picture)])  # the first candidate's file came last
    fates = [
        (row["state"], row["reason"])
        for row in catalog.rows("SELECT * FROM candidate_fates ORDER BY candidate_id")
    ]
    assert fates == [
        ("kept", None),
        ("dropped", "same_bytes"),
        ("dropped", "not_found"),
        ("waiting", None),
        ("dropped", "same_url"),
        ("dropped", "same_url"),
    ]
    crawl = funnel(catalog)[0]
    assert (crawl.came_in, crawl.kept, crawl.waiting) == (5, 1, 1)
    assert crawl.came_in == crawl.kept + sum(crawl.dropped.values())
    assert set(crawl.dropped) <= set(REASONS["crawl"])


def test_every_manifest_is_written_with_its_header_even_when_empty(catalog, tmp_path):
    write_manifests(catalog, tmp_path / "manifests", *MANIFESTS)
    for name in ("candidates", "images", "duplicates", "faces", "decisions", "sample"):
        header = (tmp_path / "manifests" / f"{name}.csv").read_text().splitlines()
        assert len(header) == 1
        assert "," in header[0]


def test_a_formula_in_a_title_is_no_formula_in_the_spreadsheet(catalog, tmp_path):
    add_search(
        catalog, search(), [Candidate(0, "http://a/1.jpg", title='=HYPERLINK("http://evil")')], requested=1
    )
    write_manifests(catalog, tmp_path, "candidates")
    assert "\"'=HYPERLINK" in (tmp_path / "candidates.csv").read_text()


def test_a_run_is_recorded_with_its_recipe_and_outcome(catalog):
    from btfer_builder.config import SampleRecipe

    with catalog.run("sample", SampleRecipe(per_class=5)) as counts:
        counts["drawn"] = 35
    with pytest.raises(KeyError), catalog.run("crop", SampleRecipe()):
        raise KeyError
    done, failed = catalog.rows("SELECT * FROM runs ORDER BY run_id")
    assert (done["outcome"], done["counts"]) == ("done", '{"drawn": 35}')
    assert '"per_class": 5' in done["recipe"]
    assert failed["outcome"] == "failed"
    assert failed["ended_at"] >= failed["started_at"]


def test_a_catalog_of_the_first_schema_becomes_like_a_new_one(tmp_path):
    scripts = files("btfer_builder.catalog")
    first = sqlite3.connect(tmp_path / "old.sqlite")
    first.executescript((scripts / "migrations" / MIGRATIONS[0]).read_text())
    first.executescript((scripts / "views.sql").read_text())
    first.execute("PRAGMA user_version = 1")
    first.close()
    contents = "SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2"
    old, new = Catalog(tmp_path / "old.sqlite"), Catalog(tmp_path / "new.sqlite")
    assert [tuple(row) for row in old.rows(contents)] == [tuple(row) for row in new.rows(contents)]
    assert old.value("PRAGMA user_version") == len(MIGRATIONS)


def test_rows_that_are_there_are_not_written_again(tmp_path):
    catalog = Catalog(tmp_path / "btfer.sqlite")
    fill_tables(catalog, 300)
    rows = [
        DuplicateGroup(*row) for row in catalog.rows("SELECT * FROM duplicate_groups WHERE kind = 'image'")
    ]
    faces = catalog.value("SELECT count(*) FROM duplicate_groups WHERE kind = 'face'")
    assert len(rows) > 5
    assert faces

    def replaced(rows: list[DuplicateGroup]) -> tuple[int, list[DuplicateGroup]]:
        before = catalog.connection.total_changes
        with catalog.transaction() as db:
            replace_rows(db, "duplicate_groups", "item_id", rows, "kind = ?", "image")
        changes = catalog.connection.total_changes - before
        there = catalog.rows("SELECT * FROM duplicate_groups WHERE kind = 'image' ORDER BY item_id")
        return changes, [DuplicateGroup(*row) for row in there]

    assert replaced(rows) == (0, rows)
    changed = [replace(rows[0], copies=99), *rows[2:], replace(rows[1], item_id="new")]
    # Two rows deleted, two written; the triggers find nothing that was made of them.
    assert replaced(changed) == (4, sorted(changed, key=lambda group: group.item_id))
    assert replaced([])[1] == []
    assert catalog.value("SELECT count(*) FROM duplicate_groups") == faces


def test_a_transaction_that_sqlite_has_ended_itself_says_why(tmp_path):
    """As it does on a full disk: here one of as many pages as the catalog has."""
    catalog = Catalog(tmp_path / "btfer.sqlite")
    fill_tables(catalog, 300)
    catalog.connection.execute(f"PRAGMA max_page_count = {catalog.value('PRAGMA page_count')}")
    sizes = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 3000)"
    rows = "INSERT INTO intentions (stage, path, begun_at) SELECT 'crop', hex(randomblob(999)), '' FROM n"
    full = pytest.raises(BtferError, match=r"full.*nothing of this step was recorded")
    with full, catalog.transaction() as db:
        db.execute(f"{sizes} {rows}")
    assert not catalog.connection.in_transaction
    with catalog.snapshot():
        views = [(f"{number:0999}",) for number in range(3000)]
        catalog.keep("INSERT INTO csv_views (name, bytes, modified) VALUES (?, 1, 1)", views)
    assert not catalog.connection.in_transaction
    assert catalog.value("SELECT count(*) FROM csv_views") == 0


def test_what_cannot_be_kept_whole_is_not_kept_in_part(tmp_path):
    catalog = Catalog(tmp_path / "btfer.sqlite")
    catalog.connection.create_function("fail_at_b", 1, {"a": "a"}.__getitem__)
    with catalog.snapshot():
        catalog.keep("INSERT INTO csv_views VALUES (fail_at_b(?), 1, 1)", [("a",), ("b",)])
    assert catalog.value("SELECT count(*) FROM csv_views") == 0
