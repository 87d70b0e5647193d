"""What the crawl stage writes and asks: searches, candidates and the fate of every URL."""

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple, TypeVar

from btfer_builder.catalog.catalog import Catalog, insert, now
from btfer_builder.records import Candidate, Fetch, Image, Search

#: Reasons that may pass by themselves: such a file is tried again by the next crawls, `MAX_TRIES` of them in all.
PASSING = ("busy", "server_error", "timeout", "unreachable")
MAX_TRIES = 3

#: Begins what stands in the place of an address that was taken down; its hash follows.
_TAKEN_DOWN = "taken-down:"

_COLUMNS = [field.name for field in fields(Candidate)]
_PASSING = ", ".join(f"'{reason}'" for reason in PASSING)
#: URLs that have no fate, or one that another crawl may change.
_OPEN = f"(f.url IS NULL OR f.reason = 'license' OR (f.reason IN ({_PASSING}) AND f.tries < {MAX_TRIES}))"


class QueryCell(NamedTuple):
    """What was searched for, whatever the words: the unit of balance. None stands for any value."""

    emotion: str
    query_ethnicity: str | None
    query_gender: str | None
    query_age: str | None


def cell_of(search: Search) -> QueryCell:
    """Return the cell of a search."""
    return QueryCell(search.emotion, search.query_ethnicity, search.query_gender, search.query_age)


class SearchProgress(NamedTuple):
    """How far a search has come: results asked for, of the phrase with how many words less, and candidates found."""

    asked: int = 0
    rung: int = 0
    found: int = 0


_PROGRESS = """SELECT query, emotion, results_requested, rung,
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


def begin_rung(catalog: Catalog, search: Search, rung: int) -> None:
    """Commit that a search goes on with the first result of a phrase with fewer words."""
    with catalog.transaction() as db:
        db.execute(
            "UPDATE searches SET rung = ?, results_requested = 0 WHERE engine = ? AND query = ? AND emotion = ?",
            (rung, search.engine, search.query, search.emotion),
        )


#: Limits of engines are counted over so many seconds.
DAY = 86400.0


def requests_sent(catalog: Catalog, engine: str, account: str, since: float) -> list[float]:
    """Return the times of the requests to an engine after `since` (seconds since 1970), the first one first."""
    rows = catalog.rows(
        "SELECT sent_at FROM engine_requests WHERE engine = ? AND account = ? AND sent_at > ? ORDER BY sent_at",
        engine, account, since,
    )  # fmt: skip
    return [row[0] for row in rows]


def add_request(catalog: Catalog, engine: str, account: str, sent_at: float) -> None:
    """Commit that a request is sent, and forget those that no limit counts any more."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM engine_requests WHERE sent_at <= ?", (sent_at - DAY,))
        db.execute("INSERT INTO engine_requests VALUES (?, ?, ?)", (engine, account, sent_at))


def plan_searches(catalog: Catalog, searches: Iterable[Search]) -> None:
    """Give searches their place before they are asked, so that their order does not depend on who answers first."""
    searches = [_storable(search) for search in searches]
    with catalog.transaction() as db:
        insert(db, "searches", searches, verb="INSERT OR IGNORE", results_requested=0)


def add_search(
    catalog: Catalog,
    search: Search,
    candidates: Iterable[Candidate],
    asked: int,
    error: str | None = None,
    requests: int = 1,
) -> int:
    """Commit what a search, or a page of it, has found, and return how many candidates were new.

    Parameters
    ----------
    catalog, search
        Where, and what was asked.
    candidates
        What was found.
    asked
        Results asked for so far; the next crawl goes on there.
    error
        Why the search ended before it had all it was asked for; the next crawl asks again.
    requests
        Pages asked for.
    """
    search = _storable(search)
    candidates = _unnamed(catalog, [_storable(candidate) for candidate in candidates])
    with catalog.transaction() as db:
        insert(db, "searches", [search], verb="INSERT OR IGNORE", results_requested=0)
        (search_id,) = db.execute(
            "SELECT search_id FROM searches WHERE engine = ? AND query = ? AND emotion = ?",
            (search.engine, search.query, search.emotion),
        ).fetchone()
        db.execute(
            """UPDATE searches SET results_requested = max(results_requested, ?), error = ?, requests = requests + ?
               WHERE search_id = ?""",
            (asked, error, requests, search_id),
        )
        return _insert_candidates(db, search_id, candidates)


