"""Ask engines for candidates, query by query, and commit each search with everything it found."""

import threading
from collections.abc import Sequence
from pathlib import Path

from btfer_builder import __version__
from btfer_builder.catalog import Catalog
from btfer_builder.catalog.crawl import add_search, results_asked
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.folder import read_folder
from btfer_builder.crawl.engines.urls import read_urls
from btfer_builder.crawl.icrawler import search_pages
from btfer_builder.emotions import Emotion
from btfer_builder.progress import bar, say
from btfer_builder.queries.phrases import Query
from btfer_builder.recipe import CrawlRecipe
from btfer_builder.records import Search

#: An engine whose first searches all fail is not asked any further.
GIVE_UP_AFTER = 3


def discover_searches(
    catalog: Catalog, queries: Sequence[Query], recipe: CrawlRecipe, stop: threading.Event
) -> list[tuple[Search, str]]:
    """Put every query to every search engine of the recipe, unless an earlier crawl did.

    Parameters
    ----------
    catalog
        Where searches and candidates go, each search in one transaction.
    queries
        The phrases, in their order.
    recipe
        Engines, base URLs, results a query and the pause between two queries.
    stop
        Set by the caller to end at once; the search under way is forgotten and asked again another time.

    Returns
    -------
    list of (Search, str)
        The searches that failed, and why.
    """
    failures: list[tuple[Search, str]] = []
    for name in (name for name in recipe.engine if name in SEARCH_ENGINES):
        searches = [_search(name, query) for query in queries]
        todo = [search for search in searches if results_asked(catalog, search) < recipe.per_query]
        failed_before = len(failures)
        with bar(len(todo), "search", "queries") as progress:
            for search in todo:
                if stop.is_set():
                    return failures
                if error := _ask(catalog, search, recipe, stop):
                    failures.append((search, error))
                progress.update()
                if len(failures) - failed_before == progress.n == GIVE_UP_AFTER:
                    say(f"{name}: its first {GIVE_UP_AFTER} searches failed; it is not asked any further")
                    break
                if progress.n < len(todo):
                    stop.wait(recipe.query_delay)
    return failures


def _ask(catalog: Catalog, search: Search, recipe: CrawlRecipe, stop: threading.Event) -> str | None:
    engine = SEARCH_ENGINES[search.engine]
    contact = f"; {recipe.contact}" if recipe.contact else ""
    candidates, error = search_pages(
        engine,
        search.query,
        offset=results_asked(catalog, search),
        limit=recipe.per_query,
        base_url=recipe.engine_url.get(engine.name),
        headers={
            # Engines answer programs they don't know with other pages; the name still says who asks.
            "User-Agent": f"Mozilla/5.0 (compatible; btfer-builder/{__version__}{contact})",
            "Accept-Language": search.language,
        },
        stop=stop,
    )
    if stop.is_set():
        return None
    add_search(catalog, search, candidates, asked=recipe.per_query, error=error)
    return error


def discover_listed(catalog: Catalog, engine: str, path: Path, emotions: tuple[Emotion, ...]) -> None:
    """Commit the candidates of a list of addresses (`urls`) or of a folder of pictures (`folder`)."""
    read = {"urls": read_urls, "folder": read_folder}[engine]
    for search, candidates in read(path, emotions):
        add_search(catalog, search, candidates, asked=len(candidates))


def _search(engine: str, query: Query) -> Search:
    return Search(
        engine=engine,
        query=query.query,
        language=query.language,
        emotion=query.emotion,
        query_ethnicity=query.query_ethnicity,
        query_gender=query.query_gender,
        query_age=query.query_age,
        expression=query.expression,
    )
