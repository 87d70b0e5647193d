"""Baidu image search: requests as in icrawler, results with page and title; errors do not end a search silently."""

from collections.abc import Iterator
from urllib.parse import urlencode

from icrawler.builtin.baidu import BaiduParser as IcrawlersParser
from requests import Response

from btfer_builder.crawl.engine_access import Limits
from btfer_builder.crawl.engines.base import PageFeeder, PageParser, SearchEngine, SearchRequest
from btfer_builder.crawl.engines.json_utils import json_object, plain_text, require_member, text_of
from btfer_builder.records import Candidate


class BaiduFeeder(PageFeeder):
    """Feed pages of thirty results."""

    page_size = 30

    @staticmethod
    def page_url(base_url: str, request: SearchRequest, first: int) -> str:
        """Return the address of a page, as icrawler writes it."""
        parameters = {
            "tn": "resultjson_com",
            "ipn": "rj",
            "word": request.query,
            "pn": first,
            "rn": BaiduFeeder.page_size,
        }
        return f"{base_url}?{urlencode(parameters)}"


class BaiduParser(PageParser, IcrawlersParser):  # type: ignore[misc]  # icrawler is untyped
    """Parse Baidu's JSON; icrawler decodes its addresses."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results of a page; a picture without an original address uses Baidu's large copy."""
        # Baidu escapes apostrophes, which JSON does not allow.
        text = response.content.decode("utf-8", "ignore").replace("\\'", "'")
        answer = json_object(text, strict=False)
        if answer.get("antiFlag"):
            raise ValueError(f"Baidu refuses the request: {text[:200]}")
        for item in require_member(answer, "data", list):
            if not isinstance(item, dict):
                continue
            encoded = text_of(item.get("objURL"))
            url = self._decode_url(encoded) if encoded else text_of(item.get("hoverURL"))
            if url:
                page = text_of(item.get("fromURL"))
                yield Candidate(
                    rank=0,
                    url=url,
                    page_url=self._decode_url(page) if page else "",
                    title=plain_text(item.get("fromPageTitle")),
                )


BAIDU = SearchEngine(
    "baidu",
    "https://image.baidu.com/search/acjson",
    BaiduFeeder,
    BaiduParser,
    limits=Limits(5.0),
    reports_empty=True,
    browser=True,
)