def _insert_candidates(db: sqlite3.Connection, search_id: int, candidates: Sequence[Candidate]) -> int:
    """Write new candidates under ids that follow search and rank; one whose rank is taken comes after the others."""
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


def fruitful_query(catalog: Catalog, engine: str) -> tuple[str, str] | None:
    """Return the phrase and the language of a search that this engine has found something for, if there is one."""
    row = catalog.connection.execute(
        """SELECT coalesce(nullif(c.asked, ''), s.query) AS query, s.language
           FROM searches s JOIN candidates c USING (search_id) WHERE s.engine = ?
           ORDER BY s.search_id DESC, c.candidate_id DESC LIMIT 1""",
        (engine,),
    ).fetchone()
    return (row["query"], row["language"]) if row else None


@dataclass(frozen=True, slots=True)
class WaitingUrl:
    """A URL to fetch, with the language of its query and the cell it is for.

    `address` is what is requested: the URL as it was found first; `fallback` is a smaller copy, if there is one.
    `local` is a file of this machine the user named, `sha1` what the engine said of it, `tries` the crawls before.
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
    """Return every URL of these engines that is still to be fetched, once each, in the order of its first candidate.

    Parameters
    ----------
    catalog, engines
        Where, and whose candidates.
    license
        Only what at least one engine stated to be under one of these; none: everything.
    """
    rows = catalog.rows(
        f"""SELECT g.*, coalesce(nullif(c.found_url, ''), c.url) AS address, c.fallback_url,
                   s.language, s.emotion, s.query_ethnicity, s.query_gender, s.query_age
            FROM (
                SELECT c.url, min(c.candidate_id) AS first, max(s.engine = 'folder') AS local, max(c.sha1) AS sha1,
                       coalesce(f.tries, 0) * (f.reason IS NOT 'license') AS tries
                FROM candidates c JOIN searches s USING (search_id) LEFT JOIN fetches f USING (url)
                WHERE s.engine IN ({_marks(engines)}) AND {_OPEN}
                  AND NOT EXISTS (SELECT 1 FROM candidates r WHERE r.url = c.url AND r.opt_out <> '')
                GROUP BY c.url {f"HAVING max(c.license IN ({_marks(license)}))" if license else ""}) g
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
    """Commit the fate of every URL that must not be fetched: refused, taken down, or under another licence.

    A URL that is only under another licence waits again as soon as a crawl asks for less.
    """
    rows = catalog.rows(
        f"""SELECT c.url, (SELECT max(r.opt_out) FROM candidates r WHERE r.url = c.url) AS opt_out,
                   group_concat(DISTINCT c.license) AS said
            FROM candidates c JOIN searches s USING (search_id) LEFT JOIN fetches f USING (url)
            WHERE s.engine IN ({_marks(engines)}) AND {_OPEN} AND f.reason IS NOT 'license'
            GROUP BY c.url""",
        *engines,
    )
    fates = []
    for row in rows:
        if row["opt_out"]:
            reason, detail = row["opt_out"], "so said the engine"
        elif row["url"].startswith(_TAKEN_DOWN):
            reason, detail = "taken_down", ""
        elif license and not set(row["said"].split(",")) & set(license):
            reason, detail = "license", row["said"]
        else:
            continue
        fates.append(Fetch(row["url"], reason=reason, detail=detail, fetched_at=now()))
    add_fetches(catalog, [(fate, None) for fate in fates])
    return len(fates)


class RefusedImage(NamedTuple):
    """An image that was fetched before an engine said its owner refuses; `used` once dedupe has seen it."""

    image_id: str
    path: str
    url: str
    reason: str
    used: bool


