"""Ids that a spreadsheet took for numbers are understood where only one fits."""

import pytest

from btfer_builder.catalog.review import current_decisions
from btfer_builder.errors import BtferError
from btfer_builder.review.decisions import import_decisions
from btfer_builder.review.mangled_ids import matching_ids

IDS = [
    "7626120427075190",
    "1343988726048e64",
    "0012345678901234",
    "7626120427075999",
    "abcdef0123456789",
    "12e4567890123456",
]


@pytest.mark.parametrize(
    ("cell", "ids"),
    [
        ("7.62612042707519E+15", ["7626120427075190"]),
        ("7,62612042707519E+15", ["7626120427075190"]),
        ("7626120427075190", ["7626120427075190"]),
        ("7.62612E+15", ["7626120427075190", "7626120427075999"]),
        ("1.34399E+76", ["1343988726048e64"]),
        ("1.343988726048e+76", ["1343988726048e64"]),
        ("12345678901234", ["0012345678901234"]),
        ("1.23457E+13", ["0012345678901234"]),
        ("1.2E+14", []),
        ("abcdef0123456789", []),
        ("", []),
        ("0", []),
        ("1E+999999999", []),
        ("happy", []),
    ],
)
def test_a_number_is_the_id_it_was(cell, ids):
    assert matching_ids(cell, IDS) == ids


def test_a_decision_on_a_changed_id_is_recorded_where_it_is_unique(workspace, filled, tmp_path):
    first, second, third = filled.faces["happy"]
    with workspace.catalog.transaction() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")
        for old, new in (
            (first, "7626120427075190"),
            (second, "1343988726048e64"),
            (third, "7626120427075999"),
        ):
            db.execute("UPDATE faces SET face_id = ? WHERE face_id = ?", (new, old))
    path = tmp_path / "saved.csv"
    path.write_text("item_id;kind;verdict\n1,34399E+76;face;accept\n7,62612042707519E+15;face;reject\n")
    assert import_decisions(workspace.catalog, path, reviewer="ana").added == 2
    decided = current_decisions(workspace.catalog, "face", "ana")
    assert {item: each.decision.verdict for item, each in decided.items()} == {
        "1343988726048e64": "accept",
        "7626120427075190": "reject",
    }
    path.write_text("item_id,kind,verdict\n7.62612E+15,face,accept\n")
    with pytest.raises(
        BtferError, match=r"line 2: .* changed, and may be 7626120427075190 or 7626120427075999"
    ):
        import_decisions(workspace.catalog, path, reviewer="ana")
