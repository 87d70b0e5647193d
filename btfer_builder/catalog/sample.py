"""What the sample stage writes and asks: which faces may be drawn, and which were."""

import sqlite3
from collections.abc import Iterable

from btfer_builder.catalog.catalog import Catalog, insert
from btfer_builder.records import Chosen


def accepted_faces(catalog: Catalog) -> list[sqlite3.Row]:
    """Return the faces reviewers accepted and whose label is settled: face_id, emotion, path."""
    return catalog.rows(
        """SELECT face_id, emotion, path FROM face_rows
           WHERE state = 'kept' AND verdict = 'accept' AND NOT conflict ORDER BY face_id"""
    )


def replace_sample(catalog: Catalog, chosen: Iterable[Chosen]) -> None:
    """Commit a sample in place of an earlier one."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM sample")
        insert(db, "sample", chosen)


def sampled_faces(catalog: Catalog) -> list[sqlite3.Row]:
    """Return the sample: face_id, emotion, rank, path; by class, in the order of the draw."""
    return catalog.rows("SELECT face_id, emotion, rank, path FROM sample ORDER BY emotion, rank")
