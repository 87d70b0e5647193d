"""Drive icrawler's feeder and parser threads: an engine's result pages in, candidates out."""

import io
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from icrawler import Feeder, Parser
from icrawler.utils import CachedQueue, ProxyPool, Session, Signal
from requests import Response

from btfer_builder.records import Candidate

#: Seconds an engine may be silent, and how often it is asked for a page that did not come.
PAGE_TIMEOUT = 20.0
PAGE_TRIES = 2
#: Largest result page, in bytes; Bing's have some hundred thousand.
PAGE_BYTES = 20_000_000


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
        self.found: dict[str, Candidate] = {}
        self.error: str | None = None

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page in its order; their rank is set later."""
        raise AssertionError("an engine's parser defines results")

    def parse(self, response: Response, offset: int, limit: int) -> Iterator[dict[str, Candidate]]:
        """Keep the results of one page; one without any ends the search, and so does having enough.

        Whatever goes wrong is kept in `error`: an exception would end icrawler's thread without a word.
        """
        empty = True
        try:
            if response.status_code != 200:
                self.error = f"HTTP {response.status_code} from {response.url}"
            else:
                for candidate in self.results(response):
                    empty = False
                    if offset + len(self.found) < limit:
                        ranked = replace(candidate, rank=offset + len(self.found))
                        self.found.setdefault(candidate.url, ranked)
        except Exception as error:
            self.error = f"{type(error).__name__} in the page of {response.url}: {error}"
        if empty or self.error or offset + len(self.found) >= limit:
            self.signal.set(reach_max_num=True)
        self.pages.append(f"{response.url} ({len(response.content)} bytes)")
        return iter(())


class _PageSession(Session):  # type: ignore[misc]  # icrawler is untyped
    """A session that ends the search when a page does not come; icrawler would go on to the next one."""

    def __init__(self, signal: Signal) -> None:
        super().__init__(ProxyPool())
        self.signal = signal
        self.failure: Exception | None = None

    def get(self, url: str, **kwargs: Any) -> Response:  # noqa: ANN401 - icrawler's own
        for _ in range(PAGE_TRIES):
            try:
                response = self._whole(super().get(url, stream=True, **kwargs))
            except Exception as error:
                self.failure = error
                if self.signal.get("reach_max_num"):  # nobody waits for the page any more
                    break
            else:
                self.failure = None
                return response
        self.signal.set(reach_max_num=True)
        raise ConnectionError(url) from self.failure

    def _whole(self, response: Response) -> Response:
        """Read the body up to a limit and hand the response on as if it were fresh."""
        body = io.BytesIO()
        with response:
            for chunk in response.raw.stream(1 << 16, decode_content=True):
                body.write(chunk)
                if body.tell() > PAGE_BYTES:
                    raise ValueError(f"{response.url} is larger than {PAGE_BYTES} bytes")
                if self.signal.get("reach_max_num"):
                    raise TimeoutError(f"{response.url} came too late")
        body.seek(0)
        response.raw = body
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
    stop: threading.Event | None = None,
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
    stop
        Set by the caller to have this return at once with what was found so far, which is an error.
    """
    base_url = base_url or engine.base_url
    signal = Signal()
    signal.set(feeder_exited=False, parser_exited=False, reach_max_num=False)
    session = _PageSession(signal)
    session.headers.update(headers or {})
    # An unbounded queue: icrawler's bounded ones take an item for a duplicate when they were full at first.
    feeder = engine.feeder(1, signal, session)
    feeder.out_queue = CachedQueue()
    parser = engine.parser(1, signal, session, in_queue=feeder.out_queue)
    parser.logger = feeder.logger = _SILENT
    feeder.start(base_url=base_url, query=query, offset=offset, max_num=limit - offset)
    feeder.workers[0].join()
    signal.set(feeder_exited=True)
    # One second of idling in each of icrawler's threads would be 25 minutes over the paper's grid.
    parser.start(queue_timeout=0.05, req_timeout=PAGE_TIMEOUT, max_retry=1, offset=offset, limit=limit)
    error = _wait(parser, stop or threading.Event())
    if error:
        # The thread may sit in a read; it ends by itself, and being a daemon's it keeps no program alive.
        signal.set(reach_max_num=True)
    elif parser.error:
        error = parser.error
    elif session.failure or not parser.pages:
        error = f"no answer from {base_url}: {session.failure or 'is that an address?'}"
    elif not parser.found and offset == 0:
        error = (
            f"no result could be parsed out of {parser.pages[0]}: the engine found nothing, refused us, or changed "
            "the form of its pages"
        )
    return list(parser.found.values()), error


def _wait(parser: PageParser, stop: threading.Event) -> str | None:
    """Wait for the parser's thread to end; return why it is given up, if it is.

    A page that trickles in never exceeds the time a read may take, so the time of a whole page has a limit too.
    """
    patience = PAGE_TIMEOUT * (PAGE_TRIES + 1)
    pages, since = 0, time.monotonic()
    while parser.is_alive():
        parser.workers[0].join(0.05)
        if stop.is_set():
            return "interrupted"
        if len(parser.pages) > pages:
            pages, since = len(parser.pages), time.monotonic()
        if time.monotonic() - since > patience:
            return f"page {pages + 1} was not all there after {patience:g} s"
    return None


_SILENT = logging.getLogger("btfer.icrawler")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
