"""Every engine over loopback, in the form of its own pages: what holds for each, then what is its own."""

import json
import threading
from typing import get_args
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from icrawler.builtin.baidu import BaiduParser as IcrawlersBaiduParser
from icrawler.builtin.google import GoogleParser as IcrawlersGoogleParser
from icrawler.utils import ProxyPool, Session, Signal

from btfer_builder.config import EngineName
from btfer_builder.crawl.engine_access import EngineAccess, Limits
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.base import SearchError, SearchRequest, search_pages
from btfer_builder.crawl.result_pages import PageSession
from tests.crawl.engines.engine_forms import (
    FORMS,
    baidu_code,
    baidu_page,
    flickr_page,
    google_page,
    openverse_page,
    wikimedia_page,
)

APIS = [name for name, engine in SEARCH_ENGINES.items() if engine.reports_empty]
PAGES = [name for name in SEARCH_ENGINES if name not in APIS]


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    for engine in SEARCH_ENGINES.values():
        if engine.key:
            monkeypatch.setenv(engine.key, "geheim")


@pytest.fixture
def search(web):
    """Return a function that asks an engine here for `limit` results of "q" from `offset` on."""

    def ask(name: str, *, limit: int = 1000, offset: int = 0, license: tuple[str, ...] = ()):
        session = PageSession({}, EngineAccess("engine", Limits(0)), threading.Event(), gentle=False)
        pages = search_pages(
            SEARCH_ENGINES[name], SearchRequest("q", "es", license), session, limit=limit, offset=offset,
            base_url=web.engine_url(name)[name],
        )  # fmt: skip
        return [candidate for page in pages for candidate in page.candidates]

    return ask


def parse(name: str, content: bytes) -> list:
    answer = requests.Response()
    answer.status_code, answer._content = 200, content
    return list(SEARCH_ENGINES[name].parser(1, Signal(), Session(ProxyPool())).results(answer))


def test_every_engine_has_a_name_in_the_settings_and_a_form_here():
    assert {*SEARCH_ENGINES, "urls", "folder"} == set(get_args(EngineName))
    assert SEARCH_ENGINES.keys() == FORMS.keys()


@pytest.mark.parametrize("name", SEARCH_ENGINES)
def test_every_result_comes_with_its_page_title_and_rank(web, search, name):
    web.results["q"] = [f"/{n}.jpg?a=1&b={n}" for n in range(130)]
    found = search(name, limit=120)
    assert [candidate.url for candidate in found] == [f"{web.url}/{n}.jpg?a=1&b={n}" for n in range(120)]
    assert [candidate.rank for candidate in found] == list(range(120))
    assert found[7].page_url in {
        "https://pages.example/7.jpg?a=1&b=7.html",
        "https://www.flickr.com/photos/12@N01/7",
    }
    assert found[7].title == "Photo /7.jpg?a=1&b=7"
    size = FORMS[name].size
    assert [first for _, first in web.searched] == list(range(0, 120, size))


@pytest.mark.parametrize("name", SEARCH_ENGINES)
def test_a_search_goes_on_within_a_page(web, search, name):
    web.results["q"] = [f"/{n}.jpg" for n in range(130)]
    found = search(name, offset=37, limit=120)
    assert [candidate.rank for candidate in found] == list(range(37, 120))
    assert found[0].url == f"{web.url}/37.jpg"


