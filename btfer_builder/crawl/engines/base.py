"""Base classes of search engines, and the search loop that drives icrawler's feeder and parser threads."""

import logging
import queue
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from icrawler import Feeder, Parser
from icrawler.utils import CachedQueue, Signal
from requests import Response

from btfer_builder.crawl.engine_access import Account, BudgetSpentError, Limits
from btfer_builder.crawl.licenses import with_code
from btfer_builder.crawl.result_pages import PageSession, without_keys
from btfer_builder.records import Candidate

#: Seconds for a whole result page, from the request to the last byte.
PAGE_SECONDS = 30.0
#: Words of captcha pages, which must not be mistaken for pages without results.
_CAPTCHA = re.compile(
    rb"captcha|unusual traffic|are you (?:a )?(?:robot|human)|verify you are human|wappass", re.I
)


@dataclass(frozen=True)
class SearchRequest:
    """A query for an engine: phrase, language, licences (empty: any licence), and filters of its own."""

    query: str
    language: str = ""
    license: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()


class ResultPage(NamedTuple):
    """Candidates of a result page, and the first rank of the next page (the limit after the last page)."""

    candidates: list[Candidate]
    next: int


class SearchError(Exception):
    """A search that ended early; `pause` is the pause in seconds that the engine asks for, if any."""

    def __init__(self, text: str, pause: float | None = None) -> None:
        super().__init__(without_keys(text))
        self.pause = pause


class NothingParsedError(SearchError):
    """No result on a page of an engine that does not report empty results: the end, or a changed page format."""


class PageFeeder(Feeder):  # type: ignore[misc]  # icrawler is untyped
    """Feed the addresses of an engine's result pages; subclasses define `page_url`."""

    page_size: int = 20

    @staticmethod
    def page_url(base_url: str, request: SearchRequest, first: int) -> str:
        """Return the address of the page that begins at a rank, counted from 0."""
        raise AssertionError("an engine's feeder defines page_url")

    def feed(self, base_url: str, request: SearchRequest, first: int, limit: int) -> None:
        """Queue every page that may be needed; the parser stops when it has enough results."""
        for rank in range(first, limit, self.page_size):
            self.out_queue.put(self.page_url(base_url, request, rank))


class PageParser(Parser):  # type: ignore[misc]  # icrawler is untyped
    """Parse result pages in order until the last one; subclasses define `results`.

    `results` sets `last` if it knows that no page follows. With `reports_empty`, it raises for a page of an unknown
    format, and yields nothing only if the engine has no results.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - icrawler's own
        super().__init__(*args, **kwargs)
        self.pages: queue.SimpleQueue[ResultPage | SearchError | None] = queue.SimpleQueue()
        self.last = False
        self._seen: set[str] = set()
        self._parsed = 0

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page in their order; ranks are set later."""
        raise AssertionError("an engine's parser defines results")

    def worker_exec(self, **kwargs: Any) -> None:  # noqa: ANN401 - icrawler's own
        """Parse pages until no more are needed, then put None."""
        try:
            super().worker_exec(**kwargs)
        finally:
            self.pages.put(None)

    def parse(
        self, response: Response, engine: "SearchEngine", first: int, offset: int, limit: int
    ) -> Iterator[dict[str, Candidate]]:
        """Put the results of one page or its error; icrawler would lose an exception."""
        start = first + self._parsed * engine.feeder.page_size
        self._parsed += 1
        try:
            self.pages.put(self._page(response, engine, start, offset, limit))
        except SearchError as error:
            self.last = True
            self.pages.put(error)
        except Exception as error:
            self.last = True
            text = f"{type(error).__name__} in the page of {response.url}: {error}"[:1000]
            self.pages.put(SearchError(f"{text}; did the engine change the format of its pages?"))
        if self.last:
            self.signal.set(reach_max_num=True)
        return iter(())

    def _page(
        self, response: Response, engine: "SearchEngine", start: int, offset: int, limit: int
    ) -> ResultPage:
        if response.status_code != 200:
            message = " ".join(response.text.split())[:200] if engine.reports_empty else ""
            pause = getattr(self.session, "requested_pause", None)
            raise SearchError(f"HTTP {response.status_code} from {response.url} {message}".rstrip(), pause)
        results = list(self.results(response))
        if not results and not engine.reports_empty:
            page = f"{response.url} ({len(response.content)} bytes)"
            if _CAPTCHA.search(response.content):
                raise SearchError(f"{page} asks whether we are human: the engine blocks us for now")
            raise NothingParsedError(
                f"no result could be parsed out of {page}: the engine found nothing, refused us, or changed the format "
                "of its pages"
            )
        candidates = []
        for rank, candidate in enumerate(results, start):
            if offset <= rank < limit and candidate.url not in self._seen:
                candidates.append(replace(with_code(candidate), rank=rank))
            self._seen.add(candidate.url)
        self.last = self.last or not results or start + max(len(results), engine.feeder.page_size) >= limit
        return ResultPage(candidates, limit if self.last else start + engine.feeder.page_size)


