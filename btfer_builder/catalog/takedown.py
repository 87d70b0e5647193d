"""What a takedown writes and asks: every trace of a picture, its removal, and the tombstones that stay."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog, insert, now
from btfer_builder.catalog.crawl import taken_down_url, url_sha256
from btfer_builder.io.json import json_text
from btfer_builder.records import Fetch, SampledFace

#: Tables that keep ids: decisions are appended only, and the others say what is gone. Ids are hashes.
_KEEP_IDS = {"decisions", "tombstones", "release_faces", "fetches"}
_ID_COLUMNS = ("image_id", "face_id", "item_id", "duplicate_of")


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What must never come back, by hashes only; empty where there is nothing to say."""

    url_sha256: str | None = None
    image_id: str | None = None
    face_id: str | None = None
    phash: str | None = None
    phash_mirrored: str | None = None
    phash_256: str | None = None
    phash_256_mirrored: str | None = None
    parts: str | None = None


@dataclass(frozen=True, slots=True)
class ImageFingerprint:
    """What a picture looks like: its hashes (see `ImageHash`), and its file where it has one in the workspace.

    Those beyond the 64-bit pHashes are empty where only 0.1.0 has hashed it.
    """

    image_id: str
    path: str
    pixel_sha256: str
    phash: str
    phash_mirrored: str
    phash_256: str
    phash_256_mirrored: str
    parts: str


def images_named(catalog: Catalog, name: str) -> list[str]:
    """Return the images that have this id, or a face with this id."""
    rows = catalog.rows(
        "SELECT image_id FROM images WHERE image_id = ? UNION SELECT image_id FROM faces WHERE face_id = ?",
        name, name,
    )  # fmt: skip
    return [row["image_id"] for row in rows]


def images_from(catalog: Catalog, urls: Collection[str]) -> list[str]:
    """Return the images that came from one of these addresses or stand on one of these pages."""
    marks = ", ".join("?" * len(urls))
    rows = catalog.rows(
        f"""SELECT DISTINCT f.image_id FROM candidates c JOIN fetches f USING (url)
            WHERE f.image_id IS NOT NULL AND (c.url IN ({marks}) OR c.found_url IN ({marks}) OR c.page_url IN ({marks}))
            ORDER BY 1""",
        *urls, *urls, *urls,
    )  # fmt: skip
    return [row["image_id"] for row in rows]


def looks(catalog: Catalog) -> list[ImageFingerprint]:
    """Return what every hashed image looks like."""
    rows = catalog.rows(
        """SELECT image_id, path, pixel_sha256, phash, phash_mirrored, phash_256, phash_256_mirrored, parts
           FROM hashes JOIN images USING (image_id) WHERE reason IS NULL ORDER BY image_id"""
    )
    return [ImageFingerprint(*row) for row in rows]


def copies(catalog: Catalog, image_ids: Collection[str]) -> set[str]:
    """Return these images and all that dedupe has put into a group with one of them.

    A group that 0.1.0 made on the 64-bit pHash alone may hold strangers; it counts once it is regrouped.
    """
    rows = catalog.rows(
        """SELECT image_id, CASE WHEN duplicate_of IS NULL OR (kind <> 'pixels' AND fine_distance IS NULL)
                                 THEN image_id ELSE duplicate_of END AS keeper FROM dedupes"""
    )
    groups = {row["image_id"]: row["keeper"] for row in rows}
    wanted = {groups.get(image_id, image_id) for image_id in image_ids}
    return set(image_ids) | {image_id for image_id, keeper in groups.items() if keeper in wanted}


def face_copies(catalog: Catalog, image_ids: Collection[str]) -> set[str]:
    """Return the other images that have a face which dedupe takes for a copy of a face of one of these."""
    rows = catalog.rows(
        """SELECT f.image_id, coalesce(d.duplicate_of, d.face_id) AS keeper
           FROM face_dedupes d JOIN faces f USING (face_id)"""
    )
    wanted = set(image_ids)
    keepers = {row["keeper"] for row in rows if row["image_id"] in wanted}
    return {row["image_id"] for row in rows if row["keeper"] in keepers} - wanted


def addresses(catalog: Catalog, image_ids: Collection[str]) -> dict[str, str]:
    """Return every address that led to one of these images, with the image."""
    rows = catalog.rows("SELECT url, image_id FROM fetches WHERE image_id IS NOT NULL ORDER BY url")
    wanted = set(image_ids)
    return {row["url"]: row["image_id"] for row in rows if row["image_id"] in wanted}


def faces_of(catalog: Catalog, image_ids: Collection[str]) -> list[sqlite3.Row]:
    """Return (face_id, image_id, path) of every face of these images."""
    wanted = set(image_ids)
    rows = catalog.rows("SELECT face_id, image_id, path FROM faces ORDER BY face_id")
    return [row for row in rows if row["image_id"] in wanted]


