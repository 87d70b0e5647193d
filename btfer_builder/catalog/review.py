"""What reviewing writes and asks: items to look at, decisions, undo."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog, insert, now
from btfer_builder.emotions import Emotion
from btfer_builder.records import Decision, Kind


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """An item of a round as every reviewer finds it, whatever anybody decided of it in this round.

    `listed_under` is the emotion it was found under first: its place in lists and counts stays there however
    it is labelled, so that a label never moves the items that are still to be looked at.
    """

    item_id: str
    listed_under: Emotion
    conflict: bool
    query: str
    license: str
    confidence: float | None

    @property
    def proposed(self) -> Emotion | None:
        """The label to propose; None where it was found under two emotions."""
        return None if self.conflict else self.listed_under


@dataclass(frozen=True, slots=True)
class Word:
    """What a reviewer says of an item now, and the decision that says it."""

    decision_id: int
    decision: Decision


_ITEMS: dict[Kind, str] = {
    # Not out of `image_rows`: its emotion follows the decisions. A rejected image stays in the round, so that
    # the decision can be changed.
    "image": """
        SELECT d.image_id, s.emotion, d.conflict, s.query, c.license, NULL
        FROM dedupes d
        JOIN candidates c ON c.candidate_id = (
            SELECT min(first.candidate_id) FROM fetches f JOIN candidates first USING (url)
            WHERE f.image_id = d.image_id)
        JOIN searches s USING (search_id)
        WHERE d.state = 'kept' ORDER BY c.candidate_id, d.image_id""",
    # What the review of the images said is where the review of the faces begins.
    "face": """
        SELECT f.face_id, i.emotion, i.conflict, i.query, i.license, f.confidence
        FROM faces f JOIN croppable i USING (image_id)
        WHERE f.state = 'kept' ORDER BY i.candidate_id, f.face_id""",
}


def review_items(catalog: Catalog, kind: Kind) -> list[ReviewItem]:
    """Return all items of a round in a fixed order (as found)."""
    return [
        ReviewItem(item_id, emotion, bool(conflict), *rest)
        for item_id, emotion, conflict, *rest in catalog.rows(_ITEMS[kind])
    ]


def emotions_found(catalog: Catalog, kind: Kind, item_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return for each item all emotions its image and the duplicates of its image were found under."""
    if not item_ids:
        return {}
    image = "(SELECT image_id FROM faces WHERE face_id = column1)" if kind == "face" else "column1"
    rows = catalog.rows(
        f"""WITH item AS (SELECT column1 AS item_id, {image} AS image_id
                          FROM (VALUES {", ".join(["(?)"] * len(item_ids))})),
                 member AS (SELECT item_id, image_id FROM item
                            UNION ALL
                            SELECT item.item_id, d.image_id
                            FROM item CROSS JOIN dedupes d ON d.duplicate_of = item.image_id)
            SELECT DISTINCT member.item_id, s.emotion
            FROM member JOIN fetches f USING (image_id) JOIN candidates c USING (url)
            JOIN searches s USING (search_id) ORDER BY member.item_id, s.emotion""",
        *item_ids,
    )
    found: dict[str, list[str]] = {}
    for item_id, emotion in rows:
        found.setdefault(item_id, []).append(emotion)
    return found


def item_path(catalog: Catalog, kind: Kind, item_id: str) -> str | None:
    """Return the path of an item's file, relative to the workspace, or None if there is no such item."""
    table, key = ("images", "image_id") if kind == "image" else ("faces", "face_id")
    path: str | None = catalog.value(f"SELECT path FROM {table} WHERE {key} = ?", item_id)
    return path


def last_words(catalog: Catalog, kind: Kind, reviewer: str) -> dict[str, Word]:
    """Return what a reviewer says now of each item of a round that has been decided, by item."""
    # The view `last_words` finds any reviewer's word on one item; all of one reviewer's are found faster so:
    # with max(), the other columns are those of the row that holds the maximum.
    rows = catalog.rows(
        """SELECT item_id, kind, verdict, emotion, reason, reviewer, max(decision_id) AS decision_id
           FROM decisions d WHERE kind = ? AND reviewer = ? AND verdict <> 'undo'
             AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
           GROUP BY item_id""",
        kind, reviewer,
    )  # fmt: skip
    return {row["item_id"]: _word(row) for row in rows}


def last_word(catalog: Catalog, kind: Kind, reviewer: str, item_id: str) -> Word | None:
    """Return what a reviewer says now of one item."""
    rows = catalog.rows(
        "SELECT * FROM last_words WHERE kind = ? AND reviewer = ? AND item_id = ?", kind, reviewer, item_id
    )
    return _word(rows[0]) if rows else None


def latest_decision(catalog: Catalog, kind: Kind, reviewer: str) -> Word | None:
    """Return the decision that the next undo of this reviewer takes back."""
    rows = catalog.rows(
        """SELECT * FROM decisions d WHERE kind = ? AND reviewer = ? AND verdict <> 'undo'
             AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
           ORDER BY decision_id DESC LIMIT 1""",
        kind, reviewer,
    )  # fmt: skip
    return _word(rows[0]) if rows else None


def count_decisions(catalog: Catalog) -> int:
    """Return how many decisions are on record, undoings included."""
    return int(catalog.value("SELECT count(*) FROM decisions"))


def add_decisions(catalog: Catalog, decisions: Iterable[Decision]) -> int:
    """Append decisions, all or none, and return the id of the last one."""
    with catalog.transaction() as db:
        insert(db, "decisions", decisions, decided_at=now())
        return int(db.execute("SELECT coalesce(max(decision_id), 0) FROM decisions").fetchone()[0])


def add_decision(catalog: Catalog, decision: Decision) -> int:
    """Append a decision unless it is what its reviewer says already, and return its id.

    So a program that never heard the answer may send the same decision again.
    """
    with catalog.transaction() as db:
        word = last_word(catalog, decision.kind, decision.reviewer, decision.item_id)
        if word is not None and word.decision == decision:
            return word.decision_id
        insert(db, "decisions", [decision], decided_at=now())
        return int(db.execute("SELECT last_insert_rowid()").fetchone()[0])


def undo(catalog: Catalog, kind: Kind, reviewer: str, decision_id: int | None = None) -> Word | None:
    """Take back a decision of this reviewer, the latest one unless another is named.

    The decision stays on record: the undoing is appended as a row of its own. A decision that was taken back
    before stays so, and is returned as if it had been now.

    Returns
    -------
    Word or None
        What was taken back; None if there is no such decision.
    """
    with catalog.transaction() as db:
        if decision_id is None:
            word = latest_decision(catalog, kind, reviewer)
        else:
            rows = catalog.rows(
                """SELECT * FROM decisions
                   WHERE decision_id = ? AND kind = ? AND reviewer = ? AND verdict <> 'undo'""",
                decision_id, kind, reviewer,
            )  # fmt: skip
            word = _word(rows[0]) if rows else None
        if word is not None:
            undoing = Decision(word.decision.item_id, kind, "undo", reviewer=reviewer)
            insert(
                db, "decisions", [undoing], verb="INSERT OR IGNORE", undoes=word.decision_id, decided_at=now()
            )
        return word


def _word(row: sqlite3.Row) -> Word:
    decision = Decision(
        row["item_id"], row["kind"], row["verdict"], row["emotion"], row["reason"], row["reviewer"]
    )
    return Word(row["decision_id"], decision)
