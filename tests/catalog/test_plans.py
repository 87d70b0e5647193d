"""Every question to the catalog costs at most a few look-ups a row: no statement scans a table within a loop."""

import re
import sqlite3
from pathlib import Path

import pytest

from btfer_builder.catalog import (
    Catalog,
    agreement,
    crop,
    dedupe,
    dedupe_faces,
    evaluate,
    fetches,
    intentions,
    leakage,
    owned_files,
    release,
    review,
    reviewed_work,
    sample,
    searches,
    takedown,
)
from btfer_builder.catalog import duplicates_of as catalog_peers
from btfer_builder.catalog import review_signals as suspicion
from btfer_builder.catalog import search_yield as yields
from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.manifests import MANIFESTS, write_manifests
from tests.catalog.conftest import STATEMENTS
from tests.synthetic import fill_tables

#: What may be scanned within a loop: the one rule of consensus, the sets searched for leaks, values of the question.
BOUNDED = {"consensus", "training_sets", "t", "json_each", "item"}

#: Columns by which an index that SQLite makes for one statement finds few rows.
KEYS = {"image_id", "face_id", "item_id", "url", "duplicate_of", "candidate_id", "found_by"}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    catalog = Catalog(tmp_path_factory.mktemp("plans") / "btfer.sqlite")
    fill_tables(catalog, 2000)
    return catalog


def test_every_table_is_filled(catalog):
    tables = [row[0] for row in catalog.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    empty = [table for table in tables if not catalog.value(f"SELECT count(*) FROM {table}")]
    assert set(empty) <= {"item_counts", "csv_views"}  # filled by what asks and writes


def test_no_statement_scans_a_table_within_a_loop(catalog, tmp_path):
    statements = []
    catalog.connection.set_trace_callback(statements.append)
    ask_everything(catalog, tmp_path)
    catalog.connection.set_trace_callback(None)
    asked = {text for text in statements if re.match(r"\s*(WITH|SELECT|DELETE|UPDATE)", text)}
    assert len(asked) > 50
    explained = {text: plan for text in asked if (plan := _plan(catalog.connection, text)) is not None}
    assert {text: problems for text, plan in explained.items() if (problems := nested_scans(plan))} == {}


def test_no_statement_of_the_catalog_tests_scans_a_table_within_a_loop(catalog):
    asked = {text for text in STATEMENTS if re.match(r"\s*(WITH|SELECT|DELETE|UPDATE|INSERT)", text)}
    explained = {text: plan for text in asked if (plan := _plan(catalog.connection, text)) is not None}
    assert {text: problems for text, plan in explained.items() if (problems := nested_scans(plan))} == {}


def test_a_page_of_the_review_looks_items_up(catalog):
    face = catalog.value("SELECT item_id FROM decisions WHERE kind = 'face'")
    image = catalog.value("SELECT duplicate_of FROM dedupes WHERE duplicate_of IS NOT NULL")
    statements: list[str] = []
    catalog.connection.set_trace_callback(statements.append)
    for kind, item_id in (("image", image), ("face", face)):
        assert review.emotions_found(catalog, kind, [item_id])
        review.current_decision(catalog, kind, "ana", item_id)
        review.latest_decision(catalog, kind, "ana")
        review.item_path(catalog, kind, item_id)
        suspicion.sharpness_of(catalog, kind, [item_id])
        suspicion.predictions_of(catalog, "m", [item_id])
    review.decided_since(catalog, review.last_decision_id(catalog))
    catalog.connection.set_trace_callback(None)
    tables = "|".join(row[0] for row in catalog.rows("SELECT name FROM sqlite_master WHERE type = 'table'"))
    scans = re.compile(rf"SCAN ({tables}|[a-z]|keeper|later|copies)\b")
    plans = {text: _plan(catalog.connection, text) or [] for text in statements}
    assert {
        text: steps for text, plan in plans.items() if (steps := [s[3] for s in plan if scans.match(s[3])])
    } == {}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM faces a JOIN faces b ON a.x < b.x",
        "SELECT (SELECT count(*) FROM hashes h WHERE h.phash = i.path) FROM images i",
    ],
)
def test_a_scan_within_a_loop_is_seen(catalog, sql):
    assert nested_scans(catalog.connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())


def _plan(db: sqlite3.Connection, sql: str) -> list[sqlite3.Row] | None:
    """Return the plan of a statement; None for one on tables of a migration or of another program."""
    try:
        return db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("no such table"):
            raise
        return None


