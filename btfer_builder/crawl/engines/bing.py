"""Bing image search: requests as in icrawler, results with page, title and every file type."""

from collections.abc import Iterator
from urllib.parse import urlencode

from bs4 import BeautifulSoup
from requests import Response

from btfer_builder.crawl.engines.base import PageFeeder, PageParser, SearchEngine, SearchRequest
from btfer_builder.io.json import parse_json
from btfer_builder.records import Candidate


class BingFeeder(PageFeeder):
    """Feed pages of twenty results."""

    @staticmethod
    def page_url(base_url: str, request: SearchRequest, first: int) -> str:
        """Return the address of a page; ranks begin at `first=0`, as in icrawler."""
        return f"{base_url}?{urlencode({'q': request.query, 'first': first})}"


class BingParser(PageParser):
    """Parse the JSON in each result's link: `murl` is the image, `purl` its page, `t` its title."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the results; icrawler's parser would lose all that do not end in .jpg."""
        soup = BeautifulSoup(response.content.decode("utf-8", "ignore"), "lxml")
        for division in soup.find_all("div", class_="imgpt"):
            link = division.find("a", attrs={"m": True})
            try:
                result = parse_json(str(link["m"])) if link else {}
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
    "bing", "https://www.bing.com/images/async", BingFeeder, BingParser, pause=2.0, browser=True
)
