"""A public column of a release is one entry of the schema: every file, check and text follows from it."""

import csv
import io
import json
import tarfile
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from btfer_builder.config import ReleaseRecipe
from btfer_builder.datasets.labelled_faces import faces_in_folder
from btfer_builder.release import schema
from btfer_builder.release.audit import audit_release
from btfer_builder.release.stage import release, write_checksums


@pytest.fixture
def rank(monkeypatch):
    """One more column, in every file."""
    files = (schema.METADATA, schema.PARQUET, schema.SOURCES, schema.LICENSES)
    column = schema.Column("rank", "int64", "Place in the order of the draw.", files, lambda face: face.rank)
    monkeypatch.setattr(schema, "COLUMNS", (*schema.COLUMNS, column))
    return column


def croissant_fields(out):
    (records,) = json.loads((out / "croissant.json").read_text())["recordSet"]
    return {field["name"]: field for field in records["field"]}


def csv_rows(out):
    return list(csv.DictReader(io.StringIO((out / "LICENSES.csv").read_text())))


def json_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_column_is_added_by_one_entry(workspace, tmp_path, rank):
    out = release(workspace, tmp_path / "out", ReleaseRecipe(webdataset=True)).path
    expected = {
        row["face_id"]: row["rank"] for row in workspace.catalog.rows("SELECT face_id, rank FROM sample")
    }
    parquet = pq.read_table(out / "faces.parquet").to_pylist()
    assert {row["face_id"]: row["rank"] for row in parquet} == expected
    for rows in (csv_rows(out), json_rows(out / "test" / "metadata.jsonl")):
        assert {row["face_id"]: int(row["rank"]) for row in rows} == expected
    with tarfile.open(out / "shards" / "test-000000.tar") as tar:
        rows = [json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json")]
    assert {row["face_id"]: row["rank"] for row in rows} == expected
    assert croissant_fields(out)["rank"]["description"] == rank.meaning
    assert croissant_fields(out)["rank"]["dataType"] == "sc:Integer"
    line = "| `rank` | int64 | Place in the order of the draw. | `metadata.jsonl`, `faces.parquet`, `LICENSES.csv` |"
    assert line in (out / "README.md").read_text().splitlines()
    assert audit_release(out).findings == []
    assert {face.attributes.get("rank", "0") for face in faces_in_folder(out)} == {"0", "1", "2"}

    urls = release(workspace, tmp_path / "urls", ReleaseRecipe(urls_only=True)).path
    assert {row["face_id"]: row["rank"] for row in json_rows(urls / "sources.jsonl")} == expected
    assert "rank" in croissant_fields(urls)
    assert audit_release(urls).findings == []


def test_without_the_entry_the_column_does_not_pass_the_audit(workspace, tmp_path, rank, monkeypatch):
    out = release(workspace, tmp_path / "out", ReleaseRecipe(webdataset=True)).path
    monkeypatch.setattr(schema, "COLUMNS", schema.COLUMNS[:-1])
    files = {
        finding.file for finding in audit_release(out).findings if finding.what.endswith("not public: rank")
    }
    assert files == {"test/metadata.jsonl", "faces.parquet", "LICENSES.csv", "shards/test-000000.tar"}


def test_an_address_is_public_only_in_a_column_of_addresses(workspace, tmp_path, monkeypatch):
    out = release(workspace, tmp_path / "out", ReleaseRecipe(urls_only=True)).path
    assert audit_release(out).findings == []
    columns = [replace(one, dtype="string") if one.name == "url" else one for one in schema.COLUMNS]
    monkeypatch.setattr(schema, "COLUMNS", columns)
    write_checksums(out)
    assert any(finding.what.startswith("an address in url") for finding in audit_release(out).findings)


def test_files_have_the_columns_of_the_schema_in_its_order(released, released_urls):
    out = released.path
    assert list(csv_rows(out)[0]) == schema.names(schema.LICENSES)
    assert list(json_rows(out / "test" / "metadata.jsonl")[0]) == schema.names(schema.METADATA)
    assert pq.read_table(out / "faces.parquet").column_names == schema.names(schema.PARQUET)
    assert list(json_rows(released_urls / "sources.jsonl")[0]) == schema.names(schema.SOURCES)
    assert schema.names(schema.LICENSES) == [
        "face_id", "file_name", "license", "license_url", "creator", "source", "restrictions", "attribution",
    ]  # fmt: skip


def test_the_contact_sheet_names_the_classes(released):
    from PIL import Image

    with Image.open(released.path / "figures" / "contact_sheet.png") as sheet:
        labels = sheet.convert("L").crop((0, 0, 100, sheet.height))
    assert labels.getextrema()[0] < 80  # dark text on white
