"""Queries of the crawl stage: searches, candidates, and the outcome for each URL."""

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple, TypeVar

from btfer_builder.catalog.catalog import Catalog, insert, now, placeholders
from btfer_builder.catalog.intentions import ERASED, record
from btfer_builder.records import Candidate, Fetch, Image, Search

#: Temporary failures: such a file is tried again by the next crawls, in up to `MAX_TRIES` crawls.
TEMPORARY = ("busy", "server_error", "timeout", "unreachable")
MAX_TRIES = 3

#: Prefix of the text that replaces the URL of an image that was taken down; the hash of the URL follows.
_TAKEN_DOWN = "taken-down:"

_COLUMNS = [field.name for field in fields(Candidate)]
_TEMPORARY = ", ".join(f"'{reason}'" for reason in TEMPORARY)
#: URLs without an outcome, or with one that another crawl may change.
_OPEN = f"(f.url IS NULL OR f.reason = 'license' OR (f.reason IN ({_TEMPORARY}) AND f.tries < {MAX_TRIES}))"


class QueryCell(NamedTuple):
    """What was searched for, independent of wording and language: the unit of balance. None is any value."""

    emotion: str
    query_ethnicity: str | None
    query_gender: str | None
    query_age: str | None


def cell_of(search: Search) -> QueryCell:
    """Return the cell of a search."""
    return QueryCell(search.emotion, search.query_ethnicity, search.query_gender, search.query_age)


class SearchProgress(NamedTuple):
    """How far a search has come: results requested, which shorter phrase (0: the whole one), candidates found."""

    requested: int = 0
    simplification: int = 0
    found: int = 0


_PROGRESS = """SELECT query, emotion, results_requested, simplification,
    (SELECT count(*) FROM candidates c WHERE c.search_id = s.search_id) AS found FROM searches s WHERE engine = ?"""


def search_progress(catalog: Catalog, search: Search) -> SearchProgress:
    """Return where a search goes on."""
    rows = catalog.rows(
        f"{_PROGRESS} AND query = ? AND emotion = ?", search.engine, search.query, search.emotion
    )
    return SearchProgress(*rows[0][2:]) if rows else SearchProgress()


def all_progress(catalog: Catalog, engine: str) -> dict[tuple[str, str], SearchProgress]:
    """Return where the searches of an engine go on, by their phrase and emotion."""
    return {(row[0], row[1]): SearchProgress(*row[2:]) for row in catalog.rows(_PROGRESS, engine)}


def begin_simplification(catalog: Catalog, search: Search, simplification: int) -> None:
    """Commit that a search goes on with the first result of a phrase with fewer words."""
    with catalog.transaction() as db:
        db.execute(
            """UPDATE searches SET simplification = ?, results_requested = 0
               WHERE engine = ? AND query = ? AND emotion = ?""",
            (simplification, search.engine, search.query, search.emotion),
        )


#: Limits of engines are counted over so many seconds.
DAY = 86400.0


def requests_sent(catalog: Catalog, engine: str, account: str, since: float) -> list[float]:
    """Return the times of the requests to an engine after `since` (seconds since 1970), the first one first.

    Times more than a day ahead of now come from a clock that was wrong, and would block the engine until then.
    """
    rows = catalog.rows(
        """SELECT sent_at FROM engine_requests WHERE engine = ? AND account = ? AND sent_at > ? AND sent_at < ?
           ORDER BY sent_at""",
        engine, account, since, since + 2 * DAY,
    )  # fmt: skip
    return [row[0] for row in rows]


