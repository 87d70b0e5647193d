"""Ask search engines for candidates, query by query, and commit each result page with its candidates."""

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
    images_in_cell,
    plan_searches,
    query_with_results,
    results_requested,
    waiting_in_cell,
)
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.download import CrawlCounts
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.base import (
    NothingParsedError,
    SearchEngine,
    SearchError,
    SearchRequest,
    search_pages,
)
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

#: After so many failures in a row, an engine gets no more searches in this crawl.
MAX_FAILURES = 3
#: A query for which every engine has results.
CANARY = "smiling face"


@dataclass
class EngineQueue:
    """Pending searches of one engine in this crawl, and its failures."""

    engine: SearchEngine
    recipe: CrawlRecipe
    rate_limiter: RateLimiter
    pending: deque[Search]
    failures: list[tuple[Search, str]] = field(default_factory=list)
    failures_in_a_row: int = 0
    #: Why the engine gets no more searches, and the number of searches that were skipped.
    closed: str = ""
    skipped: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def discover_searches(
    catalog: Catalog,
    queries: Sequence[Query],
    recipe: CrawlRecipe,
    stop: threading.Event,
    counts: CrawlCounts,
) -> list[EngineQueue]:
    """Send every query to every search engine of the recipe, unless an earlier crawl did.

    Engines are asked in parallel, each within its own rate limit. An interrupted search continues at the page where it
    stopped.

    Parameters
    ----------
    catalog
        Catalog for searches and candidates; each page is one transaction.
    queries
        Search phrases in their order.
    recipe
        Engines, base URLs, results per query, rate limits, licences and target.
    stop
        Set by the caller to stop at once.
    counts
        Counts of searches, updated here.

    Returns
    -------
    list of EngineQueue
        The engines, with their failed searches.
    """
    everyone = []
    for engine in (SEARCH_ENGINES[name] for name in dict.fromkeys(recipe.engine) if name in SEARCH_ENGINES):
        searches = [_search(engine.name, query) for query in queries]
        plan_searches(catalog, searches)
        todo = deque(search for search in searches if results_requested(catalog, search) < recipe.per_query)
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


def _work(catalog: Catalog, queue: EngineQueue, stop: threading.Event, counts: CrawlCounts) -> None:
    """Run one search after another, in one of several threads of an engine."""
    session = page_session(queue.engine, queue.recipe, queue.rate_limiter, stop)
    while search := _next_search(catalog, queue, stop, counts):
        session.headers["Accept-Language"] = search.language or "*"
        error = _run_search(catalog, queue, search, session, counts)
        if stop.is_set():
            return
        counts.add(searched=1)
        _record_result(queue, search, error)
        if session.stuck:
            session = page_session(queue.engine, queue.recipe, queue.rate_limiter, stop)
    session.close()


def _record_result(queue: EngineQueue, search: Search, error: SearchError | None) -> None:
    """Record the failure, and close the queue of an engine that keeps failing or asks for a long pause."""
    with queue.lock:
        queue.failures_in_a_row = queue.failures_in_a_row + 1 if error else 0
        if error:
            queue.failures.append((search, str(error)))
        if queue.closed or not error:
            return
        if (error.pause or 0) > queue.recipe.max_wait:
            queue.closed = f"it asks for a pause of {_duration(error.pause or 0)}"
            if queue.engine.token and not os.environ.get(queue.engine.token):
                queue.closed += f" (shorter with {queue.engine.token})"
        elif queue.failures_in_a_row >= MAX_FAILURES:
            queue.closed = f"{MAX_FAILURES} searches in a row failed"
        else:
            return
        queue.skipped = len(queue.pending)
        queue.pending.clear()
        echo_stderr(f"{queue.engine.name}: {queue.closed}; it gets no more searches in this crawl")


def _next_search(
    catalog: Catalog, queue: EngineQueue, stop: threading.Event, counts: CrawlCounts
) -> Search | None:
    """Return the next search whose cell needs more images, or None; wait while waiting downloads may decide that."""
    if not queue.recipe.target:
        with queue.lock:
            return None if stop.is_set() or not queue.pending else queue.pending.popleft()
    while not stop.is_set():
        with queue.lock:
            if search := _pop_needed(catalog, queue, counts):
                return search
            if not queue.pending:
                return None
        stop.wait(0.1)
    return None


