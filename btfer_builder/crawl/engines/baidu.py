"""Baidu image search: requests as in icrawler, results with page and title; errors do not end a search silently."""

from collections.abc import Iterator
from urllib.parse import urlencode

from icrawler.builtin.baidu import BaiduParser as IcrawlersParser
from requests import Response

from btfer_builder.crawl.engine_access import Limits
from btfer_builder.crawl.engines.base import (
    PageFeeder,
    PageParser,
    SearchEngine,
    SearchError,
    SearchRequest,
)
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
        """Yield the results of a page; a picture without an original address uses one of Baidu's copies."""
        # Baidu escapes apostrophes, which JSON does not allow.
        text = response.content.decode("utf-8", "ignore").replace("\\'", "'")
        answer = json_object(text, strict=False)
        if answer.get("antiFlag"):
            message = text_of(answer.get("message"))[:200]
            raise SearchError(
                f"Baidu refuses the request (antiFlag: {message}): it takes us for a program and lets nothing through "
                "from this address for hours or days"
            )
        for item in require_member(answer, "data", list):
            if not isinstance(item, dict):
                continue
            replaced = item.get("replaceUrl")
            others = (
                [entry for entry in replaced if isinstance(entry, dict)] if isinstance(replaced, list) else []
            )
            fields = [item.get("objURL"), *(entry.get("ObjURL") for entry in others)]
            fields += [item.get(name) for name in ("hoverURL", "middleURL", "thumbURL")]
            url = next((url for field in fields if (url := self._plain(field))), "")
            if url:
                yield Candidate(
                    rank=0,
                    url=url,
                    page_url=self._plain(item.get("fromURL")),
                    title=plain_text(item.get("fromPageTitle")),
                )

    def _plain(self, address: object) -> str:
        """Return an address: Baidu enciphers some, which begin with its form of `http`, and not others."""
        text = text_of(address)
        return str(self._decode_url(text)) if text.startswith("ippr") else text


BAIDU = SearchEngine(
    "baidu",
    "https://image.baidu.com/search/acjson",
    BaiduFeeder,
    BaiduParser,
    limits=Limits(5.0),
    reports_empty=True,
    browser=True,
)
