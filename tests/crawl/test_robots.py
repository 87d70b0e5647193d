"""What a host asks for is honoured: robots.txt once a host, and headers before a byte of the body."""

import asyncio
import time

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from btfer_builder.config import override
from btfer_builder.crawl import robots
from btfer_builder.crawl.fetch import open_fetcher
from btfer_builder.crawl.robots import header_refusal
from tests.crawl.crawl_web import picture


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    "value",
    [
        "noai", "NoAI", "noimageai", "noindex", "noimageindex", "none", "nofollow, noai", " noai ,nofollow",
        "btfer-builder: noai", "BTFER-Builder : noindex", "otherbot: nofollow, btfer-builder: noai", "*: noai",
        "unavailable_after: 25 Jun 2030 15:00:00 PST, noai", "max-snippet: 3, noindex",
    ],
)  # fmt: skip
def test_robots_tags_that_mean_us(value):
    assert header_refusal(headers(("X-Robots-Tag", value)))[0] == "noai"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "all",
        "nofollow",
        "otherbot: noai",
        "otherbot: nofollow, noai",
        "noaircraft",
        "unavailable_after: noai",
        ":,:",
    ],
)
def test_robots_tags_that_do_not(value):
    assert header_refusal(headers(("X-Robots-Tag", value))) is None


def test_every_robots_tag_is_read():
    assert (
        header_refusal(headers(("X-Robots-Tag", "otherbot: noai"), ("x-robots-tag", "noimageai")))[0]
        == "noai"
    )


@pytest.mark.parametrize(
    ("value", "refused"), [("1", True), (" 1 ", True), ("0", False), ("", False), ("yes", False)]
)
def test_reserved_data_mining(value, refused):
    assert bool(header_refusal(headers(("TDM-Reservation", value)))) == refused


@pytest.fixture
def fetch_all(tmp_path, recipe):
    """Return a function that fetches URLs at the same time with one fetcher; it returns their fates."""

    def run(*urls: str, delays: dict | None = None, **settings):
        async def all_at_once():
            fetcher = open_fetcher(tmp_path, override(recipe, **settings))
            if delays is not None:
                fetcher.robots.on_delay = delays.__setitem__
            try:
                return [done.fate for done in await asyncio.gather(*map(fetcher.fetch, urls))]
            finally:
                await fetcher.close()

        return asyncio.run(all_at_once())

    return run


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("noai", "noai"), ("noindex", "noai"), ("noai-for-others", None), ("tdm", "tdm_reserved"),
        ("tdm-allowed", None),
    ],
)  # fmt: skip
def test_headers_decide_before_the_body(web, fetch_all, path, reason):
    (fate,) = fetch_all(f"{web.url}/{path}")
    assert fate.reason == reason, fate
    assert (fate.bytes == 0) == bool(reason)


def test_not_a_byte_of_a_refused_body_is_waited_for(web, fetch_all):
    started = time.monotonic()
    (fate,) = fetch_all(f"{web.url}/noai-endless", timeout=5)
    assert (fate.reason, fate.bytes, fate.http_status) == ("noai", 0, 200)
    assert time.monotonic() - started < 2
    assert web.sent_endlessly < 20_000_000, "no more than the buffers of two sockets hold"


def test_robots_txt_is_asked_for_once_and_obeyed(web, fetch_all):
    web.robots = "User-agent: *\nDisallow: /private/\nAllow: /private/open\nDisallow: /*.png$\n"
    paths = ["a.jpg", "private/a.jpg", "private/open.jpg", "b.png", "b.png?x", "c.webp"]
    fates = fetch_all(*(f"{web.url}/{path}" for path in paths))
    assert [fate.reason for fate in fates] == [None, "robots", None, "robots", None, None]
    assert web.requests["/robots.txt"] == 1
    assert web.requests["/private/a.jpg"] == web.requests["/b.png"] - 1 == 0


