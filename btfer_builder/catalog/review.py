"""What reviewing writes and asks: items to look at, decisions, undo."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog, insert, now
from btfer_builder.labels import Emotion
from btfer_builder.records import Decision, Kind


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """An item of a round as every reviewer finds it, whatever anybody decided of it in this round.

    Attributes
    ----------
    listed_under
        The emotion it was found under first: its place in lists and counts stays there however it is labelled,
        so that a label never moves the items that are still to be looked at.
    conflict
        Whether it was found under another emotion, too.
    confidence
        The detector's, 0 to 1; None for a photo.
    upscale
        Pixels of the crop for one of the photo; above 1 it is enlarged. None for a photo.
    restrictions
        Rights other than copyright that its source states, such as `personality`, separated by `|`.
    duplicates, distance
        How many near duplicates of its photo were dropped for it, and the largest Hamming distance among them.
    """

    item_id: str
    listed_under: Emotion
    conflict: bool
    query: str
    license: str
    confidence: float | None
    upscale: float | None
    duplicates: int
    distance: int | None
    restrictions: str = ""

    @property
    def proposed(self) -> Emotion | None:
        """The label to propose; None where it was found under two emotions."""
        return None if self.conflict else self.listed_under


@dataclass(frozen=True, slots=True)
class CurrentDecision:
    """What a reviewer says of an item now, and the decision that says it."""

    decision_id: int
    decision: Decision


_COPIES = """
    LEFT JOIN (SELECT duplicate_of, count(*) AS n, max(distance) AS distance
               FROM dedupes WHERE duplicate_of IS NOT NULL GROUP BY duplicate_of) copies ON copies.duplicate_of"""

_ITEMS: dict[Kind, str] = {
    # Not out of `image_rows`: its emotion follows the decisions. A rejected image stays in the round, so that
    # the decision can be changed.
    "image": f"""
        SELECT d.image_id, s.emotion, d.conflict, s.query, c.license, NULL, NULL, coalesce(copies.n, 0),
               copies.distance, c.restrictions
        FROM dedupes d JOIN origins o USING (image_id) JOIN candidates c ON c.candidate_id = o.found_by
        JOIN searches s USING (search_id) {_COPIES} = d.image_id
        WHERE d.state = 'kept' ORDER BY c.candidate_id, d.image_id""",
    # What the review of the images said is where the review of the faces begins.
    "face": f"""
        SELECT f.face_id, i.emotion, i.conflict OR coalesce(d.conflict, 0), i.query, i.license, f.confidence,
               nullif(f.upscale, 0), coalesce(copies.n, 0), copies.distance, i.restrictions
        FROM faces f JOIN croppable i USING (image_id) LEFT JOIN face_dedupes d USING (face_id)
        {_COPIES} = f.image_id
        WHERE f.state = 'kept' AND f.face_id NOT IN (SELECT face_id FROM face_copies)
        ORDER BY i.candidate_id, f.face_id""",
}


def review_items(catalog: Catalog, kind: Kind) -> list[ReviewItem]:
    """Return all items of a round in a fixed order (as found)."""
    return [
        ReviewItem(row[0], row[1], bool(row[2]), *row[3:])  # their columns are the fields, in order
        for row in catalog.rows(_ITEMS[kind])
    ]


def items_version(catalog: Catalog) -> tuple[int, ...]:
    """Return numbers that change whenever a stage may have changed what there is to review."""
    rows = catalog.rows(
        """SELECT (SELECT max(run_id) FROM runs), (SELECT count(ended_at) FROM runs),
                  (SELECT count(*) FROM dedupes), (SELECT count(*) FROM faces)"""
    )
    return tuple(rows[0])


def emotions_found(catalog: Catalog, kind: Kind, item_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return for each item all emotions its image, the duplicates of that, and copies of the face were found under."""
    if not item_ids:
        return {}
    image = "(SELECT image_id FROM faces WHERE face_id = column1)" if kind == "face" else "column1"
    rows = catalog.rows(
        f"""WITH item AS (SELECT column1 AS item_id, {image} AS image_id
                          FROM (VALUES {", ".join(["(?)"] * len(item_ids))})),
                 member AS (SELECT item_id, image_id FROM item
                            UNION ALL
                            SELECT item.item_id, d.image_id
                            FROM item CROSS JOIN dedupes d ON d.duplicate_of = item.image_id
                            UNION ALL
                            SELECT item.item_id, f.image_id
                            FROM item CROSS JOIN face_copies c ON c.duplicate_of = item.item_id
                            JOIN faces f ON f.face_id = c.face_id)
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


def current_decisions(
    catalog: Catalog, kind: Kind, reviewer: str, adjudicates: bool = False
) -> dict[str, CurrentDecision]:
    """Return what a reviewer says now of each item of a round that has been decided, by item."""
    # The view `current_decisions` finds any reviewer's word on one item; all of one reviewer's are found faster so:
    # with max(), the other columns are those of the row that holds the maximum.
    rows = catalog.rows(
        """SELECT item_id, kind, verdict, emotion, reason, reviewer, adjudicates, max(decision_id) AS decision_id
           FROM decisions d WHERE kind = ? AND reviewer = ? AND adjudicates = ? AND verdict <> 'undo'
             AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
           GROUP BY item_id""",
        kind, reviewer, adjudicates,
    )  # fmt: skip
    return {row["item_id"]: _word(row) for row in rows}


def last_word(
    catalog: Catalog, kind: Kind, reviewer: str, item_id: str, adjudicates: bool = False
) -> CurrentDecision | None:
    """Return what a reviewer says now of one item."""
    rows = catalog.rows(
        """SELECT * FROM current_decisions
           WHERE kind = ? AND reviewer = ? AND item_id = ? AND adjudicates = ?""",
        kind, reviewer, item_id, adjudicates,
    )  # fmt: skip
    return _word(rows[0]) if rows else None


def latest_decision(
    catalog: Catalog, kind: Kind, reviewer: str, adjudicates: bool = False
) -> CurrentDecision | None:
    """Return the decision that the next undo of this reviewer takes back."""
    rows = catalog.rows(
        """SELECT * FROM decisions d WHERE kind = ? AND reviewer = ? AND adjudicates = ? AND verdict <> 'undo'
             AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
           ORDER BY decision_id DESC LIMIT 1""",
        kind, reviewer, adjudicates,
    )  # fmt: skip
    return _word(rows[0]) if rows else None


def count_decisions(catalog: Catalog) -> int:
    """Return how many decisions are on record, undoings included."""
    return int(catalog.value("SELECT count(*) FROM decisions"))


def decided_since(catalog: Catalog, decision_id: int) -> list[sqlite3.Row]:
    """Return every decision after this one, undoings included: decision_id, kind, item_id, reviewer."""
    return catalog.rows(
        """SELECT decision_id, kind, item_id, reviewer FROM decisions
           WHERE decision_id > ? ORDER BY decision_id""",
        decision_id,
    )


def last_decision_id(catalog: Catalog) -> int:
    """Return the id of the decision made last by anybody; 0 if there is none."""
    return int(catalog.value("SELECT coalesce(max(decision_id), 0) FROM decisions"))


def add_decisions(catalog: Catalog, decisions: Iterable[Decision]) -> int:
    """Append decisions, all or none, and return the id of the last one."""
    with catalog.transaction() as db:
        insert(db, "decisions", decisions, decided_at=now())
        return int(db.execute("SELECT coalesce(max(decision_id), 0) FROM decisions").fetchone()[0])


def decide(catalog: Catalog, decisions: Iterable[Decision]) -> list[int]:
    """Append decisions, all or none, and return their ids in the same order.

    One that is what its reviewer says already is not appended again: a program that never heard the answer may
    send the same decisions again.
    """
    with catalog.transaction() as db:
        ids = []
        for said in decisions:
            word = last_word(catalog, said.kind, said.reviewer, said.item_id, said.adjudicates)
            if word is None or word.decision != said:
                insert(db, "decisions", [said], decided_at=now())
                ids.append(int(db.execute("SELECT last_insert_rowid()").fetchone()[0]))
            else:
                ids.append(word.decision_id)
        return ids


def undo(
    catalog: Catalog,
    kind: Kind,
    reviewer: str,
    decision_ids: Sequence[int] | None = None,
    adjudicates: bool = False,
) -> list[CurrentDecision] | None:
    """Take back decisions of this reviewer, all or none: the latest one unless others are named.

    A decision stays on record: the undoing is appended as a row of its own. A decision that was taken back
    before stays so, and is returned as if it had been now.

    Returns
    -------
    list of Word or None
        What was taken back, empty if there is no latest decision; None if one that was named is none of this
        reviewer's.
    """
    with catalog.transaction() as db:
        if decision_ids is None:
            latest = latest_decision(catalog, kind, reviewer, adjudicates)
            words = [] if latest is None else [latest]
        else:
            rows = [
                row
                for decision_id in decision_ids
                for row in catalog.rows(
                    """SELECT * FROM decisions WHERE decision_id = ? AND kind = ? AND reviewer = ?
                       AND adjudicates = ? AND verdict <> 'undo'""",
                    decision_id, kind, reviewer, adjudicates,
                )
            ]  # fmt: skip
            if len(rows) < len(decision_ids):
                return None
            words = [_word(row) for row in rows]
        for word in words:
            undoing = Decision(
                word.decision.item_id, kind, "undo", reviewer=reviewer, adjudicates=adjudicates
            )
            insert(
                db, "decisions", [undoing], verb="INSERT OR IGNORE", undoes=word.decision_id, decided_at=now()
            )
        return words


def _word(row: sqlite3.Row) -> CurrentDecision:
    decision = Decision(
        row["item_id"], row["kind"], row["verdict"], row["emotion"], row["reason"], row["reviewer"],
        bool(row["adjudicates"]),
    )  # fmt: skip
    return CurrentDecision(row["decision_id"], decision)
