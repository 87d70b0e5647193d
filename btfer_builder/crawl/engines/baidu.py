"""Baidu image search, as icrawler's own crawler asks it, but with page and title, and errors not taken for an end."""

from collections.abc import Iterator
from urllib.parse import urlencode

from icrawler.builtin.baidu import BaiduParser as IcrawlersParser
from requests import Response

from btfer_builder.crawl.engines.base import Ask, PageFeeder, PageParser, SearchEngine
from btfer_builder.crawl.engines.json_utils import json_object, member, plain, words
from btfer_builder.records import Candidate


class BaiduFeeder(PageFeeder):
    """Pages of thirty."""

    page_size = 30

    @staticmethod
    def page_url(base_url: str, ask: Ask, first: int) -> str:
        """Return the address of a page, as icrawler writes it."""
        asked = {
            "tn": "resultjson_com",
            "ipn": "rj",
            "word": ask.query,
            "pn": first,
            "rn": BaiduFeeder.page_size,
        }
        return f"{base_url}?{urlencode(asked)}"


class BaiduParser(PageParser, IcrawlersParser):  # type: ignore[misc]  # icrawler is untyped
    """Reads Baidu's JSON, in which addresses are encoded; icrawler knows how."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page; a picture without its own address is taken from Baidu's large copy."""
        # Baidu escapes apostrophes, which JSON does not know.
        text = response.content.decode("utf-8", "ignore").replace("\\'", "'")
        answer = json_object(text, strict=False)
        if answer.get("antiFlag"):
            raise ValueError(f"Baidu refuses: {text[:200]}")
        for item in member(answer, "data", list):
            if not isinstance(item, dict):
                continue
            encoded = words(item.get("objURL"))
            url = self._decode_url(encoded) if encoded else words(item.get("hoverURL"))
            if url:
                page = words(item.get("fromURL"))
                yield Candidate(
                    rank=0,
                    url=url,
                    page_url=self._decode_url(page) if page else "",
                    title=plain(item.get("fromPageTitle")),
                )


BAIDU = SearchEngine(
    "baidu",
    "https://image.baidu.com/search/acjson",
    BaiduFeeder,
    BaiduParser,
    pause=5.0,
    says_when_empty=True,
    browser=True,
)
