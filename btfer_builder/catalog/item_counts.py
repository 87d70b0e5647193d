"""How many items have the same outcome: each table is read once, in its own order, and joined by dictionaries.

SQLite joins by looking up each row. For the faces of a million photos these look-ups, each elsewhere in the file, take
most of the time. So items with equal facts are counted, and a view says of one of them what follows. The counts
are kept in the table `item_counts` until something they depend on changes, which triggers notice.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from sys import intern

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.io.json import json_text

#: Rows that are counted at a time.
_AT_ONCE = 1 << 11

#: What the views say of the items `wanted`, by the name of the items; `place` is the place of the item in the question.
OUTCOMES = {
    "candidates": """
        SELECT wanted.key AS place, f.state, f.reason, f.emotion
        FROM json_each(?) wanted CROSS JOIN candidate_fates f ON f.candidate_id = wanted.value""",
    "images": """
        SELECT wanted.key AS place, i.state, i.reason, i.emotion, s.emotion AS found_as, i.verdict, i.verdict_reason,
               c.image_id IS NOT NULL AS cropped, c.reason AS crop_reason, p.item_id IS NOT NULL AS purged
        FROM json_each(?) wanted CROSS JOIN image_rows i ON i.image_id = wanted.value
        CROSS JOIN origins o ON o.image_id = i.image_id JOIN searches s USING (search_id)
        LEFT JOIN crops c ON c.image_id = i.image_id
        LEFT JOIN purged p ON p.kind = 'image' AND p.item_id = i.image_id""",
    # Only accepted faces are looked for in the sample and among those not drawn; `open` is what one without a verdict
    # waits for.
    "faces": """
        SELECT wanted.key AS place, f.state, f.reason, f.emotion, f.found_as, f.cropped,
               f.cropped = 'kept' AND f.compared AS compared, f.verdict, f.verdict_reason, f.conflict,
               s.face_id IS NOT NULL AS drawn, u.reason AS undrawn, p.item_id IS NOT NULL AS purged,
               CASE WHEN f.verdict IS NOT NULL THEN NULL WHEN f.votes LIKE '%;%' THEN 'disputed'
                    WHEN coalesce(f.votes, '') <> '' THEN 'few_votes'
                    WHEN EXISTS (SELECT 1 FROM current_decisions d WHERE d.kind = 'face' AND d.item_id = f.face_id
                                 AND d.verdict = 'skip') THEN 'skipped' ELSE 'unseen' END AS open
        FROM json_each(?) wanted CROSS JOIN face_rows f ON f.face_id = wanted.value
        LEFT JOIN sample s ON s.face_id = CASE WHEN f.verdict = 'accept' THEN f.face_id END AND s.emotion = f.emotion
        LEFT JOIN undrawn u ON u.face_id = CASE WHEN f.verdict = 'accept' THEN f.face_id END AND u.emotion = f.emotion
        LEFT JOIN purged p ON p.kind = 'face' AND p.item_id = CASE WHEN f.verdict = 'accept' THEN f.face_id END""",
}

#: Values by column.
Item = dict[str, object]


class ItemCounts:
    """The candidates, images and faces as (values by column, number of items with them); each is counted once.

    Parameters
    ----------
    catalog
        The catalog, which should not change between the questions.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    @cached_property
    def candidates(self) -> list[tuple[Item, int]]:
        """The search results. The first one of an address, and the one an image comes from, have other fates."""
        return self._kept("candidates", self._candidates)

    @cached_property
    def images(self) -> list[tuple[Item, int]]:
        """The images."""
        return self._kept("images", self._images)

    @cached_property
    def faces(self) -> list[tuple[Item, int]]:
        """The faces that cropping found in the images it is to crop."""
        return self._kept("faces", self._faces)

    def of(self, name: str) -> list[tuple[Item, int]]:
        """Return the items of a name in `OUTCOMES`."""
        counted: list[tuple[Item, int]] = getattr(self, name)
        return counted

    def _kept(self, name: str, count: Callable[[], list[tuple[Item, int]]]) -> list[tuple[Item, int]]:
        """Return the counts that are kept; else count, and keep what was counted if nobody wrote meanwhile."""
        with self.catalog.snapshot():
            kept = self._rows("SELECT outcome, n FROM item_counts WHERE items = ?", name).fetchall()
            if kept:
                return [(json.loads(outcome), n) for outcome, n in kept]
            counted = count()
            self.catalog.keep(
                "INSERT INTO item_counts (items, outcome, n) VALUES (?, ?, ?)",
                [(name, json_text(item), n) for item, n in counted],
            )
            return counted

    def _candidates(self) -> list[tuple[Item, int]]:
        emotion_of = dict(self._rows("SELECT search_id, emotion FROM searches"))
        unused = self._ids(
            "SELECT candidate_id FROM candidates EXCEPT SELECT found_by FROM origins ORDER BY 1"
        )
        later = self._ids(
            """SELECT c.candidate_id FROM (SELECT url, min(candidate_id) AS first FROM candidates
                                           GROUP BY url HAVING count(*) > 1) known
               CROSS JOIN candidates c ON c.url = known.url WHERE c.candidate_id <> known.first"""
        )
        rows = self._rows(
            """SELECT c.candidate_id, c.search_id, CASE WHEN f.url IS NULL THEN 'waiting' ELSE f.reason END
               FROM candidates c LEFT JOIN fetches f ON f.url = c.url ORDER BY c.url"""
        )
        return self._count(
            "candidates",
            rows,
            (0, unused.__contains__),
            (0, later.__contains__),
            (1, emotion_of.get),
            (2, None),
        )

    def _images(self) -> list[tuple[Item, int]]:
        emotion_of = dict(self._rows("SELECT search_id, emotion FROM searches"))
        rows = self._rows(
            """SELECT o.image_id, o.search_id,
                      CASE WHEN d.image_id IS NULL THEN 'waiting' ELSE d.reason END,
                      CASE WHEN c.image_id IS NULL THEN 'waiting' ELSE c.reason END
               FROM origins o LEFT JOIN dedupes d ON d.image_id = o.image_id
               LEFT JOIN crops c ON c.image_id = o.image_id ORDER BY o.image_id"""
        )
        return self._count(
            "images",
            rows,
            (0, self._votes("image").get),
            (0, self._purged("image").__contains__),
            (1, emotion_of.get),
            (2, None),
            (3, None),
        )

    def _faces(self) -> list[tuple[Item, int]]:
        copies = self._texts(
            """SELECT d.face_id, d.state || d.conflict || coalesce(d.reason, '') ||
                      EXISTS (SELECT 1 FROM face_copies copy WHERE copy.face_id = d.face_id)
               FROM face_dedupes d WHERE d.state <> 'kept' OR d.conflict"""
        )
        uncompared = self._ids(
            "SELECT face_id FROM faces WHERE state = 'kept' EXCEPT SELECT face_id FROM face_dedupes ORDER BY 1"
        )
        skipped = self._ids("SELECT item_id FROM current_decisions WHERE kind = 'face' AND verdict = 'skip'")
        rows = self._rows(
            """SELECT f.face_id, i.emotion, i.conflict, f.reason
               FROM croppable i CROSS JOIN faces f USING (image_id) ORDER BY i.image_id"""
        )
        return self._count(
            "faces",
            rows,
            (0, self._votes("face").get),
            (0, copies.get),
            (0, uncompared.__contains__),
            (0, skipped.__contains__),
            (0, self._purged("face").__contains__),
            (1, None),
            (2, None),
            (3, None),
        )

    def _rows(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        cursor = self.catalog.connection.cursor()
        cursor.row_factory = None  # tuples take half the time
        return cursor.execute(sql, parameters)

    def _texts(self, sql: str, *parameters: object) -> dict[str, str]:
        """Return the second column by the first one; equal texts are one object."""
        return {item_id: intern(text) for item_id, text in self._rows(sql, *parameters)}

    def _votes(self, kind: str) -> dict[str, str]:
        """Return what the outcome of each item with an answer depends on: its votes, and the draws."""
        return self._texts(
            """SELECT v.item_id, coalesce(v.verdict, '') || ' ' || coalesce(v.emotion, '') || ' ' ||
                      coalesce(v.reason, '') || ' ' || min(v.answers, 2) || ' ' || coalesce(s.emotion, '') || ' ' ||
                      coalesce(u.emotion || ' ' || u.reason, '')
               FROM vote_counts v LEFT JOIN sample s ON s.face_id = v.item_id
               LEFT JOIN undrawn u ON u.face_id = v.item_id WHERE v.kind = ?""",
            kind,
        )

    def _purged(self, kind: str) -> set[object]:
        return self._ids("SELECT item_id FROM purged WHERE kind = ?", kind)

    def _ids(self, sql: str, *parameters: object) -> set[object]:
        return {item_id for (item_id,) in self._rows(sql, *parameters)}

    def _count(
        self,
        name: str,
        rows: sqlite3.Cursor,
        *facts: tuple[int, Callable[..., object] | None],
    ) -> list[tuple[Item, int]]:
        """Count rows by facts, and ask the view for the outcome of one item of each kind.

        Parameters
        ----------
        name
            The items, as in `OUTCOMES`.
        rows
            Items; their key comes first.
        facts
            Everything the outcome depends on: a column, and what looks its value up, None for the value itself.
        """
        counts: Counter[tuple[object, ...]] = Counter()
        example: dict[tuple[object, ...], object] = {}
        while batch := rows.fetchmany(_AT_ONCE):
            columns = list(zip(*batch, strict=True))
            values = (_values(columns[column], ask) for column, ask in facts)
            kinds = list(zip(*values, strict=True))
            counts.update(kinds)
            if len(counts) > len(example):
                example.update(zip(kinds, columns[0], strict=True))
        number = list(counts.values())
        asked = [example[kind] for kind in counts]
        outcomes = self.catalog.rows(OUTCOMES[name], json_text(asked))
        total: Counter[tuple[object, ...]] = Counter()
        for row in outcomes:
            total[tuple(row)[1:]] += number[row["place"]]
        names = outcomes[0].keys()[1:] if outcomes else []
        return [(dict(zip(names, values, strict=True)), n) for values, n in total.items()]


def _values(column: Sequence[object], ask: Callable[..., object] | None) -> Iterable[object]:
    return column if ask is None else map(ask, column)
