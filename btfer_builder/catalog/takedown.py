"""Queries of takedowns: everything that belongs to a picture, its removal, and the tombstones."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from btfer_builder.catalog.catalog import Catalog, insert, json_list, now, placeholders
from btfer_builder.catalog.intentions import ERASED, record
from btfer_builder.catalog.tombstones import forget_url, url_sha256
from btfer_builder.errors import BtferError
from btfer_builder.records import SampledFace

#: Tables that keep ids, which are hashes: decisions are never deleted, the others record what was removed.
_KEEP_IDS = {"decisions", "tombstones", "release_faces", "fetches"}
_ID_COLUMNS = ("image_id", "face_id", "item_id", "duplicate_of")


#: Bytes of the catalog that are searched at a time.
_READ_AT_ONCE = 1 << 20


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


def copies(catalog: Catalog, image_ids: Collection[str]) -> set[str]:
    """Return these images and all that dedupe has put into a group with one of them.

    A group that 0.1.0 made on the 64-bit pHash alone may hold strangers; it counts once it is regrouped.
    """
    keeper = """CASE WHEN d.duplicate_of IS NULL OR (d.kind <> 'pixels' AND d.fine_distance IS NULL)
                     THEN d.image_id ELSE d.duplicate_of END"""
    rows = catalog.rows(
        f"""WITH kept AS MATERIALIZED (
                SELECT DISTINCT coalesce((SELECT {keeper} FROM dedupes d WHERE d.image_id = wanted.value), value) AS id
                FROM json_each(?) wanted)
            SELECT d.image_id FROM kept CROSS JOIN dedupes d ON d.image_id = kept.id WHERE {keeper} = kept.id
            UNION
            SELECT d.image_id FROM kept CROSS JOIN dedupes d ON d.duplicate_of = kept.id WHERE {keeper} = kept.id""",
        json_list(image_ids),
    )
    return set(image_ids) | {row["image_id"] for row in rows}


def face_copies(catalog: Catalog, image_ids: Collection[str]) -> set[str]:
    """Return the other images with a face that dedupe considers a copy of a face of these images."""
    rows = catalog.rows(
        """WITH kept AS MATERIALIZED (
               SELECT DISTINCT coalesce(d.duplicate_of, d.face_id) AS id
               FROM json_each(?) wanted CROSS JOIN faces f ON f.image_id = wanted.value
               CROSS JOIN face_dedupes d ON d.face_id = f.face_id),
                member AS (
               SELECT d.face_id FROM kept CROSS JOIN face_dedupes d ON d.face_id = kept.id
               WHERE d.duplicate_of IS NULL
               UNION
               SELECT d.face_id FROM kept CROSS JOIN face_dedupes d ON d.duplicate_of = kept.id)
           SELECT DISTINCT f.image_id FROM member CROSS JOIN faces f ON f.face_id = member.face_id""",
        json_list(image_ids),
    )
    return {row["image_id"] for row in rows} - set(image_ids)


def addresses(catalog: Catalog, image_ids: Iterable[str]) -> dict[str, str]:
    """Return the URLs that led to these images, with the image."""
    rows = catalog.rows(
        """SELECT f.url, f.image_id FROM json_each(?) wanted CROSS JOIN fetches f ON f.image_id = wanted.value
           ORDER BY f.url""",
        json_list(image_ids),
    )
    return {row["url"]: row["image_id"] for row in rows}


def faces_of(catalog: Catalog, image_ids: Iterable[str]) -> list[sqlite3.Row]:
    """Return (face_id, image_id, path) of the faces of these images."""
    return catalog.rows(
        """SELECT f.face_id, f.image_id, f.path
           FROM json_each(?) wanted CROSS JOIN faces f ON f.image_id = wanted.value ORDER BY f.face_id""",
        json_list(image_ids),
    )


def face_paths(catalog: Catalog) -> list[tuple[str, str, str]]:
    """Return (face_id, image_id, path) of the faces that have a file."""
    rows = catalog.rows("SELECT face_id, image_id, path FROM faces WHERE path IS NOT NULL ORDER BY face_id")
    return [tuple(row) for row in rows]


def image_paths(catalog: Catalog, image_ids: Iterable[str]) -> list[str]:
    """Return the paths of these images, relative to the workspace."""
    rows = catalog.rows(
        """SELECT i.path FROM json_each(?) wanted CROSS JOIN images i ON i.image_id = wanted.value
           ORDER BY i.image_id""",
        json_list(image_ids),
    )
    return [row["path"] for row in rows]


def neighbours_on_page(catalog: Catalog, image_ids: Collection[str]) -> list[str]:
    """Return other images of the same pages, which may show the same person."""
    pages = catalog.rows(
        """SELECT DISTINCT c.page_url FROM json_each(?) wanted CROSS JOIN fetches f ON f.image_id = wanted.value
           CROSS JOIN candidates c ON c.url = f.url WHERE c.page_url <> ''""",
        json_list(image_ids),
    )
    rows = catalog.rows(
        """SELECT DISTINCT f.image_id FROM candidates c CROSS JOIN fetches f ON f.url = c.url
           WHERE c.page_url IN (SELECT value FROM json_each(?)) AND f.image_id IS NOT NULL""",
        json_list(row["page_url"] for row in pages),
    )
    return sorted({row["image_id"] for row in rows} - set(image_ids))


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
    ids = json_list([*image_ids, *face_ids])
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
    left = _has_any(catalog.path, [url.encode() for url in urls])
    if left:
        catalog.connection.execute("VACUUM")
        overwrite_deleted(catalog)


def _has_any(path: Path, words: Sequence[bytes]) -> bool:
    """Return whether a file has one of these words; `bytes.find` passes over most bytes, unlike `re` and `mmap`."""
    kept = max(map(len, words))
    with path.open("rb") as file:
        before = b""
        while part := file.read(_READ_AT_ONCE):
            seam = before + part[:kept]
            if any(word in part or word in seam for word in words):
                return True
            before = (before + part)[-kept:] if len(part) < kept else part[-kept:]
    return False


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
