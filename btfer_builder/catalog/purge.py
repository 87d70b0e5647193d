"""Queries of `btfer purge`: what is still needed, and which files were deleted."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog, now
from btfer_builder.records import Kind


@dataclass(frozen=True, slots=True)
class PurgedFiles:
    """How many files of photos and faces were deleted, and the first and last day."""

    photos: int
    faces: int
    days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of the catalog: its kind, id and path, and for a face what has become of it."""

    kind: Kind
    item_id: str
    path: str
    fate: str


def files_to_purge(catalog: Catalog, kept_faces: Iterable[str]) -> list[FileRow]:
    """Return every photo, and every face that is not kept, unless they were purged before."""
    kept = set(kept_faces)
    photos = catalog.rows(
        """SELECT image_id, path FROM images i WHERE NOT EXISTS (
               SELECT 1 FROM purged p WHERE p.kind = 'image' AND p.item_id = i.image_id) ORDER BY image_id"""
    )
    # Faces of photos that dedupe or reviewers dropped are in no view.
    faces = catalog.rows(
        """SELECT f.face_id, f.path,
                  CASE WHEN r.face_id IS NULL OR r.state = 'dropped' THEN 'dropped' WHEN r.verdict = 'accept'
                       THEN 'accepted' WHEN r.verdict = 'reject' THEN 'rejected' ELSE 'unreviewed' END AS fate
           FROM faces f LEFT JOIN face_rows r ON r.face_id = f.face_id
           WHERE f.path IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM purged p WHERE p.kind = 'face' AND p.item_id = f.face_id) ORDER BY f.face_id"""
    )
    return [FileRow("image", row["image_id"], row["path"], "photo") for row in photos] + [
        FileRow("face", row["face_id"], row["path"], row["fate"])
        for row in faces
        if row["face_id"] not in kept
    ]


def purged_paths(catalog: Catalog) -> list[str]:
    """Return the paths of all files that were purged, relative to the workspace."""
    rows = catalog.rows(
        """SELECT i.path FROM purged p JOIN images i ON i.image_id = p.item_id WHERE p.kind = 'image'
           UNION ALL SELECT f.path FROM purged p JOIN faces f ON f.face_id = p.item_id WHERE p.kind = 'face'"""
    )
    return [row["path"] for row in rows]


def purged_ids(catalog: Catalog, kind: Kind) -> set[str]:
    """Return the images or faces whose file was purged."""
    return {row[0] for row in catalog.rows("SELECT item_id FROM purged WHERE kind = ?", kind)}


def record_purged(db: sqlite3.Connection, files: Iterable[tuple[FileRow, int]], keep: str) -> None:
    """Insert the files that are deleted next, with their sizes in bytes, in a transaction."""
    moment = now()
    db.executemany(
        "INSERT INTO purged VALUES (?, ?, ?, ?, ?)",
        [(file.kind, file.item_id, size, keep, moment) for file, size in files],
    )


def count_purged(catalog: Catalog) -> PurgedFiles | None:
    """Count the files that were purged; None if there are none."""
    (row,) = catalog.rows(
        """SELECT coalesce(sum(kind = 'image'), 0) AS photos, coalesce(sum(kind = 'face'), 0) AS faces,
                  substr(min(purged_at), 1, 10) AS first, substr(max(purged_at), 1, 10) AS last FROM purged"""
    )
    if not row["first"]:
        return None
    return PurgedFiles(row["photos"], row["faces"], tuple(dict.fromkeys([row["first"], row["last"]])))