def refused_images(catalog: Catalog) -> list[RefusedImage]:
    """Return the images that must not have been fetched, as another engine said afterwards."""
    rows = catalog.rows(
        """SELECT i.image_id, i.path, min(f.url) AS url, max(c.opt_out) AS reason,
                  EXISTS (SELECT 1 FROM hashes h WHERE h.image_id = i.image_id) AS used
           FROM candidates c JOIN fetches f USING (url) JOIN images i USING (image_id)
           WHERE c.opt_out <> '' GROUP BY i.image_id ORDER BY i.image_id"""
    )
    return [RefusedImage(*row) for row in rows]


def take_back(catalog: Catalog, images: Iterable[RefusedImage]) -> None:
    """Commit that images nothing was made of yet are dropped, whatever address they came from."""
    with catalog.transaction() as db:
        for image in images:
            db.execute(
                "UPDATE fetches SET image_id = NULL, reason = ?, detail = ? WHERE image_id = ?",
                (image.reason, "so said an engine after it was fetched", image.image_id),
            )
            db.execute("DELETE FROM images WHERE image_id = ?", (image.image_id,))


def add_fetches(catalog: Catalog, fetched: Iterable[tuple[Fetch, Image | None]]) -> None:
    """Commit the fates of some URLs, in place of earlier ones, together with the images that came of them."""
    fetched = list(fetched)
    if not fetched:
        return
    with catalog.transaction() as db:
        insert(db, "images", (image for _, image in fetched if image), verb="INSERT OR IGNORE")
        insert(db, "fetches", (fetch for fetch, _ in fetched), verb="INSERT OR REPLACE")


def images_in_cell(catalog: Catalog, cell: QueryCell) -> set[str]:
    """Return the ids of the images that were found for a cell, by whatever words and engines."""
    rows = catalog.rows(
        f"""SELECT DISTINCT f.image_id FROM searches s CROSS JOIN candidates c USING (search_id)
            JOIN fetches f USING (url) WHERE f.image_id IS NOT NULL AND {_IN_CELL}""",
        *cell,
    )
    return {row["image_id"] for row in rows}


def waiting_in_cell(catalog: Catalog, cell: QueryCell, engines: Sequence[str]) -> int:
    """Return how many URLs these engines found for a cell that nobody has asked for yet."""
    return int(
        catalog.value(
            f"""SELECT count(DISTINCT c.url) FROM searches s CROSS JOIN candidates c USING (search_id)
                LEFT JOIN fetches f USING (url)
                WHERE {_IN_CELL} AND s.engine IN ({_marks(engines)}) AND f.url IS NULL AND c.opt_out = ''""",
            *cell,
            *engines,
        )
    )


_IN_CELL = " AND ".join(f"s.{name} = coalesce(?, s.{name})" for name in QueryCell._fields)


def buried_images(catalog: Catalog) -> frozenset[str]:
    """Return the ids of images that were taken down and must not come back."""
    return _buried(catalog, "image_id")


def url_sha256(url: str) -> str:
    """Return what a tombstone keeps of an address."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


def taken_down_url(url: str) -> str:
    """Return what stands in the place of an address that was taken down."""
    return url if url.startswith(_TAKEN_DOWN) else f"{_TAKEN_DOWN}{url_sha256(url)}"


def _unnamed(catalog: Catalog, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates without a word on those that were taken down: found again, they stay nameless."""
    buried = _buried(catalog, "url_sha256")
    return [
        Candidate(
            candidate.rank, taken_down_url(candidate.url), license=candidate.license, opt_out=candidate.opt_out,
            found_url=candidate.found_url and taken_down_url(candidate.found_url),
        )
        if buried and url_sha256(candidate.url) in buried
        else candidate
        for candidate in candidates
    ]  # fmt: skip


def _buried(catalog: Catalog, column: str) -> frozenset[str]:
    return frozenset(row[0] for row in catalog.rows(f"SELECT {column} FROM tombstones WHERE {column} <> ''"))


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


Row = TypeVar("Row", Search, Candidate)


def _storable(row: Row) -> Row:
    """Replace what has no UTF-8 form (half a character, in JSON or a file's name): SQLite refuses to hold it."""
    texts: dict[str, Any] = {name: value for name, value in asdict(row).items() if isinstance(value, str)}
    return replace(row, **{name: text.encode("utf-8", "replace").decode() for name, text in texts.items()})
