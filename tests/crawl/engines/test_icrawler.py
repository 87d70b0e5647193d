"""A search over icrawler's threads: page by page until there is enough, and never a failure that looks like an end."""

import threading
import time
from dataclasses import replace

import pytest

from btfer_builder.crawl import result_pages as pages
from btfer_builder.crawl.engine_access import EngineAccess, Limits
from btfer_builder.crawl.engines import base as icrawler
from btfer_builder.crawl.engines.base import SearchError, SearchRequest, search_pages
from btfer_builder.crawl.engines.bing import BING
from btfer_builder.crawl.result_pages import PageSession
from tests.crawl.crawl_web import ENGINE_FAULTS, SEARCH, SEARCHES
from tests.crawl.engines.engine_forms import FORMS


@pytest.fixture
def search(web):
    """Return a function that asks the test's search engine: all that was found, and what went wrong at last."""

    def ask(query: str = "q", engine=BING, headers=None, stop=None, **options):
        session = PageSession(
            headers or {}, EngineAccess("engine", Limits(0)), stop or threading.Event(), gentle=False
        )
        found, error = [], None
        try:
            options = {"limit": 40, "base_url": web.search_url, **options}
            for page in search_pages(engine, SearchRequest(query), session, **options):
                found += page.candidates
        except SearchError as failure:
            error = str(failure)
        return found, error

    return ask


def paths(found) -> list[str]:
    return [candidate.url.rpartition("/")[2] for candidate in found]


def pictures(number: int) -> list[str]:
    return [f"/{n}.jpg" for n in range(number)]


def test_results_come_in_the_engines_order_with_their_ranks(web, search):
    web.results["q"] = pictures(100)
    found, error = search(limit=50)
    assert error is None
    assert paths(found) == [f"{n}.jpg" for n in range(50)]
    assert [candidate.rank for candidate in found] == list(range(50))
    assert found[0].title == "Photo /0.jpg"


@pytest.mark.parametrize(("limit", "asked"), [(1, [0]), (20, [0]), (21, [0, 20]), (60, [0, 20, 40])])
def test_no_page_is_asked_that_is_not_needed(web, search, limit, asked):
    web.results["q"] = pictures(100)
    found, _ = search(limit=limit)
    assert len(found) == limit
    assert [first for _, first in web.searched] == asked


def test_larger_pages_than_expected_end_the_search_earlier(web, search, monkeypatch):
    asked = FORMS["bing"].asked
    monkeypatch.setitem(
        SEARCHES,
        SEARCH,
        FORMS["bing"]._replace(asked=lambda query: query.update(count=["35"]) or asked(query)),
    )
    web.results["q"] = pictures(200)
    found, _ = search(limit=50)
    assert paths(found) == [f"{n}.jpg" for n in range(50)], "pages overlap; each result counts once"
    assert [first for _, first in web.searched] == [0, 20]


def test_the_first_page_without_results_is_the_last(web, search):
    web.results["q"] = pictures(25)
    found, error = search(limit=200)
    assert len(found) == 25
    assert "no result could be parsed" in error, "whether this is an end is found out by who asks"
    assert [first for _, first in web.searched] == [0, 20, 40]


def test_a_result_repeated_on_a_later_page_counts_once(web, search):
    web.results["q"] = [*pictures(20), *pictures(15), "/new.jpg"]
    found, error = search()
    assert error is None
    assert paths(found) == [f"{n}.jpg" for n in range(20)] + ["new.jpg"]
    assert [candidate.rank for candidate in found] == [*range(20), 35], (
        "its rank is its place, wherever one begins"
    )


def test_a_later_search_goes_on_at_its_offset(web, search):
    web.results["q"] = pictures(100)
    found, error = search(offset=20, limit=60)
    assert error is None
    assert [(candidate.rank, path) for candidate, path in zip(found, paths(found), strict=True)] == [
        (n, f"{n}.jpg") for n in range(20, 60)
    ]
    assert [first for _, first in web.searched] == [20, 40]


def test_an_offset_within_a_page_leaves_out_what_was_found_before(web, search):
    web.results["q"] = pictures(100)
    found, _ = search(offset=30, limit=50)
    assert [candidate.rank for candidate in found] == list(range(30, 50))
    assert [first for _, first in web.searched] == [20, 40]
    assert search(offset=50, limit=50) == ([], None)


def test_nobody_is_asked_for_more_than_an_engine_gives(web, search):
    web.results["q"] = pictures(100)
    engine = replace(BING, max_results=30)
    found, error = search(engine=engine, limit=90)
    assert (len(found), error) == (30, None)
    assert [first for _, first in web.searched] == [0, 20]
    assert search(engine=engine, offset=30, limit=90) == ([], None)
    assert len(web.searched) == 2


@pytest.mark.parametrize("fault", ["form", "attribute", "key", "sign-in", "binary", "empty"])
def test_a_page_of_another_form_is_a_failure_that_says_so(web, search, fault):
    web.results["q"], web.engine_fault = pictures(50), {None: fault}
    found, error = search()
    assert found == []
    assert "no result could be parsed" in error
    assert "changed the format of its pages" in error
    assert web.search_url in error
    assert len(web.searched) == 1, "the engine is not asked for more pages of it"


