"""Google image search: requests as in icrawler, results with page and title, without thumbnails."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from bs4 import BeautifulSoup
from requests import Response

from btfer_builder.crawl.engine_access import Limits
from btfer_builder.crawl.engines.base import (
    PageFeeder,
    PageParser,
    SearchEngine,
    SearchError,
    SearchRequest,
)
from btfer_builder.records import Candidate

_TEXT = r'"((?:[^"\\]|\\.)*)"'
#: A picture in the data of a page: address, height and width.
_PICTURE = re.compile(rf"\[{_TEXT},(\d+),(\d+)[,\]]")
#: The web page of the picture and its title, which follow it.
_SOURCE = re.compile(rf'"2003":\[null,{_TEXT},{_TEXT},{_TEXT}')
#: Addresses in pages of another format, as in icrawler; their length is limited, so that the time is bounded.
_BARE = re.compile(r"https?://[^\[\]\s\"'<>]{1,500}?\.(?:jpg|jpeg|png|bmp|webp)(?![\w.])")
#: What shows that a page has no results.
_OTHER_PAGES = {
    b"/httpservice/retry/enablejs": "a page that works only with JavaScript",
    b"consent.google.": "a page that asks for consent to cookies",
}
#: Hosts of Google's own copies and decorations.
_OWN = ("gstatic.com", "google.com", "googleusercontent.com", "ggpht.com", "googleapis.com")


class GoogleFeeder(PageFeeder):
    """Feed pages of a hundred results."""

    page_size = 100

    @staticmethod
    def page_url(base_url: str, request: SearchRequest, first: int) -> str:
        """Return the address of a page, as icrawler writes it."""
        parameters = {
            "q": request.query,
            "ijn": first // GoogleFeeder.page_size,
            "start": first,
            "tbs": "",
            "tbm": "isch",
            "safe": "active",
        }
        if request.language:
            parameters["lr"] = f"lang_{request.language}"
        return f"{base_url}?{urlencode(parameters)}"


class GoogleParser(PageParser):
    """Parse the data in a page's scripts; icrawler's parser would take every address for a result."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the pictures that are not Google's own copies, each with the web page that follows it."""
        for mark, meaning in _OTHER_PAGES.items():
            if mark in response.content or mark in str(response.url).encode():
                raise SearchError(f"Google answers with {meaning} in place of results; it cannot be read")
        soup = BeautifulSoup(response.content.decode("utf-8", "ignore"), "lxml")
        seen: set[str] = set()
        for script in soup.find_all("script"):
            text = script.string or ""
            matches = [(match.start(), _unescaped(match[1])) for match in _PICTURE.finditer(text)]
            pictures = [(start, url) for start, url in matches if _is_result(url)]
            ends = [start for start, _ in pictures[1:]] + [len(text)]
            for (start, url), end in zip(pictures, ends, strict=False):
                if url not in seen:
                    seen.add(url)
                    source = _SOURCE.search(text, start, end)
                    yield Candidate(
                        rank=0,
                        url=url,
                        page_url=_unescaped(source[2]) if source else "",
                        title=_unescaped(source[3]) if source else "",
                    )
            if not pictures:
                for match in _BARE.finditer(text):
                    url = _unescaped(match[0])
                    if url not in seen and _is_result(url):
                        seen.add(url)
                        yield Candidate(rank=0, url=url)


def _unescaped(text: str) -> str:
    """Return the value of a string literal of the page's script."""
    escapes = re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text)  # JavaScript has escapes that JSON lacks
    try:
        return str(json.loads(f'"{escapes}"'))
    except ValueError:
        return text


def _is_result(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    own = any(host == name or host.endswith(f".{name}") for name in _OWN)
    return url.startswith(("http://", "https://")) and not own


GOOGLE = SearchEngine(
    "google", "https://www.google.com/search", GoogleFeeder, GoogleParser, limits=Limits(5.0), browser=True
)
