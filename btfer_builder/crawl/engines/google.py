"""Google image search, as icrawler's own crawler asks it, but with page and title, and thumbnails left out."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from bs4 import BeautifulSoup
from requests import Response

from btfer_builder.crawl.engines.base import Ask, PageFeeder, PageParser, SearchEngine
from btfer_builder.records import Candidate

_TEXT = r'"((?:[^"\\]|\\.)*)"'
#: A picture in a page's data: its address, height and width.
_PICTURE = re.compile(rf"\[{_TEXT},(\d+),(\d+)[,\]]")
#: What follows it there: the page it stands on, and that page's title.
_SOURCE = re.compile(rf'"2003":\[null,{_TEXT},{_TEXT},{_TEXT}')
#: Addresses in pages of another form, as icrawler looks for them; no longer than that, so that the time is bounded.
_BARE = re.compile(r"https?://[^\[\]\s\"'<>]{1,500}?\.(?:jpg|jpeg|png|bmp|webp)(?![\w.])")
#: Google's own copies and decorations.
_OWN = ("gstatic.com", "google.com", "googleusercontent.com", "ggpht.com", "googleapis.com")


class GoogleFeeder(PageFeeder):
    """Pages of a hundred."""

    page_size = 100

    @staticmethod
    def page_url(base_url: str, ask: Ask, first: int) -> str:
        """Return the address of a page, as icrawler writes it."""
        asked = {
            "q": ask.query,
            "ijn": first // GoogleFeeder.page_size,
            "start": first,
            "tbs": "",
            "tbm": "isch",
        }
        if ask.language:
            asked["lr"] = f"lang_{ask.language}"
        return f"{base_url}?{urlencode(asked)}"


class GoogleParser(PageParser):
    """Reads the data in a page's scripts, where icrawler's own parser takes every address for a result."""

    def results(self, response: Response) -> Iterator[Candidate]:
        """Yield the pictures that are not Google's own copies, each with the source that is named after it."""
        soup = BeautifulSoup(response.content.decode("utf-8", "ignore"), "lxml")
        seen: set[str] = set()
        for script in soup.find_all("script"):
            text = script.string or ""
            found = [(match.start(), _unescaped(match[1])) for match in _PICTURE.finditer(text)]
            pictures = [(place, url) for place, url in found if _is_result(url)]
            ends = [place for place, _ in pictures[1:]] + [len(text)]
            for (place, url), end in zip(pictures, ends, strict=False):
                if url not in seen:
                    seen.add(url)
                    source = _SOURCE.search(text, place, end)
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
    """Return what a string of the page's script stands for."""
    escapes = re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text)  # JavaScript knows more of them than JSON
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
    "google", "https://www.google.com/search", GoogleFeeder, GoogleParser, pause=5.0, browser=True
)
