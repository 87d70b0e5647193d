"""Decisions as a table: out, edited, and in again; all of it or nothing."""

import csv
import io
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btfer_builder.catalog.review import add_decisions, current_decisions
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS
from btfer_builder.records import Decision
from btfer_builder.review.decisions import (
    COLUMNS,
    EXPORTED,
    ImportResult,
    export_decisions,
    import_decisions,
)
from btfer_builder.review.reviewers import check_reviewer


@pytest.fixture
def table(workspace, filled, tmp_path):
    """Write rows as a CSV file and return its path."""

    def write(*rows: dict, columns=COLUMNS):
        path = tmp_path / "table.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def read(path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def decided(workspace, kind="face", reviewer="ana") -> dict[str, Decision]:
    return {
        item: word.decision for item, word in current_decisions(workspace.catalog, kind, reviewer).items()
    }


def count_decisions(workspace) -> int:
    return workspace.catalog.value("SELECT count(*) FROM decisions")


def test_every_item_is_exported_with_its_label(workspace, filled, tmp_path):
    conflict, relabelled, rejected = filled.faces["fear"]
    add_decisions(
        workspace.catalog,
        [
            Decision(relabelled, "face", "accept", "sad", None, "ana"),
            Decision(rejected, "face", "reject", None, "minor", "ana"),
            Decision(rejected, "face", "skip", None, None, "bob"),
        ],
    )
    path = tmp_path / "out.csv"
    assert export_decisions(workspace.catalog, path, kinds=["image", "face"], reviewer="ana") == 42
    rows = read(path)
    assert list(rows[0]) == list(EXPORTED)
    assert [row["item_id"] for row in rows] == filled.image_ids + filled.face_ids
    by_id = {row["item_id"]: tuple(row.values())[1:6] for row in rows}
    assert by_id[conflict] == ("face", "", "", "", "")
    assert by_id[relabelled] == ("face", "sad", "accept", "", "ana")
    assert by_id[rejected] == ("face", "fear", "reject", "minor", "ana")
    assert by_id[filled.faces["sad"][1]] == ("face", "sad", "", "", "")
    assert by_id[filled.image_ids[0]] == ("image", "", "", "", "")