_COURTESY = Limits(2.0)


@dataclass(frozen=True)
class SearchEngine:
    """A search engine whose result pages are read by icrawler's threads.

    Parameters
    ----------
    name
        Name in `--engine`.
    base_url
        Start of the addresses of its pages; `--engine-url` replaces it.
    feeder, parser
        Subclasses of the engine.
    limits
        Least seconds between two pages and most pages a day, by its terms or as a courtesy.
    max_results
        Most results for one query.
    reports_empty
        Whether its responses distinguish "nothing found" from an unknown format, as those of an API do.
    states_license
        Whether it states the licences of pictures.
    key
        Environment variable with its required key.
    account
        How it knows registered users, if they may ask more of it.
    serial
        Whether its requests are sent one after the other.
    needs_contact
        Whether its operator asks clients to say who they are.
    all_words
        Whether it finds only what has all words of a phrase: a phrase that finds little is asked with fewer words.
    browser
        Whether requests look like those of a browser (user agent, `Referer`), for an engine that answers unknown
        programs differently.
    """

    name: str
    base_url: str
    feeder: type[PageFeeder]
    parser: type[PageParser]
    limits: Limits = _COURTESY
    max_results: int = 1000
    reports_empty: bool = False
    states_license: bool = False
    key: str = ""
    account: Account | None = None
    serial: bool = False
    needs_contact: bool = False
    all_words: bool = False
    browser: bool = False


def search_pages(
    engine: SearchEngine,
    request: SearchRequest,
    session: PageSession,
    *,
    limit: int,
    offset: int = 0,
    base_url: str | None = None,
) -> Iterator[ResultPage]:
    """Yield the results of ranks `offset` to `limit` − 1, page by page.

    Parameters
    ----------
    engine
        The engine.
    request
        The query.
    session
        Requests the pages within the rate limit; it must not be reused when it is `stuck`.
    limit
        Number of results, `offset` included.
    offset
        Results requested before; their pages are not requested again.
    base_url
        Replaces the base URL of the engine.

    Raises
    ------
    SearchError
        If the search ends early; pages yielded before are valid.
    BudgetSpentError
        If the engine must not be asked any more now.
    """
    base_url = base_url or engine.base_url
    last_rank = min(limit, engine.max_results)
    if offset >= last_rank:
        yield ResultPage([], limit)
        return
    signal = Signal()
    signal.set(feeder_exited=False, parser_exited=False, reach_max_num=False)
    session.begin(signal, base_url)
    # The queue is unbounded: icrawler's bounded queue drops an item as a duplicate when it is full at first.
    feeder = engine.feeder(1, signal, session)
    feeder.out_queue = CachedQueue()
    parser = engine.parser(1, signal, session, in_queue=feeder.out_queue)
    parser.logger = feeder.logger = _SILENT
    first = offset - offset % engine.feeder.page_size
    feeder.start(base_url=base_url, request=request, first=first, limit=last_rank)
    feeder.workers[0].join()
    signal.set(feeder_exited=True)
    # icrawler's threads idle for one second by default, which adds up to 25 minutes over the paper's grid.
    parser.start(
        queue_timeout=0.05, req_timeout=PAGE_SECONDS / 2, max_retry=1,
        engine=engine, first=first, offset=offset, limit=last_rank,
    )  # fmt: skip
    pages, ended = 0, False
    while not ended:
        page = _next_page(parser, session, pages + 1)
        if isinstance(page, SearchError):
            signal.set(reach_max_num=True)
            raise page
        if page is None:
            break
        pages, ended = pages + 1, page.next >= last_rank
        yield page._replace(next=limit) if ended else page
    if isinstance(session.failure, BudgetSpentError):
        raise session.failure
    if session.failure or not pages:
        raise SearchError(f"no answer from {base_url}: {session.failure or 'not a valid address'}")


def _next_page(parser: PageParser, session: PageSession, number: int) -> ResultPage | SearchError | None:
    """Wait for a page of the parser's thread, or return an error after a time limit.

    A page that arrives very slowly never exceeds the timeout of a read, so the whole page has its own limit.
    """
    while True:
        try:
            return parser.pages.get(timeout=0.05)
        except queue.Empty:
            if session.stop.is_set():
                session.stuck = True
                return SearchError("interrupted")
            if time.monotonic() - session.sent_at > PAGE_SECONDS:
                session.stuck = True  # the daemon thread waits for a read and ends by itself
                return SearchError(f"page {number} was not complete after {PAGE_SECONDS:g} s")


_SILENT = logging.getLogger("btfer.icrawler")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
