"""Choose the source and the licence of a photo among the candidates that led to it."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from btfer_builder.catalog.sample import Source
from btfer_builder.crawl.licenses import UNKNOWN, license_code, page_code

#: Names of the licences that allow redistribution, the most restrictive first.
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

#: An address of Creative Commons in a page that is not part of another address.
_URL = re.compile(
    r"(?:(?<![\w./@:%=&?#-])|(?<=href=))(?:https?:)?(?://)?((?:www\.)?creativecommons\.org/[^\s\"'<>()\\]*)",
    re.I,
)

#: The source of a photo without candidates.
NO_SOURCE = Source("", "", UNKNOWN, "", "")


def licenses_in(text: str) -> list[str]:
    """Return the licences whose addresses are in a text, as keys of `LICENSES` without duplicates."""
    addresses = (match[1].rstrip(".,;:!?]}") for match in _URL.finditer(text.replace("\\/", "/")))
    codes = dict.fromkeys(page_code(f"https://{address}") for address in addresses)
    return [code for code in codes if code in LICENSES]


def best_source(sources: Iterable[Source]) -> Source:
    """Return the source to name for a photo: the one with the most restrictive licence.

    The result does not depend on the order of the sources.
    """
    order = [*LICENSES, UNKNOWN]

    def sort_key(source: Source) -> tuple[int, bool, bool, str, str, str]:
        known = order.index(license_of(source))
        return known, not source.creator, not source.page_url, source.url, source.page_url, source.creator

    return min(sources, key=sort_key, default=NO_SOURCE)


def license_of(source: Source) -> str:
    """Return the licence of a source as a key of `LICENSES`, or `unknown`."""
    return license_code(source.license, source.license_url)


def host_of(source: Source) -> str:
    """Return the host of the page, else of the file; empty for a local file."""
    for url in (source.page_url, source.url):
        try:
            host = urlsplit(url).hostname
        except ValueError:
            continue
        if host:
            return host
    return ""