WORDS = st.one_of(
    st.tuples(st.just("accept"), st.sampled_from([None, *EMOTIONS]), st.none()),
    st.tuples(st.just("reject"), st.none(), st.sampled_from(list(REASONS["review"]))),
    st.tuples(st.just("skip"), st.none(), st.none()),
)
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=80).filter(
    lambda name: not name.startswith("'")
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.integers(0, 20), WORDS), st.dictionaries(st.integers(0, 20), WORDS), NAMES)
def test_out_edited_and_in_again(workspace, filled, tmp_path, before, edits, reviewer):
    reviewer = unicodedata.normalize("NFC", check_reviewer(f"{reviewer}{count_decisions(workspace)}"[-70:]))
    faces = filled.face_ids
    add_decisions(
        workspace.catalog, [Decision(faces[n], "face", *word, reviewer) for n, word in before.items()]
    )
    held = decided(workspace, reviewer=reviewer)
    path = tmp_path / "out.csv"
    export_decisions(workspace.catalog, path, kinds=["face"], reviewer=reviewer)

    rows = read(path)
    for n, (verdict, emotion, reason) in edits.items():
        rows[n] |= {"verdict": verdict, "emotion": emotion or "", "reason": reason or "", "reviewer": ""}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, EXPORTED)
        writer.writeheader()
        writer.writerows(rows)
    result = import_decisions(workspace.catalog, path, reviewer=reviewer)

    expected = dict(held)
    for n, (verdict, emotion, reason) in edits.items():
        proposed = None if faces[n] in filled.conflicts["face"] else EMOTIONS[n // 3]
        label = (emotion or proposed) if verdict == "accept" else None
        expected[faces[n]] = Decision(faces[n], "face", verdict, label, reason, reviewer)
    # A word with no label on an item with a proposed one is exported with the label it stands for.
    for n in before.keys() - edits.keys():
        word = expected[faces[n]]
        if word.verdict == "accept" and word.emotion is None and faces[n] not in filled.conflicts["face"]:
            expected[faces[n]] = Decision(faces[n], "face", "accept", EMOTIONS[n // 3], None, reviewer)
    assert decided(workspace, reviewer=reviewer) == expected
    changed = sum(held.get(face) != word for face, word in expected.items())
    assert result == ImportResult(changed, len(expected) - changed, 21 - len(expected))
    again = import_decisions(workspace.catalog, path, reviewer=reviewer)
    assert again == ImportResult(0, len(expected), 21 - len(expected))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_spreadsheets_do_to_a_table_is_understood(workspace, filled, tmp_path, mark, delimiter, newline):
    one, two, three = filled.faces["happy"]
    lines = [
        ["Note", "VERDICT", "item_id", "emotion", "kind", "more"],
        ["first; of all, all", "Accept", one, "Joy", "Face", ""],
        ["", "", "", "", "", ""],
        ["", " REJECT ", two, "", "face", "'=1+1"],
        ["", "skip", three.upper(), "happy", "face"],
        ["", "", filled.faces["sad"][0], "sad", "face", ""],
    ]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=newline).writerows(lines)
    path = tmp_path / "table.csv"
    path.write_bytes((mark + file.getvalue()).encode())
    assert import_decisions(workspace.catalog, path, reviewer=" ana ") == ImportResult(3, 0, 1)
    assert decided(workspace) == {
        one: Decision(one, "face", "accept", "happy", None, "ana"),
        two: Decision(two, "face", "reject", None, "other", "ana"),
        three: Decision(three, "face", "skip", None, None, "ana"),
    }


def test_rows_are_signed_by_whom_they_name(workspace, filled, table):
    face = filled.face_ids[1]
    rows = [
        {"item_id": face, "kind": "face", "verdict": "skip", "reviewer": "'=bob"},
        {"item_id": face, "kind": "face", "verdict": "accept"},
    ]
    assert import_decisions(workspace.catalog, table(*rows), reviewer="ana").added == 2
    assert decided(workspace, reviewer="=bob")[face].verdict == "skip"
    assert decided(workspace)[face].emotion == "angry"


def test_any_wrong_row_refuses_the_whole_table_and_names_its_line(workspace, filled, table):
    good, other, third = filled.faces["happy"]
    path = table(
        {"item_id": good, "kind": "face", "verdict": "accept"},
        {"item_id": other, "kind": "face", "verdict": "approve"},
        {"item_id": "f" * 64, "kind": "face", "verdict": "skip"},
        {"item_id": other, "kind": "face", "verdict": "accept", "emotion": "meh"},
        {"item_id": other, "kind": "image", "verdict": "skip"},
        {"item_id": third, "kind": "face", "verdict": "reject", "reason": "two\nlines"},
        {"item_id": third, "kind": "video", "verdict": "skip"},
        {"item_id": good, "kind": "face", "verdict": "skip"},
        {"item_id": third, "kind": "face", "verdict": "skip", "reviewer": "a" * 81},
        {"item_id": "", "kind": "face", "verdict": "skip"},
    )
    with pytest.raises(BtferError) as caught:
        import_decisions(workspace.catalog, path, reviewer="ana")
    first, *problems = str(caught.value).splitlines()
    assert first == f"{path}: 9 problems, nothing was imported"
    # The row with a line break in a cell takes two lines.
    assert [line.split(":")[0].strip() for line in problems] == [
        f"line {number}" for number in (3, 4, 5, 6, 7, 9, 10, 11, 12)
    ]
    for line, says in zip(
        problems,
        ["approve", "no face", "meh", "no image", "reason", "video", "contradicts line 2", "reviewer", "no face"],
        strict=True,
    ):  # fmt: skip
        assert says in line
    assert count_decisions(workspace) == 0


def test_of_many_problems_twenty_are_told(workspace, filled, table):
    rows = [{"item_id": face, "kind": "face", "verdict": "?"} for face in (filled.face_ids + filled.face_ids)]
    with pytest.raises(BtferError) as caught:
        import_decisions(workspace.catalog, table(*rows), reviewer="ana")
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert "line 21:" in lines[20]
    assert lines[21].strip() == "and 22 more"


def test_the_same_row_twice_is_one_decision(workspace, filled, table):
    row = {"item_id": filled.face_ids[1], "kind": "face", "verdict": "skip"}
    assert import_decisions(workspace.catalog, table(row, row), reviewer="ana") == ImportResult(1, 1, 0)
    assert count_decisions(workspace) == 1


def test_a_face_whose_photo_was_rejected_meanwhile_is_no_stranger(workspace, filled, table):
    row = {"item_id": filled.faces["fear"][1], "kind": "face", "verdict": "accept", "emotion": "fear"}
    photo = filled.images["fear"][1]
    add_decisions(workspace.catalog, [Decision(photo, "image", "reject", None, "other", "ana")])
    assert import_decisions(workspace.catalog, table(row), reviewer="ana").added == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no column item_id, kind, verdict"),
        (b"item_id,verdict\n", "no column kind"),
        (b"item_id,kind,verdict,verdict\n", "verdict twice"),
        ("item_id,kind,verdict\nañ,face,skip".encode("latin-1"), "UTF-8"),
        (b'item_id,kind,verdict\n"' + b"a" * 200_000 + b'",face,skip\n', "not a CSV file"),
        (b"item_id,kind,verdict\n\0,face,skip\n", "line 2"),
    ],
)
def test_what_is_no_table_is_refused(workspace, tmp_path, content, says):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(BtferError, match=says) as caught:
        import_decisions(workspace.catalog, path, reviewer="ana")
    assert str(path) in str(caught.value)


def test_a_table_that_is_not_there_is_named(workspace, tmp_path):
    with pytest.raises(BtferError, match=r"nowhere\.csv: cannot be read"):
        import_decisions(workspace.catalog, tmp_path / "nowhere.csv", reviewer="ana")
