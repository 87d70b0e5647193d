"""Queries of downloads: the URLs that wait, what became of each, and the images of a cell."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from btfer_builder.catalog.catalog import Catalog, insert, now, placeholders
from btfer_builder.catalog.searches import QueryCell
from btfer_builder.catalog.tombstones import TAKEN_DOWN, forget_url, insert_tombstone
from btfer_builder.records import Fetch, Image

#: Temporary failures: such a file is tried again by the next crawls, in up to `MAX_TRIES` crawls.
TEMPORARY = ("busy", "server_error", "timeout", "unreachable")
MAX_TRIES = 3
_TEMPORARY = ", ".join(f"'{reason}'" for reason in TEMPORARY)

#: URLs without an outcome, or with one that another crawl may change.
_OPEN = f"(f.url IS NULL OR f.reason = 'license' OR (f.reason IN ({_TEMPORARY}) AND f.tries < {MAX_TRIES}))"


@dataclass(frozen=True, slots=True)
class WaitingUrl:
    """A URL to fetch, with the language and the cell of its query.

    `address` is what is requested: the URL as it was found first; `fallback` is a smaller copy, if there is one.
    `local` marks a file on this machine that the user named, `sha1` is the digest that the engine states, `tries` the
    number of earlier crawls that tried it.
    """

    url: str
    language: str
    local: bool
    sha1: str
    tries: int
    cell: QueryCell
    address: str
    fallback: str


def waiting_urls(catalog: Catalog, engines: Sequence[str], license: Collection[str] = ()) -> list[WaitingUrl]:
    """Return the URLs of some engines that are to be fetched, each once, in the order of their first candidates.

    Parameters
    ----------
    catalog, engines
        The catalog and the engines.
    license
        Only URLs for which an engine states one of these licences; empty: all URLs.
    """
    rows = catalog.rows(
        f"""SELECT g.*, coalesce(nullif(c.found_url, ''), c.url) AS address, c.fallback_url,
                   s.language, s.emotion, s.query_ethnicity, s.query_gender, s.query_age
            FROM (
                SELECT c.url, min(c.candidate_id) AS first, max(s.engine = 'folder') AS local, max(c.sha1) AS sha1,
                       coalesce(f.tries, 0) * (f.reason IS NOT 'license') AS tries
                FROM candidates c JOIN searches s USING (search_id) LEFT JOIN fetches f USING (url)
                WHERE s.engine IN ({placeholders(engines)}) AND {_OPEN}
                  AND NOT EXISTS (SELECT 1 FROM candidates r WHERE r.url = c.url AND r.opt_out <> '')
                GROUP BY c.url {f"HAVING max(c.license IN ({placeholders(license)}))" if license else ""}) g
            JOIN candidates c ON c.candidate_id = g.first JOIN searches s USING (search_id)
            ORDER BY g.first""",
        *engines,
        *license,
    )
    return [
        WaitingUrl(
            row["url"], row["language"], bool(row["local"]), row["sha1"], row["tries"],
            QueryCell(row["emotion"], row["query_ethnicity"], row["query_gender"], row["query_age"]), row["address"],
            row["fallback_url"],
        )
        for row in rows
        if not row["url"].startswith(TAKEN_DOWN)
    ]  # fmt: skip


def settle_unfetchable(catalog: Catalog, engines: Sequence[str], license: Collection[str] = ()) -> int:
    """Commit the outcome of each URL that must not be fetched: opted out, taken down, or another licence.

    A URL with another licence is fetched by a later crawl that allows the licence. Returns the number of URLs.
    """
    rows = catalog.rows(
        f"""SELECT c.url, (SELECT max(r.opt_out) FROM candidates r WHERE r.url = c.url) AS opt_out,
                   group_concat(DISTINCT c.license) AS licenses
            FROM candidates c JOIN searches s USING (search_id) LEFT JOIN fetches f USING (url)
            WHERE s.engine IN ({placeholders(engines)}) AND {_OPEN} AND f.reason IS NOT 'license'
            GROUP BY c.url""",
        *engines,
    )
    fetches = []
    for row in rows:
        if row["opt_out"]:
            reason, detail = row["opt_out"], "stated by the engine"
        elif row["url"].startswith(TAKEN_DOWN):
            reason, detail = "taken_down", ""
        elif license and not set(row["licenses"].split(",")) & set(license):
            reason, detail = "license", row["licenses"]
        else:
            continue
        fetches.append(Fetch(row["url"], reason=reason, detail=detail, fetched_at=now()))
    add_fetches(catalog, [(fetch, None) for fetch in fetches])
    return len(fetches)


class OptedOutImage(NamedTuple):
    """An image that was fetched before an engine stated an opt-out; `used` after dedupe has hashed it."""

    image_id: str
    path: str
    url: str
    reason: str
    used: bool


def opted_out_images(catalog: Catalog) -> list[OptedOutImage]:
    """Return the images for which an engine stated an opt-out after they were fetched."""
    rows = catalog.rows(
        """SELECT i.image_id, i.path, min(f.url) AS url, max(c.opt_out) AS reason,
                  EXISTS (SELECT 1 FROM hashes h WHERE h.image_id = i.image_id) AS used
           FROM candidates c JOIN fetches f USING (url) JOIN images i USING (image_id)
           WHERE c.opt_out <> '' GROUP BY i.image_id ORDER BY i.image_id"""
    )
    return [OptedOutImage(*row) for row in rows]


def drop_images(catalog: Catalog, images: Iterable[OptedOutImage]) -> None:
    """Commit that images are dropped, for all their URLs; no other table refers to them."""
    with catalog.transaction() as db:
        for image in images:
            db.execute(
                "UPDATE fetches SET image_id = NULL, reason = ?, detail = ? WHERE image_id = ?",
                (image.reason, "stated by an engine after the download", image.image_id),
            )
            db.execute("DELETE FROM images WHERE image_id = ?", (image.image_id,))


def add_fetches(catalog: Catalog, fetched: Iterable[tuple[Fetch, Image | None]]) -> None:
    """Commit the outcomes of some URLs, which replace earlier ones, together with their images."""
    fetched = list(fetched)
    if not fetched:
        return
    with catalog.transaction() as db:
        insert(db, "images", (image for _, image in fetched if image), verb="INSERT OR IGNORE")
        insert(db, "fetches", (fetch for fetch, _ in fetched), verb="INSERT OR REPLACE")
        for fetch, _ in fetched:  # the file of one that was taken down, at another address
            if fetch.reason == "taken_down" and not fetch.url.startswith(TAKEN_DOWN):
                insert_tombstone(db, fetch.url)
                forget_url(db, fetch.url)


_IN_CELL = " AND ".join(f"s.{name} = coalesce(?, s.{name})" for name in QueryCell._fields)


def images_in_cell(catalog: Catalog, cell: QueryCell) -> set[str]:
    """Return the ids of the images of a cell, from all phrases and engines."""
    rows = catalog.rows(
        f"""SELECT DISTINCT f.image_id FROM searches s CROSS JOIN candidates c USING (search_id)
            JOIN fetches f USING (url) WHERE f.image_id IS NOT NULL AND {_IN_CELL}""",
        *cell,
    )
    return {row["image_id"] for row in rows}


def waiting_in_cell(catalog: Catalog, cell: QueryCell, engines: Sequence[str]) -> int:
    """Return how many URLs that some engines found for a cell are not fetched."""
    return int(
        catalog.value(
            f"""SELECT count(DISTINCT c.url) FROM searches s CROSS JOIN candidates c USING (search_id)
                LEFT JOIN fetches f USING (url)
                WHERE {_IN_CELL} AND s.engine IN ({placeholders(engines)}) AND f.url IS NULL AND c.opt_out = ''""",
            *cell,
            *engines,
        )
    )
