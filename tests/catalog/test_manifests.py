"""The CSV views are written again where what they show has changed, and only there."""

import re

import pytest

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.manifests import MANIFESTS, write_manifests
from btfer_builder.catalog.review import decide
from btfer_builder.records import Decision
from tests.catalog.conftest import tables_read, touch
from tests.synthetic import fill_tables


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    catalog = Catalog(tmp_path_factory.mktemp("views") / "btfer.sqlite")
    fill_tables(catalog, 400)
    return catalog


def current(catalog: Catalog) -> set[str]:
    return {row["name"] for row in catalog.rows("SELECT name FROM csv_views")}


def asked(catalog: Catalog, folder, *names: str) -> set[str]:
    """Write views and return those whose rows were asked for."""
    statements: list[str] = []
    catalog.connection.set_trace_callback(statements.append)
    write_manifests(catalog, folder, *names)
    catalog.connection.set_trace_callback(None)
    return {name for name in MANIFESTS if MANIFESTS[name] in statements}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_change_of_any_table_that_a_view_reads_is_noticed(catalog, tmp_path, name):
    rows = f"SELECT * FROM ({MANIFESTS[name]}) LIMIT 0"
    tables = tables_read(catalog, lambda: catalog.rows(rows)) - {"decisions"}  # only ever appended, see below
    assert tables or name == "decisions"
    for table in tables:
        write_manifests(catalog, tmp_path, *MANIFESTS)
        assert current(catalog) == set(MANIFESTS)
        touch(catalog, table)
        assert name not in current(catalog), table


def test_rows_that_come_and_go_are_noticed_as_those_that_change(catalog):
    bodies: dict[str, dict[str, str]] = {}
    for row in catalog.rows(
        "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND name GLOB '*_forgets'"
    ):
        operation, body = re.findall(r"AFTER (\w+) ON \w+\s+(.*)", row["sql"], re.DOTALL)[0]
        bodies.setdefault(row["tbl_name"], {})[operation] = body.replace("old.", "new.")
    assert set(bodies.pop("decisions")) == {"INSERT"}
    assert len(bodies) > 15
    for table, of in bodies.items():
        assert set(of) == {"INSERT", "UPDATE", "DELETE"}, table
        assert len(set(of.values())) == 1, table


def test_a_decision_is_noticed(catalog, tmp_path):
    write_manifests(catalog, tmp_path, *MANIFESTS)
    face = catalog.value("SELECT max(face_id) FROM faces")
    decide(catalog, [Decision(face, "face", "accept", "sad", reviewer="new")])
    assert current(catalog) == {"candidates", "duplicates", "face_duplicates"}


def test_a_view_that_has_what_the_catalog_has_is_not_asked_for_again(catalog, tmp_path):
    assert asked(catalog, tmp_path, "images", "faces") == {"images", "faces"}
    before = (tmp_path / "images.csv").stat()
    assert asked(catalog, tmp_path, "images", "faces", "sample") == {"sample"}
    assert (tmp_path / "images.csv").stat() == before


@pytest.mark.parametrize("harm", ["edit", "delete", "replace"])
def test_a_file_that_others_touched_is_written_again(catalog, tmp_path, harm):
    write_manifests(catalog, tmp_path, "faces")
    path = tmp_path / "faces.csv"
    text = path.read_bytes()
    if harm == "edit":
        path.write_bytes(text.replace(b"kept", b"lost"))
    elif harm == "delete":
        path.unlink()
    else:
        path.write_bytes(b"mine")
    assert asked(catalog, tmp_path, "faces") == {"faces"}
    assert path.read_bytes() == text


def test_a_view_of_an_older_state_does_not_count_as_current(catalog, tmp_path):
    other = Catalog(catalog.path)
    with catalog.snapshot():
        catalog.value("SELECT min_votes FROM consensus")
        face = other.value("SELECT min(face_id) FROM faces")
        decide(other, [Decision(face, "face", "accept", "happy", reviewer="late")])
        write_manifests(catalog, tmp_path, "decisions")
    old = (tmp_path / "decisions.csv").read_bytes()
    assert asked(catalog, tmp_path, "decisions") == {"decisions"}
    assert (tmp_path / "decisions.csv").read_bytes() != old
