"""Queries of the dedupe stage: hashes of images, and which image of a group is kept."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter

from btfer_builder.catalog.catalog import Catalog, insert, replace_rows
from btfer_builder.records import DedupeResult, DuplicateGroup, ImageHash, ImagePair, Kind


@dataclass(frozen=True, slots=True)
class HashedImage:
    """An image as grouping needs it; `emotions` are all emotions it was found under, `order` is that of discovery."""

    image_id: str
    width: int
    height: int
    pixel_sha256: str
    phash: str
    phash_mirrored: str
    phash_256: str
    phash_256_mirrored: str
    parts: str
    reason: str | None
    licensed: bool
    order: int
    emotions: frozenset[str]


def unhashed_images(catalog: Catalog, exact: bool = False) -> list[tuple[str, str]]:
    """Return (image_id, path) of each image without hashes; with `exact`, also of those decoded at reduced scale.

    An image is also returned if its file was missing or had too many pixels, as both may have changed, and if 0.1.0
    hashed it, which had no 256-bit pHash. One whose file was purged keeps the hashes it has.
    """
    rows = catalog.rows(
        """SELECT image_id, path FROM images
           WHERE image_id NOT IN (
               SELECT image_id FROM hashes
               WHERE CASE WHEN reason IS NULL THEN phash_256 <> '' AND NOT (? AND reduced)
                          ELSE reason NOT IN ('missing_file', 'too_large') END)
             AND NOT EXISTS (SELECT 1 FROM purged p WHERE p.kind = 'image' AND p.item_id = image_id)
           ORDER BY image_id""",
        exact,
    )
    return [(row["image_id"], row["path"]) for row in rows]


def add_hashes(catalog: Catalog, hashes: Iterable[ImageHash]) -> None:
    """Commit hashes; an image whose file is missing now keeps the hashes that it has."""
    results = list(hashes)
    with catalog.transaction() as db:
        for missing, verb in ((True, "INSERT OR IGNORE"), (False, "INSERT OR REPLACE")):
            chosen = [result for result in results if (result.reason == "missing_file") == missing]
            insert(db, "hashes", chosen, verb=verb)


def add_pixel_hashes(catalog: Catalog, hashes: Iterable[tuple[str, str]]) -> None:
    """Commit pixel hashes (image_id, digest) of images that were first decoded at reduced scale."""
    with catalog.transaction() as db:
        db.executemany(
            "UPDATE hashes SET pixel_sha256 = ? WHERE image_id = ?",
            [(digest, image_id) for image_id, digest in hashes],
        )


def hashed_images(catalog: Catalog) -> list[HashedImage]:
    """Return the hashed images in the order of discovery."""
    cursor = catalog.connection.cursor()
    cursor.row_factory = None  # a million rows: columns by name take twice the time
    rows = cursor.execute(
        """SELECT h.image_id, h.width, h.height, h.pixel_sha256, h.phash, h.phash_mirrored, h.phash_256,
                  h.phash_256_mirrored, h.parts, h.reason,
                  max(c.license <> 'unknown') AS licensed, min(c.candidate_id) AS found,
                  group_concat(DISTINCT s.emotion) AS emotions
           FROM hashes h JOIN fetches f USING (image_id) JOIN candidates c USING (url)
           JOIN searches s USING (search_id)
           GROUP BY h.image_id"""
    )
    emotions_of = cache(lambda text: frozenset(text.split(",")))  # few sets, for all images
    images = [
        HashedImage(*[*hashes, bool(licensed), found, emotions_of(emotions)])
        for *hashes, licensed, found, emotions in rows
    ]
    images.sort(key=attrgetter("order"))
    return images


def image_paths(catalog: Catalog, image_ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return (image_id, path) of some images, by id."""
    wanted = set(image_ids)
    rows = catalog.rows("SELECT image_id, path FROM images ORDER BY image_id") if wanted else []
    return [(row["image_id"], row["path"]) for row in rows if row["image_id"] in wanted]


def likenesses(catalog: Catalog) -> dict[ImagePair, float]:
    """Return the likeness of all pairs of images whose pixels were compared."""
    rows = catalog.rows("SELECT image_id, item_id, mirrored, likeness FROM likenesses")
    return {
        ImagePair(row["image_id"], row["item_id"], bool(row["mirrored"])): row["likeness"] for row in rows
    }


def add_likenesses(catalog: Catalog, measured: Iterable[tuple[ImagePair, float]]) -> None:
    """Commit likenesses of pairs."""
    with catalog.transaction() as db:
        db.executemany(
            "INSERT OR REPLACE INTO likenesses VALUES (?, ?, ?, ?)",
            [(pair.image_id, pair.item_id, pair.mirrored, likeness) for pair, likeness in measured],
        )


def replace_dedupes(
    catalog: Catalog, results: Iterable[DedupeResult], groups: Iterable[DuplicateGroup] = ()
) -> None:
    """Commit the outcome for all images, which replaces the earlier one."""
    with catalog.transaction() as db:
        replace_rows(db, "dedupes", "image_id", results)
        replace_groups(db, "image", groups)


def replace_groups(db: sqlite3.Connection, kind: Kind, groups: Iterable[DuplicateGroup]) -> None:
    """Replace the groups of images or of faces; to be called in a transaction."""
    replace_rows(db, "duplicate_groups", "item_id", groups, "kind = ?", kind)
