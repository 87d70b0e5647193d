"""Queries of takedowns: everything that belongs to a picture, its removal, and the tombstones."""

import mmap
import re
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields

from btfer_builder.catalog.catalog import Catalog, insert, now, placeholders
from btfer_builder.catalog.intentions import ERASED, record
from btfer_builder.catalog.tombstones import forget_url, url_sha256
from btfer_builder.errors import BtferError
from btfer_builder.io.json import json_text
from btfer_builder.records import SampledFace

#: Tables that keep ids, which are hashes: decisions are never deleted, the others record what was removed.
_KEEP_IDS = {"decisions", "tombstones", "release_faces", "fetches"}
_ID_COLUMNS = ("image_id", "face_id", "item_id", "duplicate_of")


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Hashes of a picture that must not come back; None where there is none."""

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
    """Hashes of a picture (see `ImageHash`), and its path if it has a file in the workspace.

    Hashes other than the 64-bit pHashes are empty if only 0.1.0 has hashed it.
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
    """Return the images with this id, or with a face of this id."""
    rows = catalog.rows(
        "SELECT image_id FROM images WHERE image_id = ? UNION SELECT image_id FROM faces WHERE face_id = ?",
        name, name,
    )  # fmt: skip
    return [row["image_id"] for row in rows]


def images_from(catalog: Catalog, urls: Collection[str]) -> list[str]:
    """Return the images from one of these URLs, or from a page with one of these URLs."""
    marks = placeholders(urls)
    rows = catalog.rows(
        f"""SELECT DISTINCT f.image_id FROM candidates c JOIN fetches f USING (url)
            WHERE f.image_id IS NOT NULL AND (c.url IN ({marks}) OR c.found_url IN ({marks}) OR c.page_url IN ({marks}))
            ORDER BY 1""",
        *urls, *urls, *urls,
    )  # fmt: skip
    return [row["image_id"] for row in rows]


def found_at(catalog: Catalog, urls: Collection[str]) -> list[str]:
    """Return the URLs of what a search found at one of these URLs, or on a page with one of them."""
    marks = placeholders(urls)
    rows = catalog.rows(
        f"""SELECT DISTINCT url FROM candidates
            WHERE url IN ({marks}) OR found_url IN ({marks}) OR page_url IN ({marks}) ORDER BY 1""",
        *urls, *urls, *urls,
    )  # fmt: skip
    return [row["url"] for row in rows]


def image_fingerprints(catalog: Catalog) -> list[ImageFingerprint]:
    """Return the fingerprints of all hashed images."""
    rows = catalog.rows(
        """SELECT image_id, path, pixel_sha256, phash, phash_mirrored, phash_256, phash_256_mirrored, parts
           FROM hashes JOIN images USING (image_id) WHERE reason IS NULL ORDER BY image_id"""
    )
    return [ImageFingerprint(*row) for row in rows]


def face_fingerprints(catalog: Catalog) -> dict[str, ImageFingerprint]:
    """Return the fingerprints of the hashed faces, by face id."""
    rows = catalog.rows(
        """SELECT face_id, '', '', phash, phash_mirrored, phash_256, phash_256_mirrored, ''
           FROM face_hashes WHERE reason IS NULL"""
    )
    return {row["face_id"]: ImageFingerprint(*row) for row in rows}


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
    """Return the other images with a face that dedupe considers a copy of a face of these images."""
    rows = catalog.rows(
        """SELECT f.image_id, coalesce(d.duplicate_of, d.face_id) AS keeper
           FROM face_dedupes d JOIN faces f USING (face_id)"""
    )
    wanted = set(image_ids)
    keepers = {row["keeper"] for row in rows if row["image_id"] in wanted}
    return {row["image_id"] for row in rows if row["keeper"] in keepers} - wanted


def addresses(catalog: Catalog, image_ids: Collection[str]) -> dict[str, str]:
    """Return the URLs that led to these images, with the image."""
    rows = catalog.rows("SELECT url, image_id FROM fetches WHERE image_id IS NOT NULL ORDER BY url")
    wanted = set(image_ids)
    return {row["url"]: row["image_id"] for row in rows if row["image_id"] in wanted}


def faces_of(catalog: Catalog, image_ids: Collection[str]) -> list[sqlite3.Row]:
    """Return (face_id, image_id, path) of the faces of these images."""
    wanted = set(image_ids)
    rows = catalog.rows("SELECT face_id, image_id, path FROM faces ORDER BY face_id")
    return [row for row in rows if row["image_id"] in wanted]


def face_paths(catalog: Catalog) -> list[tuple[str, str, str]]:
    """Return (face_id, image_id, path) of the faces that have a file."""
    rows = catalog.rows("SELECT face_id, image_id, path FROM faces WHERE path IS NOT NULL ORDER BY face_id")
    return [tuple(row) for row in rows]


def image_paths(catalog: Catalog, image_ids: Collection[str]) -> list[str]:
    """Return the paths of these images, relative to the workspace."""
    rows = catalog.rows("SELECT image_id, path FROM images ORDER BY image_id")
    wanted = set(image_ids)
    return [row["path"] for row in rows if row["image_id"] in wanted]


def neighbours_on_page(catalog: Catalog, image_ids: Collection[str]) -> list[str]:
    """Return other images of the same pages, which may show the same person."""
    rows = catalog.rows(
        """SELECT DISTINCT c.page_url, f.image_id FROM candidates c JOIN fetches f USING (url)
           WHERE f.image_id IS NOT NULL AND c.page_url <> ''"""
    )
    wanted = set(image_ids)
    pages = {row["page_url"] for row in rows if row["image_id"] in wanted}
    return sorted({row["image_id"] for row in rows if row["page_url"] in pages} - wanted)


