"""Queries of the review: items, decisions, undo."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from btfer_builder.catalog.catalog import Catalog, insert, now
from btfer_builder.io.json import json_text
from btfer_builder.labels import Emotion
from btfer_builder.records import Decision, Kind


class ReviewItem(NamedTuple):
    """An item of a round as all reviewers see it, independent of the decisions of this round.

    A tuple, as a round may have a million of them.

    Attributes
    ----------
    listed_under
        The emotion it was found under first. Its place in lists and counts does not depend on its label, so that a
        decision never moves the items that are still to be reviewed.
    conflict
        Whether it was also found under another emotion (1 or 0).
    confidence
        Confidence of the detector, 0 to 1; None for a photo.
    upscale
        Scale of the crop relative to the photo; above 1 the crop is enlarged. None for a photo.
    duplicates, distance
        Number of near duplicates of its photo that were dropped, and their largest Hamming distance.
    padding
        Share of the crop that repeats the border of the photo, 0 to 1; None where it is not known.
    found_by
        `bordered` if the face was found only in the photo with a border, `already_cropped` if it was not searched.
    candidate_id
        The search result of its photo: the order of discovery.
    """

    item_id: str
    listed_under: Emotion
    conflict: int
    confidence: float | None
    upscale: float | None
    duplicates: int
    distance: int | None
    padding: float | None = None
    found_by: str = ""
    candidate_id: int = 0

    @property
    def proposed(self) -> Emotion | None:
        """The label to propose; None if it was found under two emotions."""
        return None if self.conflict else self.listed_under


class ItemOrigin(NamedTuple):
    """How an item was found.

    Attributes
    ----------
    query
        The phrase that was searched for.
    license
        Its licence.
    restrictions
        Rights other than copyright that its source states, such as `personality`, separated by `|`.
    """

    query: str = ""
    license: str = ""
    restrictions: str = ""


@dataclass(frozen=True, slots=True)
class CurrentDecision:
    """The current decision of a reviewer on an item, with its id."""

    decision_id: int
    decision: Decision


#: The column of a `ReviewItem` with the search result of its photo: the order of discovery.
_FOUND = ReviewItem._fields.index("candidate_id")

_COPIES = """
    LEFT JOIN (SELECT duplicate_of, count(*) AS n, max(distance) AS distance
               FROM dedupes WHERE duplicate_of IS NOT NULL GROUP BY duplicate_of) copies ON copies.duplicate_of"""

#: The columns are the fields of `ReviewItem`. The tables are read in the order of the photos; few faces are copies or
#: in conflict.
_ITEMS: dict[Kind, str] = {
    # Not from `image_rows`, whose emotion depends on the decisions. A rejected image stays in the round, so that
    # the decision can be changed.
    "image": f"""
        SELECT d.image_id, s.emotion, d.conflict, NULL, NULL, coalesce(copies.n, 0), copies.distance, NULL, '',
               o.found_by
        FROM dedupes d JOIN origins o USING (image_id) JOIN searches s USING (search_id) {_COPIES} = d.image_id
        WHERE d.state = 'kept'
          AND NOT EXISTS (SELECT 1 FROM purged p WHERE p.kind = 'image' AND p.item_id = d.image_id)
        ORDER BY d.image_id""",
    # The labels of the image review are the proposals of the face review.
    "face": f"""
        SELECT f.face_id, i.emotion,
               i.conflict OR f.face_id IN (SELECT d.face_id FROM face_dedupes d WHERE d.conflict),
               f.confidence, nullif(f.upscale, 0), coalesce(copies.n, 0), copies.distance, f.padding, f.found_by,
               i.candidate_id
        FROM croppable i CROSS JOIN faces f USING (image_id) {_COPIES} = f.image_id
        WHERE f.state = 'kept' AND f.face_id NOT IN (SELECT face_id FROM face_copies)
          AND NOT EXISTS (SELECT 1 FROM purged p WHERE p.kind = 'face' AND p.item_id = f.face_id)
        ORDER BY i.image_id""",
}

_ORIGINS: dict[Kind, str] = {
    "image": """
        SELECT wanted.value, s.query, c.license, c.restrictions
        FROM json_each(?) wanted CROSS JOIN origins o ON o.image_id = wanted.value
        JOIN candidates c ON c.candidate_id = o.found_by JOIN searches s ON s.search_id = o.search_id""",
    "face": """
        SELECT wanted.value, i.query, i.license, i.restrictions
        FROM json_each(?) wanted CROSS JOIN faces f ON f.face_id = wanted.value
        CROSS JOIN image_rows i ON i.image_id = f.image_id""",
}


def review_items(catalog: Catalog, kind: Kind) -> list[ReviewItem]:
    """Return all items of a round in the order of discovery, except those whose file was purged."""
    cursor = catalog.connection.cursor()
    cursor.row_factory = None
    items = list(map(ReviewItem._make, cursor.execute(_ITEMS[kind])))
    items.sort(key=itemgetter(_FOUND))  # a million numbers take a third of the time of pairs
    if kind == "face":
        _sort_faces_of_photos(items)
    return items


def _sort_faces_of_photos(items: list[ReviewItem]) -> None:
    """Sort by id the faces of each photo, which stand together."""
    begin = 0
    for end in range(1, len(items) + 1):
        if end == len(items) or items[end][_FOUND] != items[begin][_FOUND]:
            if end - begin > 1:
                items[begin:end] = sorted(items[begin:end])
            begin = end


def item_origins(catalog: Catalog, kind: Kind, item_ids: Sequence[str]) -> dict[str, ItemOrigin]:
    """Return how items were found, by id."""
    rows = catalog.rows(_ORIGINS[kind], json_text(list(item_ids)))
    return {item_id: ItemOrigin(*origin) for item_id, *origin in rows}


def items_version(catalog: Catalog) -> tuple[int | None, ...]:
    """Return numbers that change whenever a stage may have changed the items to review.

    Only while a stage runs, or after one was killed, do rows have to be counted.
    """
    rows = catalog.rows(
        """WITH last AS MATERIALIZED (  -- with max(), ended_at is that of the last run of each command
               SELECT ended_at, max(run_id) FROM runs GROUP BY command),
                running AS MATERIALIZED (SELECT count(*) > count(ended_at) AS any FROM last)
           SELECT (SELECT max(run_id) FROM runs), (SELECT count(ended_at) FROM runs),
                  CASE WHEN any THEN (SELECT count(*) FROM dedupes) END,
                  CASE WHEN any THEN (SELECT count(*) FROM faces) END,
                  CASE WHEN any THEN (SELECT count(*) FROM purged) END
           FROM running"""
    )
    return tuple(rows[0])


def emotions_found(catalog: Catalog, kind: Kind, item_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the emotions under which the image of each item, its duplicates and copies of the face were found."""
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
            FROM member CROSS JOIN fetches f USING (image_id) CROSS JOIN candidates c USING (url)
            JOIN searches s USING (search_id) ORDER BY member.item_id, s.emotion""",
        *item_ids,
    )
    found: dict[str, list[str]] = {}
    for item_id, emotion in rows:
        found.setdefault(item_id, []).append(emotion)
    return found


def item_path(catalog: Catalog, kind: Kind, item_id: str) -> str | None:
    """Return the path of an item, relative to the workspace; None if the item does not exist."""
    table, key = ("images", "image_id") if kind == "image" else ("faces", "face_id")
    path: str | None = catalog.value(f"SELECT path FROM {table} WHERE {key} = ?", item_id)
    return path


def item_paths(catalog: Catalog, kind: Kind) -> dict[str, str]:
    """Return the paths of all items of a kind, relative to the workspace."""
    table, key = ("images", "image_id") if kind == "image" else ("faces", "face_id")
    return dict(map(tuple, catalog.rows(f"SELECT {key}, path FROM {table} WHERE path IS NOT NULL")))


def reviewer_names(catalog: Catalog) -> list[str]:
    """Return the names under which there are decisions, those with the most first."""
    rows = catalog.rows("SELECT reviewer FROM decisions GROUP BY reviewer ORDER BY count(*) DESC, reviewer")
    return [row["reviewer"] for row in rows]


def current_decisions(
    catalog: Catalog, kind: Kind, reviewer: str, adjudicates: bool = False
) -> dict[str, CurrentDecision]:
    """Return the current decisions of a reviewer in a round, by item."""
    # Faster than the view `current_decisions` for all items of a reviewer: with max(), the other columns are those of
    # the row with the maximum.
    rows = catalog.rows(
        """SELECT item_id, kind, verdict, emotion, reason, reviewer, adjudicates, max(decision_id) AS decision_id
           FROM decisions d WHERE kind = ? AND reviewer = ? AND adjudicates = ? AND verdict <> 'undo'
             AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
           GROUP BY item_id""",
        kind, reviewer, adjudicates,
    )  # fmt: skip
    return {row["item_id"]: _current(row) for row in rows}


def current_decision(
    catalog: Catalog, kind: Kind, reviewer: str, item_id: str, adjudicates: bool = False
) -> CurrentDecision | None:
    """Return the current decision of a reviewer on an item; None if there is none."""
    rows = catalog.rows(
        """SELECT * FROM current_decisions
           WHERE kind = ? AND reviewer = ? AND item_id = ? AND adjudicates = ?""",
        kind, reviewer, item_id, adjudicates,
    )  # fmt: skip
    return _current(rows[0]) if rows else None


def latest_decision(
    catalog: Catalog, kind: Kind, reviewer: str, adjudicates: bool = False
) -> CurrentDecision | None:
    """Return the decision that the next undo of a reviewer takes back; None if there is none."""
    rows = catalog.rows(
        """SELECT * FROM decisions d WHERE kind = ? AND reviewer = ? AND adjudicates = ? AND verdict <> 'undo'
             AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)
           ORDER BY decision_id DESC LIMIT 1""",
        kind, reviewer, adjudicates,
    )  # fmt: skip
    return _current(rows[0]) if rows else None


def count_decisions(catalog: Catalog) -> int:
    """Return the number of decisions, including undos."""
    return int(catalog.value("SELECT count(*) FROM decisions"))


def decided_since(catalog: Catalog, decision_id: int) -> list[sqlite3.Row]:
    """Return the decisions after this one, including undos: decision_id, kind, item_id, reviewer."""
    return catalog.rows(
        """SELECT decision_id, kind, item_id, reviewer FROM decisions
           WHERE decision_id > ? ORDER BY decision_id""",
        decision_id,
    )


def last_decision_id(catalog: Catalog) -> int:
    """Return the id of the latest decision of all reviewers; 0 if there is none."""
    return int(catalog.value("SELECT coalesce(max(decision_id), 0) FROM decisions"))


def add_decisions(catalog: Catalog, decisions: Iterable[Decision]) -> int:
    """Append decisions, all or none, and return the id of the last one."""
    with catalog.transaction() as db:
        insert(db, "decisions", decisions, decided_at=now())
        return int(db.execute("SELECT coalesce(max(decision_id), 0) FROM decisions").fetchone()[0])


def decide(catalog: Catalog, decisions: Iterable[Decision]) -> list[int]:
    """Append decisions, all or none, and return their ids in the same order.

    A decision that equals the current one of its reviewer is not appended again, so that a client that did not get
    the response may send its decisions again.
    """
    with catalog.transaction() as db:
        ids = []
        for new in decisions:
            current = current_decision(catalog, new.kind, new.reviewer, new.item_id, new.adjudicates)
            if current is None or current.decision != new:
                insert(db, "decisions", [new], decided_at=now())
                ids.append(int(db.execute("SELECT last_insert_rowid()").fetchone()[0]))
            else:
                ids.append(current.decision_id)
        return ids


def undo(
    catalog: Catalog,
    kind: Kind,
    reviewer: str,
    decision_ids: Sequence[int] | None = None,
    adjudicates: bool = False,
) -> list[CurrentDecision] | None:
    """Take back decisions of a reviewer, all or none: the named ones, or else the latest one.

    The decision stays in the table, and the undo is appended as another row. A decision that was taken back before is
    returned as well.

    Returns
    -------
    list of CurrentDecision or None
        The decisions taken back, empty if there is none; None if a named one is not of this reviewer.
    """
    with catalog.transaction() as db:
        if decision_ids is None:
            latest = latest_decision(catalog, kind, reviewer, adjudicates)
            undone = [] if latest is None else [latest]
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
            undone = [_current(row) for row in rows]
        for current in undone:
            row = Decision(current.decision.item_id, kind, "undo", reviewer=reviewer, adjudicates=adjudicates)
            insert(
                db, "decisions", [row], verb="INSERT OR IGNORE", undoes=current.decision_id, decided_at=now()
            )
        return undone


def _current(row: sqlite3.Row) -> CurrentDecision:
    decision = Decision(
        row["item_id"], row["kind"], row["verdict"], row["emotion"], row["reason"], row["reviewer"],
        bool(row["adjudicates"]),
    )  # fmt: skip
    return CurrentDecision(row["decision_id"], decision)
