"""Ask engines for candidates, query by query, and commit each page with everything it found."""

import os
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from btfer_builder import __version__
from btfer_builder.catalog import Catalog
from btfer_builder.catalog.crawl import (
    QueryCell,
    add_search,
    cell_of,
    fruitful_query,
    images_in_cell,
    plan_searches,
    results_asked,
    waiting_in_cell,
)
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.counts import Counts
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.base import Ask, NothingParsedError, SearchEngine, SearchError, search_pages
from btfer_builder.crawl.engines.folder import read_folder
from btfer_builder.crawl.engines.urls import read_urls
from btfer_builder.crawl.licenses import with_code
from btfer_builder.crawl.rate_limit import RateLimiter, user_agent
from btfer_builder.crawl.result_pages import PageSession
from btfer_builder.crawl.ssrf_guard import is_loopback
from btfer_builder.crawl.urls import canonical_url
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import Emotion
from btfer_builder.queries.phrases import Query
from btfer_builder.records import Candidate, Search

#: An engine with so many failures in a row is not asked any further in this crawl.
GIVE_UP_AFTER = 3
#: What every engine has pictures of.
CANARY = "smiling face"


@dataclass
class EngineQueue:
    """One engine in this crawl: the searches still to be put to it, and what went wrong."""

    engine: SearchEngine
    recipe: CrawlRecipe
    pace: RateLimiter
    todo: deque[Search]
    failures: list[tuple[Search, str]] = field(default_factory=list)
    in_a_row: int = 0
    #: Why it is not asked any further, and how many searches that leaves.
    closed: str = ""
    left: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def discover_searches(
    catalog: Catalog,
    queries: Sequence[Query],
    recipe: CrawlRecipe,
    stop: threading.Event,
    counts: Counts,
) -> list[EngineQueue]:
    """Put every query to every search engine of the recipe, unless an earlier crawl did.

    Engines are asked side by side, each at its own pace; a search that was interrupted goes on at the page where it
    was.

    Parameters
    ----------
    catalog
        Where searches and candidates go, each page in one transaction.
    queries
        The phrases, in their order.
    recipe
        Engines, base URLs, results a query, pace, licences, and how much is enough.
    stop
        Set by the caller to end at once.
    counts
        Searches are counted here.

    Returns
    -------
    list of Asked
        The engines, with the searches that failed and why.
    """
    everyone = []
    for engine in (SEARCH_ENGINES[name] for name in dict.fromkeys(recipe.engine) if name in SEARCH_ENGINES):
        searches = [_search(engine.name, query) for query in queries]
        plan_searches(catalog, searches)
        todo = deque(search for search in searches if results_asked(catalog, search) < recipe.per_query)
        counts.add(to_search=len(todo))
        everyone.append(EngineQueue(engine, recipe, RateLimiter(page_pause(engine, recipe)), todo))
    with ThreadPoolExecutor(max(1, len(everyone) * recipe.concurrent_searches)) as threads:
        work = [
            threads.submit(_work, catalog, asked, stop, counts)
            for asked in everyone
            for _ in range(recipe.concurrent_searches)
        ]
    for done in work:
        done.result()
    return everyone


def _work(catalog: Catalog, asked: EngineQueue, stop: threading.Event, counts: Counts) -> None:
    """Ask one search after the other; several threads do so for an engine."""
    session = page_session(asked.engine, asked.recipe, asked.pace, stop)
    while search := _next_search(catalog, asked, stop, counts):
        session.headers["Accept-Language"] = search.language or "*"
        error = _ask(catalog, asked, search, session, counts)
        if stop.is_set():
            return
        counts.add(searched=1)
        _note(asked, search, error)
        if session.stuck:
            session = page_session(asked.engine, asked.recipe, asked.pace, stop)
    session.close()


def _note(asked: EngineQueue, search: Search, error: SearchError | None) -> None:
    """Keep what went wrong, and leave an engine alone that only fails or asks for a long pause."""
    with asked.lock:
        asked.in_a_row = asked.in_a_row + 1 if error else 0
        if error:
            asked.failures.append((search, str(error)))
        if asked.closed or not error:
            return
        if (error.pause or 0) > asked.recipe.max_wait:
            asked.closed = f"it asks for a pause of {_duration(error.pause or 0)}"
            if asked.engine.token and not os.environ.get(asked.engine.token):
                asked.closed += f" (less for those who set {asked.engine.token})"
        elif asked.in_a_row >= GIVE_UP_AFTER:
            asked.closed = f"{GIVE_UP_AFTER} searches in a row failed"
        else:
            return
        asked.left = len(asked.todo)
        asked.todo.clear()
        echo_stderr(f"{asked.engine.name}: {asked.closed}; it is not asked any further")


