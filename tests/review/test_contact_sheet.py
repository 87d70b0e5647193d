"""An exported table comes with the pictures of its rows: same ids, no script, no network."""

import csv
import io
import re
from urllib.parse import unquote

from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import ReviewRecipe
from btfer_builder.records import Decision
from btfer_builder.review import contact_sheet
from btfer_builder.review.stage import export_round, round_rows
from tests.review.test_decisions import read

ANA = ReviewRecipe(reviewer="ana")


def pages(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.html"))}


def ids(html):
    return re.findall(r'<li id="([0-9a-f]+)">', html)


def test_the_sheet_has_the_pictures_of_the_table(workspace, filled, tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "PER_PAGE", 8)
    table = tmp_path / "out" / "faces #1.csv"
    table.parent.mkdir()
    assert export_round(workspace, table, ANA) == len(filled.face_ids)
    rows = read(table)
    assert [row["item_id"] for row in rows] == filled.face_ids  # faces by default
    sheets = pages(table.parent)
    for number, row in enumerate(rows):
        page, _, item = row["thumbnail"].partition("#")
        assert item == row["item_id"]
        assert ids(sheets[unquote(page)])[number % 8] == item
        assert (workspace.root / row["path"]).is_file()
        assert row["query"]
        assert row["query"] in sheets[unquote(page)]
    assert sorted(sheets) == ["faces #1.sheet-2.html", "faces #1.sheet-3.html", "faces #1.sheet.html"]
    for html in sheets.values():
        assert not re.search(r"<script|https?:|src=\"(?!data:image/jpeg;base64,)", html)
        assert html.count("<img") == len(ids(html))
    assert 'href="faces%20%231.sheet-3.html"' in sheets["faces #1.sheet-2.html"]


def test_of_many_items_the_sheet_has_the_first_without_a_decision(
    workspace, filled, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(contact_sheet, "MOST", 5)
    decided = filled.face_ids[1]
    add_decisions(workspace.catalog, [Decision(decided, "face", "reject", reason="other", reviewer="ana")])
    export_round(workspace, tmp_path / "faces.csv", ANA)
    rows = read(tmp_path / "faces.csv")
    assert [row["item_id"] for row in rows] == filled.face_ids
    shown = [filled.face_ids[0], *filled.face_ids[2:6]]
    assert ids(pages(tmp_path)["faces.sheet.html"]) == shown
    assert [row["item_id"] for row in rows if row["thumbnail"]] == shown
    assert "the first 5 items without a decision" in capsys.readouterr().err


def test_photos_are_asked_for_and_a_blind_sheet_says_nothing(workspace, filled, tmp_path):
    export_round(workspace, tmp_path / "photos.csv", ANA, round_name="images")
    assert [row["item_id"] for row in read(tmp_path / "photos.csv")] == filled.image_ids
    blind = ReviewRecipe(reviewer="ana", blind=True)
    export_round(workspace, tmp_path / "blind.csv", blind)
    rows = read(tmp_path / "blind.csv")
    assert {(row["query"], row["emotion"]) for row in rows} == {("", "")}
    queries = {str(row["query"]) for row in round_rows(workspace, ANA)}
    assert not any(query in pages(tmp_path)["blind.sheet.html"] for query in queries)


def test_a_query_is_text_in_the_sheet(workspace, filled, tmp_path):
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE searches SET query = '<b onload=x>' || query")
    export_round(workspace, tmp_path / "faces.csv", ANA)
    assert "<b onload" not in pages(tmp_path)["faces.sheet.html"]
    assert "&lt;b onload" in pages(tmp_path)["faces.sheet.html"]


def test_columns_of_an_earlier_export_are_enough_to_import():
    from btfer_builder.review.decisions import COLUMNS, EXPORTED

    assert EXPORTED[: len(COLUMNS)] == COLUMNS
    assert next(csv.reader(io.StringIO(",".join(EXPORTED)))) == list(EXPORTED)
