"""Ask search engines for candidates, query by query, and commit each result page with its candidates."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from btfer_builder import __version__
from btfer_builder.catalog import Catalog
from btfer_builder.catalog.searches import (
    add_search,
    begin_simplification,
    plan_searches,
    query_with_results,
    restate_sources,
    search_progress,
)
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.download import CrawlCounts
from btfer_builder.crawl.engine_access import BudgetSpentError, EngineAccess, local_time
from btfer_builder.crawl.engine_queue import (
    EngineQueue,
    close_queue,
    next_search,
    record_result,
    refuse_decoys,
)
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.base import (
    NothingParsedError,
    SearchEngine,
    SearchError,
    SearchRequest,
    search_pages,
)
from btfer_builder.crawl.engines.folder import read_folder
from btfer_builder.crawl.engines.own_sources import OwnSource
from btfer_builder.crawl.engines.urls import ListOptions, read_urls
from btfer_builder.crawl.licenses import with_code
from btfer_builder.crawl.plan import PlannedSearch, account_hint, engine_access, planned_searches
from btfer_builder.crawl.rate_limit import Clock, user_agent
from btfer_builder.crawl.result_pages import PageSession
from btfer_builder.crawl.targets import Targets
from btfer_builder.crawl.urls import canonical_url
from btfer_builder.labels import Emotion
from btfer_builder.queries.phrases import Query
from btfer_builder.records import Candidate, Search

#: A query for which every engine has results.
CANARY = "smiling face"


def discover_searches(
    catalog: Catalog,
    queries: Sequence[Query],
    recipe: CrawlRecipe,
    stop: threading.Event,
    counts: CrawlCounts,
    clock: Clock | None = None,
    targets: Targets | None = None,
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
    clock
        The time of the engines' limits.
    targets
        When cells or emotions have enough images.

    Returns
    -------
    list of EngineQueue
        The engines, with their failed searches.
    """
    everyone = []
    for engine in (SEARCH_ENGINES[name] for name in dict.fromkeys(recipe.engine) if name in SEARCH_ENGINES):
        todo = deque(planned_searches(catalog, engine, queries, recipe.per_query))
        plan_searches(catalog, (item.search for item in todo))
        counts.add(to_search=len(todo))
        access = engine_access(engine, recipe, catalog, clock)
        everyone.append(EngineQueue(engine, recipe, targets or Targets(), access, todo))
    with ThreadPoolExecutor(max(1, len(everyone) * recipe.concurrent_searches)) as threads:
        work = [
            threads.submit(_work, catalog, asked, stop, counts)
            for asked in everyone
            for _ in range(1 if asked.engine.serial else recipe.concurrent_searches)
        ]
    for done in work:
        done.result()
    return everyone


def _work(catalog: Catalog, queue: EngineQueue, stop: threading.Event, counts: CrawlCounts) -> None:
    """Run one search after another, in one of several threads of an engine."""
    session = page_session(queue.engine, queue.recipe, queue.access, stop)
    while planned := next_search(catalog, queue, stop, counts):
        session.headers["Accept-Language"] = planned.search.language or "*"
        try:
            error = _run_search(catalog, queue, planned, session, counts)
        except BudgetSpentError as spent:
            with queue.lock:
                close_queue(queue, f"{spent}{account_hint(queue.engine, queue.access)}")
            counts.forecast = f"{queue.engine.name}: again at {local_time(spent.until)}"
            break
        if stop.is_set():
            return
        counts.add(searched=1)
        record_result(queue, planned.search, error)
        if session.stuck:
            session = page_session(queue.engine, queue.recipe, queue.access, stop)
    session.close()


def _run_search(
    catalog: Catalog, queue: EngineQueue, planned: PlannedSearch, session: PageSession, counts: CrawlCounts
) -> SearchError | None:
    """Run one search with its phrases, and return the error that ended it early, or None."""
    search, per_query = planned.search, queue.recipe.per_query
    while True:
        progress = search_progress(catalog, search)
        if progress.requested >= per_query:
            if not planned.needs_fewer_words(progress, per_query):
                return None
            begin_simplification(catalog, search, progress.simplification + 1)
            continue
        phrase = planned.phrases[min(progress.simplification, len(planned.phrases) - 1)]
        error = _ask_phrase(catalog, queue, search, phrase, session, counts)
        if error or search_progress(catalog, search).requested < per_query:
            return error


def _ask_phrase(
    catalog: Catalog,
    queue: EngineQueue,
    search: Search,
    phrase: str,
    session: PageSession,
    counts: CrawlCounts,
) -> SearchError | None:
    """Ask a phrase to its end, commit it page by page, and return the error that ended it early, or None."""
    engine, recipe = queue.engine, queue.recipe
    request = SearchRequest(phrase, search.language, recipe.license, recipe.bing_filters)
    base_url = recipe.engine_url.get(engine.name)
    query_sent = "" if phrase == search.query else phrase
    retried = False
    while True:
        offset = search_progress(catalog, search).requested
        try:
            for page in search_pages(
                engine, request, session, offset=offset, limit=recipe.per_query, base_url=base_url
            ):
                if not offset and not engine.reports_empty:
                    refuse_decoys(catalog, queue, search, page.candidates)
                found = (with_canonical_url(replace(item, query_sent=query_sent)) for item in page.candidates)
                add_search(catalog, search, found, requested=page.next)
                counts.idle = 0  # there may be new files to fetch
        except NothingParsedError as error:
            if retried:  # empty twice, and the engine gave results in between: a later crawl asks again
                return None
            if _still_answers(
                catalog, queue, request, session, first=search_progress(catalog, search).requested
            ):
                retried = True
                continue
            failure: SearchError = error
        except SearchError as error:
            failure = error
        else:
            return None
        if engine.limits.per_day and (failure.pause or 0) > recipe.max_wait:
            raise BudgetSpentError(queue.access.clock.time() + (failure.pause or 0))
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


def discover_listed(
    catalog: Catalog,
    engine: str,
    path: Path,
    emotions: tuple[Emotion, ...],
    options: ListOptions,
    own: OwnSource,
) -> None:
    """Commit the candidates of a list of URLs (`urls`) or of a folder of pictures (`folder`)."""
    found = read_urls(path, emotions, options) if engine == "urls" else read_folder(path, emotions, own)
    for search, candidates in found:
        canonical = [with_canonical_url(with_code(item)) for item in candidates]
        add_search(catalog, search, canonical, requested=len(candidates), requests=0)
        if engine == "folder":
            restate_sources(catalog, search, canonical)


def with_canonical_url(candidate: Candidate) -> Candidate:
    """Return the candidate with its canonical URL."""
    url = canonical_url(candidate.url)
    return candidate if url == candidate.url else replace(candidate, url=url, found_url=candidate.url)


def page_session(
    engine: SearchEngine, recipe: CrawlRecipe, access: EngineAccess, stop: threading.Event
) -> PageSession:
    """Return a session for an engine with our user agent."""
    agent = user_agent(__version__, recipe.contact)
    if engine.browser:
        agent = f"Mozilla/5.0 (compatible; {agent.replace(' (', '; ').removesuffix(')')})"
    return PageSession(
        {"User-Agent": agent},
        access,
        stop,
        max_wait=recipe.max_wait,
        gentle=access.limits.pause > 0,
        referer=engine.browser,
    )
