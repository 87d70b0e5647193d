"""Queries of the second pass of dedupe: hashes of face crops, and which crops show the same picture."""

from collections.abc import Iterable
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog, insert, replace_rows
from btfer_builder.catalog.dedupe import HashedImage, replace_groups
from btfer_builder.records import DuplicateGroup, FaceDedupe, FaceHash


@dataclass(frozen=True, slots=True)
class HashedFace(HashedImage):
    """A face as grouping needs it: `image_id` is its own id, `width` and `height` are of the crop in the photo."""

    path: str
    rejected: bool


def unhashed_faces(catalog: Catalog) -> list[tuple[str, str]]:
    """Return (face_id, path) of each kept face that is not hashed, or whose file was missing or damaged then."""
    rows = catalog.rows(
        """SELECT f.face_id, f.path FROM faces f JOIN croppable USING (image_id)
           WHERE f.state = 'kept' AND NOT EXISTS (
               SELECT 1 FROM face_hashes h WHERE h.face_id = f.face_id
               AND coalesce(h.reason, '') NOT IN ('missing_file', 'unreadable'))
             AND NOT EXISTS (SELECT 1 FROM purged p WHERE p.kind = 'face' AND p.item_id = f.face_id)
           ORDER BY f.face_id"""
    )
    return [(row["face_id"], row["path"]) for row in rows]


def add_face_hashes(catalog: Catalog, hashes: Iterable[FaceHash]) -> None:
    """Commit hashes."""
    with catalog.transaction() as db:
        insert(db, "face_hashes", hashes, verb="INSERT OR REPLACE")


def hashed_faces(catalog: Catalog) -> list[HashedFace]:
    """Return the hashed faces that cropping kept and whose file was not purged, in the order of discovery."""
    rows = catalog.rows(
        """SELECT f.face_id, f.crop_width, f.crop_height, f.path, f.emotion, f.license <> 'unknown' AS licensed,
                  f.candidate_id, f.verdict IS 'reject' AS rejected,
                  h.phash, h.phash_mirrored, h.phash_256, h.phash_256_mirrored, h.reason
           FROM face_rows f JOIN face_hashes h USING (face_id) JOIN faces cropped USING (face_id)
           WHERE cropped.state = 'kept'
             AND NOT EXISTS (SELECT 1 FROM purged p WHERE p.kind = 'face' AND p.item_id = f.face_id)
           ORDER BY f.candidate_id, f.face_id"""
    )
    return [
        HashedFace(
            image_id=row["face_id"],
            width=row["crop_width"],
            height=row["crop_height"],
            pixel_sha256="",
            phash=row["phash"],
            phash_mirrored=row["phash_mirrored"],
            phash_256=row["phash_256"],
            phash_256_mirrored=row["phash_256_mirrored"],
            parts="",
            reason=row["reason"],
            licensed=bool(row["licensed"]),
            order=index,
            emotions=frozenset({row["emotion"]}),
            path=row["path"],
            rejected=bool(row["rejected"]),
        )
        for index, row in enumerate(rows)
    ]


def replace_face_dedupes(
    catalog: Catalog, results: Iterable[FaceDedupe], groups: Iterable[DuplicateGroup]
) -> None:
    """Commit the outcome for all faces, which replaces the earlier one; faces whose file was purged keep theirs."""
    with catalog.transaction() as db:
        there = "NOT EXISTS (SELECT 1 FROM purged p WHERE p.kind = 'face' AND p.item_id = face_id)"
        replace_rows(db, "face_dedupes", "face_id", results, there)
        replace_groups(db, "face", groups)