def _next_search(
    catalog: Catalog, asked: EngineQueue, stop: threading.Event, counts: Counts
) -> Search | None:
    """Return the next search whose cell needs more, and None when there is none; wait while that is not clear."""
    if not asked.recipe.target:
        with asked.lock:
            return None if stop.is_set() or not asked.todo else asked.todo.popleft()
    while not stop.is_set():
        with asked.lock:
            if search := _needed(catalog, asked, counts):
                return search
            if not asked.todo:
                return None
        stop.wait(0.1)
    return None


def _needed(catalog: Catalog, asked: EngineQueue, counts: Counts) -> Search | None:
    """Take the first search out of the list whose cell has too little, even if all that waits for it is kept."""
    target, engines = asked.recipe.target, asked.recipe.engine
    nothing_comes = counts.idle >= 3
    known: dict[QueryCell, tuple[int, int]] = {}
    for search in list(asked.todo):
        cell = cell_of(search)
        if cell not in known:
            known[cell] = len(images_in_cell(catalog, cell)), waiting_in_cell(catalog, cell, engines)
        images, waiting = known[cell]
        if images >= target:
            asked.todo.remove(search)
            counts.add(to_search=-1)
        elif nothing_comes or images + waiting < target:
            asked.todo.remove(search)
            return search
    return None


def _ask(
    catalog: Catalog, asked: EngineQueue, search: Search, session: PageSession, counts: Counts
) -> SearchError | None:
    """Ask one search, committing page by page, and return why it ended early, if it did."""
    engine, recipe = asked.engine, asked.recipe
    ask = Ask(search.query, search.language, recipe.license)
    base_url = recipe.engine_url.get(engine.name)
    doubted = False
    while True:
        offset = results_asked(catalog, search)
        try:
            for page in search_pages(
                engine, ask, session, offset=offset, limit=recipe.per_query, base_url=base_url
            ):
                add_search(catalog, search, map(ready, page.candidates), asked=page.next)
                counts.idle = 0  # there may be something to fetch again
        except NothingParsedError as error:
            if doubted:  # twice, and the engine was all right in between
                add_search(catalog, search, [], asked=recipe.per_query)
                return None
            if _speaks(catalog, asked, ask, session, first=results_asked(catalog, search)):
                doubted = True
                continue
            failure: SearchError = error
        except SearchError as error:
            failure = error
        else:
            return None
        if not session.stop.is_set():
            add_search(catalog, search, [], asked=0, error=str(failure))
        return failure


def _speaks(catalog: Catalog, asked: EngineQueue, ask: Ask, session: PageSession, *, first: int) -> bool:
    """Return whether an engine still gives results where it must have some.

    Pages without a result may mean an end, a captcha or another form. What this very search, or else another one, has
    found results for tells which.
    """
    query, language = ask.query, ask.language
    if not first:
        query, language = fruitful_query(catalog, asked.engine.name) or (CANARY, "en")
    known = Ask(query, language, ask.license)
    base_url = asked.recipe.engine_url.get(asked.engine.name)
    try:
        return any(
            page.candidates for page in search_pages(asked.engine, known, session, limit=1, base_url=base_url)
        )
    except SearchError:
        return False


def discover_listed(catalog: Catalog, engine: str, path: Path, emotions: tuple[Emotion, ...]) -> None:
    """Commit the candidates of a list of addresses (`urls`) or of a folder of pictures (`folder`)."""
    read = {"urls": read_urls, "folder": read_folder}[engine]
    for search, candidates in read(path, emotions):
        found: Iterable[Candidate] = (ready(with_code(candidate)) for candidate in candidates)
        add_search(catalog, search, found, asked=len(candidates))


def ready(candidate: Candidate) -> Candidate:
    """Return a candidate under its canonical address."""
    url = canonical_url(candidate.url)
    return candidate if url == candidate.url else replace(candidate, url=url, found_url=candidate.url)


def page_session(
    engine: SearchEngine, recipe: CrawlRecipe, pace: RateLimiter, stop: threading.Event
) -> PageSession:
    """Return a session that asks an engine by our name, with its token if there is one."""
    agent = user_agent(__version__, recipe.contact)
    if engine.browser:
        agent = f"Mozilla/5.0 (compatible; {agent.replace(' (', '; ').removesuffix(')')})"
    headers = {"User-Agent": agent}
    own = engine.name not in recipe.engine_url  # nobody else is given the token
    if engine.token and own and (token := os.environ.get(engine.token)):
        headers["Authorization"] = f"Bearer {token}"
    return PageSession(headers, pace, stop, max_wait=recipe.max_wait, gentle=page_pause(engine, recipe) > 0)


def page_pause(engine: SearchEngine, recipe: CrawlRecipe) -> float:
    """Return the seconds between two pages of an engine: what it asks for, or more; none if it is on loopback."""
    url = recipe.engine_url.get(engine.name)
    try:
        if url and is_loopback(urlsplit(url).hostname or ""):
            return 0.0
    except ValueError:  # "http://[": asking it will say so
        pass
    own = engine.token_pause if engine.token and os.environ.get(engine.token) else engine.pause
    return max(own, recipe.query_delay)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"


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
