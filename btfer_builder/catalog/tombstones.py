"""Addresses that were taken down: their hashes, and forgetting what the catalog has of one."""

import hashlib
import sqlite3

from btfer_builder.catalog.catalog import Catalog, insert, now
from btfer_builder.catalog.intentions import ERASED, record
from btfer_builder.records import Fetch

#: Prefix of the text that replaces the URL of an image that was taken down; the hash of the URL follows.
TAKEN_DOWN = "taken-down:"


def url_sha256(url: str) -> str:
    """Return the SHA-256 of a URL, as a tombstone stores it."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


def taken_down_url(url: str) -> str:
    """Return the text that replaces the URL of an image that was taken down."""
    return url if url.startswith(TAKEN_DOWN) else f"{TAKEN_DOWN}{url_sha256(url)}"


def taken_down_images(catalog: Catalog) -> frozenset[str]:
    """Return the ids of images that were taken down."""
    return _tombstoned(catalog, "image_id")


def taken_down_urls(catalog: Catalog) -> frozenset[str]:
    """Return the hashes (`url_sha256`) of URLs that were taken down."""
    return _tombstoned(catalog, "url_sha256")


def insert_tombstone(db: sqlite3.Connection, url: str) -> None:
    """Add a tombstone for another address of a picture that was taken down."""
    db.execute(
        "INSERT INTO tombstones (url_sha256, taken_down_at, reason) VALUES (?, ?, 'another address of it')",
        (url_sha256(url), now()),
    )


def forget_url(db: sqlite3.Connection, url: str) -> None:
    """Remove an address and what was said of its file; its candidates stay in the counts as `taken_down`."""
    rows = db.execute("SELECT candidate_id, found_url FROM candidates WHERE url = ?", (url,)).fetchall()
    for row in rows:
        found = taken_down_url(row["found_url"]) if row["found_url"] else ""
        db.execute(
            """UPDATE candidates SET url = ?, found_url = ?, page_url = '', title = '', license_url = '', creator = '',
               attribution = '', sha1 = '', restrictions = '', fallback_url = '' WHERE candidate_id = ?""",
            (taken_down_url(url), found, row["candidate_id"]),
        )
    db.execute("DELETE FROM fetches WHERE url = ?", (url,))
    record(db, "crawl", ERASED)
    fate = Fetch(taken_down_url(url), reason="taken_down", fetched_at=now())
    insert(db, "fetches", [fate], verb="INSERT OR REPLACE")


def _tombstoned(catalog: Catalog, column: str) -> frozenset[str]:
    return frozenset(row[0] for row in catalog.rows(f"SELECT {column} FROM tombstones WHERE {column} <> ''"))
