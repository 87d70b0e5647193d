"""Queries of discovery: searches, how far they have come, requests to engines, and candidates."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, NamedTuple, TypeVar

from btfer_builder.catalog.catalog import Catalog, insert
from btfer_builder.catalog.tombstones import taken_down_url, taken_down_urls, url_sha256
from btfer_builder.records import Candidate, Search


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


_COLUMNS = [field.name for field in fields(Candidate)]


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


def _anonymized(catalog: Catalog, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Remove from candidates that were taken down everything that identifies them."""
    taken_down = taken_down_urls(catalog)
    return [
        Candidate(
            candidate.rank, taken_down_url(candidate.url), license=candidate.license, opt_out=candidate.opt_out,
            found_url=candidate.found_url and taken_down_url(candidate.found_url),
        )
        if taken_down and url_sha256(candidate.url) in taken_down
        else candidate
        for candidate in candidates
    ]  # fmt: skip


Row = TypeVar("Row", Search, Candidate)


def _storable(row: Row) -> Row:
    """Replace characters without a UTF-8 form (lone surrogates, from JSON or file names): SQLite cannot store them."""
    texts: dict[str, Any] = {name: value for name, value in asdict(row).items() if isinstance(value, str)}
    return replace(row, **{name: text.encode("utf-8", "replace").decode() for name, text in texts.items()})
