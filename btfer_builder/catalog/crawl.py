"""What the crawl stage writes and asks: searches, candidates and the fate of every URL."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from btfer_builder.catalog.catalog import Catalog, insert
from btfer_builder.records import Candidate, Fetch, Image, Search


def results_asked(catalog: Catalog, search: Search) -> int:
    """Return how many results this search was already asked for; 0 if it never worked."""
    asked = catalog.value(
        "SELECT asked FROM searches WHERE engine = ? AND query = ? AND emotion = ? AND error IS NULL",
        search.engine, search.query, search.emotion,
    )  # fmt: skip
    return asked or 0


def add_search(
    catalog: Catalog, search: Search, candidates: Iterable[Candidate], asked: int, error: str | None = None
) -> int:
    """Commit a search with everything it found, and return how many candidates were new.

    A failed search keeps its error and is asked again by the next crawl.
    """
    search, candidates = _storable(search), [_storable(candidate) for candidate in candidates]
    with catalog.transaction() as db:
        insert(db, "searches", [search], verb="INSERT OR IGNORE", asked=0)
        (search_id,) = db.execute(
            "SELECT search_id FROM searches WHERE engine = ? AND query = ? AND emotion = ?",
            (search.engine, search.query, search.emotion),
        ).fetchone()
        db.execute("UPDATE searches SET asked = ?, error = ? WHERE search_id = ?", (asked, error, search_id))
        before = db.total_changes
        insert(db, "candidates", candidates, verb="INSERT OR IGNORE", search_id=search_id)
        return db.total_changes - before


@dataclass(frozen=True, slots=True)
class WaitingUrl:
    """A URL to fetch: the language of its query, and whether it is a file of this machine the user named."""

    url: str
    language: str
    local: bool


def waiting_urls(catalog: Catalog, engines: Sequence[str]) -> list[WaitingUrl]:
    """Return every URL of these engines that was not fetched yet, once each, in the order they were found."""
    rows = catalog.rows(
        f"""SELECT c.url, s.language, max(s.engine = 'folder') AS local
            FROM candidates c JOIN searches s USING (search_id)
            WHERE s.engine IN ({", ".join("?" * len(engines))})
              AND NOT EXISTS (SELECT 1 FROM fetches f WHERE f.url = c.url)
            GROUP BY c.url ORDER BY min(c.candidate_id)""",
        *engines,
    )
    return [WaitingUrl(row["url"], row["language"], bool(row["local"])) for row in rows]


def add_fetches(catalog: Catalog, fetched: Iterable[tuple[Fetch, Image | None]]) -> None:
    """Commit the fates of some URLs together with the images that came of them."""
    fetched = list(fetched)
    with catalog.transaction() as db:
        insert(db, "images", (image for _, image in fetched if image), verb="INSERT OR IGNORE")
        insert(db, "fetches", (fetch for fetch, _ in fetched), verb="INSERT OR IGNORE")


Row = TypeVar("Row", Search, Candidate)


def _storable(row: Row) -> Row:
    """Replace what has no UTF-8 form (half a character, in JSON or a file's name): SQLite refuses to hold it."""
    texts: dict[str, Any] = {name: value for name, value in asdict(row).items() if isinstance(value, str)}
    return replace(row, **{name: text.encode("utf-8", "replace").decode() for name, text in texts.items()})