def nested_scans(steps: list[sqlite3.Row]) -> list[str]:
    """Return the steps of a plan that go over a whole table once for each row of another."""
    inner = {step[0] for step in steps if step[3].startswith("CORRELATED")}
    looping: set[int] = set()
    problems = []
    for number, parent, _, text in steps:
        if parent in inner and not text.startswith(("SCAN", "SEARCH", "USE")):
            inner.add(number)  # what a correlated subquery asks is asked for each row, too
        if not (step := re.match(r"(SCAN|SEARCH) (\S+)", text)):
            continue
        nested, name = parent in looping or parent in inner, step[2]
        looping.add(parent)
        index = re.search(r"AUTOMATIC .*INDEX \((.*)\)", text)
        no_key = index is not None and not set(re.findall(r"(\w+)[=>]", index[1])) & KEYS
        if nested and (no_key or (step[1] == "SCAN" and name not in BOUNDED)):
            problems.append(text)
    return problems


def ask_everything(catalog: Catalog, folder: Path) -> None:
    face = catalog.value("SELECT item_id FROM decisions WHERE kind = 'face'")
    image = catalog.value("SELECT duplicate_of FROM dedupes WHERE duplicate_of IS NOT NULL")
    funnel(catalog)
    write_manifests(catalog, folder, *MANIFESTS)
    yields.yields(catalog)
    release.query_yields(catalog)
    release.sample_rows(catalog)
    release.face_boxes(catalog)
    sample.accepted_faces(catalog)
    sample.sources(catalog, [image])
    for kind, item_id in (("image", image), ("face", face)):
        review.review_items(catalog, kind)
        review.emotions_found(catalog, kind, [item_id])
        review.current_decisions(catalog, kind, "ana")
        review.current_decision(catalog, kind, "ana", item_id)
        review.latest_decision(catalog, kind, "ana")
        agreement.votes(catalog, kind, disputed=True)
        agreement.consensus(catalog, kind)
        catalog_peers.peers(catalog, kind, item_id)
        suspicion.sharpness_of(catalog, kind)
    dedupe.unhashed_images(catalog)
    dedupe.hashed_images(catalog)
    dedupe.likenesses(catalog)
    reviewed_work.kept_images(catalog)
    reviewed_work.kept_faces(catalog)
    reviewed_work.count_work_on_images(catalog, [image])
    reviewed_work.count_work_on_faces(catalog, [face])
    reviewed_work.count_released(catalog, [image])
    reviewed_work.last_settings(catalog, "dedupe")
    for kind in ("image", "face"):
        owned_files.item_ids(catalog, kind)
    owned_files.image_files(catalog)
    owned_files.face_files(catalog)
    owned_files.sample_files(catalog)
    intentions.intentions(catalog)
    dedupe_faces.unhashed_faces(catalog)
    dedupe_faces.hashed_faces(catalog)
    crop.uncropped_images(catalog, [""], {})
    crop.stored_settings(catalog)
    crop.cropped_with(catalog, [""])
    crop.faces_cropped_with(catalog, [""])
    assert crop.face_lengths(catalog, [face])
    crop.faces_to_render(catalog, [face])
    crop_again = catalog.value("SELECT image_id FROM crops WHERE reason IS NOT NULL")
    crop.add_crops(catalog, [crop.CropResult(crop_again, "no_face")], "")
    evaluate.sampled_attributes(catalog)
    evaluate.sampled_votes(catalog)
    leakage.comparable_faces(catalog)
    leakage.searched_sets(catalog)
    leakage.leaked_sample(catalog)
    leakage.sets_complete(catalog)
    leakage.faces_compared(catalog)
    leakage.photos_compared(catalog)
    leakage.known_faces(catalog, "training", "{}")
    cell = searches.QueryCell("happy", "white", "female", "adult")
    fetches.images_in_cell(catalog, cell)
    fetches.waiting_in_cell(catalog, cell, ["openverse"])
    fetches.waiting_urls(catalog, ["openverse"])
    fetches.settle_unfetchable(catalog, ["openverse"])
    fetches.opted_out_images(catalog)
    searches.all_progress(catalog, "openverse")
    searches.query_with_results(catalog, "openverse")
    searches.requests_sent(catalog, "openverse", "", 0.0)
    takedown.face_copies(catalog, [image])
    takedown.neighbours_on_page(catalog, [image])
    copy = catalog.value("SELECT image_id FROM dedupes WHERE duplicate_of = ?", image)
    urls = takedown.addresses(catalog, [copy])
    takedown.add_tombstones(catalog, [takedown.Tombstone(image_id=copy)], "")
    takedown.erase(catalog, image_ids=[copy], face_ids=[], urls=urls, sample=[])
    takedown.erase_taken_down_again(catalog)
