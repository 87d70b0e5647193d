"""Drive icrawler's feeder and parser threads: an engine's result pages in, candidates out."""

import logging
import queue
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from icrawler import Feeder, Parser
from icrawler.utils import CachedQueue, ProxyPool, Session, Signal
from requests import Response

from btfer_builder.records import Candidate

#: Seconds an engine may take to answer with a result page, and how often it is asked again when it does not.
PAGE_TIMEOUT = 20
PAGE_TRIES = 2


class PageFeeder(Feeder):  # type: ignore[misc]  # icrawler is untyped
    """Feeds the addresses of an engine's result pages; an engine says what they look like."""

    page_size: int = 20

    @staticmethod
    def page_url(base_url: str, query: str, first: int) -> str:
        """Return the address of the page whose first result has this rank, counted from 0."""
        raise AssertionError("an engine's feeder defines page_url")

    def feed(self, base_url: str, query: str, offset: int, max_num: int) -> None:
        """Put every page that may be needed into the queue; the parser stops when it has enough."""
        for first in range(offset, offset + max_num, self.page_size):
            self.out_queue.put(self.page_url(base_url, query, first))


class PageParser(Parser):  # type: ignore[misc]  # icrawler is untyped
    """Parses result pages in order until one is empty; an engine says how a result is read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - icrawler's own
        super().__init__(*args, **kwargs)
        self.pages: list[str] = []
        self.error: str | None = None

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page in its order; their rank is set later."""
        raise AssertionError("an engine's parser defines results")

    def parse(self, response: Response) -> Iterator[dict[str, Candidate]]:
        """Yield the results of one page; the first page without any ends the search.

        Whatever goes wrong is kept in `error`: an exception would end icrawler's thread without a word.
        """
        found = 0
        try:
            if response.status_code != 200:
                self.error = f"HTTP {response.status_code} from {response.url}"
            else:
                for candidate in self.results(response):
                    found += 1
                    self.out_queue.put(candidate)
        except Exception as error:
            self.error = f"{type(error).__name__} in the page of {response.url}: {error}"
        if not found:
            self.signal.set(reach_max_num=True)
        self.pages.append(f"{response.url} ({len(response.content)} bytes)")
        return iter(())


class _PageSession(Session):  # type: ignore[misc]  # icrawler is untyped
    """A session that remembers why the last request failed; icrawler only logs it."""

    failure: Exception | None = None

    def get(self, url: str, **kwargs: Any) -> Response:  # noqa: ANN401 - icrawler's own
        try:
            response: Response = super().get(url, **kwargs)
        except Exception as error:
            self.failure = error
            raise
        return response


@dataclass(frozen=True)
class SearchEngine:
    """An engine whose result pages icrawler's threads walk through.

    Parameters
    ----------
    name
        As in `--engine`.
    base_url
        What the addresses of its pages begin with; `--engine-url` replaces it.
    feeder, parser
        The engine's own subclasses.
    """

    name: str
    base_url: str
    feeder: type[PageFeeder]
    parser: type[PageParser]


def search_pages(
    engine: SearchEngine,
    query: str,
    *,
    limit: int,
    offset: int = 0,
    base_url: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[list[Candidate], str | None]:
    """Return the results of ranks `offset` to `limit` − 1, and what went wrong, if anything did.

    Parameters
    ----------
    engine
        Whom to ask.
    query
        The phrase.
    limit
        Number of results wanted in all, `offset` included.
    offset
        Results already asked for by an earlier crawl.
    base_url
        Asked instead of the engine's own.
    headers
        Of the page requests.
    """
    signal = Signal()
    signal.set(feeder_exited=False, parser_exited=False, reach_max_num=False)
    session = _PageSession(ProxyPool())
    session.headers.update(headers or {})
    # Unbounded queues: icrawler's bounded ones take an item for a duplicate when they were full at first.
    feeder = engine.feeder(1, signal, session)
    feeder.out_queue = CachedQueue()
    parser = engine.parser(1, signal, session, in_queue=feeder.out_queue, out_queue=queue.Queue())
    parser.logger = feeder.logger = _SILENT
    feeder.start(base_url=base_url or engine.base_url, query=query, offset=offset, max_num=limit - offset)
    # One second of idling in each of icrawler's threads would be 25 minutes over the paper's grid.
    parser.start(queue_timeout=0.05, req_timeout=PAGE_TIMEOUT, max_retry=PAGE_TRIES)
    found: dict[str, Candidate] = {}
    while parser.is_alive() or not parser.out_queue.empty():
        signal.set(feeder_exited=not feeder.is_alive())
        try:
            candidate = parser.out_queue.get(timeout=0.05)
        except queue.Empty:
            continue
        if len(found) < limit - offset:
            found.setdefault(candidate.url, replace(candidate, rank=offset + len(found)))
        else:
            signal.set(reach_max_num=True)
    error = parser.error
    if error is None and not parser.pages:
        error = f"no answer from {base_url or engine.base_url}: {session.failure}"
    elif error is None and not found and offset == 0:
        error = (
            f"no result could be parsed out of {parser.pages[0]}: the engine found nothing, refused us, or changed "
            "the form of its pages"
        )
    return list(found.values()), error


_SILENT = logging.getLogger("btfer.icrawler")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