def _pop_needed(catalog: Catalog, queue: EngineQueue, counts: CrawlCounts) -> Search | None:
    """Remove and return the first search whose cell misses the target even if all its waiting URLs are kept."""
    target, engines = queue.recipe.target, queue.recipe.engine
    no_downloads = counts.idle >= 3
    known: dict[QueryCell, tuple[int, int]] = {}
    for search in list(queue.pending):
        cell = cell_of(search)
        if cell not in known:
            known[cell] = len(images_in_cell(catalog, cell)), waiting_in_cell(catalog, cell, engines)
        images, waiting = known[cell]
        if images >= target:
            queue.pending.remove(search)
            counts.add(to_search=-1)
        elif no_downloads or images + waiting < target:
            queue.pending.remove(search)
            return search
    return None


def _run_search(
    catalog: Catalog, queue: EngineQueue, search: Search, session: PageSession, counts: CrawlCounts
) -> SearchError | None:
    """Run one search, commit it page by page, and return the error that ended it early, or None."""
    engine, recipe = queue.engine, queue.recipe
    request = SearchRequest(search.query, search.language, recipe.license)
    base_url = recipe.engine_url.get(engine.name)
    retried = False
    while True:
        offset = results_requested(catalog, search)
        try:
            for page in search_pages(
                engine, request, session, offset=offset, limit=recipe.per_query, base_url=base_url
            ):
                add_search(catalog, search, map(with_canonical_url, page.candidates), requested=page.next)
                counts.idle = 0  # there may be new files to fetch
        except NothingParsedError as error:
            if retried:  # empty twice, and the engine gave results in between
                add_search(catalog, search, [], requested=recipe.per_query)
                return None
            if _still_answers(catalog, queue, request, session, first=results_requested(catalog, search)):
                retried = True
                continue
            failure: SearchError = error
        except SearchError as error:
            failure = error
        else:
            return None
        if not session.stop.is_set():
            add_search(catalog, search, [], requested=0, error=str(failure))
        return failure


def _still_answers(
    catalog: Catalog, queue: EngineQueue, request: SearchRequest, session: PageSession, *, first: int
) -> bool:
    """Return whether an engine still gives results for a query that must have some.

    A page without results may mean the end, a captcha or a changed page format. The first page of this search, or else
    a query that had results before, shows which.
    """
    query, language = request.query, request.language
    if not first:
        query, language = query_with_results(catalog, queue.engine.name) or (CANARY, "en")
    known = SearchRequest(query, language, request.license)
    base_url = queue.recipe.engine_url.get(queue.engine.name)
    try:
        return any(
            page.candidates for page in search_pages(queue.engine, known, session, limit=1, base_url=base_url)
        )
    except SearchError:
        return False


def discover_listed(catalog: Catalog, engine: str, path: Path, emotions: tuple[Emotion, ...]) -> None:
    """Commit the candidates of a list of URLs (`urls`) or of a folder of pictures (`folder`)."""
    read = {"urls": read_urls, "folder": read_folder}[engine]
    for search, candidates in read(path, emotions):
        canonical: Iterable[Candidate] = (with_canonical_url(with_code(item)) for item in candidates)
        add_search(catalog, search, canonical, requested=len(candidates))


def with_canonical_url(candidate: Candidate) -> Candidate:
    """Return the candidate with its canonical URL."""
    url = canonical_url(candidate.url)
    return candidate if url == candidate.url else replace(candidate, url=url, found_url=candidate.url)


def page_session(
    engine: SearchEngine, recipe: CrawlRecipe, rate_limiter: RateLimiter, stop: threading.Event
) -> PageSession:
    """Return a session for an engine with our user agent, and its token if there is one."""
    agent = user_agent(__version__, recipe.contact)
    if engine.browser:
        agent = f"Mozilla/5.0 (compatible; {agent.replace(' (', '; ').removesuffix(')')})"
    headers = {"User-Agent": agent}
    own = engine.name not in recipe.engine_url  # the token is sent to no other host
    if engine.token and own and (token := os.environ.get(engine.token)):
        headers["Authorization"] = f"Bearer {token}"
    return PageSession(
        headers, rate_limiter, stop, max_wait=recipe.max_wait, gentle=page_pause(engine, recipe) > 0
    )


def page_pause(engine: SearchEngine, recipe: CrawlRecipe) -> float:
    """Return the seconds between two pages of an engine: its own pause or a longer setting; 0 on loopback."""
    url = recipe.engine_url.get(engine.name)
    try:
        if url and is_loopback(urlsplit(url).hostname or ""):
            return 0.0
    except ValueError:  # "http://[": the request reports it
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
