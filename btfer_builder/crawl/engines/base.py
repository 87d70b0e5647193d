"""Drive icrawler's feeder and parser threads: an engine's result pages in, candidates out, page by page."""

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

from btfer_builder.crawl.licenses import with_code
from btfer_builder.crawl.result_pages import PageSession, without_keys
from btfer_builder.records import Candidate

#: Seconds a whole result page may take, from the request to its last byte.
PAGE_SECONDS = 30.0
#: What only a page says that doubts our being human; it is never taken for one without results.
_CAPTCHA = re.compile(
    rb"captcha|unusual traffic|are you (?:a )?(?:robot|human)|verify you are human|wappass", re.I
)


@dataclass(frozen=True)
class Ask:
    """What is put to an engine: a phrase, its language, and the licences that are wanted (none: any)."""

    query: str
    language: str = ""
    license: tuple[str, ...] = ()


class Page(NamedTuple):
    """What one result page had: its candidates, and where the next one begins (the limit after the last)."""

    candidates: list[Candidate]
    next: int


class SearchError(Exception):
    """A search that ended early; `pause` are the seconds the engine asks to be left alone, if it does."""

    def __init__(self, text: str, pause: float | None = None) -> None:
        super().__init__(without_keys(text))
        self.pause = pause


class NothingParsedError(SearchError):
    """A page without a result, of an engine that does not say whether it has none: the end, or another form."""


class PageFeeder(Feeder):  # type: ignore[misc]  # icrawler is untyped
    """Feeds the addresses of an engine's result pages; an engine says what they look like."""

    page_size: int = 20

    @staticmethod
    def page_url(base_url: str, ask: Ask, first: int) -> str:
        """Return the address of the page whose first result has this rank, counted from 0."""
        raise AssertionError("an engine's feeder defines page_url")

    def feed(self, base_url: str, ask: Ask, first: int, limit: int) -> None:
        """Put every page that may be needed into the queue; the parser stops when it has enough."""
        for rank in range(first, limit, self.page_size):
            self.out_queue.put(self.page_url(base_url, ask, rank))