def face_paths(catalog: Catalog) -> list[tuple[str, str, str]]:
    """Return (face_id, image_id, path) of every face that has a file."""
    rows = catalog.rows("SELECT face_id, image_id, path FROM faces WHERE path IS NOT NULL ORDER BY face_id")
    return [tuple(row) for row in rows]


def image_paths(catalog: Catalog, image_ids: Collection[str]) -> list[str]:
    """Return the files of these images, relative to the workspace."""
    rows = catalog.rows("SELECT image_id, path FROM images ORDER BY image_id")
    wanted = set(image_ids)
    return [row["path"] for row in rows if row["image_id"] in wanted]


def neighbours_on_page(catalog: Catalog, image_ids: Collection[str]) -> list[str]:
    """Return other images that stand on the same pages: perhaps the same person."""
    rows = catalog.rows(
        """SELECT DISTINCT c.page_url, f.image_id FROM candidates c JOIN fetches f USING (url)
           WHERE f.image_id IS NOT NULL AND c.page_url <> ''"""
    )
    wanted = set(image_ids)
    pages = {row["page_url"] for row in rows if row["image_id"] in wanted}
    return sorted({row["image_id"] for row in rows if row["page_url"] in pages} - wanted)


def buried_looks(catalog: Catalog) -> list[ImageFingerprint]:
    """Return what everything that was taken down looked like."""
    rows = catalog.rows(
        """SELECT coalesce(image_id, face_id, ''), '', '', phash, phash_mirrored, coalesce(phash_256, ''),
                  coalesce(phash_256_mirrored, ''), coalesce(parts, '') FROM tombstones WHERE phash IS NOT NULL"""
    )
    return [ImageFingerprint(*row) for row in rows]


def buried_faces(catalog: Catalog) -> set[str]:
    """Return the ids of faces that were taken down."""
    return {
        row["face_id"] for row in catalog.rows("SELECT face_id FROM tombstones WHERE face_id IS NOT NULL")
    }


def is_buried(catalog: Catalog, name: str) -> bool:
    """Return whether an id or address was taken down before."""
    return bool(
        catalog.value(
            "SELECT 1 FROM tombstones WHERE image_id = ? OR face_id = ? OR url_sha256 = ? LIMIT 1",
            name, name, url_sha256(name),
        )
    )  # fmt: skip


def add_tombstones(
    catalog: Catalog,
    tombstones: Iterable[Tombstone],
    *,
    image_ids: Sequence[str],
    face_ids: Sequence[str],
    urls: Collection[str],
    sample: Sequence[SampledFace],
    why: str,
) -> None:
    """Take pictures out of the catalog, all of it or none, and leave tombstones.

    Candidates stay, so that every stage's counts go on to add up, but nothing in them says any more what they were:
    address, page, title, creator and attribution are gone. What is deleted is overwritten in the file.

    Parameters
    ----------
    catalog
        The catalog.
    tombstones
        What must never come back.
    image_ids, face_ids, urls
        What is taken out.
    sample
        The sample as it is afterwards.
    why
        Stands on the tombstones.
    """
    moment = now()
    ids = json_text(sorted({*image_ids, *face_ids}))
    catalog.connection.execute("PRAGMA secure_delete = ON")
    with catalog.transaction() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")  # until all that refers to an image is gone
        insert(db, "tombstones", tombstones, taken_down_at=moment, reason=why)
        for url in urls:
            _unname(db, url)
            insert(
                db,
                "fetches",
                [Fetch(taken_down_url(url), reason="taken_down", fetched_at=moment)],
                verb="INSERT OR REPLACE",
            )
        db.execute("DELETE FROM sample")
        for table, column in _id_columns(db):
            db.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))", (ids,))
        insert(db, "sample", sample)
        db.executemany("DELETE FROM undrawn WHERE face_id = ?", [(face.face_id,) for face in sample])
    catalog.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _unname(db: sqlite3.Connection, url: str) -> None:
    rows = db.execute("SELECT candidate_id, found_url FROM candidates WHERE url = ?", (url,)).fetchall()
    for row in rows:
        found = taken_down_url(row["found_url"]) if row["found_url"] else ""
        db.execute(
            """UPDATE candidates SET url = ?, found_url = ?, page_url = '', title = '', license_url = '', creator = '',
               attribution = '', sha1 = '', fallback_url = '' WHERE candidate_id = ?""",
            (taken_down_url(url), found, row["candidate_id"]),
        )
    db.execute("DELETE FROM fetches WHERE url = ?", (url,))


def _id_columns(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return every (table, column) that holds ids of images or faces; images last, which the others refer to."""
    tables = [
        row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    found = [
        (table, column["name"])
        for table in tables
        if table not in _KEEP_IDS
        for column in db.execute(f"PRAGMA table_info({table})").fetchall()
        if column["name"] in _ID_COLUMNS
    ]
    return sorted(found, key=lambda place: place[0] == "images")
