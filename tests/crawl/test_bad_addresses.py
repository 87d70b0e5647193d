"""One bad address ends no batch: good ones beside it are served, and it gets its reason."""

import asyncio
import csv

import aiohttp
import pytest

from btfer_builder.config import override
from btfer_builder.crawl.canary import check_engine
from btfer_builder.crawl.failures import FetchError, to_fetch_error
from btfer_builder.crawl.fetch import open_fetcher
from btfer_builder.crawl.ssrf_guard import PrivateAddressError
from tests.crawl.bad_addresses import BAD


def placed(web, address):
    return web.url + address if address.startswith("/") else address


def test_a_crawl_of_bad_addresses_serves_the_good_ones(web, workspace, run_crawl, tmp_path):
    # A good one after each: a host that gives no answer five times in a row is not asked any further.
    mixed = [address for number, bad in enumerate(BAD) for address in (bad, f"/good-{number}.png")]
    listed = [placed(web, address) for address in mixed]
    with (tmp_path / "list.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["url", "page_url"], *[[url, url] for url in listed]])
    run_crawl(engine=("urls",), path=tmp_path / "list.csv", emotions=["happy"], per_host=8)
    with (workspace.manifests / "candidates.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(mixed)
    for address, row in zip(mixed, rows, strict=True):
        assert row["reason"] in BAD.get(address, {""}), (address, row["reason"], row["detail"])
        assert bool(row["image_id"]) == (address not in BAD)


@pytest.mark.parametrize(
    "path", ["/status-nonsense", "/no-http", "/header-without-colon", "/chunks-negative"]
)
def test_a_host_of_malformed_answers_is_asked_on(web, workspace, run_crawl, tmp_path, path):
    listed = [*[f"{web.url}{path}?{number}" for number in range(8)], f"{web.url}/good.png"]
    (tmp_path / "list.csv").write_text("url\n" + "\n".join(listed) + "\n")
    run_crawl(engine=("urls",), path=tmp_path / "list.csv", emotions=["happy"], per_host=1)
    with (workspace.manifests / "candidates.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["url"]: row["reason"] for row in csv.DictReader(file)}
    assert rows == {**dict.fromkeys(listed, "unreachable"), f"{web.url}/good.png": ""}


def test_a_batch_of_pages(web, tmp_path, recipe):
    async def read():
        fetcher = open_fetcher(tmp_path, override(recipe, allow_private_hosts=True))
        try:
            return [await fetcher.page(placed(web, address)) for address in [*BAD, "/page"]]
        finally:
            await fetcher.close()

    *bad, good = asyncio.run(read())
    assert good.text
    assert not good.reason
    for address, page in zip(BAD, bad, strict=True):
        assert len(page.text) <= 2_000_000
        if not BAD[address] & {"not_an_image", "too_big", "empty"}:  # those are pages, if odd ones
            assert page.reason, address


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/", "http://10.0.0.1/", "http://[::1]/", "http://localhost/"]
)
def test_a_private_page_is_a_reason(tmp_path, recipe, address):
    async def read():
        fetcher = open_fetcher(tmp_path, override(recipe, allow_private_hosts=False))
        try:
            return await fetcher.page(address)
        finally:
            await fetcher.close()

    assert asyncio.run(read()) == ("", "private_address")


def test_a_robots_txt_is_unpacked_within_bounds(web, tmp_path, recipe):
    bomb = "/gzip-bomb"

    async def read():
        fetcher = open_fetcher(tmp_path, recipe)
        try:
            return await fetcher.page(web.url + bomb)
        finally:
            await fetcher.close()

    assert len(asyncio.run(read()).text) == 2_000_000


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PrivateAddressError("x"), "private_address"), (TimeoutError(), "timeout"), (OSError("x"), "unreachable"),
        (aiohttp.InvalidURL("x"), "bad_url"), (UnicodeError("x"), "bad_url"), (ValueError("x"), "bad_url"),
        (aiohttp.ClientPayloadError("x"), "unreachable"), (EOFError(), "unreachable"), (KeyError("x"), "unreachable"),
        (RuntimeError("x"), "unreachable"), (RecursionError(), "unreachable"), (LookupError(), "unreachable"),
        (FetchError("robots", "y", 3.0), "robots"),
    ],
)  # fmt: skip
def test_every_exception_is_a_reason(error, reason):
    assert to_fetch_error(error).reason == reason


@pytest.mark.parametrize("base", ["http://[::1", "http://[not-an-address]/", "http://127.0.0.1:65536/"])
def test_an_engine_at_a_bad_address_is_an_error_in_one_line(workspace, recipe, base):
    asked = override(recipe, engine_url={"bing": base}, query_delay=0)
    found = check_engine("bing", asked)
    assert not found.ok
    assert found.error


def test_results_of_any_text_end_no_search(web, workspace, run_crawl):
    odd = ["\ud83d", "a\0b", "\x1b[31m", "\u202e", "x" * 100_000, ""]
    web.results["q"] = [
        *[{"murl": f"{web.url}/{n}.png", "purl": text, "t": text} for n, text in enumerate(odd)],
        *[{"murl": f"http://{text}.invalid/x", "purl": "p", "t": "t"} for text in odd],
        {"murl": f"{web.url}/good.png", "purl": "p", "t": "t"},
    ]
    run_crawl("q")
    with (workspace.manifests / "candidates.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(web.results["q"])
    assert [bool(row["image_id"]) for row in rows] == [*[True] * len(odd), *[False] * len(odd), True]
