"""Bing image search: requests as its own page sends them, results with page, title and every file type."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

from bs4 import BeautifulSoup, SoupStrainer
from requests import Response

from btfer_builder.crawl.engine_access import Limits
from btfer_builder.crawl.engines.base import PageFeeder, PageParser, SearchEngine, SearchRequest
from btfer_builder.records import Candidate

#: What is read of a page: the links that carry a result.
_LINKS = SoupStrainer("a", m=True)


class BingFeeder(PageFeeder):
    """Feed pages of 35 results."""

    page_size = 35

    @staticmethod
    def page_url(base_url: str, request: SearchRequest, first: int) -> str:
        """Return the address of a page; Bing counts results from 1."""
        parameters = {
            "q": request.query,
            "first": first + 1,
            "count": BingFeeder.page_size,
            "adlt": "strict",
            "mmasync": 1,
        }
        if request.filters:
            parameters["qft"] = "".join(f"+filterui:{name}" for name in request.filters)
        return f"{base_url}?{urlencode(parameters)}"


class BingParser(PageParser):
    """Parse the JSON in each result's link: `murl` is the image, `purl` its page, `t` its title."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results, in whatever card they are; icrawler's parser would lose all that do not end in .jpg."""
        soup = BeautifulSoup(response.content.decode("utf-8", "ignore"), "lxml", parse_only=_LINKS)
        for link in soup.find_all("a"):
            try:
                result = json.loads(str(link["m"]))
            except (ValueError, RecursionError):
                continue
            if isinstance(result, dict) and isinstance(result.get("murl"), str):
                yield Candidate(
                    rank=0,
                    url=result["murl"],
                    page_url=str(result.get("purl") or ""),
                    title=str(result.get("t") or ""),
                )


BING = SearchEngine(
    "bing", "https://www.bing.com/images/async", BingFeeder, BingParser, limits=Limits(2.0), browser=True
)