class PageParser(Parser):  # type: ignore[misc]  # icrawler is untyped
    """Parses result pages in order until one is the last; an engine says how a result is read.

    An engine's parser defines `results`. One that can tell sets `last` there when no page follows; one whose engine
    has `says_when_empty` raises for a page of another form and yields nothing only if the engine has nothing.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - icrawler's own
        super().__init__(*args, **kwargs)
        self.told: queue.SimpleQueue[Page | SearchError | None] = queue.SimpleQueue()
        self.last = False
        self._seen: set[str] = set()
        self._pages = 0

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page in its order; their rank is set later."""
        raise AssertionError("an engine's parser defines results")

    def worker_exec(self, **kwargs: Any) -> None:  # noqa: ANN401 - icrawler's own
        """Parse pages until there is no need for more, then say so."""
        try:
            super().worker_exec(**kwargs)
        finally:
            self.told.put(None)

    def parse(
        self, response: Response, engine: "SearchEngine", first: int, offset: int, limit: int
    ) -> Iterator[dict[str, Candidate]]:
        """Tell the results of one page, or what is wrong with it; icrawler would lose an exception."""
        start = first + self._pages * engine.feeder.page_size
        self._pages += 1
        try:
            self.told.put(self._page(response, engine, start, offset, limit))
        except SearchError as error:
            self.last = True
            self.told.put(error)
        except Exception as error:
            self.last = True
            text = f"{type(error).__name__} in the page of {response.url}: {error}"[:1000]
            self.told.put(SearchError(f"{text}; did the engine change the form of its pages?"))
        if self.last:
            self.signal.set(reach_max_num=True)
        return iter(())

    def _page(self, response: Response, engine: "SearchEngine", start: int, offset: int, limit: int) -> Page:
        if response.status_code != 200:
            said = " ".join(response.text.split())[:200] if engine.says_when_empty else ""
            pause = getattr(self.session, "asked_pause", None)
            raise SearchError(f"HTTP {response.status_code} from {response.url} {said}".rstrip(), pause)
        results = list(self.results(response))
        if not results and not engine.says_when_empty:
            where = f"{response.url} ({len(response.content)} bytes)"
            if _CAPTCHA.search(response.content):
                raise SearchError(
                    f"{where} asks whether we are human: the engine has had enough of us for now"
                )
            raise NothingParsedError(
                f"no result could be parsed out of {where}: the engine found nothing, refused us, or changed the form "
                "of its pages"
            )
        found = []
        for rank, candidate in enumerate(results, start):
            if offset <= rank < limit and candidate.url not in self._seen:
                found.append(replace(with_code(candidate), rank=rank))
            self._seen.add(candidate.url)
        self.last = self.last or not results or start + max(len(results), engine.feeder.page_size) >= limit
        return Page(found, limit if self.last else start + engine.feeder.page_size)


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
    pause
        Seconds between two pages, at least: what its terms ask for, or what is decent.
    deepest
        Results it gives for one phrase at most.
    says_when_empty
        Whether its answers tell "nothing found" from an answer of another form, as an API's do.
    states_license
        Whether it says under which licence a picture is.
    key
        Name of the environment variable with the key it cannot be asked without.
    token
        Name of the environment variable with a token it need not have; `token_pause` is the pause with it.
    browser
        Whether it answers programs it does not know with other pages; our name then begins as a browser's does.
    """

    name: str
    base_url: str
    feeder: type[PageFeeder]
    parser: type[PageParser]
    pause: float = 2.0
    deepest: int = 1000
    says_when_empty: bool = False
    states_license: bool = False
    key: str = ""
    token: str = ""
    token_pause: float = 1.0
    browser: bool = False


def search_pages(
    engine: SearchEngine,
    ask: Ask,
    session: PageSession,
    *,
    limit: int,
    offset: int = 0,
    base_url: str | None = None,
) -> Iterator[Page]:
    """Yield the results of ranks `offset` to `limit` − 1, page by page.

    Parameters
    ----------
    engine
        Whom to ask.
    ask
        For what.
    session
        Asks for the pages, at the engine's pace; not to be used again when it is `stuck`.
    limit
        Number of results wanted in all, `offset` included.
    offset
        Results already asked for; the pages that have them are not asked again.
    base_url
        Asked instead of the engine's own.

    Raises
    ------
    SearchError
        If the search ends early; what was yielded until then is good.
    """
    base_url = base_url or engine.base_url
    deepest = min(limit, engine.deepest)
    if offset >= deepest:
        yield Page([], limit)
        return
    signal = Signal()
    signal.set(feeder_exited=False, parser_exited=False, reach_max_num=False)
    session.begin(signal, base_url)
    # An unbounded queue: icrawler's bounded ones take an item for a duplicate when they were full at first.
    feeder = engine.feeder(1, signal, session)
    feeder.out_queue = CachedQueue()
    parser = engine.parser(1, signal, session, in_queue=feeder.out_queue)
    parser.logger = feeder.logger = _SILENT
    first = offset - offset % engine.feeder.page_size
    feeder.start(base_url=base_url, ask=ask, first=first, limit=deepest)
    feeder.workers[0].join()
    signal.set(feeder_exited=True)
    # One second of idling in each of icrawler's threads would be 25 minutes over the paper's grid.
    parser.start(
        queue_timeout=0.05, req_timeout=PAGE_SECONDS / 2, max_retry=1,
        engine=engine, first=first, offset=offset, limit=deepest,
    )  # fmt: skip
    pages, ended = 0, False
    while not ended:
        told = _next(parser, session, pages + 1)
        if isinstance(told, SearchError):
            signal.set(reach_max_num=True)
            raise told
        if told is None:
            break
        pages, ended = pages + 1, told.next >= deepest
        yield told._replace(next=limit) if ended else told
    if session.failure or not pages:
        raise SearchError(f"no answer from {base_url}: {session.failure or 'is that an address?'}")


def _next(parser: PageParser, session: PageSession, number: int) -> Page | SearchError | None:
    """Wait for the parser's thread to tell something; return an error if it is given up.

    A page that trickles in never exceeds the time a read may take, so a whole page has a limit of its own.
    """
    while True:
        try:
            return parser.told.get(timeout=0.05)
        except queue.Empty:
            if session.stop.is_set():
                session.stuck = True
                return SearchError("interrupted")
            if time.monotonic() - session.asked_at > PAGE_SECONDS:
                session.stuck = (
                    True  # the thread sits in a read and ends by itself; a daemon's, it holds up nobody
                )
                return SearchError(f"page {number} was not all there after {PAGE_SECONDS:g} s")


_SILENT = logging.getLogger("btfer.icrawler")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
