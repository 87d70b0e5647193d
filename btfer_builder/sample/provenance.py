"""Where a photo comes from and on what terms: the one source that is named for it, out of all that led to it."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from btfer_builder.catalog.sample import Source
from btfer_builder.crawl.licenses import UNKNOWN, license_code, page_code

#: The licences that allow others to pass a picture on, the most restrictive first, with their names.
LICENSES = {
    "by-nc-nd": "CC BY-NC-ND",
    "by-nc-sa": "CC BY-NC-SA",
    "by-nd": "CC BY-ND",
    "by-nc": "CC BY-NC",
    "by-sa": "CC BY-SA",
    "by": "CC BY",
    "pdm": "Public Domain Mark",
    "cc0": "CC0",
}

#: An address of Creative Commons in a page, and not one that is part of another address.
_URL = re.compile(
    r"(?:(?<![\w./@:%=&?#-])|(?<=href=))(?:https?:)?(?://)?((?:www\.)?creativecommons\.org/[^\s\"'<>()\\]*)",
    re.I,
)

#: What is said of a photo that nothing is known of.
NOWHERE = Source("", "", UNKNOWN, "", "")


def licenses_in(text: str) -> list[str]:
    """Return the licences whose addresses stand in a text, as keys of `LICENSES`, each once."""
    addresses = (match[1].rstrip(".,;:!?]}") for match in _URL.finditer(text.replace("\\/", "/")))
    codes = dict.fromkeys(page_code(f"https://{address}") for address in addresses)
    return [code for code in codes if code in LICENSES]


def best_source(sources: Iterable[Source]) -> Source:
    """Return the source to name for a photo: one with a licence, the most restrictive if they contradict.

    It does not depend on the order in which the sources were found.
    """
    order = [*LICENSES, UNKNOWN]

    def place(source: Source) -> tuple[int, bool, bool, str, str, str]:
        known = order.index(license_of(source))
        return known, not source.creator, not source.page_url, source.url, source.page_url, source.creator

    return min(sources, key=place, default=NOWHERE)


def license_of(source: Source) -> str:
    """Return the licence of a source as a key of `LICENSES`, or `unknown`."""
    return license_code(source.license, source.license_url)


def host_of(source: Source) -> str:
    """Return the host of the page, else of the file; empty for a file of the user's own."""
    for url in (source.page_url, source.url):
        try:
            host = urlsplit(url).hostname
        except ValueError:
            continue
        if host:
            return host
    return ""
