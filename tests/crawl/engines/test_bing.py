"""Bing's result pages: every result is read with all that is said of it, and nothing is made up."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from icrawler.builtin.bing import BingParser as IcrawlersParser
from icrawler.utils import ProxyPool, Session, Signal

from btfer_builder.crawl.engines.base import SearchRequest
from btfer_builder.crawl.engines.bing import BING, BingFeeder, BingParser
from tests.crawl.crawl_web import Web, as_told
from tests.crawl.engines.engine_forms import results_page

PAGE_SIZE = BingFeeder.page_size  # before the tests make it smaller


def response(page: bytes | str) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer._content = 200, page.encode() if isinstance(page, str) else page
    return answer


def parse(page: bytes | str) -> list:
    return list(BingParser(1, Signal(), Session(ProxyPool())).results(response(page)))


def page(*results) -> bytes:
    return results_page([as_told(Web(), result) if isinstance(result, str) else result for result in results])


def test_image_page_and_title_are_kept_whatever_the_file_is_called():
    urls = [
        "https://a.example/1.png",
        "https://a.example/2.webp?w=9",
        "https://a.example/photo",
        "https://a.example/3.JPEG",
    ]
    found = parse(page(*({"murl": url, "purl": f"{url}.html", "t": f"“{url}” & <more>"} for url in urls)))
    assert [candidate.url for candidate in found] == urls
    assert [candidate.page_url for candidate in found] == [f"{url}.html" for url in urls]
    assert [candidate.title for candidate in found] == [f"“{url}” & <more>" for url in urls]
    assert {candidate.license for candidate in found} == {"unknown"}


def test_all_that_icrawlers_own_parser_finds_is_found():
    # Bing's own JSON has no spaces, and icrawler's pattern relies on it.
    tight = page("/a.jpg", "/b.jpg", "/c.png").replace(b"&quot;: &quot;", b"&quot;:&quot;")
    tight = tight.replace(b"richcard", b"imgpt")
    theirs = [task["file_url"] for task in IcrawlersParser(1, Signal(), None).parse(response(tight))]
    ours = [candidate.url for candidate in parse(tight)]
    assert theirs == ["/a.jpg", "/b.jpg"]
    assert ours == [*theirs, "/c.png"]


@pytest.mark.parametrize(
    "result",
    [
        {}, {"murl": None}, {"murl": 7}, {"murl": ["x"]}, {"mediaUrl": "https://a.example/1.jpg"}, {"purl": "x"},
    ],
)  # fmt: skip
def test_a_result_without_an_address_is_left_out(result):
    assert [candidate.url for candidate in parse(page("/a.jpg", result, "/b.jpg"))] == ["/a.jpg", "/b.jpg"]


def test_pages_have_the_size_that_bing_sends():
    assert PAGE_SIZE == 35


def test_results_count_in_whatever_card_they_are():
    cards = page("/a.jpg", "/b.jpg").replace(b"imgpt", b"dgControl_list")
    assert [candidate.url for candidate in parse(cards)] == ["/a.jpg", "/b.jpg"]


def test_missing_or_empty_words_stay_empty():
    for result in ({"murl": "u"}, {"murl": "u", "purl": None, "t": None}):
        (candidate,) = parse(page(result))
        assert (candidate.page_url, candidate.title) == ("", "")


@pytest.mark.parametrize(
    "link", ['m="{"', 'm="[]"', 'm="7"', 'm=""', "", 'm="null"', f'm="{"[" * 5000}"']
)  # fmt: skip
def test_links_of_another_form_are_no_results(link):
    assert parse(f'<div class="imgpt"><a {link}></a></div><div class="imgpt">no link</div>') == []


@pytest.mark.parametrize("content", [b"", b"\0\xff" * 50, b"<html>", b"{}", b"<div class=imgpt>" * 200])
def test_pages_of_another_form_have_no_results(content):
    assert parse(content) == []


def test_the_phrase_and_the_place_stand_in_the_address_of_a_page():
    phrase = "niña feliz & contenta?"
    address = urlsplit(BingFeeder.page_url(BING.base_url, SearchRequest(phrase), 40))
    assert parse_qs(address.query) == {
        "q": [phrase], "first": ["41"], "count": ["20"], "adlt": ["strict"], "mmasync": ["1"],
    }  # fmt: skip
    filtered = SearchRequest(phrase, filters=("face-face", "license-L2_L3"))
    (filters,) = parse_qs(urlsplit(BingFeeder.page_url(BING.base_url, filtered, 0)).query)["qft"]
    assert filters == "+filterui:face-face+filterui:license-L2_L3"
    assert f"https://{address.netloc}{address.path}" == BING.base_url


def test_escapes_of_json_and_html_are_undone_once():
    told = {"murl": "https://a.example/?a=1&b=2&amp;c=%20\u00e9", "t": '<b>"x"</b> \\u0041'}
    (candidate,) = parse(page(told))
    assert (candidate.url, candidate.title) == (told["murl"], told["t"])
    assert json.loads(json.dumps(told)) == told