@pytest.mark.parametrize(
    ("robots", "allowed"),
    [
        ("User-agent: btfer-builder\nDisallow: /\n\nUser-agent: *\nAllow: /\n", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: btfer-builder\nDisallow:\n", True),
        ("User-agent: otherbot\nDisallow: /\n", True),
        ("", True),
        ("<html>no robots here</html>", True),
        ("\ufeffUser-agent: *\nDisallow: /", False),
        ("User-agent: *\nDisallow: /" + "\n# x" * 300_000, False),
    ],
)
def test_the_rules_for_us(web, fetch_all, robots, allowed):
    web.robots = robots
    (fate,) = fetch_all(f"{web.url}/a.jpg")
    assert fate.reason == (None if allowed else "robots")


def test_a_redirect_asks_the_robots_txt_of_where_it_leads(web, fetch_all):
    web.robots = "User-agent: *\nDisallow: /redirected.jpg\n"
    (fate,) = fetch_all(f"{web.url}/redirect")
    assert fate.reason == "robots"
    assert web.requests["/redirected.jpg"] == 0


@pytest.mark.parametrize(
    ("status", "reason"),
    [(200, None), (404, None), (403, None), (429, "busy"), (500, "server_error"), (503, "busy")],
)
def test_a_robots_txt_that_cannot_be_given_forbids_and_one_that_is_not_there_allows(
    web, fetch_all, monkeypatch, status, reason
):
    from tests.crawl.crawl_web import CASES

    monkeypatch.setitem(CASES, "robots.txt", lambda h: h.answer(status, b"", "text/plain"))
    fates = fetch_all(f"{web.url}/a.jpg", f"{web.url}/b.jpg")
    assert [fate.reason for fate in fates] == [reason, reason]
    assert web.requests["/robots.txt"] == 1
    assert bool(web.files_asked) == (reason is None)


def test_a_robots_txt_that_hangs_is_given_up(web, fetch_all, monkeypatch):
    from tests.crawl.crawl_web import CASES

    monkeypatch.setattr(robots, "ROBOTS_SECONDS", 0.3)
    monkeypatch.setitem(CASES, "robots.txt", lambda h: h.hang())
    (fate,) = fetch_all(f"{web.url}/a.jpg")
    assert (fate.reason, web.files_asked) == ("timeout", 0)


@pytest.mark.parametrize("place", ["/redirect-loop", "/endless", "/gzip-bomb", "/a.jpg"])
def test_a_robots_txt_that_leads_astray_harms_nobody(web, fetch_all, monkeypatch, place):
    from tests.crawl.crawl_web import CASES

    monkeypatch.setitem(CASES, "robots.txt", lambda h: h.redirect(place))
    (fate,) = fetch_all(f"{web.url}/b.jpg")
    assert fate.image_id, fate


def test_a_robots_txt_does_not_lead_to_private_hosts(web, fetch_all, monkeypatch):
    from btfer_builder.crawl import ssrf_guard
    from tests.crawl.crawl_web import CASES

    monkeypatch.setattr(ssrf_guard, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setitem(CASES, "robots.txt", lambda h: h.redirect("http://169.254.169.254/latest/"))
    (fate,) = fetch_all(f"{web.url}/b.jpg", allow_private_hosts=False)
    assert fate.reason == "private_address"


def test_a_delay_that_robots_txt_asks_for_is_told(web, fetch_all):
    web.robots, delays = "User-agent: *\nCrawl-delay: 7\n", {}
    fetch_all(f"{web.url}/a.jpg", delays=delays)
    assert delays == {web.url.removeprefix("http://"): 7.0}


def test_another_file_than_the_engine_described_is_dropped(web, tmp_path, recipe):
    import hashlib

    async def with_sha1(sha1: str):
        fetcher = open_fetcher(tmp_path, recipe)
        try:
            return (await fetcher.fetch(f"{web.url}/a.jpg", sha1=sha1)).fate
        finally:
            await fetcher.close()

    right = hashlib.sha1(picture("a.jpg")).hexdigest()
    assert asyncio.run(with_sha1(right.upper())).image_id
    assert asyncio.run(with_sha1("0" * 40)).reason == "other_file"