def taken_down_fingerprints(catalog: Catalog) -> list[ImageFingerprint]:
    """Return the fingerprints of everything that was taken down."""
    rows = catalog.rows(
        """SELECT coalesce(image_id, face_id, ''), '', '', phash, phash_mirrored, coalesce(phash_256, ''),
                  coalesce(phash_256_mirrored, ''), coalesce(parts, '') FROM tombstones WHERE phash IS NOT NULL"""
    )
    return [ImageFingerprint(*row) for row in rows]


def taken_down_faces(catalog: Catalog) -> set[str]:
    """Return the ids of faces that were taken down."""
    return {
        row["face_id"] for row in catalog.rows("SELECT face_id FROM tombstones WHERE face_id IS NOT NULL")
    }


def is_taken_down(catalog: Catalog, name: str) -> bool:
    """Return whether an id or address was taken down before."""
    return bool(
        catalog.value(
            "SELECT 1 FROM tombstones WHERE image_id = ? OR face_id = ? OR url_sha256 = ? LIMIT 1",
            name, name, url_sha256(name),
        )
    )  # fmt: skip


def add_tombstones(catalog: Catalog, tombstones: Iterable[Tombstone], why: str) -> None:
    """Commit tombstones, except those that say no more than one that is there.

    They are committed before any file is deleted: what a picture looks like cannot be told afterwards.
    """
    moment = now()
    known = [_facts(row) for row in catalog.rows("SELECT * FROM tombstones")]
    with catalog.transaction() as db:
        for tombstone in tombstones:
            facts = {item for item in asdict(tombstone).items() if item[1] is not None}
            if not any(facts <= others for others in known):
                known.append(facts)
                insert(db, "tombstones", [tombstone], taken_down_at=moment, reason=why)


def _facts(row: sqlite3.Row) -> set[tuple[str, str]]:
    return {(field.name, row[field.name]) for field in fields(Tombstone) if row[field.name] is not None}


def erase(
    catalog: Catalog,
    *,
    image_ids: Sequence[str],
    face_ids: Sequence[str],
    urls: Collection[str],
    sample: Sequence[SampledFace],
) -> None:
    """Remove pictures from the catalog, all or nothing.

    Their candidates stay, so that the counts of all stages still add up, but without URL, page, title, creator and
    attribution. SQLite overwrites the deleted content in the file.

    Parameters
    ----------
    catalog
        The catalog.
    image_ids, face_ids, urls
        What is removed.
    sample
        The sample afterwards.
    """
    ids = json_text(sorted({*image_ids, *face_ids}))
    with catalog.transaction() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")  # until all that refers to an image is gone
        for url in urls:
            forget_url(db, url)
        # Their looks, and the names of pictures that show them in training sets.
        db.execute(
            """DELETE FROM reference_pictures WHERE (source, name) IN (
                   SELECT source, item FROM leaks WHERE face_id IN (SELECT value FROM json_each(?)))""",
            (ids,),
        )
        db.execute("DELETE FROM sample")
        for table, column in _id_columns(db):
            db.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))", (ids,))
        record(db, "crawl", ERASED)
        insert(db, "sample", sample)
        db.executemany("DELETE FROM undrawn WHERE face_id = ?", [(face.face_id,) for face in sample])


def overwrite_deleted(catalog: Catalog, urls: Collection[str] = ()) -> None:
    """Leave no byte of deleted rows in the catalog's file and its log.

    Parameters
    ----------
    catalog
        The catalog.
    urls
        Addresses that were deleted: where one is still in the file, written by a version that did not overwrite what it
        deleted, the file is rewritten.

    Raises
    ------
    BtferError
        If another program reads the catalog for so long that its log cannot be emptied.
    """
    if not catalog.empty_log():
        raise BtferError(
            f"everything is deleted, but {catalog.path.name}-wal still has deleted rows, because another program "
            f"reads {catalog.path}: end it (a review page, sqlite3, a notebook) and run the same command again"
        )
    if not urls:
        return
    words = re.compile(b"|".join(re.escape(url.encode()) for url in urls))
    with catalog.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        left = words.search(content) is not None
    if left:
        catalog.connection.execute("VACUUM")
        overwrite_deleted(catalog)


def erase_taken_down_again(catalog: Catalog) -> int:
    """Take the images out of the catalog again that have a tombstone, as in one restored from a backup.

    Returns
    -------
    int
        Number of images.
    """
    image_ids = sorted({row[0] for row in catalog.rows(
        "SELECT image_id FROM images WHERE image_id IN (SELECT image_id FROM tombstones)"
    )})  # fmt: skip
    tombstones = {
        row[0] for row in catalog.rows("SELECT url_sha256 FROM tombstones WHERE url_sha256 IS NOT NULL")
    }
    known = {row[0] for row in catalog.rows("SELECT DISTINCT url FROM candidates")}
    urls = {url for url in known if url_sha256(url) in tombstones} | set(addresses(catalog, image_ids))
    faces = [row["face_id"] for row in faces_of(catalog, image_ids)]
    if image_ids or urls:
        sample = [SampledFace(*row) for row in catalog.rows(
            "SELECT face_id, emotion, rank, path, split, sha256 FROM sample"
        ) if row["face_id"] not in faces]  # fmt: skip
        erase(catalog, image_ids=image_ids, face_ids=faces, urls=urls, sample=sample)
    return len(image_ids)


def _id_columns(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return each (table, column) with ids of images or faces; `images` last, as the others refer to it."""
    tables = [
        row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    columns = [
        (table, column["name"])
        for table in tables
        if table not in _KEEP_IDS
        for column in db.execute(f"PRAGMA table_info({table})").fetchall()
        if column["name"] in _ID_COLUMNS
    ]
    return sorted(columns, key=lambda column: column[0] == "images")
