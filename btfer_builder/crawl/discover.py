"""Ask search engines for candidates, query by query, and commit each result page with its candidates."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from btfer_builder import __version__
from btfer_builder.catalog import Catalog
from btfer_builder.catalog.fetches import images_in_cell, waiting_in_cell
from btfer_builder.catalog.searches import (
    QueryCell,
    add_search,
    begin_simplification,
    cell_of,
    plan_searches,
    query_with_results,
    restate_sources,
    search_progress,
)
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.download import CrawlCounts
from btfer_builder.crawl.engine_access import BudgetSpentError, EngineAccess, local_time
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
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import Emotion
from btfer_builder.queries.phrases import Query
from btfer_builder.records import Candidate, Search

#: After so many failures in a row, an engine gets no more searches in this crawl.
MAX_FAILURES = 3
#: First pages of so many phrases in a row that share so much of their results are decoys; smaller ones say nothing.
DECOY_PHRASES, DECOY_SHARE, DECOY_SIZE = 3, 0.8, 10
#: A query for which every engine has results.
CANARY = "smiling face"


@dataclass
class EngineQueue:
    """Pending searches of one engine in this crawl, and its failures."""

    engine: SearchEngine
    recipe: CrawlRecipe
    targets: Targets
    access: EngineAccess
    pending: deque[PlannedSearch]
    failures: list[tuple[Search, str]] = field(default_factory=list)
    failures_in_a_row: int = 0
    #: Why the engine gets no more searches, and the number of searches that were skipped. A spent budget is no failure.
    closed: str = ""
    skipped: int = 0
    #: Searches with the addresses on their first pages, the last ones.
    first_pages: deque[tuple[Search, frozenset[str]]] = field(
        default_factory=lambda: deque(maxlen=DECOY_PHRASES - 1)
    )
    lock: threading.Lock = field(default_factory=threading.Lock)


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
    while planned := _next_search(catalog, queue, stop, counts):
        session.headers["Accept-Language"] = planned.search.language or "*"
        try:
            error = _run_search(catalog, queue, planned, session, counts)
        except BudgetSpentError as spent:
            with queue.lock:
                _close_queue(queue, f"{spent}{account_hint(queue.engine, queue.access)}")
            counts.forecast = f"{queue.engine.name}: again at {local_time(spent.until)}"
            break
        if stop.is_set():
            return
        counts.add(searched=1)
        _record_result(queue, planned.search, error)
        if session.stuck:
            session = page_session(queue.engine, queue.recipe, queue.access, stop)
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
            _close_queue(queue, f"it asks for a pause of {_duration(error.pause or 0)}")
        elif queue.failures_in_a_row >= MAX_FAILURES:
            _close_queue(queue, f"{MAX_FAILURES} searches in a row failed")


def _close_queue(queue: EngineQueue, why: str) -> None:
    """Send no more searches to an engine in this crawl; the queue is locked."""
    if not queue.closed:
        queue.closed, queue.skipped = why, len(queue.pending)
        queue.pending.clear()
        echo_stderr(f"{queue.engine.name}: {why}; it gets no more searches in this crawl")


def _next_search(
    catalog: Catalog, queue: EngineQueue, stop: threading.Event, counts: CrawlCounts
) -> PlannedSearch | None:
    """Return the next search whose cell needs more images, or None; wait while waiting downloads may decide that."""
    if not queue.targets:
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


def _pop_needed(catalog: Catalog, queue: EngineQueue, counts: CrawlCounts) -> PlannedSearch | None:
    """Remove and return the first search whose cell misses the target even if all its waiting URLs are kept."""
    targets, engines = queue.targets, queue.recipe.engine
    no_downloads = counts.idle >= 3
    known: dict[QueryCell, tuple[int, int]] = {}
    for planned in list(queue.pending):
        cell = targets.unit(cell_of(planned.search))
        target = targets.of(cell)
        if cell not in known:
            known[cell] = len(images_in_cell(catalog, cell)), waiting_in_cell(catalog, cell, engines)
        images, waiting = known[cell]
        if images >= target:
            queue.pending.remove(planned)
            counts.add(to_search=-1)
        elif no_downloads or images + waiting < target:
            queue.pending.remove(planned)
            return planned
    return None


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
                    _refuse_decoys(catalog, queue, search, page.candidates)
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


def _refuse_decoys(
    catalog: Catalog, queue: EngineQueue, search: Search, candidates: Sequence[Candidate]
) -> None:
    """Raise for a first page that is nearly the same as those of the phrases before it, and have these asked again.

    Engines answer programs so that they want to mislead.
    """
    page = frozenset(candidate.url for candidate in candidates)
    with queue.lock:
        before = [known for known in queue.first_pages if known[0] != search]
        same = [
            earlier
            for earlier, urls in before
            if len(page & urls) >= DECOY_SHARE * max(DECOY_SIZE, len(page), len(urls))
        ]
        queue.first_pages.append((search, page))
        if len(same) + 1 < DECOY_PHRASES:
            return
    for earlier in same:
        begin_simplification(catalog, earlier, 0)
    phrases = ", ".join(repr(each.query) for each in (*same, search))
    raise SearchError(f"it answers different phrases with the same page ({phrases}): it shows us decoys")


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


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
