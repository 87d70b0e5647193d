"""Queries of the leakage stage: training sets, the faces compared with them, and the matches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog, insert, now
from btfer_builder.io.json import json_text
from btfer_builder.records import FaceHash, Leak, ReferencePicture, TrainingSet


@dataclass(frozen=True, slots=True)
class LeakCount:
    """Counts of a training set: faces compared with it, those found in it, and those of the sample.

    It is `complete` if all of its pictures could be compared.
    """

    source: str
    images: int
    compared: int
    leaked: int
    in_sample: int
    complete: bool


def comparable_faces(catalog: Catalog) -> list[FaceHash]:
    """Return the hashes of the kept faces, by id."""
    rows = catalog.rows(
        """SELECT h.* FROM face_hashes h JOIN face_rows f USING (face_id)
           WHERE f.state = 'kept' AND h.reason IS NULL ORDER BY face_id"""
    )
    return [FaceHash(**dict(row)) for row in rows]


def comparable_photos(catalog: Catalog) -> list[FaceHash]:
    """Return for each kept face the hashes of its whole photo, by id; without those whose photo has none."""
    rows = catalog.rows(
        """SELECT f.face_id, p.phash, p.phash_256, p.phash_mirrored, p.phash_256_mirrored
           FROM face_hashes h JOIN face_rows f USING (face_id) JOIN hashes p USING (image_id)
           WHERE f.state = 'kept' AND h.reason IS NULL AND p.reason IS NULL AND p.phash_256 <> ''
           ORDER BY f.face_id"""
    )
    return [FaceHash(**dict(row)) for row in rows]


def photo_path(catalog: Catalog, face_id: str) -> str:
    """Return the path of a face's photo, relative to the workspace."""
    query = "SELECT i.path FROM faces f JOIN images i USING (image_id) WHERE f.face_id = ?"
    return str(catalog.value(query, face_id))


def face_path(catalog: Catalog, face_id: str) -> str:
    """Return the path of a face, relative to the workspace."""
    return str(catalog.value("SELECT path FROM faces WHERE face_id = ?", face_id))


def replace_leaks(
    catalog: Catalog, training_set: TrainingSet, compared: Mapping[str, bool], leaks: Iterable[Leak]
) -> None:
    """Commit the result of a search in a training set, which replaces an earlier one.

    `compared` are the faces that were compared, and whether their photos were, too.
    """
    with catalog.transaction() as db:
        db.execute("DELETE FROM training_sets WHERE source = ?", (training_set.source,))
        insert(db, "training_sets", [training_set], checked_at=now())
        db.executemany(
            "INSERT INTO compared_faces (source, face_id, photo) VALUES (?, ?, ?)",
            [(training_set.source, face_id, photo) for face_id, photo in compared.items()],
        )
        insert(db, "leaks", leaks)


def leak_counts(catalog: Catalog, source: str) -> LeakCount:
    """Return the counts of a training set."""
    row = catalog.rows(
        """SELECT s.source, s.images,
                  (SELECT count(*) FROM compared_faces c WHERE c.source = s.source),
                  (SELECT count(*) FROM leaks l WHERE l.source = s.source),
                  (SELECT count(*) FROM leaks l JOIN sample USING (face_id) WHERE l.source = s.source), s.complete
           FROM training_sets s WHERE s.source = ?""",
        source,
    )[0]
    return LeakCount(row["source"], row["images"], row[2], row[3], row[4], bool(row["complete"]))


def searched_sets(catalog: Catalog) -> list[LeakCount]:
    """Return the counts of all training sets that were searched, by source."""
    rows = catalog.rows("SELECT source FROM training_sets ORDER BY source")
    return [leak_counts(catalog, row["source"]) for row in rows]


def known_sets(catalog: Catalog) -> list[str]:
    """Return the sources of all training sets of which something is kept, also by a search that was interrupted."""
    rows = catalog.rows(
        "SELECT source FROM training_sets UNION SELECT source FROM reference_pictures ORDER BY 1"
    )
    return [row["source"] for row in rows]


def remove_set(catalog: Catalog, source: str) -> None:
    """Remove a training set, its matches and what was found in its pictures."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM reference_pictures WHERE source = ?", (source,))
        db.execute("DELETE FROM training_sets WHERE source = ?", (source,))


def known_faces(catalog: Catalog, source: str, settings: str) -> dict[str, ReferencePicture]:
    """Return the pictures of a training set whose faces were found with these settings, by name."""
    rows = catalog.rows(
        "SELECT source, name, stamp, faces FROM reference_pictures WHERE source = ? AND settings = ?",
        source,
        settings,
    )
    return {row["name"]: ReferencePicture(**dict(row)) for row in rows}


def remember_faces(catalog: Catalog, pictures: Iterable[ReferencePicture], settings: str) -> None:
    """Commit what was found in pictures of a training set."""
    with catalog.transaction() as db:
        insert(db, "reference_pictures", pictures, verb="INSERT OR REPLACE", settings=settings)


def forget_faces(catalog: Catalog, source: str, *, except_for: Iterable[str]) -> None:
    """Delete what was found in pictures of a training set that are not named: they are gone, or others by now."""
    with catalog.transaction() as db:
        db.execute(
            """DELETE FROM reference_pictures WHERE source = ?
               AND name NOT IN (SELECT value FROM json_each(?))""",
            (source, json_text(list(except_for))),
        )


def leaked_ids(catalog: Catalog) -> set[str]:
    """Return the faces that were found in a training set."""
    return {row["face_id"] for row in catalog.rows("SELECT DISTINCT face_id FROM leaks")}


def leaked_sample(catalog: Catalog) -> int | None:
    """Return how many faces of the sample were found in a training set.

    None if no training set was searched, or a face of the sample was not compared with all of them.
    """
    unknown = catalog.value(
        """SELECT NOT EXISTS (SELECT 1 FROM training_sets) OR EXISTS (
               SELECT 1 FROM sample s CROSS JOIN training_sets t
               WHERE NOT EXISTS (
                   SELECT 1 FROM compared_faces c WHERE c.source = t.source AND c.face_id = s.face_id))"""
    )
    if unknown:
        return None
    return int(catalog.value("SELECT count(DISTINCT face_id) FROM sample JOIN leaks USING (face_id)"))


def sets_complete(catalog: Catalog) -> bool:
    """Return whether all pictures of every training set could be compared."""
    return not catalog.value("SELECT EXISTS (SELECT 1 FROM training_sets WHERE NOT complete)")


def faces_compared(catalog: Catalog) -> bool:
    """Return whether the faces in the pictures of every training set were compared."""
    return not catalog.value("SELECT EXISTS (SELECT 1 FROM training_sets WHERE faces IS NULL)")


def photos_compared(catalog: Catalog) -> bool:
    """Return whether the photos of all faces of the sample were compared with every training set."""
    return not catalog.value(
        """SELECT EXISTS (
               SELECT 1 FROM sample s CROSS JOIN training_sets t
               WHERE NOT EXISTS (
                   SELECT 1 FROM compared_faces c
                   WHERE c.source = t.source AND c.face_id = s.face_id AND c.photo))"""
    )