@pytest.mark.parametrize("name", APIS)
def test_an_api_that_has_nothing_or_no_more_says_so(web, search, name):
    assert search(name) == []
    assert len(web.searched) == 1
    web.results["q"] = [f"/{n}.jpg" for n in range(130)]
    assert len(search(name)) == 130
    full_pages = -(-130 // FORMS[name].size)
    assert len(web.searched) - 1 in {full_pages, full_pages + 1}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_without_results_is_doubted(web, search, name):
    with pytest.raises(SearchError, match="no result could be parsed"):
        search(name)


@pytest.mark.parametrize("name", SEARCH_ENGINES)
@pytest.mark.parametrize("fault", ["sign-in", "captcha", "503", "empty", "binary", "close"])
def test_an_error_page_is_no_empty_answer(web, search, name, fault):
    web.results["q"], web.engine_fault = [f"/{n}.jpg" for n in range(130)], {None: fault}
    with pytest.raises(SearchError) as failure:
        search(name)
    assert "geheim" not in str(failure.value)


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize(
    "content",
    [b"[]", b"7", b"null", b"{}", b'{"results": []}', b'{"error": {"code": "x"}}', b'{"stat": "fail"}', b'"x"',
     b'{"data": {}}', b'{"query": []}', b'{"photos": 7, "stat": "ok"}', b"[" * 100_000, b""],
)  # fmt: skip
def test_json_of_another_form_is_an_error(name, content):
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse(name, content)


WRONG = [None, 7, [], {}, "", True]


@pytest.mark.parametrize("name", ["openverse", "flickr", "baidu", "google", "wikimedia"])
@pytest.mark.parametrize("wrong", WRONG)
def test_results_with_something_else_in_their_places_lose_only_that(name, wrong):
    good = {"murl": "https://a.example/1.jpg", "purl": "https://a.example/1", "t": "One"}
    results = [good, {**good, "murl": wrong}, {key: good["murl"] if key == "murl" else wrong for key in good}]
    if name == "baidu" and not isinstance(wrong, str):
        return  # its addresses are texts in code
    page = {"openverse": openverse_page, "flickr": flickr_page, "google": google_page, "baidu": baidu_page,
            "wikimedia": wikimedia_page}[name]  # fmt: skip
    found = parse(name, page(results, 0, len(results)))
    assert found[0].url == good["murl"]
    assert found[0].title == "One"
    assert all(isinstance(value, str) for each in found for value in (each.url, each.page_url, each.title))
    assert {candidate.url for candidate in found} <= {good["murl"], "https://copies.example/large.jpg"}


def test_openverse_tells_all_terms(web, search):
    web.results["q"] = [
        {
            "murl": "https://a.example/1.jpg",
            "purl": "p",
            "t": "t",
            "creator": "Ana",
            "attribution": '"t" by Ana, CC BY 2.0',
        }
    ]
    (found,) = search("openverse", license=("by", "by-sa"))
    assert (found.license, found.license_url) == ("by", "https://creativecommons.org/licenses/by/2.0/")
    assert (found.creator, found.attribution) == ("Ana", '"t" by Ana, CC BY 2.0')
    assert web.parameters[0] == {"q": "q", "page": "1", "page_size": "20", "license": "by,by-sa"}
    search("openverse", license=("by", "unknown"))
    assert "license" not in web.parameters[-1]


def test_openverse_is_not_asked_for_more_than_it_gives_without_an_account(web, search):
    web.results["q"] = [f"/{n}.jpg" for n in range(400)]
    assert len(search("openverse")) == 240
    assert len(web.searched) == 12


def test_wikimedia_tells_author_terms_and_the_files_sha1(web, search):
    web.results["q"] = [
        {"murl": "https://a.example/1.jpg", "purl": "p", "t": "Ana smiling", "sha1": "ab" * 20}
    ]
    (found,) = search("wikimedia")
    assert (found.license, found.license_url) == ("by-sa", "https://creativecommons.org/licenses/by-sa/4.0")
    assert (found.title, found.creator, found.sha1) == ("Ana smiling", "Ana & Bo", "ab" * 20)
    assert found.attribution == "1.jpg, Ana & Bo, CC BY-SA 4.0, via Wikimedia Commons"


@pytest.mark.parametrize(
    ("license", "words"),
    [
        ((), ""),
        (("cc0", "pdm"), " haslicense:unrestricted"),
        (("by",), " haslicense:attribution"),
        (("by", "cc0"), ""),
    ],
)
def test_wikimedia_is_asked_for_licences_where_it_can_be(web, search, license, words):
    search("wikimedia", license=license)
    assert web.parameters[0]["gsrsearch"] == f"q filetype:bitmap{words}"


def test_flickr_refuses_photos_whose_owners_want_no_computer_vision(web, search):
    tags = ["woman smile", "woman no_cv", "nocv", "NO_CV", "no cv notcv"]
    web.results["q"] = [
        {"murl": f"https://a.example/{n}.jpg", "t": "t", "tags": tag} for n, tag in enumerate(tags)
    ]
    assert [candidate.opt_out for candidate in search("flickr")] == ["", "no_cv", "no_cv", "no_cv", ""]


def test_openverse_passes_the_wish_of_flickrs_owners_on(web, search):
    tags = ["woman", "smile,no_cv", "NoCV", "no-cv", "rights:no_cv=1", "no cv", "nocover", "vino,cv"]
    web.results["q"] = [
        {"murl": f"https://a.example/{n}.jpg", "t": "t", "tags": tag} for n, tag in enumerate(tags)
    ]
    found = [candidate.opt_out for candidate in search("openverse")]
    assert found == ["", "no_cv", "no_cv", "no_cv", "no_cv", "no_cv", "", ""]


@pytest.mark.parametrize("tags", [None, "no_cv", 1, {}, [None, 1, {"name": 2}, []]])
def test_openverse_tags_of_another_form_are_no_wish(tags):
    answer = {
        "result_count": 1,
        "page_count": 1,
        "page": 1,
        "results": [{"url": "https://a.example/1.jpg", "tags": tags}],
    }
    (found,) = parse("openverse", json.dumps(answer).encode())
    assert found.opt_out == ""


@pytest.mark.parametrize(
    ("number", "license", "page"),
    [
        ("0", "unknown", ""), ("4", "by", "https://creativecommons.org/licenses/by/2.0/"), ("7", "pdm", ""),
        ("9", "cc0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("15", "by-nc-sa", "https://creativecommons.org/licenses/by-nc-sa/4.0/"), (5, "by-sa", None),
        ("99", "unknown", ""),
    ],
)  # fmt: skip
def test_flickr_numbers_its_licences(web, search, number, license, page):
    web.results["q"] = [{"murl": "https://a.example/1.jpg", "t": "t", "license": number}]
    (found,) = search("flickr")
    assert found.license == license
    assert page is None or found.license_url == page
    assert bool(found.attribution) == (license != "unknown")


def test_flickr_is_asked_with_the_key_and_for_the_licences_wanted(web, search):
    search("flickr", license=("by", "cc0"))
    assert web.parameters[0]["api_key"] == "geheim"
    assert web.parameters[0]["license"] == "4,9,11"
    assert "license" in web.parameters[0]["extras"]


def test_google_finds_all_that_icrawler_finds_but_its_own_copies():
    content = google_page([{"murl": f"https://a.example/{n}.jpg", "purl": "p", "t": "t"} for n in range(5)])
    answer = requests.Response()
    answer.status_code, answer._content = 200, content
    theirs = [task["file_url"] for task in IcrawlersGoogleParser(1, Signal(), None).parse(answer)]
    ours = [candidate.url for candidate in parse("google", content)]
    assert ours == [f"https://a.example/{n}.jpg" for n in range(5)]
    assert set(ours) == {url for url in theirs if "gstatic" not in url}


def test_google_pages_of_another_form_are_read_for_bare_addresses():
    script = b"<script>x = ['http://a.example/1.jpg', 'https://www.gstatic.com/logo.png', 'http:\\/\\/no', 'http://a.example/1.jpg']</script>"
    assert [candidate.url for candidate in parse("google", script)] == ["http://a.example/1.jpg"]


def test_googles_escapes_are_undone_once():
    page = rb'<script>[["https:\/\/a.example\/1.jpg?a\u003d1\x26b\u003d%20",10,10],'
    page += rb'{"2003":[null,"r","https://p.example","\u003cb\u003e \"x\""]}]</script>'
    (found,) = parse("google", page)
    assert (found.url, found.title) == ("https://a.example/1.jpg?a=1&b=%20", '<b> "x"')


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", [b"http", b'["http', b'["\\', b"http://a", b'["a",1,', b'"2003":[null,"'])
def test_a_hostile_google_page_takes_no_time(unit):
    parse("google", b"<script>" + unit * (300_000 // len(unit)) + b"</script>")


def test_baidu_finds_all_that_icrawler_finds():
    content = baidu_page(
        [{"murl": f"https://a.example/{n}.jpg", "purl": "p", "t": "t"} for n in range(5)], 0, 5
    )
    answer = requests.Response()
    answer.status_code, answer._content = 200, content
    theirs = [task["file_url"] for task in IcrawlersBaiduParser(1, Signal(), None).parse(answer)]
    assert (
        [candidate.url for candidate in parse("baidu", content)]
        == theirs
        == [f"https://a.example/{n}.jpg" for n in range(5)]
    )


def test_baidu_falls_back_on_its_copy_and_says_when_it_refuses():
    item = {"hoverURL": "https://copies.example/1.jpg", "fromPageTitle": "It\\'s <b>so</b>"}
    content = json.dumps({"data": [item]}).replace("\\\\'", "\\'").encode()
    (found,) = parse("baidu", content)
    assert (found.url, found.title) == ("https://copies.example/1.jpg", "It's so")
    with pytest.raises(SearchError, match=r"Baidu refuses .*antiFlag: Forbid spider access"):
        parse("baidu", b'{"antiFlag": 1, "message": "Forbid spider access"}')


SHELL = b'<html><script>location="/httpservice/retry/enablejs?sei=x"</script></html>'
CONSENT = b'<form action="https://consent.google.com/save" method="POST">Before you continue to Google</form>'


@pytest.mark.parametrize(("page", "word"), [(SHELL, "JavaScript"), (CONSENT, "consent")])
def test_google_pages_without_results_are_named(page, word):
    with pytest.raises(SearchError, match=f"Google answers with .*{word}"):
        parse("google", page)


def test_baidu_deciphers_only_what_is_enciphered():
    plain, coded = "https://a.example/w1.jpg", baidu_code("http://a.example/2.jpg")
    items = [
        {"objURL": plain, "fromURL": "https://pages.example/1"},
        {"objURL": coded, "fromURL": coded},
        {"objURL": "", "replaceUrl": [{"ObjURL": "https://a.example/3.jpg"}], "hoverURL": "x"},
        {"objURL": "", "replaceUrl": None, "middleURL": "https://copies.example/4.jpg"},
        {"objURL": None, "thumbURL": "https://copies.example/5.jpg"},
    ]
    found = parse("baidu", json.dumps({"data": items}).encode())
    assert [candidate.url for candidate in found] == [
        plain, "http://a.example/2.jpg", "https://a.example/3.jpg", "https://copies.example/4.jpg",
        "https://copies.example/5.jpg",
    ]  # fmt: skip
    assert [candidate.page_url for candidate in found[:2]] == [
        "https://pages.example/1",
        "http://a.example/2.jpg",
    ]


def test_every_engine_that_can_be_is_asked_for_safe_results_only():
    asked = {
        name: parse_qs(urlsplit(engine.feeder.page_url(engine.base_url, SearchRequest("q"), 0)).query)
        for name, engine in SEARCH_ENGINES.items()
    }
    assert asked["bing"]["adlt"] == ["strict"]
    assert asked["google"]["safe"] == ["active"]
    assert asked["flickr"]["safe_search"] == ["1"]


def test_apis_get_no_referer(web, search):
    for name in ("openverse", "wikimedia", "flickr"):
        search(name)
        assert "Referer" not in web.headers[-1]


def test_flickr_names_a_smaller_copy(web):
    photo = {"id": "1", "owner": "x", "title": "t", "license": "4", "url_k": "https://a.example/k.jpg",
             "url_l": "https://a.example/l.jpg"}  # fmt: skip
    small = {**photo, "url_k": None}
    content = {"photos": {"page": 1, "pages": 1, "photo": [photo, small]}, "stat": "ok"}
    first, second = parse("flickr", json.dumps(content).encode())
    assert (first.url, first.fallback_url) == ("https://a.example/k.jpg", "https://a.example/l.jpg")
    assert (second.url, second.fallback_url) == ("https://a.example/l.jpg", "")


def test_wikimedia_gives_a_thumbnail_of_what_is_large_and_other_rights(web, search):
    large = {"murl": "https://a.example/1.jpg", "t": "A", "sha1": "ab" * 20, "width": 5000,
             "thumb": "https://a.example/1280px-1.jpg", "restrictions": "personality|Trademarked"}  # fmt: skip
    web.results["q"] = [
        large,
        {**large, "murl": "https://a.example/2.jpg", "width": 1280, "restrictions": ""},
    ]
    found = search("wikimedia")
    assert [(item.url, item.sha1, item.restrictions) for item in found] == [
        ("https://a.example/1280px-1.jpg", "", "personality|trademarked"), ("https://a.example/2.jpg", "ab" * 20, ""),
    ]  # fmt: skip
    assert web.parameters[0]["iiurlwidth"] == "1280"
    assert "Restrictions" in web.parameters[0]["iiextmetadatafilter"]


def test_a_wikimedia_answer_in_parts_is_completed(web, search):
    """The API sends the properties of ten files at a time, and says how to go on."""
    web.results["q"] = [{"murl": f"https://a.example/{n}.jpg", "t": f"{n}"} for n in range(70)]
    web.engine_fault = {0: "in-parts"}
    found = search("wikimedia", limit=70)
    assert [item.url for item in found] == [f"https://a.example/{n}.jpg" for n in range(70)]
    assert [first for _, first in web.searched] == [0, 0, 0, 0, 0, 50]


@pytest.mark.parametrize("name", SEARCH_ENGINES)
def test_the_phrase_and_the_place_stand_in_the_address_of_a_page(name):
    engine, phrase = SEARCH_ENGINES[name], "niña feliz & contenta?"
    address = engine.feeder.page_url(
        engine.base_url, SearchRequest(phrase, "es"), engine.feeder.page_size * 2
    )
    assert address.startswith("https://")
    query, first = FORMS[name].asked(parse_qs(urlsplit(address).query))
    assert (query, first) == (phrase, engine.feeder.page_size * 2)
    assert FORMS[name].size == engine.feeder.page_size
