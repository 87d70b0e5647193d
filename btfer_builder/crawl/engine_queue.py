"""The pending searches of an engine: which one is next, and when the engine gets no more of them."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.fetches import images_in_cell, waiting_in_cell
from btfer_builder.catalog.searches import QueryCell, begin_simplification, cell_of
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.download import CrawlCounts
from btfer_builder.crawl.engine_access import EngineAccess
from btfer_builder.crawl.engines.base import SearchEngine, SearchError
from btfer_builder.crawl.plan import PlannedSearch
from btfer_builder.crawl.targets import Targets
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.records import Candidate, Search

#: After so many failures in a row, an engine gets no more searches in this crawl.
MAX_FAILURES = 3
#: First pages of so many phrases in a row that share so much of their results are decoys; smaller ones say nothing.
DECOY_PHRASES, DECOY_SHARE, DECOY_SIZE = 3, 0.8, 10


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


def record_result(queue: EngineQueue, search: Search, error: SearchError | None) -> None:
    """Record the failure, and close the queue of an engine that keeps failing or asks for a long pause."""
    with queue.lock:
        queue.failures_in_a_row = queue.failures_in_a_row + 1 if error else 0
        if error:
            queue.failures.append((search, str(error)))
        if queue.closed or not error:
            return
        if (error.pause or 0) > queue.recipe.max_wait:
            close_queue(queue, f"it asks for a pause of {_duration(error.pause or 0)}")
        elif queue.failures_in_a_row >= MAX_FAILURES:
            close_queue(queue, f"{MAX_FAILURES} searches in a row failed")


def close_queue(queue: EngineQueue, why: str) -> None:
    """Send no more searches to an engine in this crawl; the queue is locked."""
    if not queue.closed:
        queue.closed, queue.skipped = why, len(queue.pending)
        queue.pending.clear()
        echo_stderr(f"{queue.engine.name}: {why}; it gets no more searches in this crawl")


def next_search(
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


def refuse_decoys(
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


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