def add_request(catalog: Catalog, engine: str, account: str, sent_at: float) -> None:
    """Commit that a request is sent, and forget those that no limit counts any more."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM engine_requests WHERE sent_at <= ?", (sent_at - DAY,))
        db.execute("INSERT INTO engine_requests VALUES (?, ?, ?)", (engine, account, sent_at))


def plan_searches(catalog: Catalog, searches: Iterable[Search]) -> None:
    """Insert searches before they are sent, so that their ids do not depend on which engine answers first."""
    searches = [_storable(search) for search in searches]
    with catalog.transaction() as db:
        insert(db, "searches", searches, verb="INSERT OR IGNORE", results_requested=0)


def add_search(
    catalog: Catalog,
    search: Search,
    candidates: Iterable[Candidate],
    requested: int,
    error: str | None = None,
    requests: int = 1,
) -> int:
    """Commit the results of a search, or of a page of it, and return the number of new candidates.

    Parameters
    ----------
    catalog, search
        The catalog and the search.
    candidates
        The results.
    requested
        Number of results requested so far; the next crawl continues there.
    error
        Why the search ended early; the next crawl repeats it.
    requests
        Number of pages requested.
    """
    search = _storable(search)
    candidates = _anonymized(catalog, [_storable(candidate) for candidate in candidates])
    with catalog.transaction() as db:
        insert(db, "searches", [search], verb="INSERT OR IGNORE", results_requested=0)
        (search_id,) = db.execute(
            "SELECT search_id FROM searches WHERE engine = ? AND query = ? AND emotion = ?",
            (search.engine, search.query, search.emotion),
        ).fetchone()
        db.execute(
            """UPDATE searches SET results_requested = max(results_requested, ?), error = ?, requests = requests + ?
               WHERE search_id = ?""",
            (requested, error, requests, search_id),
        )
        return _insert_candidates(db, search_id, candidates)


def _insert_candidates(db: sqlite3.Connection, search_id: int, candidates: Sequence[Candidate]) -> int:
    """Insert new candidates with ids by search and rank; one whose rank is taken comes after the others."""
    if not candidates:
        return 0
    taken = db.execute(
        "SELECT candidate_id, url, found_url FROM candidates WHERE search_id = ?", (search_id,)
    ).fetchall()
    ids = {row["candidate_id"] for row in taken}
    known = {(row["url"], row["found_url"]) for row in taken}
    base, rows = search_id << 32, []
    for candidate in candidates:
        if (candidate.url, candidate.found_url) in known:
            continue
        candidate_id = base + candidate.rank
        if candidate_id in ids:
            candidate_id = max(ids) + 1
        ids.add(candidate_id)
        known.add((candidate.url, candidate.found_url))
        rows.append((candidate_id, search_id, *(getattr(candidate, name) for name in _COLUMNS)))
    db.executemany(
        f"INSERT INTO candidates (candidate_id, search_id, {', '.join(_COLUMNS)}) "
        f"VALUES ({', '.join('?' * (len(_COLUMNS) + 2))})",
        rows,
    )
    return len(rows)


#: What the owner of pictures states about them.
_STATED = ("page_url", "license", "license_url", "creator", "attribution", "consent")


def restate_sources(catalog: Catalog, search: Search, candidates: Iterable[Candidate]) -> None:
    """Commit what is now stated about candidates of an earlier crawl; where nothing is stated, nothing changes."""
    search = _storable(search)
    bare = Candidate(0, "")
    stated = [
        (*(getattr(each, name) for name in _STATED), search.query, search.emotion, each.url)
        for each in map(_storable, candidates)
        if any(getattr(each, name) != getattr(bare, name) for name in _STATED)
    ]
    with catalog.transaction() as db:
        db.executemany(
            f"""UPDATE candidates SET {", ".join(f"{name} = ?" for name in _STATED)}
                WHERE search_id = (SELECT search_id FROM searches
                                   WHERE engine = 'folder' AND query = ? AND emotion = ?) AND url = ?""",
            stated,
        )


def query_with_results(catalog: Catalog, engine: str) -> tuple[str, str] | None:
    """Return phrase and language of the latest search with results on an engine; None if there is none."""
    row = catalog.connection.execute(
        """SELECT coalesce(nullif(c.query_sent, ''), s.query) AS query, s.language
           FROM searches s JOIN candidates c USING (search_id) WHERE s.engine = ?
           ORDER BY s.search_id DESC, c.candidate_id DESC LIMIT 1""",
        (engine,),
    ).fetchone()
    return (row["query"], row["language"]) if row else None


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
        if not row["url"].startswith(_TAKEN_DOWN)
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
        elif row["url"].startswith(_TAKEN_DOWN):
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
            if fetch.reason == "taken_down" and not fetch.url.startswith(_TAKEN_DOWN):
                _insert_tombstone(db, fetch.url)
                forget_url(db, fetch.url)


def _insert_tombstone(db: sqlite3.Connection, url: str) -> None:
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


_IN_CELL = " AND ".join(f"s.{name} = coalesce(?, s.{name})" for name in QueryCell._fields)


def taken_down_images(catalog: Catalog) -> frozenset[str]:
    """Return the ids of images that were taken down."""
    return _tombstoned(catalog, "image_id")


def url_sha256(url: str) -> str:
    """Return the SHA-256 of a URL, as a tombstone stores it."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


def taken_down_url(url: str) -> str:
    """Return the text that replaces the URL of an image that was taken down."""
    return url if url.startswith(_TAKEN_DOWN) else f"{_TAKEN_DOWN}{url_sha256(url)}"


def _anonymized(catalog: Catalog, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Remove from candidates that were taken down everything that identifies them."""
    taken_down = _tombstoned(catalog, "url_sha256")
    return [
        Candidate(
            candidate.rank, taken_down_url(candidate.url), license=candidate.license, opt_out=candidate.opt_out,
            found_url=candidate.found_url and taken_down_url(candidate.found_url),
        )
        if taken_down and url_sha256(candidate.url) in taken_down
        else candidate
        for candidate in candidates
    ]  # fmt: skip


def _tombstoned(catalog: Catalog, column: str) -> frozenset[str]:
    return frozenset(row[0] for row in catalog.rows(f"SELECT {column} FROM tombstones WHERE {column} <> ''"))


Row = TypeVar("Row", Search, Candidate)


def _storable(row: Row) -> Row:
    """Replace characters without a UTF-8 form (lone surrogates, from JSON or file names): SQLite cannot store them."""
    texts: dict[str, Any] = {name: value for name, value in asdict(row).items() if isinstance(value, str)}
    return replace(row, **{name: text.encode("utf-8", "replace").decode() for name, text in texts.items()})