def test_a_page_that_doubts_we_are_human_is_no_page_without_results(web, search):
    web.results["q"], web.engine_fault = pictures(50), {20: "captcha"}
    found, error = search()
    assert len(found) == 20
    assert "asks whether we are human" in error


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("503", "HTTP 503"), ("429", "HTTP 429"), ("close", "no answer"), ("reset", "no answer"), ("hang", "no answer"),
        ("half", "no answer"), ("drip", "not complete"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("broken", [0, 40])
def test_an_engine_that_fails_keeps_what_it_gave_and_is_never_taken_for_having_no_more(
    web, search, monkeypatch, fault, said, broken
):
    monkeypatch.setattr(icrawler, "PAGE_SECONDS", 0.4)
    web.results["q"], web.engine_fault = pictures(100), {broken: fault}
    started = time.monotonic()
    found, error = search(limit=80)
    assert paths(found) == [f"{n}.jpg" for n in range(broken)]
    assert said in error
    assert 60 not in [first for _, first in web.searched], "nor asked for what comes after"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("fault", ["429-for-a-moment", "503"])
def test_a_busy_engine_is_asked_again(web, search, fault):
    web.results["q"], web.engine_fault, web.faults = pictures(20), {None: fault}, pages.PAGE_TRIES - 1
    found, error = search(limit=20)
    assert (len(found), error) == (20, None)
    assert len(web.searched) == pages.PAGE_TRIES


def test_an_engine_that_asks_for_a_long_pause_is_not_asked_again(web, search):
    web.engine_fault = {None: "429-for-an-hour"}
    session = PageSession({}, EngineAccess("engine", Limits(0)), threading.Event(), max_wait=60)
    with pytest.raises(SearchError, match="HTTP 429") as failure:
        list(search_pages(BING, SearchRequest("q"), session, limit=20, base_url=web.search_url))
    assert failure.value.pause == 3600
    assert len(web.searched) == 1


def test_pages_are_asked_at_the_engines_pace(web):
    web.results["q"] = pictures(80)
    session, started = (
        PageSession({}, EngineAccess("engine", Limits(0.15)), threading.Event()),
        time.monotonic(),
    )
    assert (
        sum(
            len(page.candidates)
            for page in search_pages(BING, SearchRequest("q"), session, limit=80, base_url=web.search_url)
        )
        == 80
    )
    assert 0.44 <= time.monotonic() - started < 3


def test_a_search_over_one_session_keeps_its_connection_and_no_cookies(web):
    web.results["q"], session = (
        pictures(20),
        PageSession({}, EngineAccess("engine", Limits(0)), threading.Event()),
    )
    for _ in range(3):
        list(search_pages(BING, SearchRequest("q"), session, limit=20, base_url=web.search_url))
        session.cookies.set("seen", "before")
    assert web.connections == 1
    assert not any("Cookie" in headers for headers in web.headers)


def test_an_engine_does_not_lead_to_a_private_host(web, search, monkeypatch):
    monkeypatch.setitem(
        ENGINE_FAULTS, "away", lambda h, _: h.redirect(f"http://localhost:{h.server.server_port}/x")
    )
    web.engine_fault = {None: "away"}
    found, error = search()
    assert found == []
    assert "redirected to localhost" in error
    assert web.requests["/x"] == 0


def test_keys_are_not_told_in_errors(web, search):
    found, error = search(base_url="http://127.0.0.1:1/?api_key=geheim&x=")
    assert found == []
    assert "geheim" not in error
    assert "api_key=…" in error


def test_a_page_that_comes_at_the_second_try_is_no_failure(web, search):
    web.results["q"], web.engine_fault, web.faults = pictures(40), {20: "close"}, 1
    found, error = search()
    assert (len(found), error) == (40, None)
    assert [first for _, first in web.searched] == [0, 20, 20]


def test_an_endless_page_is_not_read_for_ever(web, search, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_BYTES", 300_000)
    web.results["q"], web.engine_fault = pictures(20), {None: "endless"}
    found, error = search()
    assert found == []
    assert "larger than 300000 bytes" in error
    time.sleep(0.1)
    assert web.sent_endlessly < 30_000_000


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:1/images", "http://nothing.invalid/x", "http://[", "nonsense"]
)
def test_an_engine_that_is_not_there_is_a_failure_with_its_address(search, base_url):
    found, error = search(base_url=base_url)
    assert found == []
    assert base_url in error


def test_headers_are_those_of_the_caller(web, search):
    web.results["q"] = pictures(1)
    search(headers={"User-Agent": "btfer-test", "Accept-Language": "es"})
    assert web.headers[0]["User-Agent"] == "btfer-test"
    assert web.headers[0]["Accept-Language"] == "es"


def test_a_search_can_be_ended_while_the_engine_hangs(web, search):
    web.results["q"], web.engine_fault = pictures(80), {20: "hang"}
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    found, error = search(limit=80, stop=stop)
    assert time.monotonic() - started < 3
    assert (len(found), error) == (20, "interrupted")


def test_a_search_takes_no_time_of_its_own(web, search):
    """The paper's grid has 1,400 searches: what icrawler idles at the end of each adds up."""
    web.results["q"] = pictures(20)
    started = time.monotonic()
    for _ in range(5):
        search(limit=20)
    assert time.monotonic() - started < 3
